//! What waits for a processor: in memory as far as it fits, in the store beyond that.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{
    Bounds,
    arrival::{self, Arrival, Arriving},
    cut::{Cut, Entry, Growing},
    seal::Outbound,
};
use crate::messaging::Sealed;

/// A message on its way into a batch.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) sealed: Arc<Sealed>,
    pub(super) place: Place,
}

/// Where a message is before it is in a batch.
#[derive(Debug)]
pub(super) enum Place {
    /// In the store.
    Stored,
    /// Nowhere but here: it is stored with its batch, and its request waits for that.
    Here(Arrival),
    /// Nobody knows: a commit that had it did not say how it ended.
    Doubtful,
}

impl Waiting {
    fn stored(sealed: Arc<Sealed>) -> Self {
        Self { sealed, place: Place::Stored }
    }

    /// Whether the store holds it.
    pub(super) fn is_stored(&self) -> bool {
        matches!(self.place, Place::Stored)
    }

    /// Tells its request what became of it, if one waits for that.
    pub(super) fn answer(self, outcome: Result<(), photinus_store::Error>) {
        if let Place::Here(arrival) = self.place {
            arrival.answer(outcome);
        }
    }

    /// Takes it for a batch. `false` when its request took it back.
    fn take(&self) -> bool {
        match &self.place {
            Place::Here(arrival) => arrival.take(),
            Place::Stored | Place::Doubtful => true,
        }
    }
}

impl Entry for Waiting {
    fn key(&self) -> &str {
        self.sealed.key()
    }

    fn tx_type(&self) -> &photinus_model::transaction::Type {
        self.sealed.tx_type()
    }

    fn size(&self) -> usize {
        self.sealed.size()
    }
}

/// Up to which time between batches requests may leave their messages to the processor. Those that wait for the verdict lose
/// nothing by it; others would be answered later.
pub(super) const fn pace(confirm: bool) -> Duration {
    Duration::from_millis(if confirm { 1_000 } else { 100 })
}

/// Messages in a second, from callers who wait for nothing but the store, that leaving them to the processor must not slow down.
const FLOW: f64 = 4_000.0;

/// A bounded queue that remembers having turned something away.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    arrived: Notify,
    limit: usize,
}

#[derive(Default)]
struct Inner {
    sealed: VecDeque<Outbound>,
    messages: VecDeque<Waiting>,
    /// Whether the processor waits for the next message.
    idle: bool,
    /// Bytes of the messages.
    bytes: usize,
    /// How much must have come before the processor is woken.
    wanted: Wanted,
    /// How long the last batch took, from its messages to the end of its sending.
    pace: Duration,
    /// Set while there may be messages in the store that are not in memory. Nothing is taken into memory meanwhile, so that
    /// what comes from the store and what comes from requests cannot get mixed up.
    behind: bool,
    /// Counts what was turned away, to notice arrivals during a read of the store.
    turned_away: u64,
}

/// How much a processor wants to wait for. Waking it for each message would cost more than taking it in does.
#[derive(Clone, Copy, Default)]
struct Wanted {
    /// So many messages,
    messages: usize,
    /// or so many bytes.
    bytes: usize,
}

