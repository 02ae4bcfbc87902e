//! What definitions look like on the wire, field by field; everything may be missing.

use uuid::Uuid;

use super::{Base, Identity, Payload, Published};
use crate::{
    Hash, JsonText, Time,
    data::Validator,
    datatype,
    group::{Group, Member},
    identity::{self, MessageRef, Messages},
    json::cursor::{Cursor, Mismatch},
    text::without_nul,
    wire::{
        batch::When,
        decode::{Decode, Lower, Value, decode_object},
    },
};

/// A JSON object that Go reads into a map: its numbers must fit a double.
#[derive(Debug, Clone, Default)]
pub(super) struct Object(Option<JsonText>);

impl Decode for Object {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        let mismatch = cursor.mismatch("an object with numbers of at most 64 bits");
        let value = cursor.json()?;
        if value.is_null() {
            self.0 = None;
        } else if value.is_object() && numbers_fit(value.as_str()) {
            self.0 = Some(value);
        } else {
            return Err(mismatch);
        }
        Ok(())
    }
}

/// Whether every number outside strings is finite as a double.
fn numbers_fit(canonical: &str) -> bool {
    // Split at quotes that end or begin strings: every other piece lies outside.
    let mut outside = String::with_capacity(canonical.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in canonical.chars() {
        match (in_string, character) {
            (true, _) if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') => in_string = !in_string,
            (true, _) => {}
            (false, other) => outside.push(other),
        }
    }
    outside
        .split([',', ':', '[', ']', '{', '}'])
        .filter(|word| word.starts_with(|first: char| first == '-' || first.is_ascii_digit()))
        .all(|word| word.parse::<f64>().is_ok_and(f64::is_finite))
}

/// A profile as databases can hold it; no hash is made of it again.
fn profile_of(description: String, profile: Object) -> identity::Profile {
    identity::Profile { description: without_nul(description), profile: profile.0 }
}

#[derive(Default)]
pub(super) struct IdentityText {
    id: Option<Uuid>,
    did: String,
    kind: Lower,
    parent: Option<Uuid>,
    namespace: String,
    name: String,
    description: String,
    profile: Object,
    messages: MessagesText,
    created: Option<When>,
    updated: Option<When>,
}

decode_object!(IdentityText {
    id = "id",
    did = "did",
    kind = "type",
    parent = "parent",
    namespace = "namespace",
    name = "name",
    description = "description",
    profile = "profile",
    messages = "messages",
    created = "created",
    updated = "updated",
});

/// Read for its types only: receivers know better.
#[derive(Default)]
pub(super) struct MessagesText(Messages);

#[derive(Default)]
pub(super) struct BaseText {
    id: Option<Uuid>,
    did: String,
    kind: Lower,
    parent: Option<Uuid>,
    namespace: String,
    name: String,
}

decode_object!(BaseText {
    id = "id",
    did = "did",
    kind = "type",
    parent = "parent",
    namespace = "namespace",
    name = "name",
});

impl BaseText {
    pub(super) fn keep(self) -> Base {
        let Self { id, did, kind, parent, namespace, name } = self;
        Base { id, did, type_text: kind.0, parent, namespace, name }
    }
}

decode_object!(Messages { claim = "claim", verification = "verification", update = "update", });

impl Decode for MessagesText {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        self.0.decode(cursor)
    }
}

#[derive(Default)]
pub(super) struct Claim {
    identity: Option<IdentityText>,
}

decode_object!(Claim { identity = "identity", });

impl Claim {
    pub(super) fn keep(self) -> Payload {
        let Some(text) = self.identity else { return Payload::Malformed };
        let IdentityText { id, did, kind, parent, namespace, name, description, profile, .. } = text;
        Payload::Claim(Identity {
            base: Base { id, did, type_text: kind.0, parent, namespace, name },
            profile: profile_of(description, profile),
        })
    }
}

#[derive(Default)]
pub(super) struct MessageRefText {
    id: Option<Uuid>,
    hash: Option<Hash>,
}

decode_object!(MessageRefText { id = "id", hash = "hash", });

#[derive(Default)]
pub(super) struct Verification {
    claim: MessageRefText,
    identity: BaseText,
}

decode_object!(Verification { claim = "claim", identity = "identity", });

impl Verification {
    pub(super) fn keep(self) -> Payload {
        let claim = MessageRef { id: self.claim.id, hash: self.claim.hash };
        Payload::Verification { claim, identity: self.identity.keep() }
    }
}

#[derive(Default)]
pub(super) struct ProfileText {
    description: String,
    profile: Object,
}

decode_object!(ProfileText { description = "description", profile = "profile", });

#[derive(Default)]
pub(super) struct Update {
    identity: BaseText,
    updates: ProfileText,
}

decode_object!(Update { identity = "identity", updates = "updates", });

