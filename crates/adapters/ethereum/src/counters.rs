//! What the adapter counts, for whoever shows metrics.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// The live counters.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)+ }

        /// The counters as they stand; all but the last three only grow.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Snapshot {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// Transactions that wait to be mined.
            pub in_flight: u64,
            /// Number of the newest block.
            pub head: u64,
            /// Whether new blocks are pushed (1) or polled (0).
            pub pushed: u64,
        }

        impl Counters {
            /// The counters, with the gauges zero.
            pub(crate) fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.get(),)+ ..Snapshot::default() }
            }
        }
    };
}

counters! {
    /// Operations that were signed and journalled.
    submitted,
    /// Journal writes that made submissions durable; fewer than submissions when they came together.
    journal_groups,
    /// Operations that were refused before anything was signed.
    rejected,
    /// Transactions handed to the chain for the first time.
    sent,
    /// Times that the chain did not take a transaction, or could not be reached with it.
    send_failures,
    /// Transactions handed to the chain again because it did not know them any more.
    resent,
    /// Transactions replaced by one that pays more.
    replaced,
    /// Transactions signed again with another nonce because somebody else's had taken theirs.
    renumbered,
    /// Empty transactions sent to close a gap in an account's nonces.
    filled,
    /// Transactions found mined and successful.
    succeeded,
    /// Operations that failed for good.
    failed,
    /// Mined transactions that a reorganisation removed.
    unmined,
    /// New blocks.
    blocks,
    /// Reorganisations of the newest blocks.
    forks,
    /// Connections of a WebSocket.
    connections,
    /// Logs delivered.
    logs,
    /// Logs dropped because nothing can be made of them.
    malformed_logs,
    /// Times that delivered logs had to be taken back.
    retractions,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
