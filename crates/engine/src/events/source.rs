//! Where dispatchers get events from: the newest ones from memory, older ones from the store.
//!
//! One task per namespace follows the store's feed into a ring. A dispatcher that keeps up never reads the database for
//! events, and one that does not costs nobody else anything.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::RwLock;
use photinus_model::event::Event;
use photinus_store::Store;
use quick_cache::{Weighter, sync::Cache};
use tokio::sync::watch;

use super::enrich::{Shared, enrich};

/// Events kept in memory.
const RING: usize = 8_192;

/// The events of a namespace.
pub(super) struct Source {
    store: Store,
    namespace: String,
    ring: RwLock<Ring>,
    newest: watch::Sender<i64>,
    /// Events with their objects by sequence, for those who read the same at about the same time.
    enriched: Cache<i64, Arc<Shared>, Weight>,
}

/// Events in the cache, counted as in [`Weight`].
const CACHED: u64 = 8_192;

/// An event counts for one, and once more for every few references of its message.
#[derive(Clone)]
struct Weight;

impl Weighter<i64, Arc<Shared>> for Weight {
    fn weight(&self, _sequence: &i64, event: &Arc<Shared>) -> u64 {
        let references = event.message.as_ref().map_or(0, |message| message.data.len());
        1 + references as u64 / 8
    }
}

/// The newest events without a hole: all those above `floor`.
#[derive(Default)]
struct Ring {
    floor: i64,
    events: VecDeque<Event>,
}

impl Ring {
    fn push(&mut self, event: &Event) {
        if event.sequence <= self.newest() {
            return;
        }
        if self.events.len() >= RING
            && let Some(oldest) = self.events.pop_front()
        {
            self.floor = oldest.sequence;
        }
        self.events.push_back(event.clone());
    }

    fn newest(&self) -> i64 {
        self.events.back().map_or(self.floor, |event| event.sequence)
    }

    /// Events above a sequence, or nothing when some of them are not in memory.
    fn after(&self, sequence: i64, limit: usize) -> Option<Vec<Event>> {
        if sequence < self.floor {
            return None;
        }
        let first = self.events.partition_point(|event| event.sequence <= sequence);
        Some(self.events.iter().skip(first).take(limit).cloned().collect())
    }
}

impl Source {
    pub(super) fn new(store: Store, namespace: &str) -> Self {
        Self {
            store,
            namespace: namespace.to_owned(),
            ring: RwLock::default(),
            newest: watch::Sender::new(0),
            enriched: Cache::with_weighter(1_024, CACHED, Weight),
        }
    }

    /// Follows the feed until the store is closed. A listener that fell behind starts over from what the store has.
    pub(super) async fn follow(self: Arc<Self>) -> Result<(), photinus_store::Error> {
        loop {
            // The feed first: an event between the two is in both, never in none.
            let mut feed = self.store.feed(&self.namespace);
            let floor = self.store.read(&self.namespace).last_event().await?;
            *self.ring.write() = Ring { floor, events: VecDeque::new() };
            self.newest.send_replace(floor);
            while let Ok(events) = feed.next().await? {
                let mut ring = self.ring.write();
                for event in events.iter() {
                    ring.push(event);
                }
                let newest = ring.newest();
                drop(ring);
                self.newest.send_replace(newest);
            }
        }
    }

    /// Changes with every commit.
    pub(super) fn changes(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    /// As [`Source::after`], with their objects.
    pub(super) async fn enriched_after(
        &self,
        sequence: i64,
        limit: usize,
    ) -> Result<Vec<Arc<Shared>>, photinus_store::Error> {
        let events = self.after(sequence, limit).await?;
        let mut all: Vec<Option<Arc<Shared>>> = events.iter().map(|event| self.enriched.get(&event.sequence)).collect();
        let missing: Vec<Event> =
            events.into_iter().zip(&all).filter(|(_, known)| known.is_none()).map(|(event, _)| event).collect();
        if !missing.is_empty() {
            let found = enrich(&self.store.read(&self.namespace), &missing).await?;
            let mut found = found.into_iter().map(|event| Arc::new(Shared::from(event)));
            for place in all.iter_mut().filter(|place| place.is_none()) {
                *place = found.next();
                if let Some(event) = place {
                    self.enriched.insert(event.event.sequence, Arc::clone(event));
                }
            }
        }
        Ok(all.into_iter().flatten().collect())
    }

    /// Events above a sequence, in order, at most `limit`.
    pub(super) async fn after(&self, sequence: i64, limit: usize) -> Result<Vec<Event>, photinus_store::Error> {
        let known = self.ring.read().after(sequence, limit);
        match known {
            Some(events) => Ok(events),
            None => self.store.read(&self.namespace).events_after(sequence, limit).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use photinus_model::{Time, Uuid, event::Type};

    use super::*;

    fn event(sequence: i64) -> Event {
        Event {
            id: Uuid::from_u128(u128::try_from(sequence).unwrap()),
            sequence,
            kind: Type::MessageConfirmed,
            namespace: "ns".into(),
            reference: None,
            correlator: None,
            tx: None,
            topic: String::new(),
            created: Time::from_unix_nanos(1),
        }
    }

    #[test]
    fn the_ring_answers_only_without_holes() {
        let mut ring = Ring { floor: 10, events: VecDeque::new() };
        assert_eq!(ring.after(10, 5).map(|events| events.len()), Some(0));
        assert!(ring.after(9, 5).is_none());
        for sequence in [11, 13, 13, 12, 20] {
            ring.push(&event(sequence));
        }
        let sequences = |after, limit| {
            ring.after(after, limit).map(|events| events.iter().map(|event| event.sequence).collect::<Vec<_>>())
        };
        assert_eq!(sequences(10, 9), Some(vec![11, 13, 20]));
        assert_eq!(sequences(11, 1), Some(vec![13]));
        assert_eq!(sequences(20, 9), Some(vec![]));
    }

    #[test]
    fn the_ring_is_bounded() {
        let mut ring = Ring::default();
        for sequence in 1..=i64::try_from(RING).unwrap() + 5 {
            ring.push(&event(sequence));
        }
        assert_eq!(ring.events.len(), RING);
        assert!(ring.after(4, 1).is_none());
        assert_eq!(ring.after(5, 1).unwrap()[0].sequence, 6);
    }
}
