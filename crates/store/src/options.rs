//! Where the store lies, and its bounds.

use std::{path::PathBuf, time::Duration};

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the rows are.
    pub database: Database,
    /// Bounds of queues and connections.
    pub limits: Limits,
}

/// A database.
#[derive(Debug, Clone)]
pub enum Database {
    /// One file, with its companions beside it (`-wal`, `-shm` and `.lock`). The folder must exist.
    Sqlite {
        /// The file; created if it is not there.
        path: PathBuf,
    },
    /// A SQLite file in a folder of its own, which is removed when the store is closed. For tests and trials: a commit is
    /// not flushed to the disk.
    Temporary,
    /// A database of a PostgreSQL server, version 15 or later.
    Postgres {
        /// A URL (`postgres://user:password@host:port/database`), as libpq reads it, encryption included: `sslmode`,
        /// `sslrootcert`, `sslcert`, `sslkey`. In a list of `key=value` pairs those three files cannot stand.
        url: String,
    },
    /// A SQLite file for simulated networks: nothing runs on a thread of its own, nothing is flushed to the disk, and each
    /// commit asks the simulated disk first.
    #[cfg(feature = "simulation")]
    Simulated {
        /// The file.
        path: PathBuf,
        /// What happens to its commits.
        disk: std::sync::Arc<dyn crate::simulation::Disk>,
    },
}

/// Bounds of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Change sets that may wait for the lane; further submitters wait before they are taken. Default 4 096.
    pub queue: usize,
    /// Weight after which a group is closed and committed: changes, and KiB of large values. Default 20 000.
    pub group: usize,
    /// Connections for reading. Default 4.
    pub readers: usize,
    /// Groups that a feed may lag behind before it must read from the store. Default 4 096.
    pub feed: usize,
    /// How long a broken connection to a server is tried again before the outcome of a commit is called unknown.
    /// Default 10 s.
    pub reconnect: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queue: 4_096, group: 20_000, readers: 4, feed: 4_096, reconnect: Duration::from_secs(10) }
    }
}

impl Options {
    /// A database with the default bounds.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, limits: Limits::default() }
    }

    /// A SQLite file with the default bounds.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::new(Database::Sqlite { path: path.into() })
    }

    /// A store that leaves nothing behind, with the default bounds.
    #[must_use]
    pub fn temporary() -> Self {
        Self::new(Database::Temporary)
    }

    /// A PostgreSQL database with the default bounds.
    #[must_use]
    pub fn postgres(url: impl Into<String>) -> Self {
        Self::new(Database::Postgres { url: url.into() })
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or this one, has the database open. Two nodes must not share a database.
    #[error("the database is in use by another node: {0}")]
    InUse(String),
    /// A later version of this program wrote the database.
    #[error(
        "the database has schema {found}, this version knows {known}: use the version that wrote it, or a later one"
    )]
    Newer {
        /// The version of the database.
        found: i64,
        /// The highest version that this program knows.
        known: i64,
    },
    /// A migration that was applied is not the one that this version has.
    #[error("migration {0} of the database is not the one of this version: the database belongs to another program")]
    Foreign(i64),
    /// The database cannot be reached, read or written.
    #[error("the database cannot be opened: {0}")]
    Unavailable(String),
    /// The server is too old, or an option is wrong.
    #[error("the database cannot be used: {0}")]
    Unsuitable(String),
}
