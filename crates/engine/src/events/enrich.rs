//! Events with the objects that they are about.

use std::collections::HashMap;

use photinus_model::{
    Uuid,
    blockchain_event::BlockchainEvent,
    datatype::Datatype,
    event::{Event, Type},
    identity::Identity,
    message::Message,
    operation::Operation,
    subscription,
    transaction::Transaction,
};
use photinus_store::Read;
use serde::Serialize;

/// An event with its object. If the object is gone, the event alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Enriched {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// Of `blockchain_event_received`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blockchain_event: Option<BlockchainEvent>,
    /// Of `datatype_confirmed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datatype: Option<Datatype>,
    /// Of `identity_confirmed` and `identity_updated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Of `message_confirmed` and `message_rejected`; with references to its data, never the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// Of `transaction_submitted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Transaction>,
    /// Of events about operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
}

/// An event on its way to a subscriber.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivered {
    /// The event with its object.
    #[serde(flatten)]
    pub event: Enriched,
    /// The subscription that it is delivered to.
    pub subscription: subscription::Ref,
}

impl Enriched {
    /// An event alone.
    #[must_use]
    pub fn bare(event: Event) -> Self {
        Self {
            event,
            blockchain_event: None,
            datatype: None,
            identity: None,
            message: None,
            transaction: None,
            operation: None,
        }
    }
}

/// Adds their objects to events. Messages, of which there are most, are read all at once.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn enrich(read: &Read<'_>, events: &[Event]) -> Result<Vec<Enriched>, photinus_store::Error> {
    let wanted: Vec<Uuid> =
        events.iter().filter(|event| is_message(event.kind)).filter_map(|event| event.reference).collect();
    let messages: HashMap<Uuid, Message> = if wanted.is_empty() {
        HashMap::new()
    } else {
        read.messages_by_ids(&wanted).await?.into_iter().map(|message| (message.header.id, message)).collect()
    };
    let mut enriched = Vec::with_capacity(events.len());
    for event in events {
        let mut one = Enriched::bare(event.clone());
        if let Some(reference) = event.reference {
            match event.kind {
                kind if is_message(kind) => one.message = messages.get(&reference).cloned(),
                Type::TransactionSubmitted => one.transaction = read.transaction(reference).await?,
                Type::BlockchainEventReceived => one.blockchain_event = read.blockchain_event(reference).await?,
                Type::DatatypeConfirmed => one.datatype = read.datatype_by_id(reference).await?,
                Type::IdentityConfirmed | Type::IdentityUpdated => one.identity = read.identity(reference).await?,
                Type::BlockchainInvokeOpSucceeded
                | Type::BlockchainInvokeOpFailed
                | Type::BlockchainContractDeployOpSucceeded
                | Type::BlockchainContractDeployOpFailed
                | Type::TokenPoolOpFailed
                | Type::TokenTransferOpFailed
                | Type::TokenApprovalOpFailed => one.operation = read.operation(reference).await?,
                _ => {}
            }
        }
        enriched.push(one);
    }
    Ok(enriched)
}

fn is_message(kind: Type) -> bool {
    matches!(kind, Type::MessageConfirmed | Type::MessageRejected)
}
