//! Why a definition was refused.

use photinus_model::name;

use crate::{data, error::Kind, messaging};

/// Why a definition was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF00140` or `FF00141`: not a name.
    #[error(transparent)]
    Name(#[from] name::Error),
    /// `FF00111`: only JSON Schema is spoken.
    #[error("'{0}' is not a validator of datatypes: use json")]
    Validator(String),
    /// `FF00112`: a field is missing.
    #[error("field '{0}' is required")]
    Missing(&'static str),
    /// The schema; the data's own codes.
    #[error(transparent)]
    Schema(#[from] data::Error),
    /// `FF00135`: a schema larger than allowed.
    #[error("the schema is larger than {0} bytes")]
    TooLarge(usize),
    /// `FF10407`: published already.
    #[error("datatype '{name}' version '{version}' exists already: publish another version")]
    Exists {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// The message that carries it; the messages' own codes.
    #[error(transparent)]
    Message(#[from] messaging::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name(error) => error.code(),
            Self::Validator(_) => "FF00111",
            Self::Missing(_) => "FF00112",
            Self::Schema(error) => error.code(),
            Self::TooLarge(_) => "FF00135",
            Self::Exists { .. } => "FF10407",
            Self::Message(error) => error.code(),
            Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Schema(error) => error.kind(),
            Self::Exists { .. } => Kind::Conflict,
            Self::Message(error) => error.kind(),
            Self::Store(error) => crate::error::store_kind(error),
            _ => Kind::BadInput,
        }
    }
}
