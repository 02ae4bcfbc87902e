//! What a definition message defines, as the machine needs to know it.
//!
//! A payload that cannot be used is not an error here: it becomes [`Definition::Malformed`] with the code of its rejection,
//! and the machine rejects the message at its place. Reading is the model's work, because members must read a payload
//! alike; here are the checks that need nothing but the payload.

use photinus_model::{
    Hash, Uuid,
    data::{Data, Validator},
    datatype,
    definition::received::{self, Payload, Published},
    identity::{MAX_DESCRIPTION, Profile, Type},
    name, tag,
};
use photinus_sequencing::{
    decision::Code,
    facts::{
        MessageKey,
        content::{self, Datatype},
        definition::{Base, Claim, Definition, IdentityKind},
    },
    text::Did,
};

use crate::data::schema::Schema;

/// Reads the payload of a message of type `definition` with this tag. `namespace` is the local name, which identities are
/// read under.
pub(crate) fn read(message_tag: &str, data: &[&Data], namespace: &str) -> Definition {
    let only = match data {
        [only] => only.value.as_ref(),
        _ => None,
    };
    let read = match received::parse(message_tag, only) {
        Payload::UnknownTag | Payload::Group(_) => return Definition::UnknownTag,
        Payload::Malformed => Err(Code::Payload),
        Payload::Claim(identity) => claim(&identity, namespace),
        Payload::Verification { claim, identity } => verification(claim.id.zip(claim.hash), &identity, namespace),
        Payload::Update { identity, updates } => update(&identity, &updates, namespace),
        Payload::Datatype(datatype) => define_datatype(datatype),
        Payload::Ffi(interface) => define_interface(interface),
        Payload::ContractApi { api, interface } => {
            named(&api).map(|(id, network_name)| Definition::Api { id, network_name, interface })
        }
        Payload::TokenPool { pool, connector } => named(&pool).map(|(id, network_name)| Definition::Pool {
            id,
            network_name,
            connector,
            // Without a token connector, pools are rejected before their transaction matters.
            tx: None,
        }),
    };
    read.unwrap_or_else(Definition::Malformed)
}

/// The group that a data element carries, if it validates and hashes to the group of the message's header.
pub(crate) fn group(data: &Data, wanted: Option<Hash>) -> Option<content::Group> {
    let Payload::Group(group) = received::parse(tag::DEFINE_GROUP, data.value.as_ref()) else { return None };
    group.validate().ok()?;
    let hash = group.identity_hash();
    (Some(hash) == wanted).then(|| content::Group {
        hash,
        members: group.members.iter().map(|member| Did::from(member.identity.as_str())).collect(),
    })
}

fn claim(identity: &received::Identity, namespace: &str) -> Result<Definition, Code> {
    identity.validate(namespace).map_err(|_| Code::Invalid)?;
    let peer = match identity.base.kind() {
        Some(Type::Node) => profile_id(&identity.profile),
        _ => None,
    };
    Ok(Definition::Claim(Claim { identity: base(&identity.base, namespace)?, peer }))
}

/// The data exchange peer id in a node's profile.
fn profile_id(profile: &Profile) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Id {
        id: String,
    }
    profile.profile.as_ref()?.read::<Id>().ok().map(|profile| profile.id).filter(|id| !id.is_empty())
}

fn base(base: &received::Base, namespace: &str) -> Result<Base, Code> {
    base.validate(namespace).map_err(|_| Code::Invalid)?;
    Ok(Base {
        id: base.id.ok_or(Code::Invalid)?,
        did: Did::from(base.did.as_str()),
        kind: match base.kind().ok_or(Code::Invalid)? {
            Type::Org => IdentityKind::Org,
            Type::Node => IdentityKind::Node,
            Type::Custom => IdentityKind::Custom,
        },
        parent: base.parent,
        name: base.name.clone(),
    })
}

fn verification(claim: Option<(Uuid, Hash)>, identity: &received::Base, namespace: &str) -> Result<Definition, Code> {
    let (id, hash) = claim.ok_or(Code::Invalid)?;
    identity.parent.ok_or(Code::Invalid)?;
    Ok(Definition::Verification { claim: MessageKey { id, hash }, identity: base(identity, namespace)? })
}

fn update(identity: &received::Base, updates: &Profile, namespace: &str) -> Result<Definition, Code> {
    if updates.description.len() > MAX_DESCRIPTION {
        return Err(Code::Invalid);
    }
    Ok(Definition::Update { identity: base(identity, namespace)? })
}

