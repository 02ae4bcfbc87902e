//! The overlay: rows loaded, rows changed, and how to take changes back.

use std::collections::{BTreeMap, HashMap};

use super::key::{Key, Range, successor};
use super::ranges::{Ranges, Unknown};
use super::row::Row;
use super::tag::is_scanned;
use super::{Error, Need, Question, Stop};
use crate::step::Progress;

/// A key, and the bytes that its row has from now on, or nothing if it is gone.
pub type Change = (Key, Option<Vec<u8>>);

/// What the table holds under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    Unknown,
    Absent,
    Present,
}

/// What the overlay knows of a key.
#[derive(Debug)]
struct Entry {
    row: Option<Row>,
    below: Below,
    used: u64,
}

/// What is known, by key; and the keys that have a row in order, of the tables in which rows are looked for by ranges. Those that
/// are gone are not in it: a step removes many rows of one range, whose first row would be searched through them.
#[derive(Debug, Default)]
struct Entries {
    known: HashMap<Key, Entry, foldhash::fast::RandomState>,
    ranges: Ranges,
}

impl Entries {
    fn set(&mut self, key: Key, row: Option<Row>, below: Below, used: u64) {
        if row.is_some() {
            self.ranges.insert(&key, used);
        }
        self.known.insert(key, Entry { row, below, used });
    }

    fn remove(&mut self, key: &[u8]) {
        if self.known.remove(key).is_some_and(|entry| entry.row.is_some()) {
            self.ranges.remove(key);
        }
    }

    /// Exchanges the row of a key of which something is known. `false` when nothing is.
    fn swap(&mut self, key: &[u8], row: &mut Option<Row>, used: u64) -> bool {
        let Some(entry) = self.known.get_mut(key) else { return false };
        entry.used = used;
        std::mem::swap(&mut entry.row, row);
        match (entry.row.is_some(), row.is_some()) {
            (true, false) => self.ranges.insert(key, used),
            (false, true) => self.ranges.remove(key),
            _ => {}
        }
        true
    }

    /// Forgets what was last used before `oldest`.
    fn evict(&mut self, oldest: u64) {
        let ranges = &mut self.ranges;
        self.known.retain(|key, entry| {
            let keep = entry.used >= oldest;
            if !keep && entry.row.is_some() {
                ranges.remove(key);
            }
            if !keep && entry.below == Below::Present {
                ranges.forget(key);
            }
            keep
        });
    }
}

/// What a write replaced.
#[derive(Debug)]
struct Undo {
    key: Key,
    /// The row before, or nothing if the key had no entry.
    before: Option<Option<Row>>,
}

/// The rows that a machine works on. Start with an empty one, on an empty table or on one that another has written.
///
/// If writing the changes fails, throw the overlay away: it then differs from the table.
#[derive(Debug, Default)]
pub struct Rows {
    entries: Entries,
    verdicts: BTreeMap<Question, bool>,
    /// Every write since the changes were last taken, in order.
    journal: Vec<Undo>,
    /// A step that stopped for a need.
    pub(crate) progress: Option<Progress>,
    clock: u64,
}

impl Rows {
    /// Answers [`Need::Get`]: what the table has under `key`.
    ///
    /// # Errors
    /// If the bytes are not a row of their table.
    pub fn load(&mut self, key: Key, bytes: Option<&[u8]>) -> Result<(), Error> {
        if !self.entries.known.contains_key(&key) {
            let row = bytes.map(|bytes| Row::decode(&key, bytes)).transpose()?;
            let below = if row.is_some() { Below::Present } else { Below::Absent };
            self.entries.set(key, row, below, self.clock);
        }
        Ok(())
    }

    /// Answers [`Need::First`] with the lowest row in the range, or with nothing if the range is empty.
    ///
    /// # Errors
    /// If the bytes are not a row of their table.
    pub fn load_first(&mut self, from: &[u8], to: &[u8], first: Option<(Key, &[u8])>) -> Result<(), Error> {
        let end = first.as_ref().map_or_else(|| to.to_vec(), |(key, _)| successor(key));
        self.load_range(from, &end, first)
    }

    /// Answers [`Need::First`] with all rows that the table has from `from` up to and without `to`, where `to` may
    /// lie anywhere above the first row of the range.
    ///
    /// # Errors
    /// If the bytes are not a row of their table.
    pub fn load_range<'a>(
        &mut self,
        from: &[u8],
        to: &[u8],
        rows: impl IntoIterator<Item = (Key, &'a [u8])>,
    ) -> Result<(), Error> {
        for (key, bytes) in rows {
            self.load(key, Some(bytes))?;
        }
        self.entries.ranges.learn(from, to, self.clock);
        Ok(())
    }

