//! What came of a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::{book::Accepted, flood::Answers, schedule::Fault, verify::Verdict, watch::Seen, world::World};

/// What came of a run.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Repeats the schedule of the faults.
    pub(super) seed: u64,
    database: &'static str,
    /// Faults that did not happen, and why.
    left_out: Vec<String>,
    /// How often each fault happened.
    faults: BTreeMap<&'static str, u64>,
    pub(super) load_seconds: f64,
    /// How often each answer was given to the senders.
    pub(super) answers: BTreeMap<String, u64>,
    /// Accepted messages by kind.
    accepted: BTreeMap<&'static str, usize>,
    confirmed: usize,
    rejected: usize,
    /// Messages that were accepted though no answer said so.
    unheard: usize,
    sequences: usize,
    pub(super) files: usize,
    pub(super) settled_seconds: f64,
    status_answers: u64,
    status_failures: u64,
    status_slowest_ms: f64,
    memory_mib: f64,
    /// How often each answer was given to the flood.
    flood: BTreeMap<String, u64>,
    flood_status_slowest_ms: f64,
    flood_memory_mib: f64,
    /// The most that the status of some member said another was behind.
    behind: BTreeMap<String, u64>,
    /// What the status of some member said was wrong.
    told: BTreeSet<String>,
    pub(super) problems: Vec<String>,
}

impl Report {
    pub(super) fn new(seed: u64, world: &World) -> Self {
        let database = if world.stack.photinus.postgres.is_some() { "PostgreSQL" } else { "SQLite" };
        Self { seed, database, left_out: world.left_out(), ..Self::default() }
    }

    /// Counts a fault.
    pub(super) fn suffered(&mut self, fault: &Fault) {
        *self.faults.entry(fault.name()).or_default() += 1;
    }

    /// Takes over what was seen meanwhile.
    pub(super) fn saw(&mut self, seen: Seen) {
        self.status_answers = seen.answers;
        self.status_failures = seen.failures;
        self.status_slowest_ms = seen.slowest_ms;
        self.memory_mib = seen.memory_mib;
        self.behind = seen.behind;
        self.told = seen.problems;
    }

    /// Takes over what came of the flood.
    pub(super) fn flooded(&mut self, answers: Answers, seen: Seen) {
        self.flood = answers.counts;
        self.problems.extend(answers.problems);
        self.flood_status_slowest_ms = seen.slowest_ms;
        self.flood_memory_mib = seen.memory_mib;
        if seen.failures > 0 {
            self.problems.push(format!("{} of {} GET status failed in the flood", seen.failures, seen.answers));
        }
    }

    /// Takes over what was compared.
    pub(super) fn judged(&mut self, accepted: &[Accepted], verdict: Verdict) {
        for one in accepted {
            *self.accepted.entry(one.kind).or_default() += 1;
        }
        self.confirmed = verdict.confirmed;
        self.rejected = verdict.rejected;
        self.unheard = verdict.unheard;
        self.sequences = verdict.sequences;
        self.problems.extend(verdict.problems);
    }
}

fn list<K: fmt::Display, V: fmt::Display>(entries: &BTreeMap<K, V>) -> String {
    let entries: Vec<String> = entries.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if entries.is_empty() { "none".to_owned() } else { entries.join(", ") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "three members on {}, {:.0} s of load, seed {}", self.database, self.load_seconds, self.seed)?;
        writeln!(f, "faults:     {}", list(&self.faults))?;
        for left_out in &self.left_out {
            writeln!(f, "left out:   {left_out}")?;
        }
        writeln!(f, "answers:    {}", list(&self.answers))?;
        let accepted: usize = self.accepted.values().sum();
        writeln!(f, "accepted:   {accepted}: {}", list(&self.accepted))?;
        writeln!(f, "fates:      {} confirmed, {} rejected, everywhere the same", self.confirmed, self.rejected)?;
        writeln!(
            f,
            "besides:    {} messages that members made themselves, or accepted without an answer that arrived",
            self.unheard
        )?;
        writeln!(f, "orders:     {} sequences compared", self.sequences)?;
        writeln!(f, "files:      {} compared", self.files)?;
        writeln!(f, "settled:    {:.1} s after the last answer", self.settled_seconds)?;
        writeln!(
            f,
            "GET status: {} answers, {} of them failures, the slowest {:.0} ms; memory of a member at most {:.0} MiB",
            self.status_answers, self.status_failures, self.status_slowest_ms, self.memory_mib
        )?;
        writeln!(f, "behind:     {}, at most, as the others' status said", list(&self.behind))?;
        if !self.flood.is_empty() {
            writeln!(
                f,
                "flood:      {}; GET status at most {:.0} ms, memory of a member at most {:.0} MiB",
                list(&self.flood),
                self.flood_status_slowest_ms,
                self.flood_memory_mib
            )?;
        }
        for told in &self.told {
            writeln!(f, "told:       {told}")?;
        }
        for problem in &self.problems {
            writeln!(f, "PROBLEM:    {problem}")?;
        }
        if self.problems.is_empty() {
            writeln!(f, "nothing is lost, and all members agree")?;
        }
        Ok(())
    }
}
