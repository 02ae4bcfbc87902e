//! Bytes that flow instead of being held.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

/// A stream of chunks that may fail in the middle.
pub type ByteStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A stream of one chunk, for contents that are in memory anyway.
#[must_use]
pub fn once(bytes: Bytes) -> ByteStream {
    Box::pin(stream::once(async move { Ok(bytes) }))
}

/// Why a stream could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// It carries more than the caller accepts.
    #[error("content is larger than {0} bytes")]
    TooLarge(usize),
    /// It broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Collects a stream of at most `limit` bytes.
///
/// # Errors
/// When the stream breaks, or carries more than `limit` bytes.
pub async fn collect(mut stream: ByteStream, limit: usize) -> Result<Bytes, CollectError> {
    let mut whole = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if whole.len() + chunk.len() > limit {
            return Err(CollectError::TooLarge(limit));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}
