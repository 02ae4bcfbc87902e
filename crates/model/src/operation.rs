//! Operations: what this node does towards the outside on behalf of a transaction.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{JsonText, Time};

closed_text! {
    /// What an operation does.
    "operation type" Type {
        /// Pins a batch to the ledger.
        BlockchainPinBatch = "blockchain_pin_batch",
        /// Sends a network action to the ledger.
        BlockchainNetworkAction = "blockchain_network_action",
        /// Deploys a contract.
        BlockchainDeploy = "blockchain_deploy",
        /// Calls a contract.
        BlockchainInvoke = "blockchain_invoke",
        /// Uploads a batch to shared storage.
        SharedStorageUploadBatch = "sharedstorage_upload_batch",
        /// Uploads a blob to shared storage.
        SharedStorageUploadBlob = "sharedstorage_upload_blob",
        /// Uploads a value to shared storage.
        SharedStorageUploadValue = "sharedstorage_upload_value",
        /// Downloads a batch from shared storage.
        SharedStorageDownloadBatch = "sharedstorage_download_batch",
        /// Downloads a blob from shared storage.
        SharedStorageDownloadBlob = "sharedstorage_download_blob",
        /// Sends a batch to a member.
        DataExchangeSendBatch = "dataexchange_send_batch",
        /// Sends a blob to a member.
        DataExchangeSendBlob = "dataexchange_send_blob",
        /// Creates a token pool.
        TokenCreatePool = "token_create_pool",
        /// Activates a token pool.
        TokenActivatePool = "token_activate_pool",
        /// Transfers, mints or burns tokens.
        TokenTransfer = "token_transfer",
        /// Approves the spending of tokens.
        TokenApproval = "token_approval",
    }
}

closed_text! {
    /// How far an operation is. Written with a capital, unlike other enumerations.
    "operation status" Status {
        /// Written down, not tried yet.
        Initialized = "Initialized",
        /// Tried, outcome open.
        Pending = "Pending",
        /// Done.
        Succeeded = "Succeeded",
        /// Given up.
        Failed = "Failed",
    }
}

impl Status {
    /// Whether the outcome is known.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Whether an update to `next` takes effect: an open outcome never overwrites a known one.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        !(self.is_final() && matches!(next, Self::Pending | Self::Initialized))
    }
}

/// An operation as kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The id.
    pub id: Uuid,
    /// The local namespace.
    pub namespace: String,
    /// The transaction.
    pub tx: Option<Uuid>,
    /// What it does.
    #[serde(rename = "type")]
    pub kind: Type,
    /// How far it is.
    pub status: Status,
    /// The plug-in that does it.
    pub plugin: String,
    /// What it works on: an object with sorted keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<JsonText>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<JsonText>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// When it was written down.
    pub created: Time,
    /// When it last changed.
    pub updated: Time,
    /// The operation that repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Uuid>,
}
