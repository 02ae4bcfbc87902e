//! Events with the objects that they are about.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use photinus_model::{
    Uuid,
    blockchain_event::BlockchainEvent,
    datatype::Datatype,
    event::{Event, Type},
    identity::Identity,
    json,
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

/// An event with its object as all subscribers share it: written once, however many it is delivered to.
#[derive(Debug)]
pub struct Shared {
    event: Enriched,
    text: OnceLock<String>,
}

impl Deref for Shared {
    type Target = Enriched;

    fn deref(&self) -> &Enriched {
        &self.event
    }
}

impl From<Enriched> for Shared {
    fn from(event: Enriched) -> Self {
        Self { event, text: OnceLock::new() }
    }
}

impl Shared {
    fn text(&self) -> Result<&str, serde_json::Error> {
        if let Some(text) = self.text.get() {
            return Ok(text);
        }
        let text = json::to_text(&self.event)?;
        Ok(self.text.get_or_init(|| text))
    }
}

/// An event on its way to a subscriber.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The event with its object.
    pub event: Arc<Shared>,
    /// The subscription that it is delivered to.
    pub subscription: Arc<subscription::Ref>,
}

impl Delivered {
    /// An event for a subscriber.
    #[must_use]
    pub fn new(event: Enriched, subscription: subscription::Ref) -> Self {
        Self { event: Arc::new(event.into()), subscription: Arc::new(subscription) }
    }

    /// The event as JSON, with the subscription behind its own members.
    ///
    /// # Errors
    /// When a record cannot be written.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let event = self.event.text()?;
        let subscription = json::to_text(&*self.subscription)?;
        // An event has members, so there is one to go behind.
        let members = event.strip_suffix('}').unwrap_or(event);
        Ok(format!("{members},\"subscription\":{subscription}}}"))
    }
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

/// Adds their objects to events: one query for each kind of object that is common.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn enrich(read: &Read<'_>, events: &[Event]) -> Result<Vec<Enriched>, photinus_store::Error> {
    let wanted = |is: fn(Type) -> bool| -> Vec<Uuid> {
        events.iter().filter(|event| is(event.kind)).filter_map(|event| event.reference).collect()
    };
    let messages = by_id(read.messages_by_ids(&wanted(is_message)).await?, |message| message.header.id);
    let transactions = by_id(read.transactions_by_ids(&wanted(is_transaction)).await?, |transaction| transaction.id);
    let ledger = by_id(read.blockchain_events_by_ids(&wanted(is_ledger)).await?, |event| event.id);
    let mut enriched = Vec::with_capacity(events.len());
    for event in events {
        let mut one = Enriched::bare(event.clone());
        if let Some(reference) = event.reference {
            match event.kind {
                kind if is_message(kind) => one.message = messages.get(&reference).cloned(),
                kind if is_transaction(kind) => one.transaction = transactions.get(&reference).cloned(),
                kind if is_ledger(kind) => one.blockchain_event = ledger.get(&reference).cloned(),
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

fn by_id<T>(found: Vec<T>, id: impl Fn(&T) -> Uuid) -> HashMap<Uuid, T> {
    found.into_iter().map(|one| (id(&one), one)).collect()
}

fn is_transaction(kind: Type) -> bool {
    kind == Type::TransactionSubmitted
}

fn is_ledger(kind: Type) -> bool {
    kind == Type::BlockchainEventReceived
}

fn is_message(kind: Type) -> bool {
    matches!(kind, Type::MessageConfirmed | Type::MessageRejected)
}
