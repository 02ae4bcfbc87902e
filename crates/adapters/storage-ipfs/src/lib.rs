//! Shared storage in IPFS: a Kubo node that the operator runs beside this one, by its HTTP API and its gateway.
//!
//! Contents are added in the shape that the embedded storage computes as well, whatever the node's own settings for imports, so
//! one content has one reference everywhere. Members that keep the embedded storage ask this node for contents, and are asked by
//! it, over the connections between members' nodes (protocol `content`); where there are no such connections, contents are
//! found by IPFS alone.
//!
//! Deliberately not here: contents that others push (this node fetches what it needs), removal of what was published, and IPNS.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod answers;
mod content;
mod kubo;
mod members;
mod reference;
mod service;

use std::time::Duration;

use photinus_remote as remote;

pub use service::{Handle, Service};

/// Settings of the storage.
#[derive(Clone, Debug)]
pub struct Options {
    /// `ipfs.api`: where contents are added.
    pub api: remote::Options,
    /// `ipfs.gateway`: where contents are read.
    pub gateway: remote::Options,
    /// The largest content that is published, in bytes. Default 4 GiB.
    pub max_content: u64,
    /// How long a content is looked for that the Kubo node has not got. Once bytes flow, they may take longer. Default 10 s.
    pub wait: Duration,
    /// How often the Kubo node has to show a sign of life. Default 30 s.
    pub heartbeat: Duration,
}

impl Options {
    /// Settings with every default.
    #[must_use]
    pub fn new(api: impl Into<String>, gateway: impl Into<String>) -> Self {
        Self {
            api: remote::Options::new(api),
            gateway: remote::Options::new(gateway),
            max_content: 4 << 30,
            wait: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
        }
    }
}
