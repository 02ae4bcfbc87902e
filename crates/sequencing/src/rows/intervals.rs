//! Which stretches of the key space are known: every key of the table in them is in the overlay.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::key::{Key, successor};

fn up_to(key: &[u8]) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Unbounded, Bound::Included(key))
}

/// Disjoint half-open intervals of keys, each with the time of its last use.
#[derive(Debug, Default)]
pub(crate) struct Intervals {
    /// Start of each interval, then its end and its age.
    ends: BTreeMap<Key, (Key, u64)>,
}

impl Intervals {
    /// The end of the interval that contains `key`.
    pub(crate) fn covering(&mut self, key: &[u8], now: u64) -> Option<&Key> {
        let (_, (end, used)) = self.ends.range_mut::<[u8], _>(up_to(key)).next_back()?;
        if key < end.as_slice() {
            *used = now;
            Some(end)
        } else {
            None
        }
    }

    /// Makes the keys from `from` up to and without `to` known.
    pub(crate) fn insert(&mut self, from: &[u8], to: &[u8], now: u64) {
        if from >= to {
            return;
        }
        let mut start = from.to_vec();
        let mut end = to.to_vec();
        // Swallow every interval that touches the new one.
        while let Some((other, (other_end, _))) = self.ends.range::<[u8], _>(up_to(&end)).next_back() {
            if *other_end < start {
                break;
            }
            let other = other.clone();
            if let Some((other_end, _)) = self.ends.remove(&other) {
                end = end.max(other_end);
            }
            start = start.min(other);
        }
        self.ends.insert(start, (end, now));
    }

    /// Makes one key unknown.
    pub(crate) fn forget(&mut self, key: &[u8]) {
        let Some((start, (end, used))) = self.ends.range::<[u8], _>(up_to(key)).next_back() else { return };
        if key >= end.as_slice() {
            return;
        }
        let (start, end, used) = (start.clone(), end.clone(), *used);
        self.ends.remove(&start);
        let after = successor(key);
        if start.as_slice() < key {
            self.ends.insert(start, (key.to_vec(), used));
        }
        if after < end {
            self.ends.insert(after, (end, used));
        }
    }

    /// Forgets all intervals that were last used before `oldest`.
    pub(crate) fn evict(&mut self, oldest: u64) {
        self.ends.retain(|_, (_, used)| *used >= oldest);
    }

    /// How many intervals there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// When each interval was last used.
    pub(crate) fn ages(&self) -> impl Iterator<Item = u64> {
        self.ends.values().map(|(_, used)| *used)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u8, u8),
        Forget(u8),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![(0..40_u8, 0..40_u8).prop_map(|(a, b)| Op::Insert(a, b)), (0..40_u8).prop_map(Op::Forget)]
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_keys(ops in proptest::collection::vec(op(), 0..60)) {
            let mut intervals = Intervals::default();
            let mut model = BTreeSet::new();
            for op in ops {
                match op {
                    Op::Insert(a, b) => {
                        intervals.insert(&[a], &[b], 0);
                        model.extend(a..b);
                    }
                    Op::Forget(key) => {
                        intervals.forget(&[key]);
                        model.remove(&key);
                    }
                }
                for key in 0..=40 {
                    prop_assert_eq!(intervals.covering(&[key], 0).is_some(), model.contains(&key), "key {}", key);
                }
            }
        }
    }
}
