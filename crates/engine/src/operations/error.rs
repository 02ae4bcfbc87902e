//! Why something about an operation or a transaction was refused.

use photinus_model::{Uuid, operation};

use crate::error::Kind;

/// Why something about an operation or a transaction was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF00164`: no such operation.
    #[error("no operation '{0}'")]
    NotFound(Uuid),
    /// `FF10109`: no such transaction.
    #[error("no transaction '{0}'")]
    NoTransaction(Uuid),
    /// `FF10348`: this kind of operation cannot be repeated by hand.
    #[error("operations of type '{}' cannot be repeated by hand: they are repeated until they succeed", .0.as_str())]
    NotRepeatable(operation::Type),
    /// `FF10348`: what the operation worked on is no longer held.
    #[error("what operation '{0}' works on is not held by this node")]
    InputGone(Uuid),
    /// The attempt failed at once.
    #[error("{0}")]
    Failed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "FF00164",
            Self::NoTransaction(_) => "FF10109",
            Self::NotRepeatable(_) | Self::InputGone(_) => "FF10348",
            Self::Failed(_) => "FF10111",
            Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) | Self::NoTransaction(_) => Kind::NotFound,
            Self::NotRepeatable(_) | Self::InputGone(_) => Kind::Conflict,
            Self::Failed(_) => Kind::Unavailable,
            Self::Store(error) => crate::error::store_kind(error),
        }
    }
}
