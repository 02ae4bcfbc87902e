//! SQLite: one file, one connection that writes on the lane's thread, and a few that read.

#[cfg(test)]
mod plans;
mod reader;
mod writer;

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags, ToSql,
    config::DbConfig,
    types::{ToSqlOutput, ValueRef},
};
use tempfile::TempDir;

pub(crate) use reader::Readers;
use writer::Writer;

use crate::{
    migrate,
    options::{Database, Error, Limits},
    read::Readers as AnyReaders,
    schema,
    store::Opened,
    value::Value,
};

/// How long a connection waits for another. Ours never collide, but a user may look into the file with a tool.
const BUSY: Duration = Duration::from_secs(10);

/// Statements that each connection keeps prepared.
const STATEMENTS: usize = 256;

/// What keeps the file ours, and what is removed with it.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Locked as long as it is open.
    _lock: File,
    _folder: Option<TempDir>,
}

fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(error.to_string())
}

/// What kind of place a file is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Kept, so commits are flushed.
    Disk,
    /// Removed with the store.
    Temporary,
    /// Part of a simulated network, which has one thread.
    Simulated,
}

/// Opens a file, or one in a folder of its own. Blocks.
pub(crate) fn open(database: Database, limits: &Limits) -> Result<Opened<Writer>, Error> {
    let (path, folder, place) = match database {
        Database::Sqlite { path } => (path, None, Place::Disk),
        #[cfg(feature = "simulation")]
        Database::Simulated { path, .. } => (path, None, Place::Simulated),
        Database::Temporary => {
            let folder = tempfile::Builder::new().prefix("photinus-store").tempdir().map_err(unavailable)?;
            (folder.path().join("store.db"), Some(folder), Place::Temporary)
        }
        Database::Postgres { .. } => return Err(Error::Unsuitable("PostgreSQL is not a file".to_owned())),
    };
    let durable = place == Place::Disk;
    let guard = Arc::new(Guard { _lock: lock(&path)?, _folder: folder });
    let mut connection = connect(&path, true, durable)?;
    migrate(&mut connection)?;
    let highest = highest(&connection).map_err(unavailable)?;
    let namespaces = writer::namespaces(&connection).map_err(unavailable)?;
    let open = || connect(&path, false, durable);
    let readers = (0..limits.readers.max(1)).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
    let readers = AnyReaders::Sqlite(Readers::new(readers, Arc::clone(&guard), place == Place::Simulated));
    Ok(Opened { backend: Writer::new(connection, guard), readers, highest, namespaces })
}

/// Claims the file for this store.
fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let describe = |error: std::io::Error| Error::Unavailable(format!("{}: {error}", name.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(describe)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(format!("{} is locked", name.display()))),
        Err(TryLockError::Error(error)) => Err(describe(error)),
    }
}

fn connect(path: &Path, writes: bool, durable: bool) -> Result<Connection, Error> {
    let describe = |error: rusqlite::Error| Error::Unavailable(format!("{}: {error}", path.display()));
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE;
    if writes {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags).map_err(describe)?;
    connection.busy_timeout(BUSY).map_err(describe)?;
    // Plans depend on nothing but the text of a query. Else a statement may be prepared anew for each value bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(describe)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A checkpoint rewrites pages that were written to the log already: rare and large ones write fewer pages.
    let synchronous = if durable { "FULL" } else { "OFF" };
    let settings = if writes {
        format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 20000;")
    } else {
        "PRAGMA query_only = ON;".to_owned()
    };
    connection.execute_batch(&settings).map_err(describe)?;
    // In KiB. What readers do not keep is in the operating system's memory.
    let cache = if writes { 16_000 } else { 4_000 };
    connection
        .execute_batch(&format!("PRAGMA cache_size = -{cache}; PRAGMA temp_store = MEMORY;"))
        .map_err(describe)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    connection.execute_batch(migrate::TABLE).map_err(unavailable)?;
    let applied = {
        let mut statement =
            connection.prepare("SELECT version, digest FROM migrations ORDER BY version").map_err(unavailable)?;
        let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).map_err(unavailable)?;
        rows.collect::<Result<Vec<(i64, String)>, _>>().map_err(unavailable)?
    };
    for migration in migrate::pending(migrate::SQLITE, &applied)? {
        let step = connection.transaction().map_err(unavailable)?;
        step.execute_batch(migration.sql).map_err(unavailable)?;
        step.execute("INSERT INTO migrations VALUES (?1, ?2)", (migration.version, migration.digest()))
            .map_err(unavailable)?;
        step.commit().map_err(unavailable)?;
    }
    // Statistics are read when a file is opened; those that a migration has just written are read now.
    connection.execute_batch("ANALYZE sqlite_schema").map_err(unavailable)
}

/// The highest number of each table.
fn highest(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let highest = |table: &&schema::Table| {
        let sql = format!("SELECT coalesce(max(seq), 0) FROM \"{}\"", table.name);
        connection.query_row(&sql, (), |row| row.get(0))
    };
    schema::ALL.iter().map(highest).collect()
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Uuid(id) => ValueRef::Blob(id.as_bytes()),
            Self::Hash(hash) => ValueRef::Blob(hash.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A value as SQLite gives it.
fn value(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Text(text) => Value::Text(std::str::from_utf8(text)?.to_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(rusqlite::Error::InvalidQuery),
    })
}
