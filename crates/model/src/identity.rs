//! Identities: organisations, their nodes and what else signs or receives.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, JsonText, Time, did, name, verifier};

closed_text! {
    /// The type of an identity.
    "identity type" Type {
        /// An organisation.
        Org = "org",
        /// A node of an organisation.
        Node = "node",
        /// Anything else that signs: a person, a department, a machine.
        Custom = "custom",
    }
}

/// The messages that made an identity what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Messages {
    /// The claim.
    #[serde(default)]
    pub claim: Option<Uuid>,
    /// The parent's verification of the claim.
    #[serde(default)]
    pub verification: Option<Uuid>,
    /// The last update of the profile.
    #[serde(default)]
    pub update: Option<Uuid>,
}

/// The part of an identity that updates replace as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// A description of at most 4096 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A free JSON object, keys sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<JsonText>,
}

/// An identity as kept, shown and claimed. The order of the fields is the order in hashed definitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The id.
    pub id: Uuid,
    /// The decentralised identifier.
    pub did: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The identity that owns this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    /// The local namespace; empty in claims.
    #[serde(default)]
    pub namespace: String,
    /// The name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A description of at most 4096 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A free JSON object, keys sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<JsonText>,
    /// The messages that made it.
    #[serde(default)]
    pub messages: Messages,
    /// When it was accepted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// When it last changed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Time>,
}

/// A verifier as shown within its identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VerifierRef {
    /// The type.
    #[serde(rename = "type")]
    pub kind: verifier::Type,
    /// The value.
    pub value: String,
}

/// A message by id and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageRef {
    /// The id.
    pub id: Option<Uuid>,
    /// The hash.
    pub hash: Option<Hash>,
}

/// The most bytes of a description.
pub const MAX_DESCRIPTION: usize = 4096;
/// The namespace that version 1 networks kept for themselves.
pub const LEGACY_SYSTEM_NAMESPACE: &str = "ff_system";

/// Why an identity is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No id (`FF00114`).
    #[error("the identity has no id")]
    NoId,
    /// The name breaks the name rule, or is a UUID.
    #[error(transparent)]
    Name(#[from] name::Error),
    /// A type that does not exist (`FF00126`).
    #[error("unknown identity type \"{0}\"")]
    UnknownType(String),
    /// No parent, where the type needs one (`FF00124`).
    #[error("an identity of type {0} has a parent")]
    NoParent(Type),
    /// A custom identity in the reserved namespace (`FF00121`).
    #[error("custom identities cannot be defined in the namespace {LEGACY_SYSTEM_NAMESPACE}")]
    SystemNamespace,
    /// An identifier that type and name do not give (`FF00120`).
    #[error("the identifier \"{0}\" does not fit type and name")]
    Did(String),
    /// The description is too long (`FF00135`).
    #[error("a description has at most {MAX_DESCRIPTION} bytes")]
    LongDescription,
}

impl Error {
    /// The code of the REST interface.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoId => "FF00114",
            Self::Name(error) => error.code(),
            Self::UnknownType(_) => "FF00126",
            Self::NoParent(_) => "FF00124",
            Self::SystemNamespace => "FF00121",
            Self::Did(_) => "FF00120",
            Self::LongDescription => "FF00135",
        }
    }
}

/// The identifier that an identity must have, after the rules that do not concern it.
///
/// # Errors
/// [`Error::Name`], [`Error::SystemNamespace`] or [`Error::NoParent`].
pub fn required_did(kind: Type, parent: Option<Uuid>, namespace: &str, name: &str) -> Result<String, Error> {
    name::check_no_uuid(name, "name")?;
    if kind == Type::Custom && namespace == LEGACY_SYSTEM_NAMESPACE {
        return Err(Error::SystemNamespace);
    }
    if kind != Type::Org && parent.is_none() {
        return Err(Error::NoParent(kind));
    }
    Ok(did::of(kind, name))
}

impl Identity {
    /// Checks name, parent, identifier and description.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), Error> {
        required_did(self.kind, self.parent, &self.namespace, &self.name)?;
        if !did::matches(&self.did, self.kind, &self.namespace, &self.name) {
            return Err(Error::Did(self.did.clone()));
        }
        if self.description.len() > MAX_DESCRIPTION {
            return Err(Error::LongDescription);
        }
        Ok(())
    }

    /// The `id` in the profile, which is the peer id of a node in data exchange.
    #[must_use]
    pub fn profile_id(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Profile {
            id: Option<String>,
        }
        self.profile.as_ref()?.read::<Profile>().ok()?.id
    }

    /// Whether a type may be the parent of another.
    #[must_use]
    pub const fn may_own(parent: Type, child: Type) -> bool {
        match (parent, child) {
            (Type::Org, _) => true,
            (Type::Custom, Type::Custom) => true,
            (Type::Custom | Type::Node, _) => false,
        }
    }
}
