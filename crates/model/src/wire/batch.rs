//! A batch as a peer wrote it: everything may be missing, and nothing is checked.
//!
//! Serialised, these records give the text that the reference would write for them, which hashes cover.

use serde::Serialize;
use uuid::Uuid;

use super::decode::{Lower, Value, decode_object};
use crate::{Hash, Time, time};

/// A time with the text that the reference would write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When(pub(crate) time::Wide);

impl Default for When {
    fn default() -> Self {
        Self(time::Wide::ZERO_TIME)
    }
}

impl Serialize for When {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_zero() { serializer.serialize_none() } else { serializer.collect_str(&self.0) }
    }
}

impl super::decode::Decode for When {
    fn decode(&mut self, cursor: &mut crate::json::cursor::Cursor<'_>) -> Result<(), crate::json::cursor::Mismatch> {
        let mismatch = cursor.mismatch("a time");
        self.0 = cursor.string()?.parse().map_err(|_| mismatch)?;
        Ok(())
    }
}

impl From<When> for Time {
    fn from(when: When) -> Self {
        when.0.wrapped()
    }
}

fn unset(text: &Lower) -> bool {
    text.0.is_empty()
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct TxRef {
    #[serde(rename = "type")]
    pub(crate) kind: Lower,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct DataRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<Hash>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Header {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cid: Option<Uuid>,
    #[serde(rename = "type")]
    pub(crate) kind: Lower,
    #[serde(rename = "txtype", skip_serializing_if = "unset")]
    pub(crate) tx_type: Lower,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<When>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) topics: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) tag: String,
    #[serde(rename = "datahash", skip_serializing_if = "Option::is_none")]
    pub(crate) data_hash: Option<Hash>,
    #[serde(rename = "txparent", skip_serializing_if = "Option::is_none")]
    pub(crate) tx_parent: Option<TxRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) header: Header,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) local_namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<Uuid>,
    #[serde(rename = "txid", skip_serializing_if = "Option::is_none")]
    pub(crate) tx_id: Option<Uuid>,
    #[serde(skip_serializing_if = "unset")]
    pub(crate) state: Lower,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confirmed: Option<When>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reject_reason: String,
    pub(crate) data: Option<Vec<Option<DataRef>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pins: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) idempotency_key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct DatatypeRef {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct BlobRef {
    pub(crate) hash: Option<Hash>,
    pub(crate) size: i64,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) public: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Uuid>,
    pub(crate) validator: Lower,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<When>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) datatype: Option<DatatypeRef>,
    pub(crate) value: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) public: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blob: Option<BlobRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Payload {
    pub(crate) tx: TxRef,
    pub(crate) messages: Option<Vec<Option<Box<Message>>>>,
    pub(crate) data: Option<Vec<Option<Box<Data>>>>,
}

/// A batch as a peer wrote it, see [`super::parse_batch`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Batch {
    pub(crate) id: Option<Uuid>,
    #[serde(rename = "type")]
    pub(crate) kind: Lower,
    pub(crate) namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Hash>,
    pub(crate) created: Option<When>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) key: String,
    pub(crate) hash: Option<Hash>,
    pub(crate) payload: Payload,
}

decode_object!(TxRef { kind = "type", id = "id", });
decode_object!(DataRef [80] { id = "id", hash = "hash", });
decode_object!(Header {
    id = "id",
    cid = "cid",
    kind = "type",
    tx_type = "txtype",
    author = "author",
    key = "key",
    created = "created",
    namespace = "namespace",
    group = "group",
    topics = "topics",
    tag = "tag",
    data_hash = "datahash",
    tx_parent = "txparent",
});
decode_object!(Message [160] {
    header = "header",
    local_namespace = "localNamespace",
    hash = "hash",
    batch = "batch",
    tx_id = "txid",
    state = "state",
    confirmed = "confirmed",
    reject_reason = "rejectReason",
    data = "data",
    pins = "pins",
    idempotency_key = "idempotencyKey",
});
decode_object!(DatatypeRef { name = "name", version = "version", });
decode_object!(BlobRef { hash = "hash", size = "size", name = "name", path = "path", public = "public", });
decode_object!(Data [80] {
    id = "id",
    validator = "validator",
    namespace = "namespace",
    hash = "hash",
    created = "created",
    datatype = "datatype",
    value = "value",
    public = "public",
    blob = "blob",
});
decode_object!(Payload { tx = "tx", messages = "messages", data = "data", });
decode_object!(Batch {
    id = "id",
    kind = "type",
    namespace = "namespace",
    node = "node",
    group = "group",
    created = "created",
    author = "author",
    key = "key",
    hash = "hash",
    payload = "payload",
});

impl Batch {
    /// The text that the reference would write for the batch.
    #[must_use]
    pub fn to_text(&self) -> String {
        crate::json::own(self)
    }

    /// The id, if there is one.
    #[must_use]
    pub const fn id(&self) -> Option<Uuid> {
        self.id
    }

    /// The hash that the batch claims to have.
    #[must_use]
    pub const fn hash(&self) -> Option<Hash> {
        self.hash
    }

    /// The namespace that the batch is for, by the network's name.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The node that says it assembled the batch.
    #[must_use]
    pub const fn node(&self) -> Option<Uuid> {
        self.node
    }

    /// The author of the batch.
    #[must_use]
    pub fn author(&self) -> &str {
        &self.author
    }
}
