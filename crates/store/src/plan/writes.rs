//! The writes of a group: at most one for each row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    schema::Table,
    value::{Row, Value},
};

/// One step of a change set.
#[derive(Debug)]
pub(crate) enum Step {
    /// A new row; its number is in the row too.
    Insert { table: &'static Table, seq: i64, row: Row },
    /// New values for some columns of a row.
    Update { table: &'static Table, seq: i64, values: Vec<(usize, Value)> },
    /// A row goes.
    Delete { table: &'static Table, seq: i64 },
    /// An entry of the key-value table gets a value or goes.
    Entry { space: u8, key: Vec<u8>, value: Option<Vec<u8>> },
}

/// New values for the same columns of several rows.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) table: &'static Table,
    /// Positions of the columns, ascending.
    pub(crate) columns: Vec<usize>,
    /// For each row: namespace, number, then the values in the order of the columns.
    pub(crate) rows: Vec<Row>,
}

/// A row by table, namespace and number.
type Address = (usize, i64, i64);

/// Everything that a group writes. Deletions come first, then updates, then insertions, so that a name set free by one
/// set can be taken by the next.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    tables: HashMap<usize, &'static Table>,
    /// New rows by table; `None` where one came and went.
    inserts: BTreeMap<usize, Vec<Option<Row>>>,
    inserted: HashMap<Address, usize>,
    updates: BTreeMap<Address, BTreeMap<usize, Value>>,
    deletes: BTreeSet<Address>,
    entries: BTreeMap<(i64, u8, Vec<u8>), Option<Vec<u8>>>,
}

impl Writes {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.updates.is_empty() && self.deletes.is_empty() && self.entries.is_empty()
    }

    pub(super) fn insert(&mut self, table: &'static Table, seq: i64, row: Row) {
        let index = table.index();
        self.tables.insert(index, table);
        let rows = self.inserts.entry(index).or_default();
        let Some(Value::Int(ns)) = row.first() else { return };
        self.inserted.insert((index, *ns, seq), rows.len());
        rows.push(Some(row));
    }

    /// Takes a step of the namespace `ns` behind all before it.
    pub(super) fn take(&mut self, ns: i64, step: Step) {
        match step {
            Step::Insert { table, seq, row } => self.insert(table, seq, row),
            Step::Update { table, seq, values } => {
                let index = table.index();
                self.tables.insert(index, table);
                let address = (index, ns, seq);
                match self.fresh(address) {
                    Some(Some(row)) => {
                        for (column, value) in values {
                            row[column] = value;
                        }
                    }
                    Some(None) => {}
                    None => {
                        if !self.deletes.contains(&address) {
                            self.updates.entry(address).or_default().extend(values);
                        }
                    }
                }
            }
            Step::Delete { table, seq } => {
                let index = table.index();
                self.tables.insert(index, table);
                let address = (index, ns, seq);
                match self.fresh(address) {
                    Some(row) => *row = None,
                    None => {
                        self.updates.remove(&address);
                        self.deletes.insert(address);
                    }
                }
            }
            Step::Entry { space, key, value } => {
                self.entries.insert((ns, space, key), value);
            }
        }
    }

    fn fresh(&mut self, address: Address) -> Option<&mut Option<Row>> {
        let position = *self.inserted.get(&address)?;
        self.inserts.get_mut(&address.0)?.get_mut(position)
    }

    /// Rows to remove, by table: namespace and number of each.
    pub(crate) fn deletes(&self) -> impl Iterator<Item = (&'static Table, i64, i64)> {
        self.deletes.iter().filter_map(|(table, ns, seq)| Some((*self.tables.get(table)?, *ns, *seq)))
    }

    /// Rows to change, those with the same columns together.
    pub(crate) fn updates(&self) -> Vec<Update> {
        let mut groups: BTreeMap<(usize, Vec<usize>), Vec<Row>> = BTreeMap::new();
        for ((table, ns, seq), values) in &self.updates {
            let columns = values.keys().copied().collect();
            let mut row = vec![(*ns).into(), (*seq).into()];
            row.extend(values.values().cloned());
            groups.entry((*table, columns)).or_default().push(row);
        }
        let update = |((table, columns), rows)| Some(Update { table: *self.tables.get(&table)?, columns, rows });
        groups.into_iter().filter_map(update).collect()
    }

    /// Rows to insert by table, in the order of their numbers.
    pub(crate) fn inserts(&self) -> impl Iterator<Item = (&'static Table, Vec<&Row>)> {
        self.inserts.iter().filter_map(|(table, rows)| {
            let rows: Vec<_> = rows.iter().flatten().collect();
            (!rows.is_empty()).then_some((*self.tables.get(table)?, rows))
        })
    }

    /// Entries of the key-value table: namespace, space, key, and the value or `None` to remove it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (i64, u8, &[u8], Option<&[u8]>)> {
        self.entries.iter().map(|((ns, space, key), value)| (*ns, *space, key.as_slice(), value.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    fn offset(seq: i64) -> Step {
        let row = vec![1.into(), seq.into(), "kind".into(), "name".into(), 7.into()];
        Step::Insert { table: &schema::OFFSETS, seq, row }
    }

    fn set(seq: i64, value: i64) -> Step {
        Step::Update { table: &schema::OFFSETS, seq, values: vec![(4, value.into())] }
    }

    #[test]
    fn a_row_is_written_once() {
        let mut writes = Writes::default();
        for step in [offset(1), set(1, 8), set(1, 9), set(5, 1), set(5, 2)] {
            writes.take(1, step);
        }
        let inserts: Vec<_> = writes.inserts().collect();
        assert_eq!(inserts[0].1[0][4], Value::Int(9));
        let updates = writes.updates();
        assert_eq!(updates.len(), 1);
        assert_eq!(updates[0].rows, [vec![Value::Int(1), Value::Int(5), Value::Int(2)]]);
    }

    #[test]
    fn what_came_and_went_is_not_written() {
        let mut writes = Writes::default();
        let delete = |seq| Step::Delete { table: &schema::OFFSETS, seq };
        for step in [offset(1), delete(1), set(1, 3), set(5, 1), delete(5), set(5, 2)] {
            writes.take(1, step);
        }
        assert_eq!(writes.inserts().count(), 0);
        assert!(writes.updates().is_empty());
        assert_eq!(writes.deletes().map(|(_, ns, seq)| (ns, seq)).collect::<Vec<_>>(), [(1, 5)]);
    }
}
