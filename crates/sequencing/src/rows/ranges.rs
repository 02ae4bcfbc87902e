//! Which rows there are, in the order of their keys, and which stretches of the table are known.
//!
//! Nearly all questions are about what hangs on one thing: a context, a masked value, a batch, a message. The keys of those
//! tables begin with that thing, so it is looked up by its hash, and only the few rows behind it are in order.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use super::intervals::Intervals;
use super::key::Key;
use super::tag::{is_scanned, shard_of};

/// What is known of the table, by ranges of keys.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    shards: HashMap<Prefix, Shard, foldhash::fast::RandomState>,
    /// Keys with a row, of the scanned tables that have no shards.
    order: BTreeSet<Key>,
    known: Intervals,
}

/// What a question comes to that cannot be answered: the first key from which on nothing is known.
pub(super) struct Unknown(pub(super) Key);

/// The rows whose keys begin with one prefix.
#[derive(Debug, Default)]
struct Shard {
    /// What follows the prefix, in order. They come with places that rise and go with the lowest first.
    rows: VecDeque<Rest>,
    known: Known,
    used: u64,
}

#[derive(Debug, Default)]
enum Known {
    #[default]
    Nothing,
    All,
    /// Stretches of what follows the prefix, up to [`END`].
    Parts(Intervals),
}

impl Known {
    /// Up to where all rows are here, from `rest` on.
    fn end_of(&mut self, rest: &[u8], now: u64) -> Option<&[u8]> {
        match self {
            Self::Nothing => None,
            Self::All => Some(&END),
            Self::Parts(parts) => parts.covering(rest, now).map(Vec::as_slice),
        }
    }
}

/// Above every key of a shard, without its prefix.
const END: [u8; Rest::MOST + 1] = [u8::MAX; Rest::MOST + 1];

impl Ranges {
    /// Notes that a key has a row.
    pub(super) fn insert(&mut self, key: &[u8], now: u64) {
        match shard_of(key) {
            Some((prefix, rest)) => self.shard(prefix, now).insert(rest),
            None if is_scanned(key) => {
                self.order.insert(key.to_vec());
            }
            None => {}
        }
    }

    /// Notes that a key has none any more.
    pub(super) fn remove(&mut self, key: &[u8]) {
        match shard_of(key) {
            Some((prefix, rest)) => {
                if let Some(shard) = self.shards.get_mut(&Prefix::new(prefix)) {
                    shard.remove(rest);
                }
            }
            None if is_scanned(key) => {
                self.order.remove(key);
            }
            None => {}
        }
    }

    /// Whether a key would be here if it had a row.
    pub(super) fn covers(&mut self, key: &[u8], now: u64) -> bool {
        let Some((prefix, rest)) = shard_of(key) else { return self.known.covering(key, now).is_some() };
        let Some(shard) = self.shards.get_mut(&Prefix::new(prefix)) else { return false };
        shard.used = now;
        shard.known.end_of(rest, now).is_some()
    }

    /// The lowest key from `from` up to and without `to` that has a row. A range of a table with shards must lie in one.
    pub(super) fn first(&mut self, from: &[u8], to: &[u8], now: u64) -> Result<Option<Key>, Unknown> {
        match shard_of(from) {
            _ if from >= to => Ok(None),
            Some((prefix, rest)) => self.first_of_shard(prefix, rest, to, now),
            None => self.first_of_all(from, to, now),
        }
    }

    fn first_of_shard(&mut self, prefix: &[u8], from: &[u8], to: &[u8], now: u64) -> Result<Option<Key>, Unknown> {
        let to = to.strip_prefix(prefix).unwrap_or(&END);
        let whole = |rest: &[u8]| [prefix, rest].concat();
        let Some(shard) = self.shards.get_mut(&Prefix::new(prefix)) else { return Err(Unknown(whole(from))) };
        shard.used = now;
        let mut cursor = from.to_vec();
        while cursor.as_slice() < to {
            let Some(end) = shard.known.end_of(&cursor, now) else { return Err(Unknown(whole(&cursor))) };
            let end = end.min(to);
            let first = shard.rows.partition_point(|row| row.bytes() < cursor.as_slice());
            if let Some(row) = shard.rows.get(first).filter(|row| row.bytes() < end) {
                return Ok(Some(whole(row.bytes())));
            }
            cursor = end.to_vec();
        }
        Ok(None)
    }

    fn first_of_all(&mut self, from: &[u8], to: &[u8], now: u64) -> Result<Option<Key>, Unknown> {
        let mut cursor = from.to_vec();
        while cursor.as_slice() < to {
            let Some(end) = self.known.covering(&cursor, now) else { return Err(Unknown(cursor)) };
            let end = end.as_slice().min(to);
            let range = (Bound::Included(cursor.as_slice()), Bound::Excluded(end));
            if let Some(key) = self.order.range::<[u8], _>(range).next() {
                return Ok(Some(key.clone()));
            }
            cursor = end.to_vec();
        }
        Ok(None)
    }

