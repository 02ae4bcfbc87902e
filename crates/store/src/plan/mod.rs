//! From change sets to rows: pure rules, the same for every database.
//!
//! The lane gathers what the sets of a group want to know ([`wants`]), has it loaded, and then judges set by set
//! ([`Group::add`]). A set sees the rows as the sets before it leave them. What comes out is one final write per row,
//! whatever the number of changes that touched it.
//!
//! Not here: SQL, and the clock.

mod apply;
mod lookup;
mod recent;
mod records;
mod view;
mod wants;
mod writes;

use std::collections::HashMap;

use photinus_model::event::Event;

#[cfg(test)]
pub(crate) use lookup::ALL as LOOKUPS;
pub(crate) use lookup::{Facts, Find, Lookup, Want, Wants};
pub(crate) use recent::Recent;
pub(crate) use wants::wants;
pub(crate) use writes::{Update, Writes};

use crate::{
    change::ChangeSet,
    error::{Conflict, Error},
    noted::Noted,
    schema::{self, Table},
    value::Value,
};
use view::View;

/// The next local order of every table.
#[derive(Debug, Clone)]
pub(crate) struct Counters([i64; schema::ALL.len()]);

impl Counters {
    /// Behind the highest number of each table, in the order of [`schema::ALL`].
    pub(crate) fn after(highest: &[i64]) -> Self {
        let mut next = [1; schema::ALL.len()];
        for (next, highest) in next.iter_mut().zip(highest) {
            *next = highest.saturating_add(1);
        }
        Self(next)
    }

    fn next(&mut self, table: &'static Table) -> i64 {
        let next = &mut self.0[table.index()];
        *next += 1;
        *next - 1
    }
}

/// Why a change set is left out.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A rule does not hold.
    Conflict(Conflict),
    /// A row that the rules depend on cannot be understood, or was not loaded.
    Fault(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Conflict(conflict) => Self::Conflict(conflict),
            Refusal::Fault(reason) => Self::Refused(reason),
        }
    }
}

/// What a set brings, besides what is written.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// Its events with their sequences.
    pub(crate) events: Vec<Event>,
    /// The records that it touches, if that was asked for.
    pub(crate) noted: Vec<Noted>,
}

/// A group of change sets in the making.
pub(crate) struct Group<'a> {
    counters: &'a mut Counters,
    facts: Facts,
    /// Whether somebody wants to know which records are touched.
    watched: bool,
    /// Everything to be written.
    pub(crate) writes: Writes,
    /// Numbers of namespaces by name, of those that the group brings.
    pub(crate) namespaces: HashMap<String, i64>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(counters: &'a mut Counters, watched: bool) -> Self {
        Self { counters, facts: Facts::default(), watched, writes: Writes::default(), namespaces: HashMap::new() }
    }

    /// The number of a namespace that the database does not know yet.
    pub(crate) fn namespace(&mut self, name: &str) -> i64 {
        if let Some(ns) = self.namespaces.get(name) {
            return *ns;
        }
        let ns = self.counters.next(&schema::NAMESPACES);
        let row = vec![ns.into(), ns.into(), name.into(), Value::Null, Value::Null, Value::Null];
        self.writes.insert(&schema::NAMESPACES, ns, row);
        self.namespaces.insert(name.to_owned(), ns);
        ns
    }

    /// Everything to be written, the namespaces that the group brings, and what look-ups find once it is written.
    pub(crate) fn into_parts(self) -> (Writes, HashMap<String, i64>, Facts) {
        (self.writes, self.namespaces, self.facts)
    }

    /// What was found for the wants of the sets to come.
    pub(crate) fn learn(&mut self, facts: Facts) {
        self.facts.extend(facts);
    }

    /// Judges a set. Either all of it is added, or nothing.
    pub(crate) fn add(&mut self, ns: i64, set: &ChangeSet) -> Result<Added, Refusal> {
        let mut view = View::new(ns, &self.facts, self.counters, self.watched);
        for precondition in &set.preconditions {
            view.demand(precondition)?;
        }
        for change in &set.changes {
            view.apply(change)?;
        }
        let view::Outcome { facts, steps, mut events, noted } = view.finish();
        self.facts.extend(facts);
        for step in steps {
            self.writes.take(ns, step);
        }
        for event in &mut events {
            set.namespace.clone_into(&mut event.namespace);
        }
        Ok(Added { events, noted })
    }
}
