//! A small durable memory for adapters, kept by the engine in the namespace's store.

use async_trait::async_trait;

/// The store could not take or give entries.
#[derive(Clone, Debug, thiserror::Error)]
#[error("journal unavailable: {0}")]
pub struct JournalError(pub String);

/// One change of a journal: a key, and its new value or `None` to remove it.
pub type Entry = (Vec<u8>, Option<Vec<u8>>);

/// Ordered durable key-value entries of one adapter in one namespace.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes all entries or none; returns when they are durable.
    async fn write(&self, entries: Vec<Entry>) -> Result<(), JournalError>;
    /// All entries whose key starts with `prefix`, in key order. At most `limit`, starting after `after` when given.
    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError>;
}