    /// Answers [`Need::Schema`]: whether the value conforms.
    pub fn answer(&mut self, question: Question, conforms: bool) {
        self.verdicts.insert(question, conforms);
    }

    /// The changes since they were last taken: what to write in one transaction. Call it after a step is done.
    ///
    /// # Errors
    /// If a row cannot be encoded.
    pub fn take_changes(&mut self) -> Result<Vec<Change>, Error> {
        let mut keys: Vec<Key> = std::mem::take(&mut self.journal).into_iter().map(|undo| undo.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut changes = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(entry) = self.entries.known.get_mut(&key) else { continue };
            let bytes = entry.row.as_ref().map(Row::encode).transpose()?;
            let now = if bytes.is_some() { Below::Present } else { Below::Absent };
            let below = std::mem::replace(&mut entry.below, now);
            // What is gone need not be remembered where everything that is there is.
            if bytes.is_none() && self.entries.ranges.covers(&key, self.clock) {
                self.entries.remove(&key);
            }
            if bytes.is_some() || below != Below::Absent {
                changes.push((key, bytes));
            }
        }
        Ok(changes)
    }

    /// Forgets what was not used for longest, until at most about `limit` rows are held. Call it after the changes
    /// were taken; rows with changes are never forgotten.
    pub fn evict(&mut self, limit: usize) {
        self.clock += 1;
        if !self.journal.is_empty() || self.progress.is_some() {
            return;
        }
        if self.verdicts.len() > limit {
            self.verdicts.clear();
        }
        if self.entries.known.len() > limit {
            let oldest = cut(self.entries.known.values().map(|entry| entry.used).collect(), limit);
            self.entries.evict(oldest);
        }
        let ranges = &mut self.entries.ranges;
        if ranges.len() > limit {
            let oldest = cut(ranges.ages().collect(), limit);
            ranges.evict(oldest);
        }
    }

    /// How many rows the overlay holds, those known to be absent included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.known.len()
    }

    /// Whether the overlay holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.known.is_empty()
    }

    /// A mark to which writes can be taken back.
    pub(crate) fn savepoint(&self) -> usize {
        self.journal.len()
    }

    /// Takes back every write since the mark.
    pub(crate) fn roll_back(&mut self, savepoint: usize) {
        while self.journal.len() > savepoint {
            let Some(undo) = self.journal.pop() else { return };
            match undo.before {
                Some(mut row) => {
                    self.entries.swap(&undo.key, &mut row, self.clock);
                }
                None => {
                    self.entries.remove(&undo.key);
                }
            }
        }
    }

    /// The row under `key`, or nothing if it is known to be absent.
    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<&Row>, Stop> {
        // Asked twice, because a borrow that is returned on one path only lives on both.
        if self.is_loaded(key) {
            return Ok(self.entries.known.get(key).and_then(|entry| entry.row.as_ref()));
        }
        Err(Stop::Need(vec![Need::Get(key.to_vec())]))
    }

    /// Stops with everything that is missing of `keys` and of the first row of each of `ranges`.
    pub(crate) fn require(
        &mut self,
        keys: impl IntoIterator<Item = Key>,
        ranges: impl IntoIterator<Item = Range>,
    ) -> Result<(), Stop> {
        let mut needs = Vec::new();
        for key in keys {
            if !self.is_loaded(&key) {
                needs.push(Need::Get(key));
            }
        }
        for (from, to) in ranges {
            if let Err(Stop::Need(mut need)) = self.first(&from, &to) {
                needs.append(&mut need);
            }
        }
        if needs.is_empty() { Ok(()) } else { Err(Stop::Need(needs)) }
    }

    fn is_loaded(&mut self, key: &[u8]) -> bool {
        if let Some(entry) = self.entries.known.get_mut(key) {
            entry.used = self.clock;
            return true;
        }
        self.entries.ranges.covers(key, self.clock)
    }

    /// The lowest key from `from` up to and without `to` that has a row.
    pub(crate) fn first(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Key>, Stop> {
        if !is_scanned(from) {
            return Err(Stop::inconsistent("a range of rows that are not kept in order"));
        }
        match self.entries.ranges.first(from, to, self.clock) {
            Ok(found) => {
                if let Some(entry) = found.as_ref().and_then(|key| self.entries.known.get_mut(key)) {
                    entry.used = self.clock;
                }
                Ok(found)
            }
            Err(Unknown(from)) => Err(Stop::Need(vec![Need::First { from, to: to.to_vec() }])),
        }
    }

    /// Writes a row.
    pub(crate) fn put(&mut self, key: Key, row: Row) {
        self.write(key, Some(row));
    }

    /// Removes a row, whether it is there or not.
    pub(crate) fn remove(&mut self, key: Key) {
        self.write(key, None);
    }

    fn write(&mut self, key: Key, mut row: Option<Row>) {
        let used = self.clock;
        let before = if self.entries.swap(&key, &mut row, used) {
            Some(row)
        } else {
            let below = if self.entries.ranges.covers(&key, used) { Below::Absent } else { Below::Unknown };
            self.entries.set(key.clone(), row, below, used);
            None
        };
        self.journal.push(Undo { key, before });
    }

    /// The answer to a question about a schema.
    pub(crate) fn conforms(&mut self, question: &Question) -> Result<bool, Stop> {
        match self.verdicts.get(question) {
            Some(conforms) => Ok(*conforms),
            None => Err(Stop::Need(vec![Need::Schema(question.clone())])),
        }
    }
}

