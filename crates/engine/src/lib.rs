//! What a node does: namespaces, identities, definitions, data, messages, batches, the decisions of the ledger's order, and
//! the events that applications follow.
//!
//! A running namespace is a [`Namespace`], a cheap handle. It is started with [`Options`], [`Ports`] (the outside world) and
//! a store, and stopped in order. Its services are the methods of the handle, grouped by module: what applications ask for
//! comes in as typed input, what they read are the records of the model.
//!
//! Deliberately not here: HTTP, SQL, EVM types, configuration files, and the rules by which order is decided (that is the
//! `sequencing` crate, which this one drives). Clock, randomness and everything outside are parameters.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

pub mod aggregation;
pub mod backlog;
mod backoff;
pub mod batching;
pub mod certain;
mod confirm;
mod core;
pub mod data;
pub mod definitions;
pub mod delivery;
pub mod error;
pub mod events;
pub mod groups;
pub mod identity;
pub mod messaging;
pub mod namespace;
pub mod operations;
pub mod options;
mod reception;
mod space;
pub mod status;
pub mod supervisor;
pub mod tally;

pub use crate::{
    core::Ports,
    error::{Error, Kind},
    namespace::Namespace,
    options::Options,
};
