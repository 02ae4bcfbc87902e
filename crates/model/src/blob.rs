//! Blobs that this node holds.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, Time};

/// A blob held locally. Never shown as it is; data elements show what clients may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    /// The local namespace.
    pub namespace: String,
    /// SHA-256 of the content.
    pub hash: Hash,
    /// Where the content lies.
    pub payload_ref: String,
    /// When it arrived.
    pub created: Time,
    /// The peer that sent it; empty for our own.
    #[serde(default)]
    pub peer: String,
    /// Length in bytes.
    pub size: i64,
    /// The data element that it belongs to.
    pub data_id: Option<Uuid>,
}
