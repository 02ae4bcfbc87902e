//! Whose question is next: groups take turns, and so do the nodes that told of something.
//!
//! What is under way is bounded, in all and for each lane, so that neither a group of which much is lost nor a node that tells
//! of what nobody has takes the turns of others. What fails is asked again after a growing wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use photinus_model::Hash;
use photinus_sequencing::facts::{BatchKey, MessageKey};
use tokio::time::Instant;

use crate::backoff::Backoff;

/// Questions under way.
pub(super) const WORKERS: usize = 16;
/// Questions under way of one lane.
const PER_LANE: usize = 4;

/// Something that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Key {
    /// The payload of a batch.
    Batch(BatchKey),
    /// A file, for a message.
    File(Hash, MessageKey),
    /// The members of a group.
    Group(Hash),
}

/// Those who share turns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Lane {
    /// What the ledger shows to be missing of a group.
    Group(Hash),
    /// Files of a group. They are many where payloads are few, and must not be in their way.
    Files(Hash),
    /// Batches of which only the word of this node says that they are for us.
    Told(String),
    /// Groups to which this node wrote.
    Wrote(String),
}

struct Item<W> {
    lane: Lane,
    work: W,
    due: Instant,
    wait: Backoff,
    attempts: u32,
}

/// What to ask for now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next<W> {
    pub(super) key: Key,
    pub(super) work: W,
    /// Attempts before this one.
    pub(super) attempts: u32,
}

/// Everything that is asked for.
pub(super) struct Queue<W> {
    items: BTreeMap<Key, Item<W>>,
    /// What is not under way, by lane and time.
    due: BTreeMap<Lane, BTreeSet<(Instant, Key)>>,
    /// What is under way, also when it is not asked for any longer.
    at_work: BTreeMap<Key, Lane>,
    busy: BTreeMap<Lane, usize>,
    /// How many there are of each lane.
    sizes: BTreeMap<Lane, usize>,
    last: Option<Lane>,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            due: BTreeMap::new(),
            at_work: BTreeMap::new(),
            busy: BTreeMap::new(),
            sizes: BTreeMap::new(),
            last: None,
        }
    }
}

impl<W: Clone> Queue<W> {
    /// Adds something. Nothing happens when it is there already.
    pub(super) fn add(&mut self, key: Key, lane: Lane, work: W, due: Instant, wait: Backoff) {
        if self.items.contains_key(&key) {
            return;
        }
        *self.sizes.entry(lane.clone()).or_default() += 1;
        if !self.at_work.contains_key(&key) {
            self.due.entry(lane.clone()).or_default().insert((due, key.clone()));
        }
        self.items.insert(key, Item { lane, work, due, wait, attempts: 0 });
    }

