//! The rows as one change set sees them, and the steps that it takes.

use photinus_model::{Hash, Uuid, event::Event, message::State};

use super::{Counters, Facts, Find, Lookup, Refusal, Want, lookup, writes::Step};
use crate::{
    change::Precondition,
    error::{Conflict, What},
    noted::{Happened, Noted},
    rows::{self, sealed},
    schema::Table,
    value::{Cursor, Row, Value},
};

/// What a set leaves behind when nothing is in its way.
pub(super) struct Outcome {
    pub(super) facts: Facts,
    pub(super) steps: Vec<Step>,
    pub(super) events: Vec<Event>,
    pub(super) noted: Vec<Noted>,
}

/// The group so far, with what the set has done on top.
pub(super) struct View<'a> {
    pub(super) ns: i64,
    base: &'a Facts,
    own: Facts,
    counters: &'a mut Counters,
    steps: Vec<Step>,
    events: Vec<Event>,
    /// The records that were touched; `None` when nobody wants to know.
    noted: Option<Vec<Noted>>,
}

/// A message as the rules see it.
pub(super) struct Known {
    pub(super) seq: i64,
    pub(super) hash: Option<Hash>,
    pub(super) state: Option<State>,
}

impl<'a> View<'a> {
    pub(super) fn new(ns: i64, base: &'a Facts, counters: &'a mut Counters, watched: bool) -> Self {
        let noted = watched.then(Vec::new);
        Self { ns, base, own: Facts::default(), counters, steps: Vec::new(), events: Vec::new(), noted }
    }

    pub(super) fn finish(self) -> Outcome {
        Outcome { facts: self.own, steps: self.steps, events: self.events, noted: self.noted.unwrap_or_default() }
    }

    /// The rows of a look-up, oldest first.
    pub(super) fn get(&self, lookup: &'static Lookup, key: Vec<Value>) -> Result<&[Row], Refusal> {
        let want = Want::Rows(Find { lookup, ns: self.ns, key });
        let rows = self.own.get(&want).or_else(|| self.base.get(&want));
        rows.map(Vec::as_slice).ok_or_else(|| {
            Refusal::Fault(format!("rows of {} by {} were not loaded", lookup.table.name, lookup.keys.join(", ")))
        })
    }

