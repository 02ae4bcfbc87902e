//! Definitions: what travels in messages of type `definition`, each with its tag and topic.
//!
//! The types here are what this node publishes. What it receives is read by [`received`], which is as liberal as the
//! reference.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    Hash, JsonText,
    datatype::Datatype,
    identity::{self, Identity, MessageRef, Messages},
};

pub mod received;

/// The topic of a definition by kind, namespace and name: the digest of the three joined, in hexadecimal.
///
/// On the wire the namespace is always empty; see [`datatype_topic`] and its neighbours.
#[must_use]
pub fn topic(kind: &str, namespace: &str, name: &str) -> String {
    Hash::concat(&[kind.as_bytes(), namespace.as_bytes(), name.as_bytes()]).to_string()
}

/// The topic of everything about one identity.
#[must_use]
pub fn identity_topic(did: &str) -> String {
    Hash::of(did).to_string()
}

/// The topic of all versions of a datatype.
#[must_use]
pub fn datatype_topic(name: &str) -> String {
    topic("datatype", "", name)
}

/// The topic of all versions of a contract interface.
#[must_use]
pub fn ffi_topic(network_name: &str) -> String {
    topic("ffi", "", network_name)
}

/// The topic of a contract API.
#[must_use]
pub fn contract_api_topic(network_name: &str) -> String {
    topic("contractapi", "", network_name)
}

/// The topic of a token pool.
#[must_use]
pub fn token_pool_topic(network_name: &str) -> String {
    topic("tokenpool", "", network_name)
}

/// The part of an identity that never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Base<'a> {
    id: Uuid,
    did: &'a str,
    #[serde(rename = "type")]
    kind: identity::Type,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Uuid>,
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

impl<'a> Base<'a> {
    fn of(identity: &'a Identity, namespace: &'a str) -> Self {
        let Identity { id, did, kind, parent, name, .. } = identity;
        Self { id: *id, did, kind: *kind, parent: *parent, namespace, name }
    }
}

/// The value of a claim, tag `ff_identity_claim`: the identity without namespace, messages and times.
#[must_use]
pub fn claim_value(identity: &Identity) -> JsonText {
    #[derive(Serialize)]
    struct Claim {
        identity: Identity,
    }
    let identity = Identity {
        namespace: String::new(),
        messages: Messages::default(),
        created: None,
        updated: None,
        ..identity.clone()
    };
    JsonText::own(&Claim { identity })
}

/// The value of a parent's verification, tag `ff_identity_verification`.
#[must_use]
pub fn verification_value(claim: MessageRef, identity: &Identity) -> JsonText {
    #[derive(Serialize)]
    struct Verification<'a> {
        claim: MessageRef,
        identity: Base<'a>,
    }
    JsonText::own(&Verification { claim, identity: Base::of(identity, "") })
}

/// The value of an update, tag `ff_identity_update`; the identity carries the sender's local namespace.
#[must_use]
pub fn update_value(identity: &Identity, updates: &identity::Profile) -> JsonText {
    #[derive(Serialize)]
    struct Update<'a> {
        identity: Base<'a>,
        updates: &'a identity::Profile,
    }
    JsonText::own(&Update { identity: Base::of(identity, &identity.namespace), updates })
}

/// The value of a datatype, tag `ff_define_datatype`: without namespace and message.
#[must_use]
pub fn datatype_value(datatype: &Datatype) -> JsonText {
    JsonText::own(&Datatype { namespace: String::new(), message: None, ..datatype.clone() })
}
