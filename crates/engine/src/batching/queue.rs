//! What waits for a processor: in memory as far as it fits, in the store beyond that.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Bounds, cut::Cut, seal::Outbound};
use crate::messaging::Sealed;

/// A bounded queue that remembers having turned something away.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    arrived: Notify,
    limit: usize,
}

#[derive(Default)]
struct Inner {
    sealed: VecDeque<Outbound>,
    messages: VecDeque<Arc<Sealed>>,
    /// Set while there may be messages in the store that are not in memory. Nothing is taken into memory meanwhile, so that
    /// what comes from the store and what comes from requests cannot get mixed up.
    behind: bool,
    /// Counts what was turned away, to notice arrivals during a read of the store.
    turned_away: u64,
}

/// What a processor is to do next.
pub(super) enum Work {
    /// Send a batch that was sealed in an earlier life.
    Sealed(Box<Outbound>),
    /// Seal and send these.
    Messages(Vec<Arc<Sealed>>),
    /// Read the store: there may be more than memory holds.
    CatchUp,
}

impl Queue {
    /// A queue that holds at most `limit` messages in memory.
    pub(super) fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), arrived: Notify::new(), limit: limit.max(1) }
    }

    /// Takes a message that the store holds, into memory if there is room.
    pub(super) fn push(&self, message: Arc<Sealed>) {
        let mut inner = self.inner.lock();
        if inner.behind || inner.messages.len() >= self.limit {
            inner.behind = true;
            inner.turned_away += 1;
        } else {
            inner.messages.push_back(message);
        }
        drop(inner);
        self.arrived.notify_one();
    }

    /// Takes a batch that was sealed before.
    pub(super) fn push_sealed(&self, batch: Outbound) {
        self.inner.lock().sealed.push_back(batch);
        self.arrived.notify_one();
    }

    /// From now on the store is to be read, because what memory held may be lost.
    pub(super) fn fall_behind(&self) {
        let mut inner = self.inner.lock();
        inner.messages.clear();
        inner.behind = true;
        drop(inner);
        self.arrived.notify_one();
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.sealed.is_empty() && inner.messages.is_empty() && !inner.behind
    }

    /// Waits until there is something to do.
    pub(super) async fn next(&self, author: &str, bounds: &Bounds) -> Work {
        loop {
            if let Some(work) = self.take(author, bounds) {
                return work;
            }
            self.arrived.notified().await;
        }
    }

    /// Waits until waiting longer would not make the next batch bigger.
    pub(super) async fn full(&self, author: &str, bounds: &Bounds) {
        loop {
            {
                let inner = self.inner.lock();
                let waiting = bounds.cut(author, inner.messages.iter().map(Arc::as_ref));
                if waiting.closed || inner.behind || !inner.sealed.is_empty() {
                    return;
                }
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self, author: &str, bounds: &Bounds) -> Option<Work> {
        let mut inner = self.inner.lock();
        if let Some(batch) = inner.sealed.pop_front() {
            return Some(Work::Sealed(Box::new(batch)));
        }
        let Cut { messages, .. } = bounds.cut(author, inner.messages.iter().map(Arc::as_ref));
        if messages > 0 {
            return Some(Work::Messages(inner.messages.drain(..messages).collect()));
        }
        inner.behind.then_some(Work::CatchUp)
    }

    /// Mark of what was turned away so far, to be taken before the store is read.
    pub(super) fn mark(&self) -> u64 {
        self.inner.lock().turned_away
    }

    /// Puts what the store held into memory. With `complete` the store held no more than this; unless something was turned
    /// away since the mark, arrivals are taken into memory again.
    pub(super) fn refill(&self, messages: impl IntoIterator<Item = Arc<Sealed>>, complete: bool, mark: u64) {
        let mut inner = self.inner.lock();
        inner.messages.extend(messages);
        if complete && inner.turned_away == mark {
            inner.behind = false;
        }
    }
}
