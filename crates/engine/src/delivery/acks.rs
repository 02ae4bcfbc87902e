//! Whoever waits until deliveries have arrived, as far as their peers can be reached.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use photinus_model::Uuid;
use tokio::sync::Notify;

/// Deliveries that somebody waits for. Each is settled once: when it has arrived, when it was refused, or when it turns out
/// that its peer cannot be reached now.
#[derive(Default)]
pub(crate) struct Acks {
    open: AtomicUsize,
    settled: Notify,
}

impl Acks {
    /// Waits until all are settled.
    pub(crate) async fn settled(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.settled.notified().await;
        }
    }

    fn settle(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settled.notify_one();
        }
    }
}

/// Who waits for which operation.
#[derive(Default)]
pub(super) struct Registry(Mutex<HashMap<Uuid, Arc<Acks>>>);

impl Registry {
    pub(super) fn expect(&self, operations: impl IntoIterator<Item = Uuid>) -> Arc<Acks> {
        let acks = Arc::new(Acks::default());
        let mut waiting = self.0.lock();
        for operation in operations {
            acks.open.fetch_add(1, Ordering::AcqRel);
            waiting.insert(operation, Arc::clone(&acks));
        }
        acks
    }

    pub(super) fn settle(&self, operation: Uuid) {
        let acks = self.0.lock().remove(&operation);
        if let Some(acks) = acks {
            acks.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_are_waited_for_and_each_counts_once() {
        let registry = Registry::default();
        registry.expect([]).settled().await;
        let acks = registry.expect([Uuid::from_u128(1), Uuid::from_u128(2)]);
        registry.settle(Uuid::from_u128(1));
        registry.settle(Uuid::from_u128(1));
        assert_eq!(acks.open.load(Ordering::Relaxed), 1);
        registry.settle(Uuid::from_u128(2));
        acks.settled().await;
    }
}
