//! Calls to applications over HTTP and HTTPS, for the delivery of events.
//!
//! `guard` decides which addresses may be called, `connections` makes a client for each way of calling, `throttle` bounds
//! how often, `adapter` calls.
//!
//! Deliberately not here: what a call says, when it is repeated and what its answer means, which are the engine's.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

mod adapter;
mod connections;
pub mod guard;
pub mod options;
mod throttle;

pub use adapter::Webhooks;
pub use options::{Options, StartError};
