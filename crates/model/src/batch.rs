//! Batches: messages and their data, travelling together under one hash.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, JsonText, Time, data::Data, json, message::Message, transaction};

mod manifest;

pub use manifest::{Manifest, ManifestError, MessageEntry, Owner};

open_text! {
    /// Who a batch is for. No hash covers it.
    "batch type" Type {
        /// Every member, through shared storage.
        Broadcast = "broadcast",
        /// The members of a group, through data exchange; also for messages without a pin.
        Private = "private",
    }
}

/// What a batch is estimated to take beside its messages and data, in bytes.
pub const BASE_SIZE: u64 = 512;

/// What a batch carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// The transaction.
    pub tx: transaction::Ref,
    /// The messages, in the order of their pins.
    pub messages: Vec<Message>,
    /// The data, in the order of the messages that refer to it; none is written as `null`.
    #[serde(serialize_with = "null_if_empty")]
    pub data: Vec<Data>,
}

fn null_if_empty<S: serde::Serializer>(data: &[Data], serializer: S) -> Result<S::Ok, S::Error> {
    if data.is_empty() { serializer.serialize_none() } else { data.serialize(serializer) }
}

/// A batch as it travels. The order of the fields is the order on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// The id.
    pub id: Uuid,
    /// Who it is for.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The network's name of the namespace.
    pub namespace: String,
    /// The node that assembled it; absent before that node is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Uuid>,
    /// The group, in private batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Hash>,
    /// When it was assembled.
    pub created: Option<Time>,
    /// The author of every message in it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The signing key of every message in it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The digest of its manifest.
    pub hash: Hash,
    /// What it carries.
    pub payload: Payload,
}

/// A batch as kept and shown: what travelled, with the manifest in place of the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The id.
    pub id: Uuid,
    /// Who it is for.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The local namespace.
    pub namespace: String,
    /// The node that assembled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Uuid>,
    /// The group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Hash>,
    /// When it was assembled.
    pub created: Option<Time>,
    /// The author.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The signing key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The digest of the manifest.
    pub hash: Option<Hash>,
    /// The manifest's text; its hash is the batch's.
    pub manifest: Option<JsonText>,
    /// The transaction.
    pub tx: transaction::Ref,
    /// When it arrived; never set on the sender's own.
    pub confirmed: Option<Time>,
}

/// A batch before its manifest is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The id.
    pub id: Uuid,
    /// Who it is for.
    pub kind: Type,
    /// The network's name of the namespace.
    pub namespace: String,
    /// This node, once it is registered.
    pub node: Option<Uuid>,
    /// The group, in private batches.
    pub group: Option<Hash>,
    /// When it was assembled.
    pub created: Time,
    /// The author of every message in it.
    pub author: String,
    /// The signing key of every message in it.
    pub key: String,
    /// The transaction.
    pub tx: transaction::Ref,
    /// The messages, in the order of their pins, as this node keeps them.
    pub messages: Vec<Message>,
    /// For each message its data, in its order, as this node keeps it.
    pub data: Vec<Data>,
}

/// A batch with its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What travels.
    pub batch: Batch,
    /// What its hash covers.
    pub manifest: Manifest,
    /// The manifest's text; the batch's hash is its digest.
    pub manifest_text: JsonText,
}

impl Draft {
    /// Reduces messages and data to what peers see, and hashes the manifest.
    #[must_use]
    pub fn seal(self) -> Sealed {
        let payload = Payload {
            tx: self.tx,
            messages: self.messages.iter().map(Message::in_batch).collect(),
            data: self.data.iter().map(|data| data.in_batch(&self.kind)).collect(),
        };
        let manifest = Manifest::of(self.id, &payload);
        let manifest_text = manifest.text();
        let batch = Batch {
            id: self.id,
            kind: self.kind,
            namespace: self.namespace,
            node: self.node,
            group: self.group,
            created: Some(self.created),
            author: self.author,
            key: self.key,
            hash: manifest_text.hash(),
            payload,
        };
        Sealed { batch, manifest, manifest_text }
    }
}

impl Batch {
    /// The text that travels: what shared storage holds, and what data exchange wraps.
    #[must_use]
    pub fn to_text(&self) -> String {
        json::own(self)
    }

    /// The form that is kept, under the local name of the namespace.
    #[must_use]
    pub fn record(&self, namespace: &str, manifest: JsonText, confirmed: Option<Time>) -> Record {
        Record {
            id: self.id,
            kind: self.kind.clone(),
            namespace: namespace.to_owned(),
            node: self.node,
            group: self.group,
            created: self.created,
            author: self.author.clone(),
            key: self.key.clone(),
            hash: Some(self.hash),
            manifest: Some(manifest),
            tx: self.payload.tx.clone(),
            confirmed,
        }
    }
}
