//! Events: what happened on this node, in order.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Time;

/// The topic of events about definitions.
pub const TOPIC_DEFINITION: &str = "ff_definition";
/// The topic of ledger events that belong to no listener.
pub const TOPIC_BATCH_PIN: &str = "ff_batch_pin";

closed_text! {
    /// The type of an event.
    "event type" Type {
        /// This node began a transaction.
        TransactionSubmitted = "transaction_submitted",
        /// A message was accepted.
        MessageConfirmed = "message_confirmed",
        /// A message was refused.
        MessageRejected = "message_rejected",
        /// A datatype was accepted.
        DatatypeConfirmed = "datatype_confirmed",
        /// An identity was accepted.
        IdentityConfirmed = "identity_confirmed",
        /// An identity's profile changed.
        IdentityUpdated = "identity_updated",
        /// A token pool is active.
        TokenPoolConfirmed = "token_pool_confirmed",
        /// A token pool could not be created.
        TokenPoolOpFailed = "token_pool_op_failed",
        /// A token transfer happened.
        TokenTransferConfirmed = "token_transfer_confirmed",
        /// A token transfer could not be done.
        TokenTransferOpFailed = "token_transfer_op_failed",
        /// A token approval happened.
        TokenApprovalConfirmed = "token_approval_confirmed",
        /// A token approval could not be done.
        TokenApprovalOpFailed = "token_approval_op_failed",
        /// A contract interface was accepted.
        ContractInterfaceConfirmed = "contract_interface_confirmed",
        /// A contract API was accepted.
        ContractApiConfirmed = "contract_api_confirmed",
        /// An event of the ledger arrived.
        BlockchainEventReceived = "blockchain_event_received",
        /// A contract call succeeded.
        BlockchainInvokeOpSucceeded = "blockchain_invoke_op_succeeded",
        /// A contract call failed.
        BlockchainInvokeOpFailed = "blockchain_invoke_op_failed",
        /// A contract was deployed.
        BlockchainContractDeployOpSucceeded = "blockchain_contract_deploy_op_succeeded",
        /// A contract could not be deployed.
        BlockchainContractDeployOpFailed = "blockchain_contract_deploy_op_failed",
    }
}

/// An event as kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The id, of this node's own making.
    pub id: Uuid,
    /// The order of delivery.
    pub sequence: i64,
    /// The type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The local namespace.
    pub namespace: String,
    /// The object that the event is about.
    pub reference: Option<Uuid>,
    /// A second object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlator: Option<Uuid>,
    /// The transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx: Option<Uuid>,
    /// The stream that the event belongs to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// When it was emitted; neither unique nor ordered.
    pub created: Time,
}
