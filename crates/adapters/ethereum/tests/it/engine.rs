//! An engine reduced to what the adapter sees of it: a journal and a sink, in memory, that check what they are given.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use photinus_ports::{
    OperationRef,
    blockchain::{Cursor, Delivery, LedgerSink, Log, Outcome, Receipt, SinkClosed},
    journal::{Entry, Journal, JournalError},
};
use tokio::sync::Notify;

/// How long anything may take in these tests before it counts as failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until a condition holds, looking again whenever the runtime has turned a little.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// A journal that outlives the adapter.
#[derive(Default)]
pub(crate) struct Memory {
    entries: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    pub(crate) writes: AtomicUsize,
    pub(crate) broken: AtomicBool,
}

impl Memory {
    /// Number of entries under a prefix.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.entries.lock().keys().filter(|key| key.starts_with(prefix.as_bytes())).count()
    }
}

#[async_trait]
impl Journal for Memory {
    async fn write(&self, entries: Vec<Entry>) -> Result<(), JournalError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(JournalError("the disk is full".to_owned()));
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        let mut all = self.entries.lock();
        for (key, value) in entries {
            match value {
                Some(value) => all.insert(key, value),
                None => all.remove(&key),
            };
        }
        Ok(())
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        let all = self.entries.lock();
        let found = all
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_slice() > after))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()));
        Ok(found.collect())
    }
}

/// What was reported, with everything that was taken back taken out.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) logs: Vec<Log>,
    pub(crate) cursor: Option<Cursor>,
    /// The block of each retraction.
    pub(crate) retractions: Vec<u64>,
    pub(crate) deliveries: usize,
    pub(crate) receipts: HashMap<OperationRef, Vec<Receipt>>,
    pub(crate) faults: Vec<String>,
}

/// A sink that keeps what it is told.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) seen: Mutex<Seen>,
    changed: Notify,
}

impl Recorder {
    /// Waits until what was seen fulfils a condition. Faults in the order of things fail at once.
    pub(crate) async fn until(&self, what: &str, mut condition: impl FnMut(&Seen) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                {
                    let seen = self.seen.lock();
                    assert_eq!(seen.faults, Vec::<String>::new(), "while waiting: {what}");
                    if condition(&seen) {
                        return;
                    }
                }
                changed.await;
            }
        };
        if tokio::time::timeout(DEADLINE, wait).await.is_err() {
            let seen = self.seen.lock();
            panic!(
                "not in time: {what}; {} logs, cursor {:?}, {} operations reported",
                seen.logs.len(),
                seen.cursor,
                seen.receipts.len()
            );
        }
    }

    /// Waits for an operation's fate, the last one that was reported.
    pub(crate) async fn fate(&self, operation: &OperationRef) -> Receipt {
        self.until("an operation's fate", |seen| seen.receipts.contains_key(operation)).await;
        self.seen.lock().receipts[operation].last().unwrap().clone()
    }

    /// Waits until all operations succeeded.
    pub(crate) async fn all_succeed(&self, operations: &[OperationRef]) {
        self.until("all operations are reported", |seen| operations.iter().all(|op| seen.receipts.contains_key(op)))
            .await;
        let seen = self.seen.lock();
        for operation in operations {
            for receipt in &seen.receipts[operation] {
                assert_eq!(receipt.outcome, Outcome::Succeeded, "{operation}: {receipt:?}");
            }
        }
    }

    /// The pinned values of all logs, in order, as far as they are told by their first context.
    pub(crate) fn pinned(&self) -> Vec<u64> {
        self.seen.lock().logs.iter().map(|log| crate::network::number_of(&log.pin)).collect()
    }
}

#[async_trait]
impl LedgerSink for Recorder {
    async fn deliver(&self, delivery: Delivery) -> Result<(), SinkClosed> {
        let mut seen = self.seen.lock();
        seen.deliveries += 1;
        if let Some(from) = delivery.retracted_from {
            seen.retractions.push(from);
            if !delivery.logs.is_empty() || delivery.cursor.block_hash.is_empty() {
                seen.faults.push(format!(
                    "what is taken back from block {from} on does not come alone, or leaves nothing known"
                ));
            }
            let before = seen.logs.len();
            seen.logs.retain(|log| log.position.block < from);
            if seen.logs.len() == before {
                seen.faults.push(format!("nothing to take back from block {from} on"));
            }
        }
        for log in delivery.logs {
            if seen.logs.last().is_some_and(|last| last.position >= log.position) {
                seen.faults.push(format!("{:?} out of order", log.position));
            }
            if log.position.block > delivery.cursor.block {
                seen.faults.push(format!("{:?} above the cursor {}", log.position, delivery.cursor.block));
            }
            seen.logs.push(log);
        }
        let back = seen.cursor.as_ref().is_some_and(|cursor| cursor.block > delivery.cursor.block);
        if back
            && delivery.retracted_from.is_none()
            && seen.logs.last().is_some_and(|log| log.position.block > delivery.cursor.block)
        {
            seen.faults.push("the cursor went back over logs".to_owned());
        }
        seen.cursor = Some(delivery.cursor);
        drop(seen);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn receipt(&self, receipt: Receipt) -> Result<(), SinkClosed> {
        self.seen.lock().receipts.entry(receipt.operation.clone()).or_default().push(receipt);
        self.changed.notify_waiters();
        Ok(())
    }
}

/// A journal and a sink of one namespace.
#[derive(Clone, Default)]
pub(crate) struct Engine {
    pub(crate) journal: Arc<Memory>,
    pub(crate) sink: Arc<Recorder>,
}
