//! Messages with their data in line, as the REST interface takes and, on request, gives them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Header, Message, State, TxParent, TxType, Type};
use crate::{
    Hash, JsonText, Time,
    data::{BlobRef, Data, DatatypeRef, Validator},
};

/// One data element within a message: a reference, or a new value or blob.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InlineData {
    /// The id of stored data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// How the value is checked.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub validator: Validator,
    /// The datatype.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datatype: Option<DatatypeRef>,
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<JsonText>,
    /// The blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<BlobRef>,
}

fn is_unset(validator: &Validator) -> bool {
    *validator == Validator::Unset
}

impl From<Data> for InlineData {
    /// The form that clients see; the blob is shown by the data element only, as in the reference.
    fn from(data: Data) -> Self {
        Self {
            id: Some(data.id),
            hash: data.hash,
            validator: data.validator,
            datatype: data.datatype,
            value: data.value,
            blob: None,
        }
    }
}

/// A message as shown with its data in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inline {
    header: Header,
    #[serde(skip_serializing_if = "String::is_empty")]
    local_namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<Uuid>,
    #[serde(rename = "txid", skip_serializing_if = "Option::is_none")]
    tx_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<Time>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reject_reason: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pins: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data: Vec<InlineData>,
}

impl Inline {
    /// Joins a message with its data, in the order of its references.
    #[must_use]
    pub fn new(message: Message, data: Vec<InlineData>) -> Self {
        Self {
            header: message.header,
            local_namespace: message.local_namespace,
            hash: message.hash,
            batch: message.batch,
            tx_id: message.tx_id,
            state: message.state,
            confirmed: message.confirmed,
            reject_reason: message.reject_reason,
            pins: message.pins,
            idempotency_key: message.idempotency_key,
            data,
        }
    }
}

/// What a client may say in a header; the rest is the node's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeaderInput {
    /// Ignored: the node chooses the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<Uuid>,
    /// The type, if it is not the route's default.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Type>,
    /// The transaction type.
    #[serde(default, rename = "txtype", skip_serializing_if = "TxType::is_unset")]
    pub tx_type: TxType,
    /// The author: a decentralised identifier or the name of an organisation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The signing key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// When the message was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// Ignored: the namespace is that of the route.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The hash of an existing group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Hash>,
    /// The topics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// A label for the application.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// Ignored: the node computes it.
    #[serde(default, rename = "datahash", skip_serializing_if = "Option::is_none")]
    pub data_hash: Option<Hash>,
    /// Ignored: set when a message is attached to a token transaction.
    #[serde(default, rename = "txparent", skip_serializing_if = "Option::is_none")]
    pub tx_parent: Option<TxParent>,
}

/// One wanted member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemberInput {
    /// A decentralised identifier or the name of an organisation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub identity: String,
    /// The node, if not the first that the identity owns.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
}

/// The group that a private message is for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupInput {
    /// A name that tells groups of the same members apart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The members.
    #[serde(default)]
    pub members: Vec<MemberInput>,
}

/// A message as a client sends it. Fields that only the node sets are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The header.
    #[serde(default)]
    pub header: HeaderInput,
    /// The data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<InlineData>,
    /// The group, in private messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupInput>,
    /// The key under which the request may be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}
