//! The relational store of a node: SQLite or PostgreSQL behind one interface.
//!
//! Whoever writes hands over a [`ChangeSet`]: typed changes of one namespace, with what must hold for them. One lane per
//! store takes everything that waits, judges it against the rows, writes what is left in one transaction and answers each
//! submitter with its own result. So a commit costs one flush to the disk whatever the number of requests in it, commit
//! order is the order of events, and nobody outside holds a transaction.
//!
//! Reads ([`Read`]) have connections of their own and never wait for the lane. A [`Feed`] tells of committed events as
//! they come, so that nobody has to poll.
//!
//! Deliberately not here: what changes mean to the protocol, a clock, and polling of any kind.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

pub mod change;
mod error;
mod feed;
pub mod fill;
#[cfg(test)]
mod found;
mod lane;
mod migrate;
mod noted;
pub mod options;
mod plan;
mod postgres;
mod read;
mod rows;
mod schema;
pub mod server;
#[cfg(feature = "simulation")]
pub mod simulation;
mod sqlite;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

pub use change::{Change, ChangeSet, Precondition};
pub use error::{Conflict, Error, What};
pub use feed::{Feed, Lagged};
pub use lane::Committed;
pub use noted::{Happened, Noted};
pub use options::{Database, Limits, Options};
pub use postgres::{create_database, drop_database};
pub use read::{Chart, Counted, Page, Read, Texts};
pub use rows::Stored;
pub use store::Store;