    /// Whether something is asked for.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.items.contains_key(key)
    }

    /// What is asked for.
    pub(super) fn get(&self, key: &Key) -> Option<&W> {
        self.items.get(key).map(|item| &item.work)
    }

    /// How many things of a lane are asked for.
    pub(super) fn of(&self, lane: &Lane) -> usize {
        self.sizes.get(lane).copied().unwrap_or_default()
    }

    /// It is not asked for any longer.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(item) = self.items.remove(key) else { return };
        self.unschedule(&item.lane, item.due, key);
        if let Some(size) = self.sizes.get_mut(&item.lane) {
            *size = size.saturating_sub(1);
            if *size == 0 {
                self.sizes.remove(&item.lane);
            }
        }
    }

    /// What to ask for now, which is under way from here on.
    pub(super) fn next(&mut self, now: Instant) -> Option<Next<W>> {
        if self.at_work.len() >= WORKERS {
            return None;
        }
        let last = self.last.clone();
        let behind = match &last {
            Some(last) => (Bound::Excluded(last), Bound::Unbounded),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let free = |lane: &&Lane| self.busy.get(lane).is_none_or(|busy| *busy < PER_LANE);
        let first = |lane: &Lane| self.due.get(lane)?.first().filter(|(due, _)| *due <= now).cloned();
        let lanes = self.due.range::<Lane, _>(behind).chain(&self.due).map(|(lane, _)| lane).filter(free);
        let (lane, (due, key)) = lanes.filter_map(|lane| Some((lane.clone(), first(lane)?))).next()?;
        self.unschedule(&lane, due, &key);
        *self.busy.entry(lane.clone()).or_default() += 1;
        self.at_work.insert(key.clone(), lane.clone());
        self.last = Some(lane);
        let item = self.items.get_mut(&key)?;
        let attempts = item.attempts;
        item.attempts = attempts.saturating_add(1);
        Some(Next { work: item.work.clone(), key, attempts })
    }

    /// It is asked for again, not before `least`.
    pub(super) fn later(&mut self, key: &Key, now: Instant, least: Duration) {
        self.end(key);
        if let Some(item) = self.items.get_mut(key) {
            item.due = now + item.wait.advance().max(least);
            self.due.entry(item.lane.clone()).or_default().insert((item.due, key.clone()));
        }
    }

    /// There is nothing left to ask for, unless it came and is missing once more.
    pub(super) fn done(&mut self, key: &Key) {
        self.end(key);
        match self.items.get(key) {
            Some(anew) if anew.attempts == 0 => {
                self.due.entry(anew.lane.clone()).or_default().insert((anew.due, key.clone()));
            }
            _ => self.remove(key),
        }
    }

    /// When something is due for which there is room.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.at_work.len() >= WORKERS {
            return None;
        }
        let free = self.due.iter().filter(|(lane, _)| self.busy.get(lane).is_none_or(|busy| *busy < PER_LANE));
        free.filter_map(|(_, due)| due.first()).map(|(due, _)| *due).min()
    }

    /// Everything is due.
    pub(super) fn hurry(&mut self, now: Instant) {
        for due in self.due.values_mut() {
            for (was, key) in std::mem::take(due) {
                let at = was.min(now);
                if let Some(item) = self.items.get_mut(&key) {
                    item.due = at;
                }
                due.insert((at, key));
            }
        }
    }

    /// What was under way is due.
    pub(super) fn start_over(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.at_work).into_keys() {
            if let Some(item) = self.items.get_mut(&key) {
                item.due = now;
                self.due.entry(item.lane.clone()).or_default().insert((now, key));
            }
        }
        self.busy.clear();
    }

    fn end(&mut self, key: &Key) {
        let Some(lane) = self.at_work.remove(key) else { return };
        if let Some(busy) = self.busy.get_mut(&lane) {
            *busy = busy.saturating_sub(1);
            if *busy == 0 {
                self.busy.remove(&lane);
            }
        }
    }

    fn unschedule(&mut self, lane: &Lane, due: Instant, key: &Key) {
        if let Some(scheduled) = self.due.get_mut(lane) {
            scheduled.remove(&(due, key.clone()));
            if scheduled.is_empty() {
                self.due.remove(lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use photinus_ports::ids;

    use super::*;
    use crate::options::Retry;

    const SECOND: Duration = Duration::from_secs(1);

    fn wait() -> Backoff {
        Backoff::new(Retry { initial: SECOND, maximum: SECOND * 8, factor: 2.0 }, Arc::new(ids::Random))
    }

    fn key(number: usize) -> Key {
        Key::Group(Hash::of(number.to_string()))
    }

    fn lane(name: &str) -> Lane {
        Lane::Wrote(name.to_owned())
    }

    fn filled(now: Instant, lanes: &[(&str, usize)]) -> Queue<usize> {
        let mut queue = Queue::default();
        let mut number = 0;
        for (name, count) in lanes {
            for _ in 0..*count {
                queue.add(key(number), lane(name), number, now, wait());
                number += 1;
            }
        }
        queue
    }

    fn all_next(queue: &mut Queue<usize>, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| queue.next(now)).map(|next| next.work).collect()
    }

    #[test]
    fn lanes_take_turns_and_none_has_more_than_its_places() {
        let now = Instant::now();
        let mut queue = filled(now, &[("a", 1_000), ("b", 1), ("c", 2)]);
        let begun = all_next(&mut queue, now);
        assert_eq!(begun.len(), PER_LANE + 3);
        assert!(begun[1] == 1_000 && begun[2] > 1_000, "each lane comes once before one comes again: {begun:?}");
        assert_eq!(queue.next_due(), None, "the only lane with more has its places taken");
        let one = begun[0];
        queue.done(&key(one));
        let next = queue.next(now).unwrap();
        assert!(next.work < 1_000 && next.work != one);
        assert_eq!((queue.of(&lane("a")), queue.of(&lane("b"))), (999, 1));
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let now = Instant::now();
        let names: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let lanes: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 9)).collect();
        let mut queue = filled(now, &lanes);
        assert_eq!(all_next(&mut queue, now).len(), WORKERS);
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn what_fails_comes_again_after_a_growing_wait() {
        let now = Instant::now();
        let mut queue = filled(now, &[("a", 1)]);
        for (attempt, most) in [1, 2, 4, 8, 8].into_iter().enumerate() {
            let at = queue.next_due().unwrap();
            assert_eq!(queue.next(at).map(|next| next.attempts as usize), Some(attempt));
            queue.later(&key(0), at, Duration::ZERO);
            let due = queue.next_due().unwrap();
            assert!(due <= at + SECOND * most && due >= at + SECOND * most / 2);
            assert_eq!(queue.next(at), None);
        }
        let at = queue.next_due().unwrap();
        queue.next(at).unwrap();
        queue.later(&key(0), at, SECOND * 100);
        assert_eq!(queue.next_due(), Some(at + SECOND * 100));
        queue.hurry(at);
        assert_eq!(queue.next_due(), Some(at));
    }

    #[test]
    fn what_came_while_it_was_asked_for_is_asked_for_no_more() {
        let now = Instant::now();
        let mut queue = filled(now, &[("a", 2)]);
        let first = queue.next(now).unwrap().key;
        queue.remove(&first);
        assert!(!queue.contains(&first));
        // It is missing once more before the question has come to its end.
        queue.add(first.clone(), lane("a"), 7, now, wait());
        assert_eq!(all_next(&mut queue, now).len(), 1, "the same is not asked for twice at a time");
        queue.done(&first);
        assert_eq!(queue.next(now + SECOND).map(|next| next.work), Some(7));
        queue.start_over(now);
        assert_eq!(all_next(&mut queue, now).len(), 2);
        queue.done(&first);
        queue.remove(&first);
        assert_eq!(queue.of(&lane("a")), 1);
    }
}
