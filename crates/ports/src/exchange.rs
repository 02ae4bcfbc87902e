//! The data exchange: who this node is to its peers, and which peers it trusts.
//!
//! Private messages and blobs are not here yet; they come with private messaging.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::health::Health;

/// Why the data exchange did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile cannot be used: a field is missing, or its certificate does not parse or contradicts its id.
    #[error("invalid node profile: {0}")]
    InvalidProfile(String),
    /// It failed; repeating helps.
    #[error("data exchange failed: {0}")]
    Failed(String),
}

/// The peer-to-peer side of a node.
#[async_trait]
pub trait DataExchange: Send + Sync {
    /// Type name that applications see.
    fn plugin_type(&self) -> &str;
    /// What a node publishes of itself: `id` (without the node's name), `endpoint`, `cert`.
    async fn profile(&self) -> Result<Map<String, Value>, Error>;
    /// Trusts the node with this profile from now on, for this network namespace. Repeating it with a new profile replaces
    /// certificate and endpoint, keeping the old certificate valid for a while.
    async fn add_node(&self, network_namespace: &str, node: &str, profile: &Map<String, Value>) -> Result<(), Error>;
    /// Whether it works.
    fn health(&self) -> Health;
}
