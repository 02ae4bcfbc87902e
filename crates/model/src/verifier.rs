//! Verifiers: the keys and addresses by which an identity is recognised.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, Time};

closed_text! {
    /// The kind of key or address.
    "verifier type" Type {
        /// An Ethereum address, `0x` and 40 lower-case digits.
        EthereumAddress = "ethereum_address",
        /// A Tezos address.
        TezosAddress = "tezos_address",
        /// A Cardano address.
        CardanoAddress = "cardano_address",
        /// A Fabric membership and distinguished name.
        FabricMspId = "fabric_msp_id",
        /// The peer id of a node in data exchange.
        DxPeerId = "dx_peer_id",
    }
}

/// A verifier as kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// Its digest, see [`hash`].
    pub hash: Option<Hash>,
    /// The identity that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Uuid>,
    /// The local namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The kind.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The key or address.
    pub value: String,
    /// When it was accepted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

/// The digest of a verifier: local namespace, type and value joined without a separator.
#[must_use]
pub fn hash(namespace: &str, kind: Type, value: &str) -> Hash {
    Hash::concat(&[namespace.as_bytes(), kind.as_str().as_bytes(), value.as_bytes()])
}