impl Update {
    pub(super) fn keep(self) -> Payload {
        let ProfileText { description, profile } = self.updates;
        let updates = profile_of(description, profile);
        Payload::Update { identity: self.identity.keep(), updates }
    }
}

#[derive(Default)]
pub(super) struct Datatype {
    id: Option<Uuid>,
    message: Option<Uuid>,
    validator: Lower,
    namespace: String,
    name: String,
    version: String,
    hash: Option<Hash>,
    created: Option<When>,
    value: Value,
}

decode_object!(Datatype {
    id = "id",
    message = "message",
    validator = "validator",
    namespace = "namespace",
    name = "name",
    version = "version",
    hash = "hash",
    created = "created",
    value = "value",
});

impl Datatype {
    pub(super) fn keep(self) -> Payload {
        let Self { id, message, validator, namespace, name, version, hash, created, value } = self;
        let validator = Validator::from(validator.0.as_str());
        let created = created.map(Time::from);
        let value = value.0;
        Payload::Datatype(datatype::Datatype { id, message, validator, namespace, name, version, hash, created, value })
    }
}

#[derive(Default)]
pub(super) struct MemberText {
    identity: String,
    node: Option<Uuid>,
}

decode_object!(MemberText { identity = "identity", node = "node", });

#[derive(Default)]
pub(crate) struct GroupText {
    namespace: String,
    name: String,
    members: Vec<Option<MemberText>>,
    local_namespace: String,
    message: Option<Uuid>,
    hash: Option<Hash>,
    created: Option<When>,
}

decode_object!(GroupText {
    namespace = "namespace",
    name = "name",
    members = "members",
    local_namespace = "localNamespace",
    message = "message",
    hash = "hash",
    created = "created",
});

impl GroupText {
    pub(super) fn keep(self) -> Payload {
        self.group().map_or(Payload::Malformed, Payload::Group)
    }

    /// The group; nothing if a member is null, which crashes the reference.
    pub(crate) fn group(self) -> Option<Group> {
        let Self { namespace, name, members, local_namespace, message, hash, created } = self;
        let created = created.map(Time::from);
        let member = |text: Option<MemberText>| text.map(|MemberText { identity, node }| Member { identity, node });
        let members = members.into_iter().map(member).collect::<Option<_>>()?;
        Some(Group { namespace, name, members, local_namespace, message, hash, created })
    }
}

#[derive(Default)]
pub(super) struct FfiText {
    id: Option<Uuid>,
    message: Option<Uuid>,
    namespace: String,
    name: String,
    network_name: String,
    description: String,
    version: String,
    published: bool,
}

decode_object!(FfiText {
    id = "id",
    message = "message",
    namespace = "namespace",
    name = "name",
    network_name = "networkName",
    description = "description",
    version = "version",
    published = "published",
});

impl FfiText {
    pub(super) fn keep(self) -> Payload {
        let Self { id, namespace, name, network_name, version, published, .. } = self;
        Payload::Ffi(Published { id, namespace, name, network_name, version, published })
    }
}

#[derive(Default)]
struct InterfaceRefText {
    id: Option<Uuid>,
    name: String,
    version: String,
}

decode_object!(InterfaceRefText { id = "id", name = "name", version = "version", });

#[derive(Default)]
pub(super) struct ContractApiText {
    id: Option<Uuid>,
    message: Option<Uuid>,
    namespace: String,
    interface: Option<InterfaceRefText>,
    name: String,
    network_name: String,
    published: bool,
}

decode_object!(ContractApiText {
    id = "id",
    message = "message",
    namespace = "namespace",
    interface = "interface",
    name = "name",
    network_name = "networkName",
    published = "published",
});

impl ContractApiText {
    pub(super) fn keep(self) -> Payload {
        let Self { id, namespace, interface, name, network_name, published, .. } = self;
        let api = Published { id, namespace, name, network_name, version: String::new(), published };
        Payload::ContractApi { api, interface: interface.and_then(|interface| interface.id) }
    }
}

#[derive(Default)]
pub(super) struct PoolText {
    id: Option<Uuid>,
    message: Option<Uuid>,
    namespace: String,
    name: String,
    network_name: String,
    connector: String,
    published: bool,
}

decode_object!(PoolText {
    id = "id",
    message = "message",
    namespace = "namespace",
    name = "name",
    network_name = "networkName",
    connector = "connector",
    published = "published",
});

#[derive(Default)]
pub(super) struct Pool {
    pool: Option<PoolText>,
}

decode_object!(Pool { pool = "pool", });

impl Pool {
    pub(super) fn keep(self) -> Payload {
        let Some(PoolText { id, namespace, name, network_name, connector, published, .. }) = self.pool else {
            return Payload::Malformed;
        };
        let pool = Published { id, namespace, name, network_name, version: String::new(), published };
        Payload::TokenPool { pool, connector }
    }
}