fn define_datatype(defined: datatype::Datatype) -> Result<Definition, Code> {
    name::check_no_uuid(&defined.name, "name").map_err(|_| Code::Invalid)?;
    name::check(&defined.version, "version").map_err(|_| Code::Invalid)?;
    let schema = defined.value.ok_or(Code::Invalid)?;
    if defined.validator != Validator::Json || defined.hash != Some(schema.hash()) {
        return Err(Code::Invalid);
    }
    Schema::compile(schema.as_str()).map_err(|_| Code::InvalidSchema)?;
    Ok(Definition::Datatype {
        id: defined.id.ok_or(Code::Invalid)?,
        datatype: Datatype { name: defined.name, version: defined.version },
    })
}

fn define_interface(interface: Published) -> Result<Definition, Code> {
    let (id, network_name) = named(&interface)?;
    name::check(&interface.version, "version").map_err(|_| Code::Invalid)?;
    Ok(Definition::Interface { id, network_name, version: interface.version })
}

/// Id and network name of something published. Before FireFly 1.3 the network name was the name.
fn named(published: &Published) -> Result<(Uuid, String), Code> {
    let network_name = if published.network_name.is_empty() { &published.name } else { &published.network_name };
    name::check(network_name, "networkName").map_err(|_| Code::Invalid)?;
    Ok((published.id.ok_or(Code::Invalid)?, network_name.clone()))
}

#[cfg(test)]
mod tests {
    use photinus_model::JsonText;

    use super::*;

    fn data(value: &str) -> Data {
        let value = JsonText::parse(value).unwrap();
        Data {
            id: Uuid::from_u128(1),
            validator: Validator::Json,
            namespace: String::new(),
            hash: Some(value.hash()),
            created: None,
            datatype: None,
            value: Some(value),
            public: String::new(),
            blob: None,
        }
    }

    fn define(tag: &str, value: &str) -> Definition {
        read(tag, &[&data(value)], "ns")
    }

    const ID: &str = "11111111-1111-4111-8111-111111111111";

    #[test]
    fn a_claim_of_a_node_tells_its_peer_id() {
        let text = format!(
            r#"{{"identity":{{"id":"{ID}","did":"did:firefly:node/n1","type":"node","parent":"{ID}","namespace":"","name":"n1","profile":{{"id":"m/n1"}}}}}}"#
        );
        let Definition::Claim(claim) = define(tag::IDENTITY_CLAIM, &text) else { panic!("a claim") };
        assert_eq!(claim.peer.as_deref(), Some("m/n1"));
        assert_eq!(claim.identity.kind, IdentityKind::Node);
    }

    #[test]
    fn what_crashes_others_is_rejected() {
        for text in ["{}", r#"{"identity":null}"#, "[]", "7"] {
            assert_eq!(define(tag::IDENTITY_CLAIM, text), Definition::Malformed(Code::Payload), "{text}");
        }
        let (one, two) = (data("{}"), data("{}"));
        assert_eq!(read(tag::IDENTITY_CLAIM, &[&one, &two], "ns"), Definition::Malformed(Code::Payload));
        assert_eq!(read(tag::DEFINE_DATATYPE, &[], "ns"), Definition::Malformed(Code::Payload));
    }

    #[test]
    fn a_did_must_fit_type_and_name() {
        let text = format!(
            r#"{{"identity":{{"id":"{ID}","did":"did:firefly:org/other","type":"org","namespace":"","name":"mine"}}}}"#
        );
        assert_eq!(define(tag::IDENTITY_CLAIM, &text), Definition::Malformed(Code::Invalid));
    }

    #[test]
    fn a_datatype_needs_a_schema_that_compiles_and_hashes() {
        let schema = r#"{"type":"object"}"#;
        let hash = JsonText::parse(schema).unwrap().hash();
        let with = |schema: &str, hash: Hash| {
            define(
                tag::DEFINE_DATATYPE,
                &format!(
                    r#"{{"id":"{ID}","validator":"json","name":"w","version":"1","hash":"{hash}","value":{schema}}}"#
                ),
            )
        };
        assert!(matches!(with(schema, hash), Definition::Datatype { .. }));
        assert_eq!(with(schema, Hash::of("x")), Definition::Malformed(Code::Invalid));
        let bad = r#"{"type":"nonsense"}"#;
        assert_eq!(with(bad, JsonText::parse(bad).unwrap().hash()), Definition::Malformed(Code::InvalidSchema));
    }

    #[test]
    fn unknown_tags_are_told() {
        assert_eq!(define("ff_nonsense", "{}"), Definition::UnknownTag);
    }
}
