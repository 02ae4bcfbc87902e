//! Why a value, a blob or a datatype was refused.

use photinus_model::{Hash, Uuid};
use photinus_ports::{blobs, storage};

use crate::error::Kind;

/// Why something about data was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF10205`: an entry that brings nothing.
    #[error("data[{0}] needs a field 'value', 'blob' or 'id'")]
    Empty(usize),
    /// `FF00109` or `FF00108`: data without value and blob, or with an unknown validator.
    #[error(transparent)]
    Content(#[from] photinus_model::data::Error),
    /// `FF10204`: a reference to data that this node does not hold, or that has another hash.
    #[error("data[{index}] refers to '{id}', which this node does not hold{}", if *.hash { " with that hash" } else { "" })]
    Unknown {
        /// Place in the request.
        index: usize,
        /// Id of the data.
        id: Uuid,
        /// Whether the id is known, with another hash.
        hash: bool,
    },
    /// `FF10205`: id and content contradict each other.
    #[error("data[{0}] has both an 'id' and a content: refer to stored data, or bring new data")]
    Ambiguous(usize),
    /// `FF00129`: the same data twice in a message.
    #[error("data '{0}' is referred to twice")]
    Duplicate(Uuid),
    /// `FF00133`: more data than a message may have.
    #[error("a message carries at most {0} data entries")]
    TooMany(usize),
    /// `FF10195`: the datatype is not known here, or not named completely.
    #[error("datatype '{name}' version '{version}' is not known in this namespace{}", if .version.is_empty() { ": name its version" } else { "" })]
    Datatype {
        /// Name that was given.
        name: String,
        /// Version that was given.
        version: String,
    },
    /// `FF10199`: a datatype without a value to check.
    #[error("data with a datatype needs a value")]
    NullValue,
    /// `FF10198`: the value does not fit the schema.
    #[error("the value does not fit datatype '{name}' version '{version}': {reason}")]
    Invalid {
        /// Name of the datatype.
        name: String,
        /// Version of it.
        version: String,
        /// What does not fit, and where.
        reason: String,
    },
    /// `FF10196`: a schema that cannot be used.
    #[error("the schema cannot be used: {0}")]
    Schema(String),
    /// `FF10239`: a blob that this node does not hold.
    #[error("this node holds no blob of hash '{0}'")]
    BlobUnknown(Hash),
    /// `FF10241`: data that has no blob.
    #[error("data '{0}' has no blob")]
    NoBlob(Uuid),
    /// `FF00164`: no such data.
    #[error("no data '{0}'")]
    NotFound(Uuid),
    /// `FF10143`: no such data to delete.
    #[error("no data '{0}' to delete")]
    NothingToDelete(Uuid),
    /// `FF10143`: data that a message refers to cannot be deleted while the message is on its way.
    #[error("data '{0}' is referred to by a message that is not confirmed yet")]
    InUse(Uuid),
    /// `FF00161`: an upload larger than allowed.
    #[error("blob is larger than {0} bytes")]
    BlobTooLarge(u64),
    /// `FF00161`: the upload broke off.
    #[error("the upload broke off: {0}")]
    Upload(std::io::Error),
    /// `FF10229`: the place of blobs failed.
    #[error("blob store failed: {0}")]
    Blobs(std::io::Error),
    /// `FF10136`: shared storage failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// `FF10431`: the idempotency key was used by another transaction.
    #[error("idempotency key '{key}' was used by transaction '{existing}' already")]
    Idempotency {
        /// The key.
        key: String,
        /// The transaction that has it.
        existing: Uuid,
    },
    /// `FF00135`: a text that is too long.
    #[error("field '{field}' is longer than {limit} bytes")]
    TooLong {
        /// Name of the field.
        field: &'static str,
        /// Most bytes.
        limit: usize,
    },
    /// `FF00140`: not a name.
    #[error(transparent)]
    Name(#[from] photinus_model::name::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty(_) | Self::Ambiguous(_) => "FF10205",
            Self::Content(error) => error.code(),
            Self::Unknown { .. } => "FF10204",
            Self::Duplicate(_) => "FF00129",
            Self::TooMany(_) => "FF00133",
            Self::Datatype { .. } => "FF10195",
            Self::NullValue => "FF10199",
            Self::Invalid { .. } => "FF10198",
            Self::Schema(_) => "FF10196",
            Self::BlobUnknown(_) => "FF10239",
            Self::NoBlob(_) => "FF10241",
            Self::NotFound(_) => "FF00164",
            Self::NothingToDelete(_) | Self::InUse(_) => "FF10143",
            Self::BlobTooLarge(_) | Self::Upload(_) => "FF00161",
            Self::Blobs(_) => "FF10229",
            Self::Storage(_) => "FF10136",
            Self::Idempotency { .. } => "FF10431",
            Self::TooLong { .. } => "FF00135",
            Self::Name(error) => error.code(),
            Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) | Self::NothingToDelete(_) | Self::NoBlob(_) => Kind::NotFound,
            Self::Idempotency { .. } | Self::InUse(_) => Kind::Conflict,
            Self::Blobs(_) | Self::Storage(storage::Error::Unavailable(_) | storage::Error::Failed(_)) => {
                Kind::Unavailable
            }
            Self::Store(error) => crate::error::store_kind(error),
            _ => Kind::BadInput,
        }
    }
}

impl From<blobs::Error> for Error {
    fn from(error: blobs::Error) -> Self {
        match error {
            blobs::Error::NotFound(reference) => {
                Self::Blobs(std::io::Error::new(std::io::ErrorKind::NotFound, format!("'{reference}' is gone")))
            }
            blobs::Error::TooLarge(limit) => Self::BlobTooLarge(limit),
            blobs::Error::Io(error) => Self::Blobs(error),
        }
    }
}
