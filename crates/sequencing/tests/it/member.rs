//! One member: a table, an overlay, and everything that was decided.

use std::collections::BTreeMap;

use photinus_model::Hash;
use photinus_sequencing::decision::{Alarm, Code, Contract, Decided, Decision, Effect, EventKind, Verdict};
use photinus_sequencing::explain::{self, Admission, Answer, State};
use photinus_sequencing::facts::content::Message;
use photinus_sequencing::facts::{Fact, MessageKey, Place, Pos};
use photinus_sequencing::reason::Lane;
use photinus_sequencing::rows::{Question, Table, drive};
use photinus_sequencing::{Reason, Rows, Rules, Step, step};

/// The schema of every datatype in these tests: a value conforms if its id is even.
pub(crate) fn conforms(question: &Question) -> bool {
    question.data.id.as_u128().is_multiple_of(2)
}

#[derive(Debug, Default)]
pub(crate) struct Member {
    pub(crate) rules: Rules,
    pub(crate) table: Table,
    pub(crate) rows: Rows,
    pub(crate) decisions: Vec<Decision>,
}

impl Member {
    /// Takes facts, each to its end.
    pub(crate) fn feed<'a>(&mut self, facts: impl IntoIterator<Item = &'a Fact>) {
        for fact in facts {
            self.take(fact);
        }
    }

    pub(crate) fn take(&mut self, fact: &Fact) {
        let mut more = self.step(fact);
        while more {
            more = self.step(&Fact::Continue);
        }
    }

    /// One transaction. True if work is left.
    pub(crate) fn step(&mut self, fact: &Fact) -> bool {
        let outcome = drive(&mut self.table, &mut self.rows, &self.rules, fact, &mut conforms).unwrap();
        self.decisions.extend(outcome.decisions);
        outcome.more
    }

    /// Loses its memory, keeps its table, and starts again.
    pub(crate) fn restart(&mut self) {
        self.rows = Rows::default();
        self.take(&Fact::Continue);
    }

    /// Dies in the middle of a step, after some rows were loaded.
    pub(crate) fn die_in(&mut self, fact: &Fact, after: usize) {
        for _ in 0..after {
            match step(&mut self.rows, &self.rules, fact).unwrap() {
                Step::Need(needs) => {
                    for need in needs {
                        self.table.answer(need, &mut self.rows, &mut conforms).unwrap();
                    }
                }
                Step::Done(_) => break,
            }
        }
        self.restart();
    }

    /// Every verdict, in the order of decision.
    pub(crate) fn decided(&self) -> impl Iterator<Item = &Decided> {
        self.decisions.iter().filter_map(|decision| match decision {
            Decision::Decided(decided) => Some(&**decided),
            _ => None,
        })
    }

    pub(crate) fn verdicts(&self) -> BTreeMap<MessageKey, (Place, Verdict)> {
        self.decided().map(|decided| (decided.message, (decided.place, decided.verdict))).collect()
    }

    pub(crate) fn verdict(&self, message: &Message) -> Option<Verdict> {
        self.decided().find(|decided| decided.message == message.key).map(|decided| decided.verdict)
    }

    /// The order in which these messages were decided; those that were not are left out.
    pub(crate) fn order(&self, messages: &[&Message]) -> Vec<usize> {
        self.decided()
            .filter_map(|decided| messages.iter().position(|message| message.key == decided.message))
            .collect()
    }

    pub(crate) fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.decided().flat_map(|decided| &decided.effects)
    }

    pub(crate) fn event_kinds(&self, message: &Message) -> Vec<EventKind> {
        let decided = self.decided().filter(|decided| decided.message == message.key);
        decided.flat_map(|decided| &decided.events).map(|event| event.kind).collect()
    }

    pub(crate) fn alarms(&self) -> Vec<&Alarm> {
        self.decisions
            .iter()
            .filter_map(|decision| match decision {
                Decision::Alarm(alarm) => Some(alarm),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn contract(&self) -> Vec<Contract> {
        let contract = |decision: &Decision| match decision {
            Decision::Contract(contract) => Some(*contract),
            _ => None,
        };
        self.decisions.iter().filter_map(contract).collect()
    }

    pub(crate) fn state(&mut self, message: &MessageKey) -> Option<State> {
        loop {
            match explain::message(&mut self.rows, message).unwrap() {
                Answer::Is(state) => return state,
                Answer::Need(needs) => self.answer(needs),
            }
        }
    }

    pub(crate) fn admission(&mut self, contract: u32, pos: Pos) -> Admission {
        loop {
            match explain::admission(&mut self.rows, contract, pos).unwrap() {
                Answer::Is(admission) => return admission,
                Answer::Need(needs) => self.answer(needs),
            }
        }
    }

    pub(crate) fn closed(&mut self, context: &Hash) -> Option<(Place, Reason)> {
        loop {
            match explain::context(&mut self.rows, context).unwrap() {
                Answer::Is(closed) => return closed,
                Answer::Need(needs) => self.answer(needs),
            }
        }
    }

    pub(crate) fn missing(&mut self, limit: usize) -> Vec<explain::Missing> {
        loop {
            match explain::missing(&mut self.rows, Default::default(), limit).unwrap() {
                Answer::Is(missing) => return missing,
                Answer::Need(needs) => self.answer(needs),
            }
        }
    }

    pub(crate) fn votes(&mut self, target: Pos) -> Option<explain::Tally> {
        loop {
            match explain::votes(&mut self.rows, target).unwrap() {
                Answer::Is(tally) => return tally,
                Answer::Need(needs) => self.answer(needs),
            }
        }
    }

    pub(crate) fn lane(&mut self, lane: &Lane) -> Option<(u64, Reason)> {
        loop {
            match explain::lane(&mut self.rows, lane).unwrap() {
                Answer::Is(found) => return found.map(|head| (head.nonce, head.reason)),
                Answer::Need(needs) => self.answer(needs),
            }
        }
    }

    fn answer(&mut self, needs: Vec<photinus_sequencing::Need>) {
        for need in needs {
            self.table.answer(need, &mut self.rows, &mut conforms).unwrap();
        }
    }

    #[track_caller]
    pub(crate) fn assert_confirmed(&self, message: &Message) {
        assert_eq!(self.verdict(message), Some(Verdict::Confirmed));
    }

    #[track_caller]
    pub(crate) fn assert_rejected(&self, message: &Message, code: Code) {
        assert_eq!(self.verdict(message), Some(Verdict::Rejected(code)));
    }

    #[track_caller]
    pub(crate) fn assert_waits(&mut self, message: &Message, reason: &Reason) {
        match self.state(&message.key) {
            Some(State::Waiting { reason: found, .. }) => assert_eq!(found, *reason),
            other => panic!("{other:?} in place of waiting for {reason:?}"),
        }
    }
}
