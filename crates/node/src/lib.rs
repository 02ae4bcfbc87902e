//! Joins the parts of a node: reads the configuration, builds adapters, engine and API, runs them and stops them in order.
//!
//! This is the only crate that sees all others. What a node does is decided elsewhere; here is only what is chosen and joined.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

mod address;
pub mod config;
mod error;
mod keeper;
pub mod logging;
pub mod measure;
mod namespace;
mod node;
mod parts;
mod reload;
pub mod signal;

pub use error::Error;
pub use node::Node;
pub use photinus_store::{create_database, drop_database};
