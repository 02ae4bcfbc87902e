//! What the engine needs of the outside world, as traits, and the facts that the outside world reports back.
//!
//! An adapter implements one of these traits and knows nothing of the engine or of another adapter. The crate `node` is the
//! only place that joins them. There is no implementation here except [`clock::System`], [`ids::Random`], the list of
//! [`receivers`], and the [`pace`] that all who read bodies ask of them.
//!
//! Deliberately absent: anything about HTTP routes, SQL or EVM types, and ports that nothing fills yet (tokens, contracts).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod blobs;
pub mod blockchain;
pub mod clock;
pub mod content;
pub mod exchange;
pub mod health;
pub mod ids;
pub mod journal;
pub mod pace;
pub mod peers;
pub mod receivers;
pub mod storage;
pub mod stream;
pub mod webhooks;

/// An operation of one namespace, as adapters see it: the key under which a result is reported.
///
/// Printed as `<namespace>:<operation uuid>`, the form that FireFly connectors call the request id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct OperationRef {
    /// Local name of the namespace.
    pub namespace: String,
    /// Operation id.
    pub id: uuid::Uuid,
}

impl std::fmt::Display for OperationRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.namespace, self.id)
    }
}
