//! The native ledger adapter for Ethereum and every chain that speaks its JSON-RPC.
//!
//! It fills the port [`photinus_ports::blockchain::Blockchain`]: signs with keys of its own, gives out nonces locally so that many
//! transactions are in flight, sees each one through to its receipt in spite of crashes, reorganisations, lost transactions and
//! others who use the same key, and streams a contract's logs in order.
//!
//! [`Ethereum::start`] with [`options::Options`] gives a running adapter; [`deploy`](fn@deploy) creates the multiparty contract.
//!
//! Deliberately not here: contracts other than the multiparty contract, remote connectors and remote signers, keys in
//! hardware, and what a pin means.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

mod adapter;
mod backoff;
mod chain;
pub mod contract;
pub mod counters;
mod deploy;
mod fees;
pub mod keys;
pub mod options;
mod pin;
mod revert;
mod rpc;
mod stream;
mod submission;

pub use adapter::{Ethereum, StartError};
pub use deploy::{Deployed, Error as DeployError, deploy};
pub use options::Options;
pub use rpc::AddressError;
