//! A table in memory, and the loop that every driver runs.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Change, Error, Key, Need, Question, Rows};
use crate::decision::Outcome;
use crate::facts::Fact;
use crate::rules::Rules;
use crate::step::{Step, step};

/// How many rows answer one [`Need::First`]: those behind the first are usually wanted next.
const READ_AHEAD: usize = 16;

/// An ordered table in memory. For tests and simulations; a node keeps its rows in its store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    rows: BTreeMap<Key, Vec<u8>>,
}

impl Table {
    /// Answers one need. `judge` says whether a value conforms to a datatype.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn answer(&self, need: Need, rows: &mut Rows, judge: &mut dyn FnMut(&Question) -> bool) -> Result<(), Error> {
        match need {
            Need::Get(key) => {
                let bytes = self.rows.get(&key).map(Vec::as_slice);
                rows.load(key, bytes)
            }
            Need::First { from, to } => {
                let range = (Bound::Included(from.clone()), Bound::Excluded(to.clone()));
                let mut found: Vec<_> = self.rows.range(range).take(READ_AHEAD + 1).collect();
                let end = if found.len() > READ_AHEAD { found.pop().map(|(key, _)| key.clone()) } else { None };
                let found = found.into_iter().map(|(key, bytes)| (key.clone(), bytes.as_slice()));
                rows.load_range(&from, end.as_ref().unwrap_or(&to), found)
            }
            Need::Schema(question) => {
                let conforms = judge(&question);
                rows.answer(question, conforms);
                Ok(())
            }
        }
    }

    /// Writes changes.
    pub fn apply(&mut self, changes: Vec<Change>) {
        for (key, bytes) in changes {
            match bytes {
                Some(bytes) => self.rows.insert(key, bytes),
                None => self.rows.remove(&key),
            };
        }
    }

    /// All rows, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice()))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Takes one fact to its outcome and writes the changes: what one transaction of a driver does.
///
/// # Errors
/// If rows cannot be read or written.
pub fn drive(
    table: &mut Table,
    rows: &mut Rows,
    rules: &Rules,
    fact: &Fact,
    judge: &mut dyn FnMut(&Question) -> bool,
) -> Result<Outcome, Error> {
    loop {
        match step(rows, rules, fact)? {
            Step::Need(needs) => {
                for need in needs {
                    table.answer(need, rows, judge)?;
                }
            }
            Step::Done(outcome) => {
                table.apply(rows.take_changes()?);
                return Ok(outcome);
            }
        }
    }
}
