//! Runs the sequencing machine over rows that lie in the store.
//!
//! Between commits the overlay is a bounded cache: a namespace that has caught up decides broadcasts without a read. When a
//! commit fails the overlay is thrown away, and the facts are given again.

use std::collections::HashMap;

use photinus_sequencing::{
    Fact, Outcome,
    explain::Answer,
    rows::{self, Need, Question, Rows},
    rules::Rules,
    {Step, step},
};
use photinus_store::Store;

use crate::space;

/// How many rows answer one question for the first row of a range: those behind it are usually wanted next.
const READ_AHEAD: usize = 64;
/// Keys that begin with this many equal bytes lie close together: the table, and hours of an identifier's time.
const NEAR: usize = 4;
/// How many such keys are looked for in one stretch.
const MANY: usize = 8;
/// Rows kept in memory between commits.
const CACHE: usize = 10_000;

/// Why the machine could not take a fact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store cannot be read now.
    #[error("failed to read the rows of the order: {0}")]
    Store(#[from] photinus_store::Error),
    /// The rows are broken. Reading them again does not help, but it is tried, and shown, until somebody acts.
    #[error("the rows of the order are broken: {0}")]
    Rows(#[from] rows::Error),
}

/// Says whether values conform to datatypes. The answer is a function of the two hashes in the question.
#[async_trait::async_trait]
pub(crate) trait Judge: Sync {
    /// The answer, from the values of the group under way or from the store.
    async fn conforms(&self, question: &Question) -> Result<bool, photinus_store::Error>;
}

/// The machine of one namespace.
pub(crate) struct Machine {
    namespace: String,
    store: Store,
    rules: Rules,
    rows: Rows,
}

impl Machine {
    /// A machine on the rows that the store holds of this namespace.
    pub(crate) fn new(namespace: &str, store: Store, rules: Rules) -> Self {
        Self { namespace: namespace.to_owned(), store, rules, rows: Rows::default() }
    }

    /// Takes over what depends on the contract in force.
    pub(crate) fn set_legacy_namespace(&mut self, namespace: Option<String>) {
        self.rules.legacy_namespace = namespace;
    }

    /// Takes one fact to its outcome. Changes gather until [`Machine::take_changes`].
    pub(crate) async fn step(&mut self, fact: &Fact, judge: &dyn Judge) -> Result<Outcome, Error> {
        loop {
            match step(&mut self.rows, &self.rules, fact)? {
                Step::Done(outcome) => return Ok(outcome),
                Step::Need(needs) => {
                    for question in self.load(needs).await? {
                        let conforms = judge.conforms(&question).await?;
                        self.rows.answer(question, conforms);
                    }
                }
            }
        }
    }

    /// Answers a question about what is not decided. Changes nothing.
    pub(crate) async fn ask<T>(
        &mut self,
        mut question: impl FnMut(&mut Rows) -> Result<Answer<T>, rows::Error>,
    ) -> Result<T, Error> {
        loop {
            match question(&mut self.rows)? {
                Answer::Is(answer) => return Ok(answer),
                Answer::Need(needs) => {
                    // Only a verdict asks about schemas, and whoever gives verdicts has a judge.
                    let _none = self.load(needs).await?;
                }
            }
        }
    }

    /// Loads what is needed of the store, in as few queries as it takes. Answers what only a judge can say.
    async fn load(&mut self, needs: Vec<Need>) -> Result<Vec<Question>, Error> {
        let (mut keys, mut ranges, mut questions) = (Vec::new(), Vec::new(), Vec::new());
        for need in needs {
            match need {
                Need::Get(key) => keys.push(key),
                Need::First { from, to } => ranges.push((from, to)),
                Need::Schema(question) => questions.push(question),
            }
        }
        let (store, namespace) = (&self.store, self.namespace.as_str());
        let (entries, pages) = futures::try_join!(
            self.rows_of(&mut keys),
            store.kv_ranges(namespace, space::SEQUENCING, &ranges, READ_AHEAD + 1),
        )?;
        let entries: HashMap<_, _> = entries.into_iter().collect();
        for key in keys {
            let found = entries.get(&key).map(Vec::as_slice);
            self.rows.load(key, found)?;
        }
        for ((from, to), found) in ranges.iter().zip(&pages) {
            // What was read is known up to the row behind the last one taken, or the whole range.
            let end = if found.len() > READ_AHEAD { &found[READ_AHEAD].0 } else { to };
            let rows = found.iter().take(READ_AHEAD).map(|(key, bytes)| (key.clone(), bytes.as_slice()));
            self.rows.load_range(from, end, rows)?;
        }
        Ok(questions)
    }

    /// The rows that there are of these keys, which are sorted. Those that lie close together are read as one stretch: the messages of
    /// a batch have identifiers of one moment, and nearly always none of them is there.
    async fn rows_of(&self, keys: &mut [Vec<u8>]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, photinus_store::Error> {
        let (store, namespace) = (&self.store, self.namespace.as_str());
        keys.sort_unstable();
        let (mut found, mut single) = (Vec::new(), Vec::new());
        for near in keys.chunk_by(|one, next| one.get(..NEAR) == next.get(..NEAR)) {
            let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
            if near.len() >= MANY {
                let limit = near.len() * 2;
                let to = [last.as_slice(), &[0]].concat();
                let rows = store.kv_range(namespace, space::SEQUENCING, first, Some(&to), limit).await?;
                if rows.len() < limit {
                    found.extend(rows);
                    continue;
                }
            }
            single.extend_from_slice(near);
        }
        if !single.is_empty() {
            found.extend(store.kv_many(namespace, space::SEQUENCING, &single).await?);
        }
        Ok(found)
    }

    /// What to write in one commit: keys and their new bytes, `None` for rows that are gone.
    pub(crate) fn take_changes(&mut self) -> Result<Vec<rows::Change>, Error> {
        Ok(self.rows.take_changes()?)
    }

    /// After a commit: bounds the memory.
    pub(crate) fn settle(&mut self) {
        if self.rows.len() > CACHE {
            self.rows.evict(CACHE / 2);
        } else {
            self.rows.evict(CACHE);
        }
    }

    /// After a failed commit or step: forgets everything that the store does not hold.
    pub(crate) fn reset(&mut self) {
        self.rows = Rows::default();
    }
}
