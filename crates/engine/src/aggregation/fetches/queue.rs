//! Whose fetch is next: sources take turns, and in a source the lowest place on the ledger comes first.
//!
//! The rows in the store are the queue; here is only how far each lane of sources is gone through. What fails is repeated after a
//! growing wait; a lane remembers a few of its failures one by one, and goes through all its rows again for the others. A lane
//! in which everything fails is tried one by one and slowly, until something succeeds. So what is held in memory
//! and what is under way are bounded, however much is missing.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use super::rows::Lane;
use crate::backoff::Backoff;

/// Failures that a lane remembers one by one.
const REPEATS: usize = 16;
/// Failures in a row after which a lane goes slowly.
const STREAK: usize = 32;
/// The least time between two attempts of a lane that goes slowly.
const PAUSE: Duration = Duration::from_millis(20);

/// A fetch that failed and is repeated when it is due.
struct Repeat {
    key: Vec<u8>,
    due: Instant,
    wait: Backoff,
}

/// How far a lane is gone through.
#[derive(Default)]
struct Sources {
    /// The last row that was looked at; none at the beginning.
    cursor: Option<Vec<u8>>,
    /// Whether there may be rows behind it.
    more: bool,
    /// Rows that were offered; tells whether one came while the store was asked.
    offered: u64,
    /// Whether rows before the cursor failed that are not remembered one by one.
    left: bool,
    /// When the lane is gone through again, and how long that wait was.
    again: Option<Instant>,
    wait: Option<Backoff>,
    repeats: Vec<Repeat>,
    /// Failures since the last success.
    streak: usize,
    rest: Option<Instant>,
    at_work: usize,
}

/// What to look at next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// This row, which failed before.
    Row(Lane, Vec<u8>),
    /// The first row of the lane behind this key.
    Behind {
        lane: Lane,
        cursor: Option<Vec<u8>>,
        /// To be given back with [`Queue::end`].
        offered: u64,
    },
}

/// The lanes, and what is under way.
#[derive(Default)]
pub(super) struct Queue {
    lanes: BTreeMap<Lane, Sources>,
    last: Lane,
    at_work: HashSet<Vec<u8>>,
    waiting: usize,
}

impl Queue {
    /// Rows that wait or are under way.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Fetches under way.
    pub(super) fn at_work(&self) -> usize {
        self.at_work.len()
    }

    /// Lanes in which something waits.
    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Starts over with what the store holds. What is under way stays under way.
    pub(super) fn restart(&mut self, lanes: impl IntoIterator<Item = Lane>, waiting: usize) {
        for sources in self.lanes.values_mut() {
            (sources.cursor, sources.more) = (None, true);
        }
        for lane in lanes {
            self.lanes.entry(lane).or_default().more = true;
        }
        self.waiting = waiting;
    }

    /// A row was written.
    pub(super) fn offer(&mut self, lane: Lane, key: &[u8]) {
        let sources = self.lanes.entry(lane).or_default();
        sources.more = true;
        sources.offered += 1;
        // Places come in order, but for those that the ledger gives anew after it took others back.
        if sources.cursor.as_deref().is_some_and(|cursor| key <= cursor) {
            sources.cursor = None;
        }
        self.waiting += 1;
    }

