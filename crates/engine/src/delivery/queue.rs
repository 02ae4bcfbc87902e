//! What waits for one worker: the first deliveries in memory, all of them in the store.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use photinus_model::Time;
use tokio::sync::Notify;

use super::{entry::Delivery, status::Backlog};

/// A bounded queue in the order of places, which remembers having turned something away.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    pub(super) arrived: Notify,
    /// Most deliveries in memory.
    limit: usize,
    /// Most bytes of payloads in memory; beyond it a delivery's payload is made again when its turn comes.
    memory: usize,
}

#[derive(Default)]
struct Inner {
    waiting: BTreeMap<u64, Delivery>,
    /// Places under way, and since when they are owed.
    under_way: BTreeMap<u64, Time>,
    bytes: usize,
    /// Whether the store may hold more than memory.
    behind: bool,
    turned_away: u64,
    owed: u64,
    /// What the last attempt said, while attempts fail.
    trouble: Option<String>,
}

/// What a worker is to do next.
pub(super) enum Next {
    /// Deliver this.
    Deliver(Box<Delivery>),
    /// Read so many entries from the store, from the first on, then [`Queue::refill`] with the mark.
    Read { limit: usize, mark: u64 },
    /// Wait.
    Nothing,
}

impl Queue {
    pub(super) fn new(limit: usize, memory: usize) -> Self {
        Self { inner: Mutex::default(), arrived: Notify::new(), limit: limit.max(1), memory }
    }

    /// Takes a delivery that the store holds. `false` when nobody should wait for it: it stays in the store for now, or the
    /// peer cannot be reached.
    pub(super) fn push(&self, mut delivery: Delivery) -> bool {
        let mut inner = self.inner.lock();
        inner.owed += 1;
        let taken = !inner.behind && inner.waiting.len() < self.limit;
        if taken {
            self.keep_payload(&mut inner, &mut delivery);
            inner.waiting.insert(delivery.place, delivery);
        } else {
            inner.behind = true;
            inner.turned_away += 1;
        }
        let soon = taken && inner.trouble.is_none();
        drop(inner);
        self.arrived.notify_one();
        soon
    }

    fn keep_payload(&self, inner: &mut Inner, delivery: &mut Delivery) {
        let length = delivery.payload.as_ref().map_or(0, bytes::Bytes::len);
        if inner.bytes + length <= self.memory {
            inner.bytes += length;
        } else {
            delivery.payload = None;
        }
    }

    /// Whether nothing waits here, and nothing has failed of late.
    pub(super) fn is_free(&self) -> bool {
        let inner = self.inner.lock();
        inner.waiting.is_empty() && !inner.behind && inner.trouble.is_none()
    }

    /// Takes note of so many deliveries that are in the store alone.
    pub(super) fn owes(&self, count: u64) {
        let mut inner = self.inner.lock();
        inner.owed += count;
        inner.behind = true;
        drop(inner);
        self.arrived.notify_one();
    }

    /// What is to be done, with so many new deliveries at most.
    pub(super) fn next(&self) -> Next {
        let mut inner = self.inner.lock();
        if let Some((place, delivery)) = inner.waiting.pop_first() {
            inner.bytes = inner.bytes.saturating_sub(delivery.payload.as_ref().map_or(0, bytes::Bytes::len));
            inner.under_way.insert(place, delivery.since);
            return Next::Deliver(Box::new(delivery));
        }
        if inner.behind {
            Next::Read { limit: self.limit + inner.under_way.len(), mark: inner.turned_away }
        } else {
            Next::Nothing
        }
    }

    /// Puts what the store held into memory; `complete` if it held no more.
    pub(super) fn refill(&self, entries: Vec<Delivery>, complete: bool, mark: u64) {
        let mut inner = self.inner.lock();
        for entry in entries {
            if !inner.under_way.contains_key(&entry.place) {
                inner.waiting.entry(entry.place).or_insert(entry);
            }
        }
        if complete && inner.turned_away == mark {
            inner.behind = false;
        }
    }

