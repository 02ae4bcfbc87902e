//! Rows that were lately asked for or written, so that what comes in several steps is looked up once.
//!
//! A message is written, put into a batch and decided, in three commits: each needs to know its row. There is one writer, so
//! what it left in a row is what the row holds.

use std::mem;

use super::{Facts, Lookup, Want, Wants, lookup};

/// What is remembered: look-ups by the one key under which their rows are ever changed.
static KEPT: [&Lookup; 5] =
    [&lookup::MESSAGES, &lookup::DATA, &lookup::BATCHES, &lookup::TRANSACTIONS, &lookup::OPERATIONS];

fn is_kept(want: &Want) -> bool {
    matches!(want, Want::Rows(find) if KEPT.iter().any(|kept| std::ptr::eq(*kept, find.lookup)))
}

/// Rows in one of the two halves.
const HALF: usize = 16_384;

/// A bounded memory of look-ups and their rows. What has not been wanted for longest goes first, in halves.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    young: Facts,
    old: Facts,
    /// Rows and look-ups in `young`.
    weight: usize,
}

impl Recent {
    /// Moves out what is known of `wanted`, which is left with the rest. Whoever commits gives it back with
    /// [`Recent::keep`]; after a failed commit it is looked up again.
    pub(crate) fn take(&mut self, wanted: &mut Wants) -> Facts {
        let mut known = Facts::default();
        if self.young.is_empty() && self.old.is_empty() {
            return known;
        }
        wanted.retain(|want| match self.young.remove_entry(want).or_else(|| self.old.remove_entry(want)) {
            Some((want, rows)) => {
                known.insert(want, rows);
                false
            }
            None => true,
        });
        known
    }

    /// Remembers what look-ups find after a commit.
    pub(crate) fn keep(&mut self, facts: Facts) {
        for (want, rows) in facts {
            if !is_kept(&want) {
                continue;
            }
            // What is not there will hardly be asked for again.
            if rows.is_empty() {
                self.young.remove(&want);
                self.old.remove(&want);
                continue;
            }
            self.weight += 1 + rows.len();
            self.young.insert(want, rows);
        }
        if self.weight > HALF {
            self.old = mem::take(&mut self.young);
            self.weight = 0;
        }
    }

    /// Forgets everything: nobody knows what the rows hold.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Find;

    fn want(number: i64) -> Want {
        Want::Rows(Find { lookup: &lookup::DATA, ns: 1, key: vec![number.into()] })
    }

    fn facts(numbers: std::ops::Range<i64>) -> Facts {
        numbers.map(|number| (want(number), vec![vec![number.into()]])).collect()
    }

    #[test]
    fn what_is_taken_is_not_looked_up_and_not_kept() {
        let mut recent = Recent::default();
        recent.keep(facts(0..3));
        let mut wanted = Wants::from_iter([want(1), want(7)]);
        assert_eq!(recent.take(&mut wanted), facts(1..2));
        assert_eq!(wanted, Wants::from_iter([want(7)]));
        let mut again = Wants::from_iter([want(1)]);
        assert!(recent.take(&mut again).is_empty() && again.len() == 1);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut recent = Recent::default();
        recent.keep(facts(0..1));
        let mut wanted = Wants::from_iter([want(0)]);
        let mut taken = recent.take(&mut wanted);
        taken.insert(want(0), Vec::new());
        recent.keep(taken);
        assert!(recent.take(&mut Wants::from_iter([want(0)])).is_empty());
        recent.keep(facts(0..1));
        recent.forget();
        assert!(recent.take(&mut Wants::from_iter([want(0)])).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut recent = Recent::default();
        for start in 0..40 {
            recent.keep(facts(start * 1_000..(start + 1) * 1_000));
            assert!(recent.young.len() + recent.old.len() <= HALF + 1_000);
        }
        assert_eq!(recent.take(&mut Wants::from_iter([want(39_999)])).len(), 1);
        assert!(recent.take(&mut Wants::from_iter([want(0)])).is_empty());
    }
}
