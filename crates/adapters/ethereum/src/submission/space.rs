//! One namespace as submission sees it: where it journals, where fates go, and the work that ends with it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use parking_lot::Mutex;
use photinus_ports::{
    OperationRef,
    blockchain::{Error, LedgerSink},
    journal::{Entry, Journal, JournalError},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    pool::{Phase, Pool, Told, Tx},
    record::{self, Damaged, Done, Sent, Signed},
};

/// Entries read from the journal at once.
const PAGE: usize = 500;

/// A namespace that is attached.
pub(crate) struct Space {
    name: String,
    journal: Arc<dyn Journal>,
    pub(crate) sink: Arc<dyn LedgerSink>,
    /// Work for this namespace, awaited when it is let go.
    pub(crate) work: TaskTracker,
    /// Set when the namespace is let go.
    pub(crate) stop: CancellationToken,
    /// Journal changes that need not be durable at once.
    later: Mutex<Vec<Entry>>,
    /// Finished operations, oldest first.
    finished: Mutex<VecDeque<OperationRef>>,
}

impl Space {
    pub(crate) fn new(
        name: &str,
        journal: Arc<dyn Journal>,
        sink: Arc<dyn LedgerSink>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            name: name.to_owned(),
            journal,
            sink,
            work: TaskTracker::new(),
            stop,
            later: Mutex::default(),
            finished: Mutex::default(),
        }
    }

    /// Ends the work for this namespace and waits for it.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.work.close();
        self.work.wait().await;
        if let Err(error) = self.flush().await {
            // Nothing is lost: the fates that were not noted are found and reported again.
            tracing::warn!(namespace = self.name, %error, "cannot note which operations are finished");
        }
    }

    /// Reads the operations of the last run. Those that succeeded may still have to be sent again, after a reorganisation; those
    /// that failed keep their fate and not their transaction.
    pub(crate) async fn load(&self, now: Instant, head: u64) -> Result<Vec<Tx>, Error> {
        let mut done: HashMap<Uuid, Done> = HashMap::new();
        for (key, value) in self.scan(record::DONE).await? {
            if let Some(id) = record::id(record::DONE, &key) {
                done.insert(id, record::decode(id, &value).map_err(damaged)?);
            }
        }
        let mut txs = Vec::new();
        for (key, value) in self.scan(record::SENT).await? {
            let Some(id) = record::id(record::SENT, &key) else { continue };
            let mut signed = Signed::from(record::decode::<Sent>(id, &value).map_err(damaged)?);
            let phase = match done.remove(&id) {
                Some(Done { error: None, mined: Some(mined) }) => Phase::Mined(mined, Told::Yes),
                Some(done) => {
                    signed.raw = alloy::primitives::Bytes::new();
                    Phase::Over(done)
                }
                None => Phase::Waiting,
            };
            let operation = OperationRef { namespace: self.name.clone(), id };
            txs.push(Tx::new(operation, signed, phase, now, head));
        }
        let mut over: Vec<_> = txs.iter().filter(|tx| tx.phase != Phase::Waiting).collect();
        over.sort_by_key(|tx| tx.signed.created);
        self.finished.lock().extend(over.into_iter().map(|tx| tx.operation.clone()));
        // The fate of an operation whose transaction was forgotten already.
        self.later.lock().extend(done.into_keys().map(|id| (record::key(record::DONE, id), None)));
        Ok(txs)
    }

    async fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        loop {
            let after = all.last().map(|(key, _)| key.clone());
            let page = self.journal.scan(prefix, after.as_deref(), PAGE).await.map_err(journal)?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    /// Makes signed transactions durable, in one write.
    pub(crate) async fn record<'a>(
        &self,
        signed: impl Iterator<Item = (&'a OperationRef, &'a Signed)>,
    ) -> Result<(), Error> {
        let entries: Vec<Entry> = signed
            .map(|(operation, signed)| record::sent(operation, signed))
            .collect::<Result<_, _>>()
            .map_err(damaged)?;
        self.journal.write(entries).await.map_err(journal)
    }

    /// Notes that an operation's fate was reported, soon to be durable.
    pub(crate) fn finish(&self, operation: &OperationRef, done: &Done) {
        match record::done(operation, done) {
            Ok(entry) => self.later.lock().push(entry),
            Err(error) => tracing::error!(%error, "cannot note that an operation is finished"),
        }
        self.finished.lock().push_back(operation.clone());
    }

    /// Forgets the oldest operations that are over, so that `remembered` are left.
    pub(crate) fn forget_oldest(&self, remembered: usize, pool: &mut Pool) {
        let mut finished = self.finished.lock();
        while finished.len() > remembered {
            let Some(oldest) = finished.front() else { break };
            if pool.get(oldest).is_some_and(|tx| !matches!(tx.phase, Phase::Over(_))) {
                break;
            }
            if pool.remove(oldest).is_some() {
                self.later.lock().extend(record::forget(oldest));
            }
            finished.pop_front();
        }
    }

    /// Makes durable what could wait.
    pub(crate) async fn flush(&self) -> Result<(), JournalError> {
        let entries = std::mem::take(&mut *self.later.lock());
        if entries.is_empty() {
            return Ok(());
        }
        let again = entries.clone();
        let written = self.journal.write(entries).await;
        if written.is_err() {
            let mut later = self.later.lock();
            let since = std::mem::replace(&mut *later, again);
            later.extend(since);
        }
        written
    }

    /// The signed transaction of an operation, from the journal.
    pub(crate) async fn signed(&self, id: Uuid) -> Result<Option<Signed>, Error> {
        let key = record::key(record::SENT, id);
        let found = self.journal.scan(&key, None, 1).await.map_err(journal)?;
        found.first().map(|(_, value)| record::decode::<Sent>(id, value).map(Signed::from).map_err(damaged)).transpose()
    }
}

/// Things sorted by the namespace that they belong to.
pub(crate) struct BySpace<T>(Vec<(Arc<Space>, Vec<T>)>);

impl<T> BySpace<T> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn push(&mut self, space: &Arc<Space>, thing: T) {
        match self.0.iter_mut().find(|(other, _)| Arc::ptr_eq(other, space)) {
            Some((_, things)) => things.push(thing),
            None => self.0.push((space.clone(), vec![thing])),
        }
    }
}

impl<T> IntoIterator for BySpace<T> {
    type Item = (Arc<Space>, Vec<T>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn journal(error: JournalError) -> Error {
    Error::Journal(error.0)
}

fn damaged(error: Damaged) -> Error {
    Error::Journal(error.to_string())
}