/// What a processor is to do next.
pub(super) enum Work {
    /// Send a batch that was sealed in an earlier life.
    Sealed(Box<Outbound>),
    /// Seal and send these.
    Messages(Vec<Waiting>),
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
            inner.add(Waiting::stored(message));
        }
        self.tell(inner);
    }

    /// Wakes the processor if it waits for what has come.
    fn tell(&self, inner: MutexGuard<'_, Inner>) {
        let Wanted { messages, bytes } = inner.wanted;
        let enough = inner.messages.len() >= messages || inner.bytes >= bytes || inner.must();
        drop(inner);
        if enough {
            self.arrived.notify_one();
        }
    }

    /// Takes a message that is not stored yet, if its batch will come as soon as its request may expect. `confirm` says that the
    /// request waits for the message to be decided, `crowd` is how many requests wait for their messages to be stored.
    pub(super) fn arrive(&self, sealed: &Arc<Sealed>, confirm: bool, crowd: usize) -> Option<Arriving> {
        let mut inner = self.inner.lock();
        if inner.behind || inner.messages.len() >= self.limit || !inner.sealed.is_empty() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "requests that wait are few")]
        let flows = crowd as f64 >= FLOW * inner.pace.as_secs_f64();
        if !(inner.idle || inner.pace < pace(confirm) && (confirm || flows)) {
            return None;
        }
        let (arrival, arriving) = arrival::arrival();
        inner.add(Waiting { sealed: Arc::clone(sealed), place: Place::Here(arrival) });
        self.tell(inner);
        Some(arriving)
    }

    /// Notes how long a batch took.
    pub(super) fn paced(&self, pace: Duration) {
        self.inner.lock().pace = pace;
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
        inner.bytes = 0;
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

    /// Waits until waiting longer would not make the next batch bigger, or its first message has waited for `limit`.
    pub(super) async fn fill(&self, author: &str, bounds: &Bounds, limit: Duration) {
        // Only the processor takes from the front, and it is here.
        let mut growing = Growing::default();
        while !self.is_full(author, bounds, 1, &mut growing) {
            self.arrived.notified().await;
        }
        let end = Instant::now() + limit;
        while !self.is_full(author, bounds, bounds.messages, &mut growing) {
            if timeout_at(end, self.arrived.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Waits until `together` messages wait, or waiting longer would not make the next batch bigger; not longer than `limit`, and
    /// not once nothing has come for `lull`.
    pub(super) async fn have(&self, together: usize, author: &str, bounds: &Bounds, lull: Duration, limit: Duration) {
        let mut growing = Growing::default();
        let wanted = together.min(bounds.messages);
        let end = Instant::now() + limit;
        let mut seen = self.len();
        while !self.is_full(author, bounds, wanted, &mut growing) {
            let pause = end.min(Instant::now() + lull);
            if timeout_at(pause, self.arrived.notified()).await.is_err() {
                let before = std::mem::replace(&mut seen, self.len());
                if seen == before || pause == end {
                    return;
                }
            }
        }
    }

    /// How many messages wait in memory.
    pub(super) fn len(&self) -> usize {
        self.inner.lock().messages.len()
    }

    /// Whether the next batch has `wanted` messages, or can have no more. If not, the processor is woken when it may have.
    fn is_full(&self, author: &str, bounds: &Bounds, wanted: usize, growing: &mut Growing) -> bool {
        let mut inner = self.inner.lock();
        bounds.grow(author, &inner.messages, growing);
        inner.wanted = Wanted { messages: wanted, bytes: bounds.bytes };
        growing.cut.closed || growing.cut.messages >= wanted || inner.must()
    }

    fn take(&self, author: &str, bounds: &Bounds) -> Option<Work> {
        let mut inner = self.inner.lock();
        inner.wanted = Wanted::default();
        if let Some(batch) = inner.sealed.pop_front() {
            return Some(Work::Sealed(Box::new(batch)));
        }
        loop {
            let Cut { messages, .. } = bounds.cut(author, &inner.messages);
            let taken: Vec<_> = inner.remove(messages).filter(Waiting::take).collect();
            inner.idle = messages == 0 && !inner.behind;
            if !taken.is_empty() {
                return Some(Work::Messages(taken));
            }
            if messages == 0 {
                return inner.behind.then_some(Work::CatchUp);
            }
        }
    }

    /// Mark of what was turned away so far, to be taken before the store is read.
    pub(super) fn mark(&self) -> u64 {
        self.inner.lock().turned_away
    }

    /// Puts what the store held into memory. With `complete` the store held no more than this; unless something was turned
    /// away since the mark, arrivals are taken into memory again.
    pub(super) fn refill(&self, messages: impl IntoIterator<Item = Arc<Sealed>>, complete: bool, mark: u64) {
        let mut inner = self.inner.lock();
        for message in messages {
            inner.add(Waiting::stored(message));
        }
        if complete && inner.turned_away == mark {
            inner.behind = false;
        }
    }
}

impl Inner {
    fn add(&mut self, waiting: Waiting) {
        self.bytes += waiting.sealed.size();
        self.messages.push_back(waiting);
    }

    /// Takes messages from the front.
    fn remove(&mut self, count: usize) -> impl Iterator<Item = Waiting> {
        let removed = self.messages.drain(..count);
        removed.inspect(|waiting| self.bytes -= waiting.sealed.size())
    }

    /// Whether there is something to do that is no message in memory.
    fn must(&self) -> bool {
        self.behind || !self.sealed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backlog::tests::message;

    const BOUNDS: Bounds = Bounds { messages: 10, bytes: 10_000 };

    /// The messages that are next, by their identifiers; none when the processor waits.
    fn take(queue: &Queue) -> Vec<u128> {
        match queue.take("", &BOUNDS) {
            Some(Work::Messages(messages)) => {
                messages.iter().map(|waiting| waiting.sealed.message.header.id.as_u128()).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn messages_are_left_where_their_batch_comes_at_once() {
        let queue = Queue::new(100);
        assert!(take(&queue).is_empty());
        queue.paced(Duration::from_millis(50));
        // The processor waits for it.
        let first = queue.arrive(&message(1, 1), false, 1);
        assert!(first.is_some());
        assert_eq!(take(&queue), [1]);
        // It is busy now: a lone caller would wait, and many would not be served faster than by the store.
        assert!(queue.arrive(&message(2, 1), false, 1).is_none());
        assert!(queue.arrive(&message(2, 1), false, 100).is_none());
        let crowd = queue.arrive(&message(2, 1), false, 200);
        let confirm = queue.arrive(&message(3, 1), true, 1);
        assert!(crowd.is_some() && confirm.is_some());
        queue.push(message(4, 1));
        assert_eq!(take(&queue), [2, 3, 4]);
        // It takes too long, or nobody knows how long.
        queue.paced(Duration::from_secs(2));
        assert!(queue.arrive(&message(5, 1), true, 1_000).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_batch_fills_for_as_long_as_it_is_worth_it() {
        const LIMIT: Duration = Duration::from_millis(20);
        const LULL: Duration = Duration::from_millis(2);
        let queue = Queue::new(100);
        let came = |ids: std::ops::Range<u128>| ids.for_each(|id| queue.push(message(id, 1)));
        let start = Instant::now();
        // From its first message on, up to the limit,
        let late = async {
            tokio::time::sleep(LIMIT * 2).await;
            came(1..3);
        };
        tokio::join!(queue.fill("", &BOUNDS, LIMIT), late);
        assert_eq!(start.elapsed(), LIMIT * 3);
        // or until it is full.
        let full = async {
            tokio::time::sleep(LULL).await;
            came(3..12);
        };
        tokio::join!(queue.fill("", &BOUNDS, LIMIT), full);
        assert_eq!((start.elapsed(), take(&queue).len()), (LIMIT * 3 + LULL, 10));
        // One message is left. Those who are expected come within moments of each other, or not at all.
        let back = async {
            for id in 12..15 {
                tokio::time::sleep(LULL / 2).await;
                came(id..id + 1);
            }
        };
        let start = Instant::now();
        tokio::join!(queue.have(4, "", &BOUNDS, LULL, LIMIT), back);
        assert_eq!(start.elapsed(), LULL / 2 * 3);
        queue.have(5, "", &BOUNDS, LULL, LIMIT).await;
        assert_eq!(start.elapsed(), LULL / 2 * 5);
        // A processor that waits for anything at all is woken by the first.
        assert_eq!(take(&queue).len(), 4);
        assert!(take(&queue).is_empty());
        let first = async { came(20..21) };
        tokio::join!(queue.next("", &BOUNDS), first);
    }

    #[test]
    fn what_is_taken_back_is_in_no_batch() {
        let queue = Queue::new(100);
        let back = queue.arrive(&message(1, 1), true, 1);
        let stays = queue.arrive(&message(2, 1), true, 1);
        drop(back);
        assert_eq!(take(&queue), [2]);
        drop(queue.arrive(&message(3, 1), true, 1));
        assert!(take(&queue).is_empty());
        drop(stays);
    }

    #[test]
    fn nothing_is_left_behind_what_only_the_store_holds() {
        let queue = Queue::new(1);
        queue.push(message(1, 1));
        queue.push(message(2, 1));
        assert!(queue.arrive(&message(3, 1), true, 1).is_none());
        assert_eq!(take(&queue), [1]);
        assert!(queue.arrive(&message(3, 1), true, 1).is_none());
        assert!(matches!(queue.take("", &BOUNDS), Some(Work::CatchUp)));
        queue.refill([message(2, 1)], true, queue.mark());
        assert_eq!(take(&queue), [2]);
        assert!(queue.arrive(&message(3, 1), true, 1).is_some());
    }
}
