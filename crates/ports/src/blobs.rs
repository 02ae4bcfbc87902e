//! Local blobs: files that applications attach to data, streamed to disk and back.

use std::path::Path;

use async_trait::async_trait;
use photinus_model::{Hash, Uuid};

use crate::stream::ByteStream;

/// A blob that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of the bytes.
    pub hash: Hash,
    /// Number of bytes.
    pub size: u64,
    /// Where [`BlobStore::open`] finds it.
    pub payload_ref: String,
}

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such blob.
    #[error("no blob at '{0}'")]
    NotFound(String),
    /// More bytes than accepted.
    #[error("blob is larger than {0} bytes")]
    TooLarge(u64),
    /// The stream that was being stored broke, or the disk failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Where a node keeps the files of its namespaces.
///
/// Guarantees: a blob that was stored is durable before `put` returns and readable until `delete`; a `put` that fails leaves
/// nothing behind; storing the same bytes twice keeps one copy, and a delete of one reference keeps the other readable.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Stores a stream of at most `limit` bytes under the namespace, hashing it on the way.
    async fn put(&self, namespace: &str, content: ByteStream, limit: u64) -> Result<Stored, Error>;
    /// Size and content of a blob.
    async fn open(&self, payload_ref: &str) -> Result<(u64, ByteStream), Error>;
    /// The same without a check that the content is what was stored, for a caller that hashes it anyway.
    async fn open_unchecked(&self, payload_ref: &str) -> Result<(u64, ByteStream), Error>;
    /// Stores a whole file that the caller hashed, without a copy where the system allows it. Its reference follows from
    /// namespace, hash and id: adopting twice is the same as once. The file stays where it is, the caller's to remove, and must
    /// not be written to any more.
    async fn adopt(&self, namespace: &str, file: &Path, hash: Hash, id: Uuid) -> Result<Stored, Error>;
    /// What was adopted with these and not deleted since.
    async fn adopted(&self, namespace: &str, hash: Hash, id: Uuid) -> Result<Option<Stored>, Error>;
    /// Forgets a blob. Unknown references are not an error.
    async fn delete(&self, payload_ref: &str) -> Result<(), Error>;
}
