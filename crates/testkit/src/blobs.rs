//! Files in memory.

use std::{
    collections::HashMap,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_model::{Hash, Uuid};
use photinus_ports::{
    blobs::{BlobStore, Error, Stored},
    stream::{self, ByteStream, CollectError},
};

/// A blob store whose files are gone with it. It outlives a crash of the member that uses it, as a disk would.
#[derive(Debug, Default)]
pub struct Blobs {
    next: AtomicU64,
    files: Mutex<HashMap<String, Bytes>>,
}

impl Blobs {
    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.lock().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[async_trait]
impl BlobStore for Blobs {
    async fn put(&self, namespace: &str, content: ByteStream, limit: u64) -> Result<Stored, Error> {
        let content = stream::collect(content, usize::try_from(limit).unwrap_or(usize::MAX)).await.map_err(
            |error| match error {
                CollectError::TooLarge(_) => Error::TooLarge(limit),
                CollectError::Io(error) => Error::Io(error),
            },
        )?;
        let payload_ref = format!("{namespace}/{}", self.next.fetch_add(1, Ordering::Relaxed));
        let stored = Stored { hash: Hash::of(&content), size: content.len() as u64, payload_ref: payload_ref.clone() };
        self.files.lock().insert(payload_ref, content);
        Ok(stored)
    }

    async fn open(&self, payload_ref: &str) -> Result<(u64, ByteStream), Error> {
        let content = self.files.lock().get(payload_ref).cloned();
        let content = content.ok_or_else(|| Error::NotFound(payload_ref.to_owned()))?;
        Ok((content.len() as u64, stream::once(content)))
    }

    async fn open_unchecked(&self, payload_ref: &str) -> Result<(u64, ByteStream), Error> {
        self.open(payload_ref).await
    }

    async fn adopt(&self, namespace: &str, file: &Path, hash: Hash, id: Uuid) -> Result<Stored, Error> {
        let content = Bytes::from(tokio::fs::read(file).await?);
        let payload_ref = format!("{namespace}/{hash}/{id}");
        let size = content.len() as u64;
        self.files.lock().insert(payload_ref.clone(), content);
        Ok(Stored { hash, size, payload_ref })
    }

    async fn adopted(&self, namespace: &str, hash: Hash, id: Uuid) -> Result<Option<Stored>, Error> {
        let payload_ref = format!("{namespace}/{hash}/{id}");
        let size = self.files.lock().get(&payload_ref).map(|content| content.len() as u64);
        Ok(size.map(|size| Stored { hash, size, payload_ref }))
    }

    async fn delete(&self, payload_ref: &str) -> Result<(), Error> {
        self.files.lock().remove(payload_ref);
        Ok(())
    }
}
