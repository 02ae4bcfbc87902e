//! The connection that writes.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use rusqlite::{CachedStatement, Connection, ErrorCode};

use super::{Guard, value};
use crate::{
    lane::{Backend, Failure},
    plan::{Facts, Find, Lookup, Update, Want, Wants, Writes},
    schema::{Kind, Table},
    value::{Row, Value},
};

/// The backend of the lane.
pub(crate) struct Writer {
    connection: Connection,
    guard: Arc<Guard>,
}

impl Writer {
    pub(super) fn new(connection: Connection, guard: Arc<Guard>) -> Self {
        Self { connection, guard }
    }

    /// Finds the rows of look-ups in one read transaction, those of one kind with one statement.
    fn find(&self, wants: Wants) -> rusqlite::Result<Facts> {
        let mut facts = Facts::with_capacity_and_hasher(wants.len(), foldhash::fast::RandomState::default());
        let reading = self.connection.unchecked_transaction()?;
        let mut kinds: Vec<(&'static Lookup, Vec<Find>)> = Vec::new();
        for want in wants {
            match want {
                Want::Rows(find) => match kinds.iter_mut().find(|(lookup, _)| std::ptr::eq(*lookup, find.lookup)) {
                    Some((_, finds)) => finds.push(find),
                    None => kinds.push((find.lookup, vec![find])),
                },
                Want::Entry { ns, space, ref key } => {
                    let sql = "SELECT \"value\" FROM entries WHERE ns = ?1 AND space = ?2 AND \"key\" = ?3";
                    let mut statement = reading.prepare_cached(sql)?;
                    let rows = statement.query_map((ns, space, key), |row| Ok(vec![value(row.get_ref(0)?)?]))?;
                    let rows = rows.collect::<rusqlite::Result<_>>()?;
                    facts.insert(want, rows);
                }
            }
        }
        for (lookup, finds) in kinds {
            let mut statement = reading.prepare_cached(&find_sql(lookup))?;
            let kinds: Vec<_> = lookup
                .columns
                .iter()
                .filter_map(|name| lookup.table.columns.iter().find(|column| column.name == *name))
                .map(|column| column.kind)
                .collect();
            for find in finds {
                let rows = find_rows(&mut statement, &find, &kinds)?;
                facts.insert(Want::Rows(find), rows);
            }
        }
        reading.commit()?;
        Ok(facts)
    }

    /// Fails when a look-up reads rows that it does not want.
    #[cfg(test)]
    pub(super) fn check_plan(&self, lookup: &Lookup) {
        let params = vec![Value::Null; 1 + lookup.keys.len()];
        super::plans::check(&self.connection, &find_sql(lookup), &params);
    }

    fn write_all(&self, writes: &Writes) -> rusqlite::Result<()> {
        for (table, ns, seq) in writes.deletes() {
            let sql = format!("DELETE FROM \"{}\" WHERE ns = ?1 AND seq = ?2", table.name);
            self.connection.prepare_cached(&sql)?.execute((ns, seq))?;
        }
        for update in writes.updates() {
            self.update(&update)?;
        }
        for (table, rows) in writes.inserts() {
            let mut statement = self.insert(table)?;
            for row in rows {
                run(&mut statement, row)?;
            }
        }
        self.write_entries(writes)
    }

    fn update(&self, update: &Update) -> rusqlite::Result<()> {
        let sets: Vec<String> = (3..)
            .zip(&update.columns)
            .map(|(index, column)| format!("\"{}\" = ?{index}", update.table.columns[*column].name))
            .collect();
        let sql = format!("UPDATE \"{}\" SET {} WHERE ns = ?1 AND seq = ?2", update.table.name, sets.join(", "));
        let mut statement = self.connection.prepare_cached(&sql)?;
        update.rows.iter().try_for_each(|row| run(&mut statement, row))
    }

    fn insert(&self, table: &Table) -> rusqlite::Result<CachedStatement<'_>> {
        let marks: Vec<String> = (1..=table.columns.len()).map(|index| format!("?{index}")).collect();
        self.connection.prepare_cached(&format!("INSERT INTO \"{}\" VALUES ({})", table.name, marks.join(", ")))
    }

    fn write_entries(&self, writes: &Writes) -> rusqlite::Result<()> {
        let mut put = self.connection.prepare_cached(
            "INSERT INTO entries VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (ns, space, \"key\") DO UPDATE SET \"value\" = excluded.\"value\"",
        )?;
        let mut remove =
            self.connection.prepare_cached("DELETE FROM entries WHERE ns = ?1 AND space = ?2 AND \"key\" = ?3")?;
        for (ns, space, key, value) in writes.entries() {
            match value {
                Some(value) => put.execute((ns, space, key, value))?,
                None => remove.execute((ns, space, key))?,
            };
        }
        Ok(())
    }

