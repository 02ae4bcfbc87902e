//! Tells many at once that something changed, always in the order in which they began to wait. Tokio's `watch` wakes those who
//! wait in an order that it draws by itself.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Something that changes.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    count: AtomicU64,
    waiting: Notify,
}

impl Signal {
    /// It changed.
    pub(crate) fn raise(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.waiting.notify_waiters();
    }

    /// How often it changed so far.
    pub(crate) fn seen(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until it has changed more often than that.
    pub(crate) async fn beyond(&self, seen: u64) {
        loop {
            let changed = self.waiting.notified();
            if self.seen() != seen {
                return;
            }
            changed.await;
        }
    }
}
