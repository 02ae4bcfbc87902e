//! Whole networks in one thread, driven by one number.
//!
//! Members run the real engine on real stores. Everything around them is simulated: the ledger, shared storage, the wires between
//! members, their disks, their clocks and chance itself. A seed decides what happens; the same seed decides the same
//! again, so that whatever goes wrong can be looked at as often as one likes.

#![expect(clippy::expect_used, reason = "a simulation that cannot run ends by panicking")]

mod attack;
mod check;
mod deeds;
mod facts;
mod forge;
mod member;
mod random;
mod reader;
mod rebuild;
mod reference;
mod rules;
mod run;
mod scenario;
mod trace;
mod world;

pub use photinus_sequencing::mutation::Mutation;
pub use run::{Report, break_rules, run};
pub use scenario::Settings;