    fn transaction(&self, writes: &Writes) -> Result<(), Failure> {
        let execute = |sql| self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(()));
        execute("BEGIN IMMEDIATE").map_err(|error| failure(&error))?;
        let written = self.write_all(writes).map_err(|error| failure(&error));
        let done = written.and_then(|()| execute("COMMIT").map(|_| ()).map_err(|error| commit_failure(&error)));
        if done.is_err() && !self.connection.is_autocommit() {
            // What cannot be rolled back now is rolled back when the file is opened again; the next BEGIN fails until then.
            if let Err(error) = execute("ROLLBACK") {
                tracing::error!(%error, "a transaction cannot be rolled back");
            }
        }
        done
    }
}

fn find_rows(statement: &mut CachedStatement<'_>, find: &Find, kinds: &[Kind]) -> rusqlite::Result<Vec<Row>> {
    statement.raw_bind_parameter(1, find.ns)?;
    for (index, key) in (2..).zip(&find.key) {
        statement.raw_bind_parameter(index, key)?;
    }
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let read = |(index, kind): (usize, &Kind)| Ok(value(row.get_ref(index)?)?.of_kind(*kind));
        found.push(kinds.iter().enumerate().map(read).collect::<rusqlite::Result<Row>>()?);
    }
    Ok(found)
}

/// The query of a look-up.
fn find_sql(lookup: &Lookup) -> String {
    let mut sql = format!("SELECT {} FROM \"{}\" WHERE ns = ?1", names(lookup.columns), lookup.table.name);
    for (index, key) in (2..).zip(lookup.keys) {
        // Writing to a string cannot fail.
        let _written = write!(sql, " AND \"{key}\" = ?{index}");
    }
    sql.push_str(" ORDER BY seq");
    sql
}

/// Columns as a list for SQL.
fn names(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

fn run(statement: &mut CachedStatement<'_>, row: &[Value]) -> rusqlite::Result<()> {
    for (index, value) in (1..).zip(row) {
        statement.raw_bind_parameter(index, value)?;
    }
    statement.raw_execute().map(|_| ())
}

/// Numbers of namespaces by name.
pub(super) fn namespaces(connection: &Connection) -> rusqlite::Result<HashMap<String, i64>> {
    let mut statement = connection.prepare_cached("SELECT name, ns FROM namespaces")?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}

/// What went wrong before the commit: nothing is written.
fn failure(error: &rusqlite::Error) -> Failure {
    match code(error) {
        Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TooBig
            | ErrorCode::TypeMismatch
            | ErrorCode::ParameterOutOfRange,
        ) => Failure::Refused(error.to_string()),
        _ => Failure::Unavailable(error.to_string()),
    }
}

/// What went wrong in the commit. After a failed flush nobody knows what the disk holds.
fn commit_failure(error: &rusqlite::Error) -> Failure {
    match code(error) {
        Some(ErrorCode::SystemIoFailure) => Failure::Unknown(error.to_string()),
        _ => failure(error),
    }
}

impl Backend for Writer {
    async fn namespaces(&mut self) -> Result<HashMap<String, i64>, Failure> {
        namespaces(&self.connection).map_err(|error| failure(&error))
    }

    async fn load(&mut self, wants: Wants) -> Result<Facts, Failure> {
        self.find(wants).map_err(|error| failure(&error))
    }

    async fn write(&mut self, writes: &Writes) -> Result<(), Failure> {
        self.transaction(writes)
    }

    async fn close(self) {
        let Self { connection, guard } = self;
        // Closing moves the log into the file. What fails here is done when the file is opened again.
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "the database could not be closed in order");
        }
        drop(guard);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use crate::{Change, ChangeSet, Committed, Error, Limits, lane::Request, options::Database};

    /// A set with a small entry and one of this size.
    fn set(key: u8, size: usize) -> ChangeSet {
        let mut set = ChangeSet::new("ns");
        set.push(Change::PutKv { space: 1, key: vec![key], value: b"small".to_vec() });
        set.push(Change::PutKv { space: 2, key: vec![key], value: vec![0; size] });
        set
    }

    async fn submit(lane: &mpsc::Sender<Request>, set: ChangeSet) -> Result<Committed, Error> {
        let (answer, result) = oneshot::channel();
        assert!(lane.send(Request::Submit(set, answer)).await.is_ok());
        result.await.unwrap()
    }

    #[tokio::test]
    async fn a_full_disk_loses_nothing_and_ends_nothing() {
        let limits = Limits::default();
        let opened = super::super::open(Database::Temporary, &limits).unwrap();
        // The file may grow to 200 pages: then SQLite says what it says when the disk is full.
        opened.backend.connection.execute_batch("PRAGMA max_page_count = 200").unwrap();
        let (lane, readers) = opened.lane(&limits);
        let namespaces = std::sync::Arc::clone(&lane.namespaces);
        let (requests, queue) = mpsc::channel(8);
        tokio::spawn(lane.run(queue));
        submit(&requests, set(1, 10)).await.unwrap();
        let full = submit(&requests, set(2, 4_000_000)).await.unwrap_err();
        assert!(matches!(full, Error::Unavailable(_)), "{full}");
        submit(&requests, set(3, 10)).await.unwrap();
        let read = crate::Read::new(&readers, "ns", &namespaces);
        for (key, there) in [(1, true), (2, false), (3, true)] {
            assert_eq!(read.kv(1, &[key]).await.unwrap().is_some(), there);
        }
    }
}
