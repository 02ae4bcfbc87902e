//! Events of the ledger, as this node recorded them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{JsonText, Time, transaction};

/// The transaction of a ledger event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TxRef {
    /// The type, when the event belongs to a transaction of a member.
    #[serde(default, rename = "type", skip_serializing_if = "transaction::Type::is_unset")]
    pub kind: transaction::Type,
    /// The id of that transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The hash of the ledger transaction.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub blockchain_id: String,
}

/// A ledger event as kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockchainEvent {
    /// The id, of this node's own making.
    pub id: Uuid,
    /// The plug-in that reported it.
    pub source: String,
    /// The local namespace.
    pub namespace: String,
    /// The event's name in the contract.
    pub name: String,
    /// The listener, if one asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<Uuid>,
    /// Its place on the ledger, unique and ordered as text: `block/transaction/log`.
    pub protocol_id: String,
    /// The event's fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<JsonText>,
    /// What the connector knows beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<JsonText>,
    /// The ledger's time.
    pub timestamp: Time,
    /// The transaction.
    #[serde(default)]
    pub tx: TxRef,
}
