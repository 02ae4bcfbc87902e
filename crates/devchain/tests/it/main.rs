//! The chain as its clients see it.
//!
//! `conformance`, `calls`, `events` and `subscriptions` run the same checks against this chain and against anvil, each by
//! its URL. The rest is about what only this chain promises: durability, limits, shared blocks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod agreement;
mod anvil;
mod calls;
mod chains;
mod clients;
mod conformance;
mod contracts;
mod durability;
mod events;
mod limits;
mod mining;
mod rpc;
mod subscriptions;
