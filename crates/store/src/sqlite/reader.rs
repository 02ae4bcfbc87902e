//! The connections that read.

use std::sync::Arc;

use parking_lot::Mutex;
use photinus_model::{Hash, Uuid};
use rusqlite::{Connection, types::ValueRef};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::{Guard, value};
use crate::{
    error::Error,
    read::{Cost, Sieve, Sifted, Sql},
    schema::SEQ,
    value::{Row, Value},
};

/// A few connections, each used by one query at a time.
#[derive(Debug)]
pub(crate) struct Readers {
    count: u32,
    free: Arc<Semaphore>,
    connections: Arc<Mutex<Vec<Connection>>>,
    guard: Mutex<Option<Arc<Guard>>>,
    /// Every query runs where it is called, also one that may take long.
    inline: bool,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>, guard: Arc<Guard>, inline: bool) -> Self {
        Self {
            count: u32::try_from(connections.len()).unwrap_or(u32::MAX),
            free: Arc::new(Semaphore::new(connections.len())),
            connections: Arc::new(Mutex::new(connections)),
            guard: Mutex::new(Some(guard)),
            inline,
        }
    }

    /// Runs a query. A small one runs where it is called: it takes less time than handing it to another thread and back.
    pub(crate) async fn select(&self, sql: Sql, cost: Cost) -> Result<Vec<Row>, Error> {
        self.query(sql, cost, values).await
    }

    /// As [`Readers::select`], with the texts in place of the rows that have theirs.
    pub(crate) async fn sift(&self, sql: Sql, cost: Cost, sieve: Sieve) -> Result<Vec<Sifted>, Error> {
        self.query(sql, cost, move |row, _| sift(row, &sieve)).await
    }

    async fn query<R: Send + 'static>(
        &self,
        sql: Sql,
        cost: Cost,
        read: impl Fn(&rusqlite::Row<'_>, usize) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<Vec<R>, Error> {
        let (free, connections) = (Arc::clone(&self.free), Arc::clone(&self.connections));
        let here = cost == Cost::Small || self.inline;
        let permit = match Arc::clone(&free).try_acquire_owned() {
            Ok(permit) => return run(permit, connections, sql, here, read).await,
            Err(TryAcquireError::Closed) => return Err(Error::Closed),
            Err(TryAcquireError::NoPermits) => free.acquire_owned(),
        };
        // In a task of its own: a caller that has its turn and does not look at it, because it waits for another query in the same
        // task, would keep a connection from everybody, itself included.
        let query = tokio::spawn(async move {
            let permit = permit.await.map_err(|_| Error::Closed)?;
            run(permit, connections, sql, here, read).await
        });
        query.await.map_err(|_| Error::Closed)?
    }

    /// Gives the file back; queries under way end first, later ones fail.
    pub(crate) async fn close(&self) {
        // An error means that somebody else has closed already.
        let _all = self.free.acquire_many(self.count).await;
        self.free.close();
        self.connections.lock().clear();
        self.guard.lock().take();
    }
}

async fn run<R: Send + 'static>(
    permit: OwnedSemaphorePermit,
    connections: Arc<Mutex<Vec<Connection>>>,
    sql: Sql,
    here: bool,
    read: impl Fn(&rusqlite::Row<'_>, usize) -> rusqlite::Result<R> + Send + 'static,
) -> Result<Vec<R>, Error> {
    let connection = connections.lock().pop().ok_or(Error::Closed)?;
    let work = move || {
        #[cfg(test)]
        super::plans::check(&connection, &sql.text, &sql.params);
        let result = query(&connection, &sql, read);
        connections.lock().push(connection);
        drop(permit);
        result
    };
    let result = if here { work() } else { tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)? };
    result.map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::TooBig | rusqlite::ErrorCode::TypeMismatch) => Error::Refused(error.to_string()),
        _ => Error::Unavailable(error.to_string()),
    })
}

fn query<R>(
    connection: &Connection,
    sql: &Sql,
    read: impl Fn(&rusqlite::Row<'_>, usize) -> rusqlite::Result<R>,
) -> rusqlite::Result<Vec<R>> {
    let mut statement = connection.prepare_cached(&sql.text)?;
    for (index, value) in (1..).zip(&sql.params) {
        statement.raw_bind_parameter(index, value)?;
    }
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row, columns)?);
    }
    Ok(found)
}

/// The values of the first columns of a row.
fn values(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Row> {
    // Room for all of them at once: collecting results would move the values each time that it ran out.
    let mut values = Row::with_capacity(columns);
    for index in 0..columns {
        values.push(compact(row.get_ref(index)?)?);
    }
    Ok(values)
}

fn sift(row: &rusqlite::Row<'_>, sieve: &Sieve) -> rusqlite::Result<Sifted> {
    let mut digest = sieve.digest();
    for index in 0..sieve.columns {
        match row.get_ref(index)? {
            ValueRef::Null => digest.nothing(),
            ValueRef::Integer(number) => digest.number(number),
            ValueRef::Real(number) => digest.bytes(&number.to_be_bytes()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => digest.bytes(bytes),
        }
    }
    sieve.sift(row.get(SEQ)?, digest, || values(row, sieve.columns))
}

/// A value as it is read; bytes that are as long as a UUID or a hash need no memory of their own.
fn compact(found: ValueRef<'_>) -> rusqlite::Result<Value> {
    if let ValueRef::Blob(bytes) = found {
        if let Ok(id) = Uuid::from_slice(bytes) {
            return Ok(Value::Uuid(id));
        }
        if let Ok(hash) = <[u8; 32]>::try_from(bytes) {
            return Ok(Value::Hash(Hash(hash)));
        }
    }
    value(found)
}
