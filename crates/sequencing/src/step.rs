//! The machine: one fact in, its decisions out.
//!
//! A step works in units: taking the fact in, then one unit per item of work. A unit that misses a row leaves nothing
//! behind; the units before it stay done. So a step that is called again after a [`Need`] goes on where it stopped,
//! and what it decides does not depend on which rows happened to be loaded.

use std::collections::BTreeSet;

use photinus_model::Hash;

use crate::decision::{Decision, Outcome};
use crate::facts::{Fact, Place, Pos};
use crate::reason::Reason;
use crate::rows::row::Row;
use crate::rows::{Error, Need, Rows, Stop, key};
use crate::rules::Rules;
use crate::work::{Item, Work};
use crate::{contract, intake, lanes, open, release, retraction, waits};

/// What a call of [`step`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Tell the overlay these things, then call again with the same fact.
    Need(Vec<Need>),
    /// The fact is dealt with: write the changes and these decisions in one transaction.
    Done(Outcome),
}

/// A step under way.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Whether the work left over by an earlier step has been taken up.
    resumed: bool,
    /// Whether the fact has been taken in.
    taken: bool,
    work: BTreeSet<Work>,
    decisions: Vec<Decision>,
    tally: Tally,
    looked: usize,
}

/// What a step counts.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    decided: usize,
    /// The highest position that a decision rests on.
    highest: Option<Pos>,
}

/// What a unit of work sees.
pub(crate) struct Machine<'a> {
    pub(crate) rows: &'a mut Rows,
    pub(crate) rules: &'a Rules,
    decisions: &'a mut Vec<Decision>,
    work: Vec<Work>,
    tally: Tally,
}

/// Deals with one fact. Deterministic: the same facts in the same order give the same decisions, whatever the rows
/// happen to be loaded from.
///
/// After [`Step::Need`], answer through `rows` and call again with the same fact.
///
/// # Errors
/// If rows are broken. Throw `rows` away then: what it holds is half done.
pub fn step(rows: &mut Rows, rules: &Rules, fact: &Fact) -> Result<Step, Error> {
    let mut progress = rows.progress.take().unwrap_or_default();
    match run(rows, rules, fact, &mut progress) {
        Ok(more) => Ok(Step::Done(Outcome { decisions: progress.decisions, more })),
        Err(Stop::Need(needs)) => {
            rows.progress = Some(progress);
            Ok(Step::Need(needs))
        }
        Err(Stop::Error(error)) => Err(error),
    }
}

fn run(rows: &mut Rows, rules: &Rules, fact: &Fact, progress: &mut Progress) -> Result<bool, Stop> {
    if !progress.resumed {
        progress.unit(rows, rules, |machine| machine.resume())?;
        progress.resumed = true;
    }
    if !progress.taken {
        // What an earlier step left comes first: a driver that lets it pile up pays for it in one transaction.
        if !matches!(fact, Fact::Continue) {
            while progress.work_on(rows, rules)? {}
        }
        progress.unit(rows, rules, |machine| intake::take(machine, fact))?;
        progress.taken = true;
    }
    while progress.tally.decided < rules.decisions_per_step.max(1) && progress.looked < rules.work_per_step.max(1) {
        if !progress.work_on(rows, rules)? {
            break;
        }
        progress.looked += 1;
    }
    let left = std::mem::take(&mut progress.work);
    match progress.unit(rows, rules, |machine| machine.leave(&left)) {
        Ok(()) => Ok(!left.is_empty()),
        Err(stop) => {
            progress.work = left;
            Err(stop)
        }
    }
}

impl Progress {
    /// Does the next item of work, if there is one.
    fn work_on(&mut self, rows: &mut Rows, rules: &Rules) -> Result<bool, Stop> {
        let Some(work) = self.work.pop_first() else { return Ok(false) };
        match self.unit(rows, rules, |machine| machine.perform(&work)) {
            Ok(()) => Ok(true),
            Err(stop) => {
                self.work.insert(work);
                Err(stop)
            }
        }
    }

