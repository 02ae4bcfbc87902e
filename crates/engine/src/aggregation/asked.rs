//! Who was asked for what is missing, and what they said: for those who want to know why something waits.
//!
//! It is kept in memory alone, and bounded: what is still missing after a restart is asked for again soon.

use std::collections::{BTreeMap, VecDeque};

use photinus_model::{Hash, Time};

/// Things of which it is known; the one that was asked for longest ago goes first.
const THINGS: usize = 1_000;
/// Questions about one thing.
const QUESTIONS: usize = 8;

/// A question that was put to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The node, by its data exchange.
    pub(super) node: String,
    /// When it answered, or did not.
    pub(super) time: Time,
    /// What it said.
    pub(super) said: String,
}

/// The questions, by the hash of what was asked for.
#[derive(Default)]
pub(super) struct Questions {
    things: BTreeMap<Hash, VecDeque<Asked>>,
    order: VecDeque<Hash>,
}

impl Questions {
    /// Notes a question. Of those to one node only the last is kept.
    pub(super) fn note(&mut self, thing: Hash, asked: Asked) {
        if !self.things.contains_key(&thing) {
            if self.order.len() >= THINGS
                && let Some(oldest) = self.order.pop_front()
            {
                self.things.remove(&oldest);
            }
            self.order.push_back(thing);
        }
        let questions = self.things.entry(thing).or_default();
        questions.retain(|known| known.node != asked.node);
        if questions.len() >= QUESTIONS {
            questions.pop_front();
        }
        questions.push_back(asked);
    }

    /// The questions about a thing, the last one last.
    pub(super) fn about(&self, thing: Hash) -> Vec<Asked> {
        self.things.get(&thing).map(|questions| questions.iter().cloned().collect()).unwrap_or_default()
    }

    /// Forgets what came.
    pub(super) fn forget(&mut self, thing: Hash) {
        if self.things.remove(&thing).is_some() {
            self.order.retain(|known| *known != thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(node: usize, nanos: i64) -> Asked {
        Asked { node: node.to_string(), time: Time::from_unix_nanos(nanos), said: String::new() }
    }

    #[test]
    fn memory_is_bounded_and_the_last_answer_counts() {
        let mut questions = Questions::default();
        let thing = Hash::of("thing");
        for round in 0..3 {
            for node in 0..=QUESTIONS {
                questions.note(thing, asked(node, round));
            }
        }
        let about = questions.about(thing);
        assert_eq!((about.len(), about.last()), (QUESTIONS, Some(&asked(QUESTIONS, 2))));
        for other in 0..THINGS {
            questions.note(Hash::of(other.to_string()), asked(1, 1));
        }
        assert!(questions.about(thing).is_empty());
        assert_eq!((questions.things.len(), questions.order.len()), (THINGS, THINGS));
        questions.forget(Hash::of("7"));
        assert_eq!((questions.things.len(), questions.order.len()), (THINGS - 1, THINGS - 1));
    }
}
