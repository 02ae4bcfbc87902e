//! The adapter against real chains: anvil, with its methods to lose transactions and reorganise, and the chain of this project.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod anvil;
mod engine;
mod network;
mod proxy;
mod relay;
mod rig;

mod conformance;
mod limits;
mod outages;
mod pricing;
mod recovery;
mod refusals;
mod reorganisations;
mod streams;