    /// Does a unit of work whole or not at all.
    fn unit(
        &mut self,
        rows: &mut Rows,
        rules: &Rules,
        work: impl FnOnce(&mut Machine<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let savepoint = rows.savepoint();
        let decided = self.decisions.len();
        let mut machine = Machine { rows, rules, decisions: &mut self.decisions, work: Vec::new(), tally: self.tally };
        match work(&mut machine) {
            Ok(()) => {
                self.tally = machine.tally;
                self.work.extend(machine.work);
                Ok(())
            }
            Err(stop) => {
                rows.roll_back(savepoint);
                self.decisions.truncate(decided);
                Err(stop)
            }
        }
    }
}

impl Machine<'_> {
    /// Takes up the work that an earlier step left.
    fn resume(&mut self) -> Result<(), Stop> {
        let mut meta = self.rows.meta()?;
        if meta.work == 0 {
            return Ok(());
        }
        self.rows.require((0..meta.work).map(key::work), [])?;
        for number in 0..meta.work {
            let work = self.rows.work(number)?.ok_or_else(|| Stop::inconsistent("work left over is missing"))?;
            self.work.push(work);
            self.rows.remove(key::work(number));
        }
        meta.work = 0;
        self.rows.put(key::meta(), Row::Meta(meta));
        Ok(())
    }

    /// Puts down what concerns the step as a whole: the work that is left, and how far up decisions reach.
    fn leave(&mut self, left: &BTreeSet<Work>) -> Result<(), Stop> {
        let mut meta = self.rows.meta()?;
        let before = meta.clone();
        meta.decided = meta.decided.max(self.tally.highest);
        for work in left {
            self.rows.put(key::work(meta.work), Row::Work(work.clone()));
            meta.work += 1;
        }
        if meta != before {
            self.rows.put(key::meta(), Row::Meta(meta));
        }
        Ok(())
    }

    fn perform(&mut self, work: &Work) -> Result<(), Stop> {
        match &work.item {
            Item::Retract(from) => retraction::next(self, *from),
            Item::Bind(batch) => open::bind_next(self, batch),
            Item::Deliver(batch) => lanes::deliver_next(self, batch, work.at.pos),
            Item::Lane(id) => lanes::look(self, id),
            Item::Look => self.look_now(work.at),
            Item::Wake { list, to } => waits::wake_next(self, list, work.at, *to),
        }
    }

    fn look_now(&mut self, at: Place) -> Result<(), Stop> {
        match self.rows.event(at.pos)? {
            Some(pinned) if pinned.event.masked() => lanes::look_at(self, &pinned, at),
            Some(pinned) => open::look(self, &pinned, at),
            None => match self.rows.ballot(at.pos)? {
                Some(ballot) => release::look(self, at.pos, &ballot),
                None => contract::look(self),
            },
        }
    }

    /// Has the message that owns the value at this place looked at.
    pub(crate) fn look(&mut self, at: Place) {
        self.work.push(Work { at, item: Item::Look });
    }

    /// Has the next message of a lane looked at.
    pub(crate) fn look_at_lane(&mut self, id: Hash) {
        // Lanes do not wait for one another, so no place orders their work.
        self.work.push(Work { at: Place::default(), item: Item::Lane(id) });
    }

    /// Adds an item of work.
    pub(crate) fn later(&mut self, at: Place, item: Item) {
        self.work.push(Work { at, item });
    }

    /// Has everything looked at that waits for this reason.
    pub(crate) fn wake(&mut self, reason: &Reason) -> Result<(), Stop> {
        waits::wake(self, key::list(reason), None)
    }

    /// Tells the outside something.
    pub(crate) fn say(&mut self, decision: Decision) {
        self.decisions.push(decision);
    }

    /// Counts a decision that rests on this position.
    pub(crate) fn count_decision(&mut self, pos: Pos) {
        self.tally.decided += 1;
        self.rests_on(pos);
    }

    /// Notes that something was decided that rests on this position.
    pub(crate) fn rests_on(&mut self, pos: Pos) {
        self.tally.highest = self.tally.highest.max(Some(pos));
    }
}
