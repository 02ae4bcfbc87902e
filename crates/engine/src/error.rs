//! Why a service of a namespace did not do what was asked.
//!
//! Every module has an enum of its own. Each tells the FireFly code that clients rely on (`code`) and of what kind the
//! failure is (`kind`), from which the API derives a status. Codes keep their number; statuses improve on the reference.

use std::fmt::Display;

/// What a caller can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong: change it.
    BadInput,
    /// It asks for something that is not here.
    NotFound,
    /// It contradicts what is here already.
    Conflict,
    /// It asks for something that this member may not do.
    NotAllowed,
    /// What it waited for did not happen in time; the work goes on.
    TimedOut,
    /// Something outside does not answer; repeating later helps.
    Unavailable,
    /// Too much at once; repeating later helps.
    Overloaded,
    /// A fault of this node.
    Internal,
}

/// Why a service failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An identity, a key or an author.
    #[error(transparent)]
    Identity(#[from] crate::identity::Error),
    /// A value, a blob or a datatype's check.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// A message.
    #[error(transparent)]
    Messaging(#[from] crate::messaging::Error),
    /// A definition.
    #[error(transparent)]
    Definition(#[from] crate::definitions::Error),
    /// An operation or a transaction.
    #[error(transparent)]
    Operation(#[from] crate::operations::Error),
    /// Waiting for a confirmation.
    #[error(transparent)]
    Confirm(#[from] crate::confirm::Error),
    /// Starting the namespace.
    #[error(transparent)]
    Namespace(#[from] crate::namespace::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code that clients know the failure by, such as `FF10430`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Identity(error) => error.code(),
            Self::Data(error) => error.code(),
            Self::Messaging(error) => error.code(),
            Self::Definition(error) => error.code(),
            Self::Operation(error) => error.code(),
            Self::Confirm(error) => error.code(),
            Self::Namespace(error) => error.code(),
            Self::Store(_) => STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Identity(error) => error.kind(),
            Self::Data(error) => error.kind(),
            Self::Messaging(error) => error.kind(),
            Self::Definition(error) => error.kind(),
            Self::Operation(error) => error.kind(),
            Self::Confirm(error) => error.kind(),
            Self::Namespace(error) => error.kind(),
            Self::Store(error) => store_kind(error),
        }
    }

    /// Code and sentence as clients read them: `FF10430: …`.
    #[must_use]
    pub fn describe(&self) -> String {
        coded(self.code(), self)
    }
}

/// The code of every failure of the database.
pub(crate) const STORE_CODE: &str = "FF00177";

/// Code and sentence as clients read them, also for a cause within another failure.
pub(crate) fn coded(code: &str, error: &dyn Display) -> String {
    format!("{code}: {error}")
}

/// What a caller can do about a failure of the store.
pub(crate) fn store_kind(error: &photinus_store::Error) -> Kind {
    use photinus_store::Error;
    match error {
        Error::Conflict(_) => Kind::Conflict,
        Error::Unavailable(_) | Error::Unknown(_) | Error::Closed => Kind::Unavailable,
        Error::Field { .. } => Kind::BadInput,
        Error::Refused(_) | Error::Corrupt { .. } => Kind::Internal,
    }
}