    /// A row was struck out by somebody else.
    pub(super) fn gone(&mut self, lane: Lane, key: &[u8]) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(sources) = self.lanes.get_mut(&lane) {
            sources.repeats.retain(|repeat| repeat.key != key);
        }
    }

    /// Forgets what is under way. `true` when anything was.
    pub(super) fn forget_work(&mut self) -> bool {
        let any = !self.at_work.is_empty();
        self.at_work.clear();
        for sources in self.lanes.values_mut() {
            sources.at_work = 0;
        }
        any
    }

    /// A row that was chosen to be repeated could not be read.
    pub(super) fn put_back(&mut self, lane: Lane, key: &[u8], now: Instant) {
        if let Some(sources) = self.lanes.get_mut(&lane) {
            sources.repeats.iter_mut().filter(|repeat| repeat.key == key).for_each(|repeat| repeat.due = now);
        }
    }

    /// A row that was chosen is not there.
    pub(super) fn vanished(&mut self, lane: Lane, key: &[u8]) {
        if self.at_work.remove(key)
            && let Some(sources) = self.lanes.get_mut(&lane)
        {
            sources.at_work = sources.at_work.saturating_sub(1);
        }
        if let Some(sources) = self.lanes.get_mut(&lane) {
            sources.repeats.retain(|repeat| repeat.key != key);
        }
        self.clear(lane);
    }

    /// Everything is due now.
    pub(super) fn hurry(&mut self, now: Instant) {
        for sources in self.lanes.values_mut() {
            sources.repeats.iter_mut().for_each(|repeat| repeat.due = now);
            sources.again = sources.again.map(|_| now);
            (sources.streak, sources.rest, sources.wait) = (0, None, None);
        }
    }

    /// Whose turn it is, or nobody's for now. Each lane has one turn before any has another.
    pub(super) fn choose(&mut self, now: Instant) -> Option<Choice> {
        let lane = self.following(now)?;
        self.last = lane;
        let sources = self.lanes.get_mut(&lane)?;
        let due = sources.repeats.iter().enumerate().filter(|(_, repeat)| repeat.due <= now);
        let due = due.min_by_key(|(_, repeat)| repeat.due).map(|(index, _)| index);
        if let Some(index) = due {
            let repeat = &mut sources.repeats[index];
            // Not due again until it is known how it went.
            repeat.due = now + FAR;
            return Some(Choice::Row(lane, repeat.key.clone()));
        }
        if sources.again.is_some_and(|again| again <= now) {
            (sources.cursor, sources.more, sources.left, sources.again) = (None, true, false, None);
        }
        Some(Choice::Behind { lane, cursor: sources.cursor.clone(), offered: sources.offered })
    }

    /// The next lane with something to do.
    fn following(&self, now: Instant) -> Option<Lane> {
        let behind = self.lanes.range(self.last.saturating_add(1)..);
        let before = self.lanes.range(..=self.last);
        behind.chain(before).find(|(_, sources)| sources.is_ready(now)).map(|(lane, _)| *lane)
    }

    /// Takes a row. `false` when it is under way, or remembered to be repeated at its own time.
    pub(super) fn take(&mut self, lane: Lane, key: &[u8]) -> bool {
        let Some(sources) = self.lanes.get_mut(&lane) else { return false };
        if sources.cursor.as_deref().is_none_or(|cursor| cursor < key) {
            sources.cursor = Some(key.to_vec());
        }
        let own = sources.repeats.iter().any(|repeat| repeat.key == key);
        if own || !self.at_work.insert(key.to_vec()) {
            return false;
        }
        sources.at_work += 1;
        true
    }

    /// Takes a row that is repeated.
    pub(super) fn take_again(&mut self, lane: Lane, key: &[u8]) -> bool {
        let free = self.at_work.insert(key.to_vec());
        if let Some(sources) = self.lanes.get_mut(&lane).filter(|_| free) {
            sources.at_work += 1;
        }
        free
    }

    /// There is no row behind the cursor, unless one was offered meanwhile.
    pub(super) fn end(&mut self, lane: Lane, offered: u64, now: Instant, backoff: impl FnOnce() -> Backoff) {
        let Some(sources) = self.lanes.get_mut(&lane).filter(|sources| sources.offered == offered) else { return };
        sources.more = false;
        if sources.left && sources.again.is_none() {
            let wait = sources.wait.get_or_insert_with(backoff);
            sources.again = Some(now + wait.advance());
        }
        self.clear(lane);
    }

    /// A fetch that was taken is done with; its row is gone.
    pub(super) fn done(&mut self, lane: Lane, key: &[u8], now: Instant) {
        if !self.at_work.remove(key) {
            return;
        }
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(sources) = self.lanes.get_mut(&lane) {
            sources.at_work = sources.at_work.saturating_sub(1);
            sources.repeats.retain(|repeat| repeat.key != key);
            if sources.streak >= REPEATS {
                // What kept everything away is over: the rest is likely to come, too.
                (sources.again, sources.wait) = (sources.again.map(|_| now), None);
                sources.repeats.iter_mut().for_each(|repeat| repeat.due = repeat.due.min(now));
            }
            (sources.streak, sources.rest) = (0, None);
        }
        self.clear(lane);
    }

    /// A fetch that was taken failed.
    pub(super) fn failed(&mut self, lane: Lane, key: &[u8], now: Instant, backoff: impl FnOnce() -> Backoff) {
        if !self.at_work.remove(key) {
            return;
        }
        let Some(sources) = self.lanes.get_mut(&lane) else { return };
        sources.at_work = sources.at_work.saturating_sub(1);
        sources.streak = sources.streak.saturating_add(1);
        if sources.is_slow() {
            sources.rest = Some(now + PAUSE);
        }
        if let Some(repeat) = sources.repeats.iter_mut().find(|repeat| repeat.key == key) {
            repeat.due = now + repeat.wait.advance();
        } else if sources.repeats.len() < REPEATS {
            let mut wait = backoff();
            sources.repeats.push(Repeat { key: key.to_vec(), due: now + wait.advance(), wait });
        } else {
            sources.left = true;
            // A row from before the last round's end would wait for a round that nobody begins.
            sources.more = true;
        }
    }

    /// When something is due that is not now.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let times = self.lanes.values().flat_map(|sources| {
            sources.repeats.iter().map(|repeat| repeat.due).chain(sources.again).chain(sources.rest)
        });
        times.filter(|due| *due > now && *due < now + FAR / 2).min()
    }

    fn clear(&mut self, lane: Lane) {
        if self.lanes.get(&lane).is_some_and(Sources::is_idle) {
            self.lanes.remove(&lane);
        }
    }
}

