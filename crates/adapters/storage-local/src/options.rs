//! What shared storage is configured with.

use std::{path::PathBuf, time::Duration};

/// Settings of the shared storage.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of the contents. One process at a time may use it.
    pub dir: PathBuf,
    /// The largest content that is published or pulled, in bytes.
    pub max_content: u64,
    /// Up to this size, content travels with its announcement; above, peers pull it. Bytes, at most what peers accept.
    pub inline: u64,
    /// How much unasked-for content of one peer is kept, in bytes. More makes room by dropping that peer's oldest, which is
    /// pulled again if it is ever asked for.
    pub offered_per_peer: u64,
    /// Announcements that wait for one peer. One more drops the oldest.
    pub outbox: usize,
    /// How long a download waits for somebody who has the content. Once bytes flow, they may take longer.
    pub wait: Duration,
    /// How long one peer may take to answer before another is asked as well.
    pub hedge: Duration,
    /// The slowest flow from a peer that is waited for, in bytes a second.
    pub min_rate: u64,
}

impl Options {
    /// Settings with every default.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            max_content: 4 << 30,
            inline: 1 << 20,
            offered_per_peer: 1 << 30,
            outbox: 4096,
            wait: Duration::from_secs(10),
            hedge: Duration::from_millis(150),
            min_rate: 256 * 1024,
        }
    }
}
