//! Authenticated calls between members' nodes, on which other adapters build (the replicated shared storage does).
//!
//! Filled by the data exchange adapter that owns certificates and connections; used by adapters that must not know it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::stream::ByteStream;

/// A peer, by the id that its certificate and its node identity carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub String);

/// A request or an answer: a small head and a body that flows.
pub struct Parcel {
    /// At most 64 KiB, in whatever form the protocol agreed on.
    pub head: Bytes,
    /// The rest. Empty for most.
    pub body: ByteStream,
}

/// Why a call to a peer failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not a peer of this node.
    #[error("unknown peer '{0}'")]
    UnknownPeer(String),
    /// It cannot be reached, or the connection broke.
    #[error("peer '{peer}' cannot be reached: {reason}")]
    Unreachable {
        /// Its id.
        peer: String,
        /// What the network said.
        reason: String,
    },
    /// It answered, and refused.
    #[error("peer '{peer}' refused: {reason}")]
    Refused {
        /// Its id.
        peer: String,
        /// What it said.
        reason: String,
    },
}

/// Answers one protocol's calls.
#[async_trait]
pub trait PeerService: Send + Sync {
    /// Answers a call of an authenticated peer. `Err` refuses with a reason that the peer reads.
    async fn call(&self, from: &PeerId, request: Parcel) -> Result<Parcel, String>;
}

/// Mutually authenticated calls to the nodes that this node trusts.
#[async_trait]
pub trait Peers: Send + Sync {
    /// Who can be called now: bootstrap peers and nodes of the network, without this node itself.
    fn peers(&self) -> Vec<PeerId>;
    /// Calls a peer's service of that protocol name (`[a-z0-9-]{1,32}`).
    async fn call(&self, peer: &PeerId, protocol: &str, request: Parcel) -> Result<Parcel, Error>;
    /// Answers calls of that protocol name from now on.
    fn serve(&self, protocol: &str, service: Arc<dyn PeerService>);
    /// Changes whenever a peer is added or becomes reachable again, so that a waiting caller can try once more.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;
}
