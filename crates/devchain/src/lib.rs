//! An Ethereum chain for development, in one process: revm behind the JSON-RPC that Ethereum tools speak, over HTTP and
//! WebSocket on one port.
//!
//! It is a ledger for members' own machines and for tests: transactions are in a block at once, accounts without ether can
//! send them, and a block that anybody has heard of survives the end of the process.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), photinus_devchain::Error> {
//! use photinus_devchain::{Chain, Options};
//!
//! let chain = Chain::start(Options { port: 0, ..Options::default() }).await?;
//! assert!(chain.url().starts_with("http://127.0.0.1:"));
//! assert_eq!(chain.accounts().len(), 10);
//! chain.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! How a transaction travels: `rpc` parses the request, `ledger` checks the transaction and lets it wait in the `pool`, the
//! `producer` thread runs what waits on the `evm`, seals the `block`, stores it in the `archive` and publishes it. Reads
//! take a snapshot of the persistent `state` and wait for nobody.
//!
//! Deliberately not here: consensus, peers, forks (a block is final when it is there), blobs, tracing, withdrawals, a fee
//! market (the base fee is constant), and the system contracts of EIP-2935 and EIP-4788.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

mod accounts;
mod archive;
mod block;
mod evm;
mod http;
mod ledger;
mod options;
mod pool;
mod producer;
mod rpc;
mod service;
mod state;
mod trie;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use accounts::Account;
pub use options::{Mining, Options, TEST_MNEMONIC};
pub use service::{Chain, Handle};

/// Why a chain could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option has a value that no chain can run with.
    #[error("option {option}: {reason}")]
    Option {
        /// The option's name in its JSON form.
        option: &'static str,
        /// What is wrong with the value.
        reason: &'static str,
    },
    /// The port could not be opened; another one may be free.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The data directory could not be made or read.
    #[error("data directory {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process runs this chain.
    #[error("data directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory holds a chain with another identifier.
    #[error("data directory {} holds chain {found}, not chain {wanted}", path.display())]
    OtherChain {
        /// The directory.
        path: PathBuf,
        /// The identifier of the chain in it.
        found: u64,
        /// The identifier in the options.
        wanted: u64,
    },
    /// The data directory was written by a later version.
    #[error("data directory {} has format {found}; this version knows formats up to {known}", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// The format in it.
        found: i64,
        /// The newest format that can be read.
        known: i64,
    },
    /// The stored chain could not be read or written.
    #[error("stored chain: {0}")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread that makes blocks could not be started.
    #[error("start the block producer: {0}")]
    Thread(#[source] io::Error),
}

impl From<archive::Failure> for Error {
    fn from(failure: archive::Failure) -> Self {
        Self::Storage(Box::new(failure))
    }
}
