//! Decentralised identifiers: `did:firefly:…`, and what they say about an identity.

use uuid::Uuid;

use crate::{identity, name};

/// The common beginning of every identifier of this method.
pub const PREFIX: &str = "did:firefly:";
/// The beginning of an organisation's identifier.
pub const ORG_PREFIX: &str = "did:firefly:org/";
/// The beginning of a node's identifier.
pub const NODE_PREFIX: &str = "did:firefly:node/";

/// The identifier that an identity of this type and name has.
#[must_use]
pub fn of(kind: identity::Type, name: &str) -> String {
    match kind {
        identity::Type::Org => format!("{ORG_PREFIX}{name}"),
        identity::Type::Node => format!("{NODE_PREFIX}{name}"),
        identity::Type::Custom => format!("{PREFIX}{name}"),
    }
}

/// The form of custom identifiers that old networks wrote; it stays valid and is never made.
#[must_use]
pub fn legacy_custom(namespace: &str, name: &str) -> String {
    format!("{PREFIX}ns/{namespace}/{name}")
}

/// Whether the identifier is one that this type, namespace and name may have.
#[must_use]
pub fn matches(did: &str, kind: identity::Type, namespace: &str, name: &str) -> bool {
    did == of(kind, name) || (kind == identity::Type::Custom && did == legacy_custom(namespace, name))
}

/// What a text that names an identity refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// An identifier, to be looked up as it stands; if that finds nothing and `org` is set, by the id of an organisation.
    Did {
        /// The whole identifier.
        did: &'a str,
        /// The UUID behind `did:firefly:org/`, if it is one.
        org: Option<Uuid>,
    },
    /// The name of an organisation.
    OrgName(&'a str),
}

/// A decentralised identifier of another method (`FF10349`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the identifier \"{0}\" is not of the method did:firefly")]
pub struct UnknownMethod(pub String);

/// Reads a text that names an identity: an identifier, or the name of an organisation.
///
/// # Errors
/// [`UnknownMethod`] for an identifier of another method.
pub fn lookup(text: &str) -> Result<Lookup<'_>, UnknownMethod> {
    if text.starts_with(PREFIX) {
        let org = text.strip_prefix(ORG_PREFIX).and_then(name::read_uuid);
        Ok(Lookup::Did { did: text, org })
    } else if text.starts_with("did:") {
        Err(UnknownMethod(text.to_owned()))
    } else {
        Ok(Lookup::OrgName(text))
    }
}

/// The name within an identifier of an organisation, if it is one.
#[must_use]
pub fn org_name(did: &str) -> Option<&str> {
    did.strip_prefix(ORG_PREFIX).filter(|rest| name::is_valid(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_name_identities() {
        assert_eq!(lookup("org_0"), Ok(Lookup::OrgName("org_0")));
        assert_eq!(lookup("did:web:x"), Err(UnknownMethod("did:web:x".into())));
        let id = Uuid::from_u128(7);
        let text = format!("did:firefly:org/{id}");
        assert_eq!(lookup(&text), Ok(Lookup::Did { did: &text, org: Some(id) }));
        assert_eq!(lookup("did:firefly:org/a"), Ok(Lookup::Did { did: "did:firefly:org/a", org: None }));
    }

    #[test]
    fn legacy_form_is_for_custom_identities_only() {
        assert!(matches("did:firefly:ns/ns1/x", identity::Type::Custom, "ns1", "x"));
        assert!(!matches("did:firefly:ns/ns1/x", identity::Type::Org, "ns1", "x"));
        assert!(matches("did:firefly:x", identity::Type::Custom, "ns1", "x"));
    }
}
