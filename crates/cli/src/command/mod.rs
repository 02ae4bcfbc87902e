//! One module for each command.

pub(crate) mod chain;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod namespaces;
pub(crate) mod network;
pub(crate) mod release;
pub(crate) mod start;
pub(crate) mod version;
pub(crate) mod why;

use photinus_node::{config::Log, logging};

use crate::error::Error;

/// Logs as a configuration without a word about it would have it.
fn log_to_stderr() -> Result<(), Error> {
    Ok(logging::init(&Log::default())?)
}
