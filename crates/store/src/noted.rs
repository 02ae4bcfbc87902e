//! Which records came, changed or went with a commit, for those that watch the collections.
//!
//! Noted only while somebody watches, from the steps that a change set takes: a record that is told of was written.

use photinus_model::{Hash, Uuid};

use crate::{
    schema::{self, Table},
    value::Value,
};

/// A record that came, changed or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Its collection, as routes call it.
    pub collection: &'static str,
    /// What happened to it.
    pub what: Happened,
    /// Its id, in collections whose records have one.
    pub id: Option<Uuid>,
    /// Its hash, in collections whose records are found by it.
    pub hash: Option<Hash>,
    /// Its number, when it came to a collection that is read in order.
    pub sequence: Option<i64>,
}

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happened {
    /// It is new.
    Created,
    /// It has other values.
    Updated,
    /// It is gone.
    Deleted,
}

/// By what a record is told of.
enum Key {
    Id,
    /// By its id, and its number when it is new.
    IdAndNumber,
    /// By its number alone. Only new ones are told of.
    Number,
    Hash,
}

/// How a table's records are told of; `None` for tables that nobody can watch.
fn key(table: &'static Table) -> Option<Key> {
    let is = |one: &'static Table| std::ptr::eq(table, one);
    if is(&schema::MESSAGES) || is(&schema::EVENTS) {
        return Some(Key::IdAndNumber);
    }
    if is(&schema::PINS) {
        return Some(Key::Number);
    }
    if is(&schema::GROUPS) || is(&schema::VERIFIERS) {
        return Some(Key::Hash);
    }
    (table.collection.is_some() && table.position("id").is_some()).then_some(Key::Id)
}

impl Noted {
    /// A new row, given whole.
    pub(crate) fn created(table: &'static Table, seq: i64, row: &[Value]) -> Option<Self> {
        Self::of(table, Happened::Created, Some(seq), |column| row.get(table.position(column)?))
    }

    /// A row that has new values, given as the whole of them behind `ns` and `seq`.
    pub(crate) fn replaced(table: &'static Table, values: &[Value]) -> Option<Self> {
        Self::of(table, Happened::Updated, None, |column| values.get(table.position(column)?.checked_sub(2)?))
    }

    /// A row that changed or went, by its id.
    pub(crate) fn by_id(table: &'static Table, what: Happened, id: Uuid) -> Option<Self> {
        let id = Value::Uuid(id);
        Self::of(table, what, None, |column| (column == "id").then_some(&id))
    }

    fn of<'v>(
        table: &'static Table,
        what: Happened,
        seq: Option<i64>,
        value: impl Fn(&str) -> Option<&'v Value>,
    ) -> Option<Self> {
        let collection = table.collection?.name;
        let id = || if let Some(Value::Uuid(id)) = value("id") { Some(*id) } else { None };
        let hash = || if let Some(Value::Hash(hash)) = value("hash") { Some(*hash) } else { None };
        let (id, hash, sequence) = match key(table)? {
            Key::Id => (id(), None, None),
            Key::IdAndNumber => (id(), None, seq),
            Key::Number => (None, None, seq),
            Key::Hash => (None, hash(), None),
        };
        (id.is_some() || hash.is_some() || sequence.is_some()).then_some(Self { collection, what, id, hash, sequence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_of_as_clients_find_them() {
        let told = |table: &'static Table| {
            let fill = |column: &crate::schema::Column| match column.kind {
                crate::schema::Kind::Uuid => Value::Uuid(Uuid::nil()),
                crate::schema::Kind::Hash => Value::Hash(Hash([0; 32])),
                _ => Value::Int(7),
            };
            let row: Vec<Value> = table.columns.iter().map(fill).collect();
            let noted = Noted::created(table, 7, &row)?;
            Some((noted.collection, noted.id.is_some(), noted.hash.is_some(), noted.sequence.is_some()))
        };
        assert_eq!(told(&schema::MESSAGES), Some(("messages", true, false, true)));
        assert_eq!(told(&schema::EVENTS), Some(("events", true, false, true)));
        assert_eq!(told(&schema::PINS), Some(("pins", false, false, true)));
        assert_eq!(told(&schema::GROUPS), Some(("groups", false, true, false)));
        assert_eq!(told(&schema::VERIFIERS), Some(("verifiers", false, true, false)));
        assert_eq!(told(&schema::BLOCKCHAIN_EVENTS), Some(("blockchainevents", true, false, false)));
        for silent in [&schema::NEXTPINS, &schema::BLOBS, &schema::OFFSETS, &schema::NAMESPACES, &schema::MESSAGE_DATA]
        {
            assert_eq!(told(silent), None, "{}", silent.name);
        }
    }

    #[test]
    fn a_pin_that_changes_is_not_told_of() {
        assert_eq!(Noted::replaced(&schema::PINS, &[]), None);
    }
}
