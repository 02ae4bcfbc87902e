//! Definitions as members send them, read as the reference reads them.
//!
//! A payload that the reference cannot decode, or that makes it crash, is [`Payload::Malformed`]; everything else is
//! handed on as it is, however wrong its content.
//!
//! Deliberately not here: the methods, events and errors of contract interfaces, which are read by whoever uses them.

use uuid::Uuid;

use crate::{
    JsonText, datatype,
    group::Group,
    identity::{self, Error, MessageRef},
    tag, wire,
};

mod shapes;

pub(crate) use shapes::GroupText;
use shapes::{Claim, ContractApiText, Datatype, FfiText, Pool, Update, Verification};

/// The payload of a definition message, by its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// `ff_identity_claim`.
    Claim(Identity),
    /// `ff_identity_verification`.
    Verification {
        /// The claim message that is verified.
        claim: MessageRef,
        /// The claimed identity.
        identity: Base,
    },
    /// `ff_identity_update`.
    Update {
        /// The identity; only its id selects.
        identity: Base,
        /// What replaces description and profile.
        updates: identity::Profile,
    },
    /// `ff_define_datatype`.
    Datatype(datatype::Datatype),
    /// `ff_define_group`.
    Group(Group),
    /// `ff_define_ffi`.
    Ffi(Published),
    /// `ff_define_contract_api`.
    ContractApi {
        /// Id and names.
        api: Published,
        /// Id of the interface that it implements.
        interface: Option<Uuid>,
    },
    /// `ff_define_pool`.
    TokenPool {
        /// Id and names.
        pool: Published,
        /// The name under which the members know the token connector.
        connector: String,
    },
    /// A payload that cannot be decoded.
    Malformed,
    /// A tag that no definition has, or one that only version 1 networks used.
    UnknownTag,
}

/// The part of an identity that never changes, unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base {
    /// The id.
    pub id: Option<Uuid>,
    /// The decentralised identifier.
    pub did: String,
    /// The type, in lower case; see [`Base::kind`].
    pub type_text: String,
    /// The identity that owns this one.
    pub parent: Option<Uuid>,
    /// What the sender wrote; receivers use their own.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Base {
    /// The type, if it is one.
    #[must_use]
    pub fn kind(&self) -> Option<identity::Type> {
        self.type_text.parse().ok()
    }

    /// Checks id, name, type, parent and identifier, under the local name of the namespace.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self, namespace: &str) -> Result<(), Error> {
        if self.id.is_none() {
            return Err(Error::NoId);
        }
        crate::name::check_no_uuid(&self.name, "name")?;
        let kind = self.kind().ok_or_else(|| Error::UnknownType(self.type_text.clone()))?;
        identity::required_did(kind, self.parent, namespace, &self.name)?;
        if crate::did::matches(&self.did, kind, namespace, &self.name) {
            Ok(())
        } else {
            Err(Error::Did(self.did.clone()))
        }
    }
}

/// A claimed identity, unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// What never changes.
    pub base: Base,
    /// Description and profile.
    pub profile: identity::Profile,
}

impl Identity {
    /// Checks the base and the length of the description, under the local name of the namespace.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self, namespace: &str) -> Result<(), Error> {
        self.base.validate(namespace)?;
        if self.profile.description.len() > identity::MAX_DESCRIPTION {
            return Err(Error::LongDescription);
        }
        Ok(())
    }
}

/// Id and names of something that is published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// The id.
    pub id: Option<Uuid>,
    /// What the sender wrote; empty since version 1.1, and part of the topic before.
    pub namespace: String,
    /// The local name; empty when published.
    pub name: String,
    /// The name in the network.
    pub network_name: String,
    /// The version, of interfaces.
    pub version: String,
    /// Whether it says that it is published.
    pub published: bool,
}

