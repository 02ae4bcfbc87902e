//! Transactions: what groups the operations and the ledger events of one request.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Time;

open_text! {
    /// The type of a transaction.
    #[derive(Default)]
    "transaction type" Type {
        /// No type given; the empty text.
        #[default]
        Unset = "",
        /// No transaction; deprecated, and read as unpinned in private messages.
        None = "none",
        /// A private message without a pin.
        Unpinned = "unpinned",
        /// A batch pinned to the ledger.
        BatchPin = "batch_pin",
        /// An action on the network as a whole, such as leaving a contract.
        NetworkAction = "network_action",
        /// Creation of a token pool.
        TokenPool = "token_pool",
        /// A mint, burn or transfer of tokens.
        TokenTransfer = "token_transfer",
        /// An approval to spend tokens.
        TokenApproval = "token_approval",
        /// A contract deployment.
        ContractDeploy = "contract_deploy",
        /// A contract call.
        ContractInvoke = "contract_invoke",
        /// A contract call that pins a message.
        ContractInvokePin = "contract_invoke_pin",
        /// An upload to shared storage.
        DataPublish = "data_publish",
    }
}

impl Type {
    /// Whether no type is given.
    #[must_use]
    pub fn is_unset(&self) -> bool {
        *self == Self::Unset
    }

    /// Whether messages may carry this type: `batch_pin`, `unpinned` or `contract_invoke_pin`.
    #[must_use]
    pub const fn is_for_messages(&self) -> bool {
        matches!(self, Self::BatchPin | Self::Unpinned | Self::ContractInvokePin)
    }

    /// Whether messages of this type are pinned to the ledger.
    #[must_use]
    pub const fn is_pinned(&self) -> bool {
        matches!(self, Self::BatchPin | Self::ContractInvokePin)
    }
}

/// A transaction by type and id, as batches carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ref {
    /// The type.
    #[serde(rename = "type", default)]
    pub kind: Type,
    /// The id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
}

/// A transaction as kept and shown. Its status is derived from its operations, never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// The id.
    pub id: Uuid,
    /// The local namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// When it was created here, or first seen on the ledger.
    pub created: Time,
    /// The key under which the request may be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Hashes of the ledger transactions, lower case, sorted, without duplicates.
    #[serde(default, rename = "blockchainIds", skip_serializing_if = "Vec::is_empty")]
    pub blockchain_ids: Vec<String>,
}