/// Later than anything that is waited for.
const FAR: Duration = Duration::from_secs(1 << 30);

impl Sources {
    fn is_slow(&self) -> bool {
        self.streak >= STREAK
    }

    fn is_ready(&self, now: Instant) -> bool {
        if self.is_slow() && (self.at_work > 0 || self.rest.is_some_and(|rest| rest > now)) {
            return false;
        }
        let due = self.repeats.iter().any(|repeat| repeat.due <= now);
        due || self.more || self.again.is_some_and(|again| again <= now)
    }

    fn is_idle(&self) -> bool {
        !self.more && !self.left && self.again.is_none() && self.repeats.is_empty() && self.at_work == 0
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use photinus_ports::ids;

    use super::*;
    use crate::options::Retry;

    fn backoff() -> Backoff {
        let retry = Retry { initial: Duration::from_millis(100), maximum: Duration::from_secs(60), factor: 2.0 };
        Backoff::new(retry, Arc::new(ids::Random))
    }

    fn key(lane: Lane, place: u32) -> Vec<u8> {
        [lane.to_be_bytes().as_slice(), &place.to_be_bytes()].concat()
    }

    /// A queue over rows in memory, as the task uses it.
    struct Rig {
        queue: Queue,
        rows: BTreeSet<Vec<u8>>,
        now: Instant,
    }

    impl Rig {
        fn new() -> Self {
            Self { queue: Queue::default(), rows: BTreeSet::new(), now: Instant::now() }
        }

        fn offer(&mut self, lane: Lane, place: u32) {
            self.rows.insert(key(lane, place));
            self.queue.offer(lane, &key(lane, place));
        }

        fn next(&mut self) -> Option<(Lane, Vec<u8>)> {
            loop {
                match self.queue.choose(self.now)? {
                    Choice::Row(lane, key) => {
                        if !self.rows.contains(&key) {
                            self.queue.vanished(lane, &key);
                        } else if self.queue.take_again(lane, &key) {
                            return Some((lane, key));
                        }
                    }
                    Choice::Behind { lane, cursor, offered } => {
                        let first = cursor.map_or_else(|| key(lane, 0), |cursor| [cursor, vec![0]].concat());
                        match self.rows.range(first..=key(lane, u32::MAX)).next().cloned() {
                            None => self.queue.end(lane, offered, self.now, backoff),
                            Some(key) if self.queue.take(lane, &key) => return Some((lane, key)),
                            Some(_) => {}
                        }
                    }
                }
            }
        }

        fn done(&mut self, (lane, key): (Lane, Vec<u8>)) {
            self.rows.remove(&key);
            self.queue.done(lane, &key, self.now);
        }

        fn fail(&mut self, (lane, key): (Lane, Vec<u8>)) {
            self.queue.failed(lane, &key, self.now, backoff);
        }

        /// Attempts everything that is due, and lets time go on to what is due then, up to an end. Answers how many failed.
        fn run(&mut self, until: Duration, mut succeeds: impl FnMut(&[u8]) -> bool) -> usize {
            let (end, mut failed) = (self.now + until, 0);
            loop {
                while let Some((lane, key)) = self.next() {
                    if succeeds(&key) {
                        self.done((lane, key));
                    } else {
                        failed += 1;
                        self.fail((lane, key));
                    }
                }
                match self.queue.next_due(self.now).filter(|due| *due <= end) {
                    Some(due) => self.now = due,
                    None => return failed,
                }
            }
        }
    }

    #[test]
    fn sources_take_turns_and_each_is_served_in_order() {
        let mut rig = Rig::new();
        (0..100).for_each(|place| rig.offer(7, place));
        (0..3).rev().for_each(|place| rig.offer(9, place));
        let order: Vec<_> = std::iter::from_fn(|| rig.next()).collect();
        let of = |lane| order.iter().enumerate().filter(move |(_, taken)| taken.0 == lane);
        assert!(of(9).all(|(index, _)| index < 6), "three of the small source are among the first six");
        for lane in [7, 9] {
            assert!(of(lane).map(|(_, taken)| &taken.1).is_sorted(), "lane {lane}");
        }
        assert_eq!((order.len(), rig.queue.waiting(), rig.queue.at_work()), (103, 103, 103));
        order.into_iter().for_each(|taken| rig.done(taken));
        assert_eq!((rig.queue.waiting(), rig.queue.lanes()), (0, 0));
    }

    #[test]
    fn what_fails_is_repeated_after_a_growing_wait_and_holds_up_nobody() {
        let mut rig = Rig::new();
        rig.offer(1, 1);
        let taken = rig.next().unwrap();
        rig.fail(taken);
        rig.offer(1, 2);
        let taken = rig.next().unwrap();
        assert_eq!(taken.1, key(1, 2), "what is new is tried at once");
        rig.done(taken);
        assert_eq!(rig.next(), None);
        let failed = rig.run(Duration::from_secs(600), |_| false);
        assert!((15..40).contains(&failed), "{failed} attempts in ten minutes");
        rig.queue.hurry(rig.now);
        let taken = rig.next().unwrap();
        rig.done(taken);
        assert_eq!((rig.queue.lanes(), rig.queue.waiting()), (0, 0));
    }

    #[test]
    fn nothing_is_forgotten_behind_many_that_never_come() {
        let mut rig = Rig::new();
        (0..2_000).for_each(|place| rig.offer(1, place));
        let mut come = BTreeSet::new();
        rig.run(Duration::from_secs(10), |_| false);
        let remembered: usize = rig.queue.lanes.values().map(|sources| sources.repeats.len()).sum();
        assert!(remembered <= REPEATS, "what is remembered is bounded");
        // One at the end comes after all, and one of another source is not held up at all.
        let late = key(1, 1_999);
        rig.offer(2, 0);
        assert_eq!(rig.next().map(|taken| taken.0), Some(2));
        rig.run(Duration::from_secs(200), |tried| {
            if tried == late {
                come.insert(tried.to_vec());
            }
            tried == late
        });
        assert!(come.contains(&late));
        // Once everything is there, everything comes.
        rig.run(Duration::from_secs(300), |_| true);
        assert_eq!((rig.queue.waiting(), rig.rows.len()), (1, 1), "but for what is under way");
    }

    #[test]
    fn a_source_of_which_nothing_comes_is_asked_slowly() {
        let mut rig = Rig::new();
        (0..20_000).for_each(|place| rig.offer(1, place));
        let failed = rig.run(Duration::from_secs(10), |_| false);
        assert!(failed < 32 + 10 * 50 + 10, "{failed} attempts in ten seconds");
        let mut tried = 0;
        rig.run(Duration::from_millis(100), |_| {
            tried += 1;
            tried < 10_000
        });
        assert!(tried >= 10_000, "after a success it goes on at full speed: {tried}");
    }

    #[test]
    fn a_row_that_comes_while_the_store_is_asked_is_not_overlooked() {
        let mut rig = Rig::new();
        rig.offer(1, 5);
        let taken = rig.next().unwrap();
        let Some(Choice::Behind { lane, offered, .. }) = rig.queue.choose(rig.now) else { panic!("it looks for more") };
        rig.offer(1, 6);
        rig.queue.end(lane, offered, rig.now, backoff);
        assert_eq!(rig.next().map(|taken| taken.1), Some(key(1, 6)));
        // A place below those that were looked at, after the ledger took some back.
        rig.offer(1, 3);
        assert_eq!(rig.next().map(|taken| taken.1), Some(key(1, 3)));
        rig.rows.remove(&key(1, 6));
        rig.queue.gone(1, &key(1, 6));
        rig.done(taken);
        assert_eq!(rig.queue.waiting(), 1);
    }
}