    /// The rows of a look-up, with a cursor on each.
    pub(super) fn found<T>(
        &self,
        lookup: &'static Lookup,
        key: Vec<Value>,
        read: impl Fn(&mut Cursor) -> Result<T, crate::Error>,
    ) -> Result<Vec<T>, Refusal> {
        let rows = self.get(lookup, key)?;
        let read = |row: &Row| read(&mut Cursor::new(lookup.table, row.clone()));
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| Refusal::Fault(error.to_string()))
    }

    /// The number of the first row of a look-up whose first column it is.
    pub(super) fn first(&self, lookup: &'static Lookup, key: Vec<Value>) -> Result<Option<i64>, Refusal> {
        Ok(self.found(lookup, key, Cursor::int)?.first().copied())
    }

    /// Sets what a look-up will find from here on.
    pub(super) fn set(&mut self, lookup: &'static Lookup, key: Vec<Value>, rows: Vec<Row>) {
        self.own.insert(Want::Rows(Find { lookup, ns: self.ns, key }), rows);
    }

    /// Adds a row to what a look-up will find.
    pub(super) fn add(&mut self, lookup: &'static Lookup, key: Vec<Value>, row: Row) -> Result<(), Refusal> {
        let mut rows = self.get(lookup, key.clone())?.to_vec();
        rows.push(row);
        self.set(lookup, key, rows);
        Ok(())
    }

    /// Inserts a record as a row of its own and returns its number.
    pub(super) fn insert<T: sealed::Row>(&mut self, record: &T) -> i64 {
        let seq = self.counters.next(T::TABLE);
        let row = rows::row(self.ns, seq, record);
        if let Some(noted) = &mut self.noted {
            noted.extend(Noted::created(T::TABLE, seq, &row));
        }
        self.steps.push(Step::Insert { table: T::TABLE, seq, row });
        seq
    }

    /// Inserts a row that is no record; `values` follow the number.
    pub(super) fn insert_row(&mut self, table: &'static Table, values: Vec<Value>) -> i64 {
        let seq = self.counters.next(table);
        self.insert_numbered(table, seq, values);
        seq
    }

    /// Inserts a row that is no record under a number of another table.
    pub(super) fn insert_numbered(&mut self, table: &'static Table, seq: i64, values: Vec<Value>) {
        let mut row: Row = vec![self.ns.into(), seq.into()];
        row.extend(values);
        self.steps.push(Step::Insert { table, seq, row });
    }

    /// Replaces a row by a record.
    pub(super) fn replace<T: sealed::Row>(&mut self, seq: i64, record: &T) {
        let values = record.values();
        if let Some(noted) = &mut self.noted {
            noted.extend(Noted::replaced(T::TABLE, &values));
        }
        let values = values.into_iter().enumerate().map(|(index, value)| (index + 2, value)).collect();
        self.steps.push(Step::Update { table: T::TABLE, seq, values });
    }

    /// Changes some columns of a row. Names that the table does not have are a fault of this crate.
    pub(super) fn update(
        &mut self,
        table: &'static Table,
        seq: i64,
        values: Vec<(&str, Value)>,
    ) -> Result<(), Refusal> {
        let position = |(name, value): (&str, Value)| {
            let position = table.position(name);
            position.map(|position| (position, value)).ok_or_else(|| Refusal::Fault(format!("no column {name}")))
        };
        let values = values.into_iter().map(position).collect::<Result<Vec<_>, _>>()?;
        if !values.is_empty() {
            self.steps.push(Step::Update { table, seq, values });
        }
        Ok(())
    }

    /// Notes that a row was changed or removed by other means than [`View::replace`].
    pub(super) fn note(&mut self, table: &'static Table, what: Happened, id: Uuid) {
        if let Some(noted) = &mut self.noted {
            noted.extend(Noted::by_id(table, what, id));
        }
    }

    pub(super) fn delete(&mut self, table: &'static Table, seq: i64) {
        self.steps.push(Step::Delete { table, seq });
    }

    pub(super) fn emit(&mut self, event: &Event) {
        let sequence = self.insert(event);
        self.events.push(Event { sequence, ..event.clone() });
    }

    pub(super) fn entry(&self, space: u8, key: &[u8]) -> Result<Option<&[u8]>, Refusal> {
        let want = Want::Entry { ns: self.ns, space, key: key.to_vec() };
        let rows = self.own.get(&want).or_else(|| self.base.get(&want));
        let rows = rows.ok_or_else(|| Refusal::Fault("an entry was not loaded".to_owned()))?;
        Ok(match rows.first().and_then(|row| row.first()) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        })
    }

    pub(super) fn set_entry(&mut self, space: u8, key: &[u8], value: Option<&[u8]>) {
        let want = Want::Entry { ns: self.ns, space, key: key.to_vec() };
        // Most entries are written and never asked for.
        if self.base.contains_key(&want) {
            let found = value.map(|value| vec![Value::Bytes(value.to_vec())]).into_iter().collect();
            self.own.insert(want, found);
        }
        self.steps.push(Step::Entry { space, key: key.to_vec(), value: value.map(<[u8]>::to_vec) });
    }

    /// The messages of an id, oldest first.
    pub(super) fn messages(&self, id: Uuid) -> Result<Vec<Known>, Refusal> {
        self.found(&lookup::MESSAGES, vec![id.into()], |row| {
            Ok(Known { seq: row.int()?, hash: row.opt_hash()?, state: row.opt_parsed()? })
        })
    }

    /// Looks at a precondition.
    pub(super) fn demand(&self, precondition: &Precondition) -> Result<(), Refusal> {
        match precondition {
            Precondition::KvIs { space, key, value } => {
                if self.entry(*space, key)? == value.as_deref() {
                    return Ok(());
                }
                let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
                Err(Refusal::Conflict(Conflict { what: What::Entry, key, existing: None }))
            }
            Precondition::MessageState { id, states } => {
                let state = self.messages(*id)?.first().and_then(|message| message.state);
                if state.is_some_and(|state| states.contains(&state)) { Ok(()) } else { Err(wrong_state(*id)) }
            }
        }
    }
}

/// The message is absent or in another state.
pub(super) fn wrong_state(id: Uuid) -> Refusal {
    conflict(What::MessageState, id, Some(id))
}

pub(super) fn conflict(what: What, key: impl ToString, existing: Option<Uuid>) -> Refusal {
    Refusal::Conflict(Conflict { what, key: key.to_string(), existing })
}
