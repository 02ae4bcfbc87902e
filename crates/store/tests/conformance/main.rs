//! What a store promises, checked on SQLite and on a PostgreSQL server that the suite starts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod backends;
mod changes;
mod conflicts;
mod crash;
mod encryption;
mod feed;
mod filters;
mod opening;
mod plans;
mod reads;
mod records;
mod texts;
