//! The engine on a network of members in one process: real stores, everything else in memory.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod arrivals;
mod backlog;
mod batching;
mod broadcast;
mod contracts;
mod crash;
mod data;
mod deliveries;
mod identities;
mod inputs;
mod operations;
mod refusals;
mod webhooks;
mod why;
