//! Shared storage: what is published to all members, found by a reference that is a digest of the content.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{health::Health, stream::ByteStream};

/// Why shared storage did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reference is not of a form that this storage knows. Repeating does not help.
    #[error("invalid payload reference '{0}'")]
    InvalidReference(String),
    /// Nobody who could be asked has it now. Repeating helps once somebody has.
    #[error("content '{0}' is not available from any member that can be reached")]
    Unavailable(String),
    /// The content is larger than the caller's limit, or than this storage accepts.
    #[error("content is larger than {0} bytes")]
    TooLarge(u64),
    /// The disk or the remote side failed. Repeating helps.
    #[error("shared storage failed: {0}")]
    Failed(String),
}

/// Content-addressed storage that all members read.
///
/// Guarantees: an upload that returned is durable and readable here; a download yields exactly the bytes of the reference,
/// verified before the last chunk is handed out, or fails.
#[async_trait]
pub trait SharedStorage: Send + Sync {
    /// Type name that applications see.
    fn plugin_type(&self) -> &str;
    /// Publishes a small content, such as a batch. Returns its reference (a CID).
    async fn upload(&self, content: Bytes) -> Result<String, Error>;
    /// Publishes a large content without holding it in memory.
    async fn upload_stream(&self, content: ByteStream) -> Result<String, Error>;
    /// Reads a content of at most `limit` bytes. Waits a bounded time for members that hold it.
    async fn download(&self, reference: &str, limit: u64) -> Result<ByteStream, Error>;
    /// A content of at most `limit` bytes, verified, if it is here already. Asks nobody and waits for nobody.
    async fn at_hand(&self, _reference: &str, _limit: u64) -> Option<Bytes> {
        None
    }
    /// Whether it works.
    fn health(&self) -> Health;
}