/// The lowest age to keep, so that at most `limit / 2` items remain.
fn cut(mut ages: Vec<u64>, limit: usize) -> u64 {
    let Some(last) = ages.len().checked_sub(limit / 2).and_then(|drop| drop.checked_sub(1)) else { return 0 };
    let (_, youngest_dropped, _) = ages.select_nth_unstable(last);
    youngest_dropped.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use photinus_model::Hash;
    use proptest::prelude::*;

    use super::super::key;
    use super::*;
    use crate::facts::{Place, Pos};

    fn place(block: u64) -> Place {
        Place { pos: Pos { block, tx: 0, log: 0 }, index: 0 }
    }

    fn open(block: u64) -> Key {
        key::open(&Hash::of("t"), place(block))
    }

    fn mark() -> Vec<u8> {
        Row::Mark.encode().unwrap()
    }

    fn need(stop: Result<Option<Key>, Stop>) -> Vec<Need> {
        match stop {
            Err(Stop::Need(needs)) => needs,
            other => panic!("no need: {other:?}"),
        }
    }

    #[test]
    fn absent_is_not_the_same_as_not_loaded() {
        let mut rows = Rows::default();
        assert!(matches!(rows.get(&open(1)), Err(Stop::Need(_))));
        rows.load(open(1), None).unwrap();
        assert!(rows.get(&open(1)).unwrap().is_none());
    }

    #[test]
    fn the_first_of_a_range_counts_rows_of_both_layers() {
        let mut rows = Rows::default();
        let (from, to) = key::opens(&Hash::of("t"));
        rows.put(open(5), Row::Mark);
        assert_eq!(need(rows.first(&from, &to)), [Need::First { from: from.clone(), to: to.clone() }]);
        rows.load_first(&from, &to, Some((open(3), &mark()))).unwrap();
        assert_eq!(rows.first(&from, &to).unwrap(), Some(open(3)));
        // With the row of the table gone, what lies between it and the row of the overlay is not known.
        rows.remove(open(3));
        let rest = successor(&open(3));
        assert_eq!(need(rows.first(&from, &to)), [Need::First { from: rest.clone(), to: to.clone() }]);
        rows.load_first(&rest, &to, Some((open(9), &mark()))).unwrap();
        assert_eq!(rows.first(&from, &to).unwrap(), Some(open(5)));
        rows.remove(open(5));
        assert_eq!(rows.first(&from, &to).unwrap(), Some(open(9)));
    }

    #[test]
    fn what_came_and_went_is_not_written() {
        let mut rows = Rows::default();
        let (from, to) = key::opens(&Hash::of("t"));
        rows.load_first(&from, &to, None).unwrap();
        rows.put(open(1), Row::Mark);
        rows.put(open(2), Row::Mark);
        rows.remove(open(1));
        assert_eq!(rows.take_changes().unwrap(), [(open(2), Some(mark()))]);
        rows.remove(open(2));
        assert_eq!(rows.take_changes().unwrap(), [(open(2), None)]);
        assert!(rows.take_changes().unwrap().is_empty());
    }

    #[test]
    fn taking_back_restores_what_was_there() {
        let mut rows = Rows::default();
        rows.load(open(1), Some(&mark())).unwrap();
        let savepoint = rows.savepoint();
        rows.remove(open(1));
        rows.put(open(2), Row::Mark);
        rows.roll_back(savepoint);
        assert!(rows.get(&open(1)).unwrap().is_some());
        assert!(matches!(rows.get(&open(2)), Err(Stop::Need(_))));
        assert!(rows.take_changes().unwrap().is_empty());
    }

    #[test]
    fn evicted_rows_are_asked_for_again() {
        let mut rows = Rows::default();
        let (from, to) = key::opens(&Hash::of("t"));
        let bytes = mark();
        let stored = (0..100).map(|block| (open(block), bytes.as_slice()));
        rows.load_range(&from, &to, stored).unwrap();
        rows.evict(1000);
        assert_eq!(rows.len(), 100);
        rows.evict(10);
        assert!(rows.len() <= 10, "{} rows", rows.len());
        assert!(rows.get(&open(50)).is_err());
        rows.remove(open(0));
        rows.evict(0);
        assert_eq!(rows.take_changes().unwrap(), [(open(0), None)]);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Put(u64),
        Remove(u64),
        Get(u64),
        First(u64, u64),
        Commit,
        RollBack,
        Evict(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        let block = || 0..24_u64;
        prop_oneof![
            4 => block().prop_map(Op::Put),
            4 => block().prop_map(Op::Remove),
            4 => block().prop_map(Op::Get),
            6 => (block(), block()).prop_map(|(a, b)| Op::First(a, b)),
            2 => Just(Op::Commit),
            2 => Just(Op::RollBack),
            1 => (0..12_usize).prop_map(Op::Evict),
        ]
    }

    proptest! {
        /// Whatever is loaded or forgotten in between, the overlay reads like the table with the writes applied.
        #[test]
        fn behaves_like_a_map(stored in proptest::collection::btree_set(0..24_u64, 0..12),
                              ahead in 1..4_usize,
                              ops in proptest::collection::vec(op(), 0..80)) {
            let mut table: BTreeMap<Key, Vec<u8>> = stored.iter().map(|block| (open(*block), mark())).collect();
            let (mut rows, mut model, mut committed) = (Rows::default(), stored.clone(), stored);
            for op in ops {
                match op {
                    Op::Put(block) => {
                        rows.put(open(block), Row::Mark);
                        model.insert(block);
                    }
                    Op::Remove(block) => {
                        rows.remove(open(block));
                        model.remove(&block);
                    }
                    Op::Get(block) => {
                        if rows.get(&open(block)).is_err() {
                            // A step takes back what it did before it lets rows be loaded.
                            rows.roll_back(0);
                            model.clone_from(&committed);
                            rows.load(open(block), table.get(&open(block)).map(Vec::as_slice)).unwrap();
                        }
                        prop_assert_eq!(rows.get(&open(block)).unwrap().is_some(), model.contains(&block));
                    }
                    Op::First(from, to) => {
                        let found = loop {
                            match rows.first(&open(from), &open(to)) {
                                Ok(found) => break found,
                                Err(Stop::Need(needs)) => {
                                    rows.roll_back(0);
                                    model.clone_from(&committed);
                                    let Need::First { from, to } = &needs[0] else { unreachable!() };
                                    let range = table.range(from.clone()..to.clone());
                                    let mut near: Vec<_> = range.take(ahead + 1).collect();
                                    let end = if near.len() > ahead { near.pop().map(|(key, _)| key) } else { None };
                                    let loaded = near.iter().map(|(key, bytes)| ((*key).clone(), bytes.as_slice()));
                                    rows.load_range(from, end.unwrap_or(to), loaded).unwrap();
                                }
                                Err(stop) => panic!("{stop:?}"),
                            }
                        };
                        let expected = if from < to { model.range(from..to).next() } else { None };
                        prop_assert_eq!(found, expected.map(|block| open(*block)));
                    }
                    Op::Commit => {
                        for (key, bytes) in rows.take_changes().unwrap() {
                            match bytes {
                                Some(bytes) => table.insert(key, bytes),
                                None => table.remove(&key),
                            };
                        }
                        committed.clone_from(&model);
                        let expected: Vec<_> = model.iter().map(|block| open(*block)).collect();
                        prop_assert_eq!(table.keys().cloned().collect::<Vec<_>>(), expected);
                    }
                    Op::RollBack => {
                        rows.roll_back(0);
                        model.clone_from(&committed);
                    }
                    Op::Evict(limit) => rows.evict(limit),
                }
            }
        }
    }

    #[test]
    fn a_row_of_another_version_is_refused() {
        let mut rows = Rows::default();
        assert_eq!(rows.load(open(1), Some(&[9])), Err(Error::Version(9)));
        assert_eq!(rows.load(vec![0], Some(&[1])), Err(Error::UnknownTable));
    }
}
