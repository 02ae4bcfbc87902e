//! Counts the bytes of blobs, so that an operator sees what was sent again.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use photinus_ports::exchange::BlobTraffic;

/// The counters of one data exchange.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: Arc<AtomicU64>,
    received: AtomicU64,
}

impl Traffic {
    /// To be told of each piece that a connection takes.
    pub(crate) fn sending(&self) -> impl Fn(usize) + Send + Sync + 'static {
        let sent = Arc::clone(&self.sent);
        move |bytes| {
            sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// So many bytes have come.
    pub(crate) fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was counted.
    pub(crate) fn read(&self) -> BlobTraffic {
        BlobTraffic { sent: self.sent.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) }
    }
}
