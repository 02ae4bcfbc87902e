//! The order of pinned messages: a pure state machine that takes facts and answers with decisions.
//!
//! Members of a network read the same ledger, but the payloads that the ledger commits to reach each of them at another
//! time, or never. This crate decides which pinned messages count, and in which order, such that every member that
//! holds the same payloads decides alike, whatever came first, was repeated, or was cut short by a crash.
//!
//! [`step`] takes one [`Fact`] and the [`Rows`] of one namespace. It answers that it [needs](Need) rows, or with an
//! [`Outcome`]: decisions in the order in which to commit them, together with the changed rows, in one transaction.
//! `RULES.md` beside this crate's sources has the rules in a few words, and where they go their own way.
//!
//! Deliberately not here: input and output, `async`, a clock, randomness, JSON, hashing of payloads (whoever makes a
//! [`facts::content::Content`] has checked it), event ids and sequence numbers, and messages that are not pinned.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

pub mod decision;
pub mod explain;
pub mod facts;
pub mod reason;
pub mod rows;
pub mod rules;
pub mod text;

mod contract;
mod definitions;
mod intake;
mod keys;
mod lanes;
#[cfg(feature = "mutations")]
pub mod mutation;
#[cfg(not(feature = "mutations"))]
mod mutation;
mod open;
mod release;
mod retraction;
mod schema;
mod step;
mod topics;
mod verdict;
mod waits;
mod work;

pub use decision::{Decision, Outcome};
pub use facts::Fact;
pub use reason::Reason;
pub use rows::{Error, Need, Rows};
pub use rules::Rules;
pub use step::{Step, step};