/// Reads the payload of a definition message from its only data element's value.
#[must_use]
pub fn parse(tag: &str, value: Option<&JsonText>) -> Payload {
    let read = match tag {
        tag::IDENTITY_CLAIM => |text: &str| wire::read::<Claim>(text).map(Claim::keep),
        tag::IDENTITY_VERIFICATION => |text: &str| wire::read::<Verification>(text).map(Verification::keep),
        tag::IDENTITY_UPDATE => |text: &str| wire::read::<Update>(text).map(Update::keep),
        tag::DEFINE_DATATYPE => |text: &str| wire::read::<Datatype>(text).map(Datatype::keep),
        tag::DEFINE_GROUP => |text: &str| wire::read::<GroupText>(text).map(GroupText::keep),
        tag::DEFINE_FFI => |text: &str| wire::read::<FfiText>(text).map(FfiText::keep),
        tag::DEFINE_CONTRACT_API => |text: &str| wire::read::<ContractApiText>(text).map(ContractApiText::keep),
        tag::DEFINE_POOL => |text: &str| wire::read::<Pool>(text).map(Pool::keep),
        _ => return Payload::UnknownTag,
    };
    value.and_then(|value| read(value.as_str()).ok()).unwrap_or(Payload::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(text: &str) -> Payload {
        parse(tag::IDENTITY_CLAIM, Some(&text.parse().unwrap()))
    }

    #[test]
    fn claims_are_read_as_liberally_as_the_reference_reads_them() {
        let id = Uuid::from_u128(1);
        let text =
            format!(r#"{{"Identity":{{"ID":"{{{id}}}","did":"did:firefly:org/a","TYPE":"ORG","name":"a","x":1}}}}"#);
        let Payload::Claim(identity) = claim(&text) else { panic!("a claim") };
        assert_eq!(identity.base.id, Some(id));
        assert_eq!(identity.base.kind(), Some(identity::Type::Org));
        assert_eq!(identity.validate("ns"), Ok(()));
    }

    #[test]
    fn what_crashes_the_reference_is_malformed() {
        for text in [
            "{}",
            r#"{"identity":null}"#,
            "[]",
            "1",
            r#"{"identity":{"id":1}}"#,
            r#"{"identity":{"profile":[]}}"#,
            r#"{"identity":{"profile":{"a":[1e400]}}}"#,
            r#"{"identity":{"messages":{"claim":"x"}}}"#,
        ] {
            assert_eq!(claim(text), Payload::Malformed, "{text}");
        }
        assert_eq!(parse(tag::IDENTITY_CLAIM, None), Payload::Malformed);
        assert_eq!(parse("ff_other", None), Payload::UnknownTag);
        assert!(matches!(claim(r#"{"identity":{"profile":{"a":"\"1e400","b":1e-400}}}"#), Payload::Claim(_)));
    }

    #[test]
    fn descriptions_can_be_stored() {
        let Payload::Claim(identity) = claim(r#"{"identity":{"description":"a\u0000b"}}"#) else { panic!("a claim") };
        assert_eq!(identity.profile.description, "a\u{fffd}b");
    }

    #[test]
    fn unknown_types_are_no_identity() {
        let Payload::Claim(identity) =
            claim(r#"{"identity":{"id":"00000000-0000-4000-8000-000000000001","type":"robot","name":"a"}}"#)
        else {
            panic!("a claim")
        };
        assert_eq!(identity.validate("ns"), Err(Error::UnknownType("robot".into())));
    }

    #[test]
    fn custom_identities_keep_their_old_form() {
        let base = Base {
            id: Some(Uuid::from_u128(1)),
            did: "did:firefly:ns/ns1/a".into(),
            type_text: "custom".into(),
            parent: Some(Uuid::from_u128(2)),
            namespace: String::new(),
            name: "a".into(),
        };
        assert_eq!(base.validate("ns1"), Ok(()));
        assert_eq!(base.validate("ns2"), Err(Error::Did(base.did.clone())));
        let system = Base { did: "did:firefly:a".into(), ..base };
        assert_eq!(system.validate("ff_system"), Err(Error::SystemNamespace));
    }
}
