//! Why a group cannot be used.

use photinus_model::{Hash, group};

use crate::{error::Kind, identity};

/// Why a group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF10226`: no such group here.
    #[error("group '{0}' is not known to this node: name its members in 'group.members'")]
    Unknown(Hash),
    /// `FF00115`: neither a group nor members.
    #[error("a private message needs 'group.members', or the hash of a group in 'header.group'")]
    NoMembers,
    /// Members that cannot be a group; the model's own codes.
    #[error(transparent)]
    Members(#[from] group::Error),
    /// `FF00116`: a member without identity.
    #[error("field 'group.members[{0}].identity' is required")]
    NoIdentity(usize),
    /// `FF10135`: more members than a group may have here.
    #[error("a group has at most {0} members")]
    TooMany(usize),
    /// The identity or the node of a member; the identity's own codes.
    #[error("member {index}: {error}")]
    Identity {
        /// Its position.
        index: usize,
        /// What is wrong.
        error: identity::Error,
    },
    /// `FF10224`: what a member names as its node is none.
    #[error("'{0}' is not a node: name it by its DID, did:firefly:node/…")]
    NotANode(String),
    /// `FF10224`: a node cannot be a member itself.
    #[error("'{0}' is a node: name the organisation as the member, and the node in field 'node'")]
    NodeAsMember(String),
    /// `FF10233`: a member that no node receives for.
    #[error("no node is registered for '{0}', nor for an identity above it")]
    NoNode(String),
    /// `FF10422`: a node that does not receive for this member.
    #[error("node '{node}' belongs neither to '{identity}' nor to an identity above it")]
    Owner {
        /// The node.
        node: String,
        /// The member.
        identity: String,
    },
    /// `FF10206`: the author would not be heard.
    #[error("the author '{0}' is not a member of the group: add it to 'group.members', or let a member speak")]
    AuthorOutside(String),
    /// `FF10414`: this node is not registered yet, so it has no place in a group.
    #[error("this node is not registered yet: POST network/nodes/self first")]
    NodeUnregistered,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "FF10226",
            Self::NoMembers => "FF00115",
            Self::Members(error) => error.code(),
            Self::NoIdentity(_) => "FF00116",
            Self::TooMany(_) => "FF10135",
            Self::Identity { error, .. } => error.code(),
            Self::NotANode(_) | Self::NodeAsMember(_) => "FF10224",
            Self::NoNode(_) => "FF10233",
            Self::Owner { .. } => "FF10422",
            Self::AuthorOutside(_) => "FF10206",
            Self::NodeUnregistered => "FF10414",
            Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unknown(_) => Kind::NotFound,
            Self::Identity { error, .. } => match error.kind() {
                Kind::NotFound | Kind::Conflict => Kind::BadInput,
                kind => kind,
            },
            Self::NodeUnregistered => Kind::Conflict,
            Self::Store(error) => crate::error::store_kind(error),
            _ => Kind::BadInput,
        }
    }
}