    /// A delivery has come to its end, and its entry is gone.
    pub(super) fn done(&self, place: u64) {
        let mut inner = self.inner.lock();
        inner.under_way.remove(&place);
        inner.owed = inner.owed.saturating_sub(1);
    }

    /// The peer answered.
    pub(super) fn answered(&self) {
        self.inner.lock().trouble = None;
    }

    /// A delivery is to be tried again. `true` when it failed in a new way.
    pub(super) fn again(&self, mut delivery: Delivery, error: &str) -> bool {
        let mut inner = self.inner.lock();
        inner.under_way.remove(&delivery.place);
        self.keep_payload(&mut inner, &mut delivery);
        inner.waiting.insert(delivery.place, delivery);
        let new = inner.trouble.as_deref() != Some(error);
        inner.trouble = Some(error.to_owned());
        new
    }

    /// What was under way is in the store alone, because its worker fell over.
    pub(super) fn start_over(&self) {
        let mut inner = self.inner.lock();
        if !inner.under_way.is_empty() {
            inner.under_way.clear();
            inner.waiting.clear();
            inner.bytes = 0;
            inner.behind = true;
        }
    }

    /// Whether attempts fail now.
    pub(super) fn is_troubled(&self) -> bool {
        self.inner.lock().trouble.is_some()
    }

    /// How it does.
    pub(super) fn report(&self) -> Backlog {
        let inner = self.inner.lock();
        let first = inner.waiting.first_key_value().map(|(place, delivery)| (*place, delivery.since));
        let under_way = inner.under_way.first_key_value().map(|(place, since)| (*place, *since));
        Backlog {
            behind: inner.owed,
            since: first.into_iter().chain(under_way).min().map(|(_, since)| since),
            error: inner.trouble.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use photinus_model::{Hash, Uuid};

    use super::*;
    use crate::delivery::entry::What;

    fn delivery(place: u64) -> Delivery {
        Delivery {
            node: Uuid::nil(),
            operation: Uuid::from_u128(place.into()),
            what: What::Batch { id: Uuid::nil(), hash: Hash::of("") },
            place,
            since: Time::from_unix_nanos(i64::try_from(place).unwrap()),
            payload: Some(Bytes::from_static(b"1234")),
        }
    }

    #[track_caller]
    fn delivers(queue: &Queue, place: u64, payload: bool) -> Delivery {
        match queue.next() {
            Next::Deliver(delivery) if delivery.place == place => {
                assert_eq!(delivery.payload.is_some(), payload);
                *delivery
            }
            _ => panic!("another step than the delivery of {place}"),
        }
    }

    #[test]
    fn memory_is_bounded_and_order_is_kept() {
        let queue = Queue::new(2, 4);
        assert!(queue.push(delivery(1)) && queue.push(delivery(2)));
        assert!(!queue.push(delivery(3)));
        let first = delivers(&queue, 1, true);
        delivers(&queue, 2, false);
        let Next::Read { limit: 4, mark } = queue.next() else { panic!("the store is read") };
        // What arrives meanwhile is turned away, so the store has to be read once more.
        assert!(!queue.push(delivery(4)));
        queue.refill(vec![delivery(1), delivery(2), delivery(3)], true, mark);
        assert!(queue.again(first, "away") && queue.is_troubled());
        assert_eq!(
            queue.report(),
            Backlog { behind: 4, since: Some(Time::from_unix_nanos(1)), error: Some("away".into()) }
        );
        delivers(&queue, 1, true);
        queue.answered();
        delivers(&queue, 3, true);
        for place in [1, 2, 3] {
            queue.done(place);
        }
        let Next::Read { mark, .. } = queue.next() else { panic!("the store is read") };
        queue.refill(vec![delivery(4)], true, mark);
        delivers(&queue, 4, true);
        queue.done(4);
        assert!(matches!(queue.next(), Next::Nothing));
        assert_eq!(queue.report(), Backlog::default());
    }
}
