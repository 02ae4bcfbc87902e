//! Messages: header, record and state.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, Time, transaction};

open_text! {
    /// The type of a message.
    "message type" Type {
        /// To every member of the network.
        Broadcast = "broadcast",
        /// To the members of a group.
        Private = "private",
        /// A definition that every member applies.
        Definition = "definition",
        /// The first message of a group, which creates it.
        GroupInit = "groupinit",
        /// Deprecated: a broadcast attached to a token transfer.
        TransferBroadcast = "transfer_broadcast",
        /// Deprecated: a private message attached to a token transfer.
        TransferPrivate = "transfer_private",
        /// Deprecated: a broadcast attached to a token approval.
        ApprovalBroadcast = "approval_broadcast",
        /// Deprecated: a private message attached to a token approval.
        ApprovalPrivate = "approval_private",
    }
}

/// The transaction type of a message.
pub use crate::transaction::Type as TxType;

closed_text! {
    /// Where a message stands on this node.
    "message state" State {
        /// Stored by its sender, not to be batched yet.
        Staged = "staged",
        /// Waiting for a batch.
        Ready = "ready",
        /// Its batch is dispatched.
        Sent = "sent",
        /// Received, not decided.
        Pending = "pending",
        /// Decided: accepted.
        Confirmed = "confirmed",
        /// Decided: refused.
        Rejected = "rejected",
        /// Its batch was cancelled.
        Cancelled = "cancelled",
    }
}

impl State {
    /// Whether the state is decided for good.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Confirmed | Self::Rejected | Self::Cancelled)
    }
}

/// What a message was attached to: a token transfer or approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxParent {
    /// The type of that transaction.
    #[serde(rename = "type", default)]
    pub kind: transaction::Type,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
}

/// A data element by id and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DataRef {
    /// The id.
    pub id: Uuid,
    /// The hash.
    pub hash: Hash,
}

/// The header: everything of a message that its hash covers. The order of the fields is the order in the hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The id, chosen by the sender's node.
    pub id: Uuid,
    /// The message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<Uuid>,
    /// The type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The transaction type.
    #[serde(default, rename = "txtype", skip_serializing_if = "transaction::Type::is_unset")]
    pub tx_type: TxType,
    /// The author's decentralised identifier.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The author's signing key on the ledger.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// When the author's node made the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// The network's name of the namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The hash of the group, in private messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Hash>,
    /// The topics that the message is ordered on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// A label for the application.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// The digest of the data references.
    #[serde(default, rename = "datahash", skip_serializing_if = "Option::is_none")]
    pub data_hash: Option<Hash>,
    /// What the message is attached to.
    #[serde(default, rename = "txparent", skip_serializing_if = "Option::is_none")]
    pub tx_parent: Option<TxParent>,
}

/// A message as kept and shown, with references to its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The header.
    pub header: Header,
    /// The local namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub local_namespace: String,
    /// The digest of the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// The batch that carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Uuid>,
    /// The transaction that pinned it.
    #[serde(default, rename = "txid", skip_serializing_if = "Option::is_none")]
    pub tx_id: Option<Uuid>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// When it was decided here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Time>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reject_reason: String,
    /// The data, in order.
    #[serde(default)]
    pub data: Vec<DataRef>,
    /// The pins of a private message, one for each topic: hash, colon, nonce.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
    /// The key under which the request may be repeated; never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

mod inline;
mod seal;

pub use inline::{GroupInput, HeaderInput, Inline, InlineData, Input, MemberInput};
pub use seal::{DEFAULT_TOPIC, Error, MAX_TOPICS, check_fields, check_refs, data_hash};
