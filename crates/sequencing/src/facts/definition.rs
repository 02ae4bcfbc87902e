//! The payloads of definition messages, parsed.
//!
//! A payload that is not a definition of its tag is [`Definition::Malformed`] with the code of the rejection: such a
//! message keeps its place and is rejected there.

use photinus_model::Uuid;
use serde::{Deserialize, Serialize};

use super::MessageKey;
use super::content::Datatype;
use crate::decision::Code;
use crate::text::{Did, Signer};

/// What a message of type `definition` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Definition {
    /// `ff_identity_claim`, and `ff_define_organization` converted to one.
    Claim(Claim),
    /// `ff_define_node`, the form of network version 1: the parent is whoever owns a key.
    LegacyNode {
        /// The claim; its parent is filled from `owner`.
        claim: Claim,
        /// Key of the organisation that owns the node.
        owner: Signer,
    },
    /// `ff_identity_verification`
    Verification {
        /// The claim message that is verified.
        claim: MessageKey,
        /// The identity as its parent knows it.
        identity: Base,
    },
    /// `ff_identity_update`
    Update {
        /// The identity whose description and profile are replaced.
        identity: Base,
    },
    /// `ff_define_datatype`
    Datatype {
        /// Id of the datatype.
        id: Uuid,
        /// Name and version.
        datatype: Datatype,
    },
    /// `ff_define_ffi`
    Interface {
        /// Id of the interface.
        id: Uuid,
        /// Name on the network.
        network_name: String,
        /// Version, an opaque text.
        version: String,
    },
    /// `ff_define_contract_api`
    Api {
        /// Id of the API.
        id: Uuid,
        /// Name on the network.
        network_name: String,
        /// Id of the interface that it implements, if it names one.
        interface: Option<Uuid>,
    },
    /// `ff_define_pool`
    Pool {
        /// Id of the pool.
        id: Uuid,
        /// Name on the network.
        network_name: String,
        /// Name under which members broadcast the token connector.
        connector: String,
        /// The FireFly transaction of the pool.
        tx: Option<Uuid>,
    },
    /// A payload that is no definition of its tag, or breaks a rule that needs nothing but the payload.
    Malformed(Code),
    /// A tag that names no kind of definition.
    UnknownTag,
}

impl Definition {
    /// Whether the message may be signed by a key that nobody has registered yet.
    #[must_use]
    pub fn introduces_key(&self) -> bool {
        matches!(self, Self::Claim(_) | Self::LegacyNode { .. })
    }
}

/// A claim of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The identity claimed. Its names and its DID have been validated.
    pub identity: Base,
    /// For a node: the data exchange peer id, `profile.id`.
    pub peer: Option<String>,
}

/// The part of an identity that never changes. The namespace is left out: every member puts its own there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Id of the identity. Not unique: the DID is.
    pub id: Uuid,
    /// DID of the identity.
    pub did: Did,
    /// Its type.
    pub kind: IdentityKind,
    /// Id of its parent.
    pub parent: Option<Uuid>,
    /// Its name.
    pub name: String,
}

/// The type of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentityKind {
    /// An organisation.
    Org,
    /// A node; its parent is an organisation.
    Node,
    /// Anything else that signs; its parent is an organisation or another custom identity.
    Custom,
}

impl IdentityKind {
    /// Whether an identity of this type may stand under a parent of type `parent`.
    #[must_use]
    pub fn allows_parent(self, parent: Self) -> bool {
        match self {
            Self::Org | Self::Node => parent == Self::Org,
            Self::Custom => matches!(parent, Self::Org | Self::Custom),
        }
    }
}
