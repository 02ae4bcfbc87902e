//! The filter language of collections: REST query parameters to one typed expression.
//!
//! [`Query`] is what a store answers; [`rest::parse`] makes it from query parameters and [`json::parse`] from JSON; [`collection`] says which
//! fields a collection has and of which type they are.
//!
//! Deliberately not here: SQL, and the records themselves.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

pub mod collection;
mod filter;
pub mod json;
pub mod rest;

pub use collection::{Collection, Field, Kind};
pub use filter::{Condition, Filter, Operator, Query, Sort, Value};
