//! Why a message was refused.

use photinus_model::{Uuid, message};

use crate::{
    backlog, data,
    error::{Kind, coded},
    groups, identity,
};

/// Why a message was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF10206`: author or key cannot be used; wraps the cause.
    #[error("the author of the message cannot be resolved: {}", .0.describe())]
    Author(identity::Error),
    /// Its data; the data's own codes.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// Its fields; the model's own codes.
    #[error(transparent)]
    Fields(#[from] message::Error),
    /// `FF00130`: a transaction type that does not fit this kind of message.
    #[error("'{0}' is not a transaction type of a broadcast: leave 'header.txtype' out, or use batch_pin")]
    TxType(String),
    /// `FF00130`: a transaction type that does not fit a private message.
    #[error(
        "'{0}' is not a transaction type of a private message: leave 'header.txtype' out, or use batch_pin or unpinned"
    )]
    PrivateTxType(String),
    /// `FF10287`: another type on the route of private messages.
    #[error("field 'header.type' does not fit a private message: leave it out")]
    PrivateType,
    /// `FF10261`: a request without a tag.
    #[error("a request needs 'header.tag', so that it can be told what to answer")]
    RequestTag,
    /// `FF10262`: a request that is an answer.
    #[error("a request cannot have 'header.cid': that is for answers")]
    RequestCid,
    /// `FF10271`: a request to nobody.
    #[error("a request needs 'group.members' or 'header.group', or 'header.type' broadcast to ask everybody")]
    RequestGroup,
    /// Its group; the group's own codes.
    #[error(transparent)]
    Group(#[from] groups::Error),
    /// `FF10206`: a tag that the protocol itself uses.
    #[error("tag '{0}' is reserved: definitions have routes of their own")]
    ReservedTag(String),
    /// `FF10287`: a field that contradicts the route.
    #[error("field '{field}' does not belong to a broadcast{hint}")]
    Contradiction {
        /// Path of the field.
        field: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// `FF10327`, or `FF10328` for a private message: larger than a batch may be.
    #[error("the message takes {size} bytes of a batch, and a batch takes {limit}")]
    TooLarge {
        /// Bytes that it takes.
        size: usize,
        /// Bytes that a batch takes.
        limit: usize,
        /// Whether it is private.
        private: bool,
    },
    /// `FF00135`: a text that is too long.
    #[error("field '{field}' is longer than {limit} bytes")]
    TooLong {
        /// Path of the field.
        field: &'static str,
        /// Most bytes.
        limit: usize,
    },
    /// `FF10430`: the idempotency key was used by another message.
    #[error("idempotency key '{key}' was used by message '{existing}' already")]
    Idempotency {
        /// The key.
        key: String,
        /// The message that has it.
        existing: Uuid,
    },
    /// `FF10414`: the namespace has no organisation, so it sends no messages.
    #[error("this namespace is not part of a multiparty network")]
    NotMultiparty,
    /// A record of our own could not be written as JSON.
    #[error("the message cannot be written: {0}")]
    Encoding(#[from] serde_json::Error),
    /// `FF00166`: too many messages wait for their turn already.
    #[error(transparent)]
    Backlog(#[from] backlog::Full),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Author(_) | Self::ReservedTag(_) => "FF10206",
            Self::Data(error) => error.code(),
            Self::Fields(error) => error.code(),
            Self::TxType(_) | Self::PrivateTxType(_) => "FF00130",
            Self::Contradiction { .. } | Self::PrivateType => "FF10287",
            Self::Group(error) => error.code(),
            Self::RequestTag => "FF10261",
            Self::RequestCid => "FF10262",
            Self::RequestGroup => "FF10271",
            Self::TooLarge { private: false, .. } => "FF10327",
            Self::TooLarge { private: true, .. } => "FF10328",
            Self::TooLong { .. } => "FF00135",
            Self::Idempotency { .. } => "FF10430",
            Self::NotMultiparty => "FF10414",
            Self::Encoding(_) => "FF10137",
            Self::Backlog(_) => "FF00166",
            Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Author(error) => match error.kind() {
                Kind::NotFound | Kind::Conflict => Kind::BadInput,
                kind => kind,
            },
            Self::Data(error) => match error.kind() {
                Kind::NotFound => Kind::BadInput,
                kind => kind,
            },
            Self::Group(error) => error.kind(),
            Self::Idempotency { .. } => Kind::Conflict,
            Self::Encoding(_) => Kind::Internal,
            Self::Backlog(_) => Kind::Overloaded,
            Self::Store(error) => crate::error::store_kind(error),
            _ => Kind::BadInput,
        }
    }

    /// Code and sentence.
    pub(crate) fn describe(&self) -> String {
        coded(self.code(), self)
    }
}
