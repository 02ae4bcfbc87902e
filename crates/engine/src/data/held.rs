//! How much of the files of each other node is held: what came, less what was deleted since.
//!
//! Two parts of a node count, each in the commit that makes it so: the aggregator what comes and what it throws away, and the
//! deletion of data what applications delete. Each writes a sum of its own, so neither reads what the other is about to write.

use photinus_model::blob::Blob;
use photinus_store::{Change, Error};

use crate::{core::Core, space};

/// Bytes of files of a node that are held.
pub(crate) async fn of(core: &Core, peer: &str) -> Result<u64, Error> {
    Ok(sum(core, space::RECEIVED, peer).await?.saturating_sub(sum(core, space::FREED, peer).await?))
}

/// A sum of bytes as it is stored.
pub(crate) async fn sum(core: &Core, space: u8, peer: &str) -> Result<u64, Error> {
    let stored = core.store.kv_get(core.name(), space, peer.as_bytes()).await?;
    Ok(stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// Writes a sum of bytes.
pub(crate) fn write(space: u8, peer: &str, bytes: u64) -> Change {
    Change::PutKv { space, key: peer.as_bytes().to_vec(), value: bytes.to_be_bytes().to_vec() }
}

/// Number of bytes of a file.
pub(crate) fn size(blob: &Blob) -> u64 {
    u64::try_from(blob.size).unwrap_or_default()
}

/// Counts files that are deleted with their data. The caller deletes one at a time.
pub(super) async fn freed(core: &Core, files: &[Blob]) -> Result<Vec<Change>, Error> {
    let mut sums = std::collections::BTreeMap::new();
    for blob in files.iter().filter(|blob| !blob.peer.is_empty()) {
        let sum: &mut u64 = sums.entry(blob.peer.as_str()).or_default();
        *sum = sum.saturating_add(size(blob));
    }
    let mut changes = Vec::new();
    for (peer, bytes) in sums {
        let before = sum(core, space::FREED, peer).await?;
        changes.push(write(space::FREED, peer, before.saturating_add(bytes)));
    }
    Ok(changes)
}