    /// From now on every key with a row from `from` up to and without `to` is here.
    pub(super) fn learn(&mut self, from: &[u8], to: &[u8], now: u64) {
        match shard_of(from) {
            Some((prefix, rest)) => {
                let to = to.strip_prefix(prefix).unwrap_or(&END);
                self.shard(prefix, now).learn(rest, to, now);
            }
            None => self.known.insert(from, to, now),
        }
    }

    /// A row of the table is not here any more.
    pub(super) fn forget(&mut self, key: &[u8]) {
        match shard_of(key) {
            Some((prefix, _)) => {
                if let Some(shard) = self.shards.get_mut(&Prefix::new(prefix)) {
                    shard.known = Known::Nothing;
                }
            }
            None => self.known.forget(key),
        }
    }

    /// How many stretches are known.
    pub(super) fn len(&self) -> usize {
        self.shards.len() + self.known.len()
    }

    /// When each of them was last used.
    pub(super) fn ages(&self) -> impl Iterator<Item = u64> {
        self.shards.values().map(|shard| shard.used).chain(self.known.ages())
    }

    /// Forgets what is known of stretches that were last used before `oldest`.
    pub(super) fn evict(&mut self, oldest: u64) {
        self.known.evict(oldest);
        self.shards.retain(|_, shard| {
            if shard.used < oldest {
                shard.known = Known::Nothing;
            }
            shard.used >= oldest || !shard.rows.is_empty()
        });
    }

    fn shard(&mut self, prefix: &[u8], now: u64) -> &mut Shard {
        let shard = self.shards.entry(Prefix::new(prefix)).or_default();
        shard.used = now;
        shard
    }
}

impl Shard {
    fn insert(&mut self, rest: &[u8]) {
        let at = self.rows.partition_point(|row| row.bytes() < rest);
        if self.rows.get(at).is_none_or(|row| row.bytes() != rest) {
            self.rows.insert(at, Rest::new(rest));
        }
    }

    fn remove(&mut self, rest: &[u8]) {
        let at = self.rows.partition_point(|row| row.bytes() < rest);
        if self.rows.get(at).is_some_and(|row| row.bytes() == rest) {
            self.rows.remove(at);
        }
    }

    fn learn(&mut self, from: &[u8], to: &[u8], now: u64) {
        if from.is_empty() && to == END {
            self.known = Known::All;
        }
        let mut parts = match std::mem::take(&mut self.known) {
            Known::All => return self.known = Known::All,
            Known::Nothing => Intervals::default(),
            Known::Parts(parts) => parts,
        };
        parts.insert(from, to, now);
        let all = parts.covering(&[], now).is_some_and(|end| *end == END);
        self.known = if all { Known::All } else { Known::Parts(parts) };
    }
}

/// A few bytes of a key, kept without an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Part<const MOST: usize> {
    length: u8,
    bytes: [u8; MOST],
}

/// What the keys of a shard begin with: the tag of their table, at most an identifier and a hash.
type Prefix = Part<49>;

/// What follows in a key: at most a byte that tells two kinds of rows apart, and a place.
type Rest = Part<21>;

impl<const MOST: usize> Part<MOST> {
    const MOST: usize = MOST;

    fn new(part: &[u8]) -> Self {
        let mut bytes = [0; MOST];
        let length = part.len().min(MOST);
        bytes[..length].copy_from_slice(&part[..length]);
        // Nothing is longer than a byte can say.
        Self { length: u8::try_from(length).unwrap_or_default(), bytes }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

#[cfg(test)]
mod tests {
    use photinus_model::{Hash, Uuid};

    use super::super::key;
    use super::*;
    use crate::facts::{BatchKey, MessageKey, Place, Pos};

    #[test]
    fn every_key_of_a_shard_fits() {
        let pos = Pos { block: u64::MAX, tx: u32::MAX, log: u32::MAX };
        let (place, hash) = (Place { pos, index: u32::MAX }, Hash::of("x"));
        let batch = BatchKey { id: Uuid::max(), hash };
        let message = MessageKey { id: Uuid::max(), hash };
        let keys = [
            key::open(&hash, place),
            key::slot(&hash),
            key::claim_on(&hash, place),
            key::delivery(&batch, pos),
            key::naming(&batch, pos),
            key::copy(&message, place),
        ];
        for key in keys {
            let (prefix, rest) = shard_of(&key).unwrap();
            assert_eq!((Prefix::new(prefix).bytes(), Rest::new(rest).bytes()), (prefix, rest));
            assert!(rest < END.as_slice());
            assert_eq!([prefix, rest].concat(), key);
        }
        for (from, to) in [key::opens(&hash), key::of_value(&hash), key::deliveries(&batch), key::copies(&message)] {
            let (prefix, rest) = shard_of(&from).unwrap();
            assert!(rest.is_empty() && !to.starts_with(prefix));
        }
    }
}
