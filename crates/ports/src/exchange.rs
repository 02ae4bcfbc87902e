//! The data exchange: who this node is to its peers, which peers it trusts, and private deliveries between members.
//!
//! An adapter here is a courier without memory: [`DataExchange::send_message`] and [`DataExchange::send_blob`] return once the
//! other side answered. What waits for a peer that is away, and in which order, is the engine's business and durable in its
//! store; so nothing is kept twice, and an adapter that crashed has nothing to recover but the pieces of unfinished blobs.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use photinus_model::Hash;
use serde_json::{Map, Value};

use crate::health::Health;
use crate::peers::PeerId;

/// Why the data exchange did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node profile cannot be used: a field is missing, or its certificate does not parse or contradicts its id.
    #[error("invalid node profile: {0}")]
    InvalidProfile(String),
    /// The recipient is no node that this data exchange knows. Repeating helps once its node identity is confirmed.
    #[error("unknown peer '{0}'")]
    UnknownPeer(String),
    /// The recipient cannot be reached, or the connection broke. Repeating helps; [`Peers::changes`](crate::peers::Peers::changes)
    /// tells when.
    #[error("peer '{peer}' cannot be reached: {reason}")]
    Unreachable {
        /// Its id.
        peer: String,
        /// What the network said.
        reason: String,
    },
    /// The recipient, or this side's limits, refuse it. Repeating the same does not help.
    #[error("peer '{peer}' refused: {reason}")]
    Refused {
        /// Its id.
        peer: String,
        /// What it said.
        reason: String,
    },
    /// It failed; repeating helps.
    #[error("data exchange failed: {0}")]
    Failed(String),
}

/// From whom and to whom. Both are ids of nodes (`base/node name`), as in the `id` of their profiles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The sending node.
    pub from: PeerId,
    /// The receiving node.
    pub to: PeerId,
}

/// A private message: a transport wrapper in JSON, as `messaging` writes it.
#[derive(Clone, Debug)]
pub struct MessageParcel {
    /// Id of the delivery, the same each time it is tried: `<local namespace>:<operation id>`.
    pub id: String,
    /// From whom to whom.
    pub route: Route,
    /// The wrapper's bytes.
    pub payload: Bytes,
}

/// A blob on its way.
#[derive(Clone, Debug)]
pub struct BlobParcel {
    /// Id of the delivery, the same each time it is tried: `<local namespace>:<operation id>`.
    pub id: String,
    /// From whom to whom.
    pub route: Route,
    /// Where the sender's [`BlobStore`](crate::blobs::BlobStore) finds the bytes.
    pub payload_ref: String,
    /// What the receiver calls it: `<network namespace>/<data id>`.
    pub path: String,
    /// SHA-256 of the bytes.
    pub hash: Hash,
    /// Number of bytes.
    pub size: u64,
}

/// What the other side is known to have done when a send returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Its engine has it durably: a Photinus node. The text is the manifest of a message, or the hash of a blob.
    Stored(String),
    /// Its data exchange has it, which may lose it still: a FireFly sidecar.
    Transport,
}

/// A blob that has arrived whole, hashed and durable in the receiver's blob store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedBlob {
    /// From whom to whom. The sender is proved by its certificate.
    pub route: Route,
    /// `<network namespace>/<data id>`; only its form was checked.
    pub path: String,
    /// SHA-256 of the bytes.
    pub hash: Hash,
    /// Number of bytes.
    pub size: u64,
    /// Where the receiver's blob store finds it.
    pub payload_ref: String,
}

/// Why a receiver does not take something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It belongs to another namespace of this node; the next receiver may be asked.
    #[error("not for this namespace")]
    NotMine,
    /// It will never be taken, for this reason. The sender is told.
    #[error("{0}")]
    Never(String),
    /// Not now: the sender is to try again later.
    #[error("try again later: {0}")]
    Later(String),
}

/// Takes what peers send to one namespace of this node. The engine implements it.
#[async_trait]
pub trait Receiver: Send + Sync {
    /// A message of an authenticated node. `Ok` is returned once it is durable, with the manifest of what was in it; the same
    /// message may come more than once.
    async fn message(&self, route: &Route, payload: Bytes) -> Result<String, Refusal>;
    /// May this node upload so many bytes under that path? Asked before the first byte is read.
    async fn admit_blob(&self, route: &Route, path: &str, size: u64) -> Result<(), Refusal>;
    /// A blob that has arrived. `Ok` once its record is durable; after a refusal the adapter deletes the blob.
    async fn blob(&self, blob: ReceivedBlob) -> Result<(), Refusal>;
    /// A question of an authenticated node, such as for a payload that it lacks (see [`DataExchange::ask`]).
    async fn answer(&self, route: &Route, question: Bytes) -> Result<Bytes, Refusal>;
}

/// How much of a peer's certificate's life is left, and whether what is published is what is used; for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateState {
    /// When the first certificate of the own chain expires.
    pub not_after: SystemTime,
}

/// Bytes of blobs that went over the wire since the process began, for metrics. What broke off counts as far as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobTraffic {
    /// To other nodes.
    pub sent: u64,
    /// From other nodes.
    pub received: u64,
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
    /// Hands what arrives for this own node (`base/node name`) to the receiver from now on; several namespaces may share a node.
    fn receive(&self, own_node: &PeerId, receiver: Arc<dyn Receiver>);
    /// Delivers a message and returns what the other side answered. Many may be under way at once, to one peer or to several.
    async fn send_message(&self, parcel: MessageParcel) -> Result<Receipt, Error>;
    /// Delivers a blob. One that broke off is continued from where the receiver has it, not from the start.
    async fn send_blob(&self, parcel: BlobParcel) -> Result<Receipt, Error>;
    /// Puts a question of at most 64 KiB to a node, and returns an answer of at most `limit` bytes. FireFly's data exchange
    /// has no such thing: its nodes refuse.
    async fn ask(&self, route: &Route, question: Bytes, limit: u64) -> Result<Bytes, Error>;
    /// Whether a node answers questions, by what was seen of it last. `None` before it was met.
    fn answers(&self, _node: &PeerId) -> Option<bool> {
        None
    }
    /// Changes whenever a node is added or becomes reachable again, so that a waiting sender can try once more.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;
    /// Whether the node can be reached now, or why not, in words for an operator.
    fn reachable(&self, node: &PeerId) -> Result<(), String>;
    /// When the own certificate expires, if there is one of its own.
    fn certificate(&self) -> Option<CertificateState>;
    /// What blobs have cost the wire, if this one carries them itself.
    fn blob_traffic(&self) -> Option<BlobTraffic> {
        None
    }
    /// Whether it works.
    fn health(&self) -> Health;
}
