//! Pins: the hashes that order messages on the ledger.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, Time, message::Message};

pub mod onchain;

/// One pin as it was read from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// The local order.
    pub sequence: i64,
    /// The local namespace.
    pub namespace: String,
    /// Whether the hash hides topic and sender (private messages).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// The value on the ledger.
    pub hash: Hash,
    /// The batch.
    pub batch: Uuid,
    /// The hash of that batch.
    pub batch_hash: Hash,
    /// The position among the pins of the batch.
    pub index: i64,
    /// Whether its message is decided.
    pub dispatched: bool,
    /// The key that signed the ledger transaction.
    pub signer: String,
    /// When it was read here.
    pub created: Time,
}

/// The context of a topic in broadcasts, which is also its pin on the ledger.
#[must_use]
pub fn broadcast_context(topic: &str) -> Hash {
    Hash::of(topic)
}

/// The context of a topic in a group; never on the ledger.
#[must_use]
pub fn private_context(topic: &str, group: Hash) -> Hash {
    Hash::concat(&[topic.as_bytes(), group.as_bytes()])
}

/// The key under which a sender counts its messages on a topic of a group; local.
#[must_use]
pub fn nonce_key(topic: &str, group: Hash, author: &str) -> Hash {
    Hash::concat(&[topic.as_bytes(), group.as_bytes(), author.as_bytes()])
}

/// The pin of a private message on the ledger.
#[must_use]
pub fn private_pin(topic: &str, group: Hash, author: &str, nonce: u64) -> Hash {
    Hash::concat(&[topic.as_bytes(), group.as_bytes(), author.as_bytes(), &nonce.to_be_bytes()])
}

/// The form of a private pin in its message: digits, colon, nonce of at least 16 digits.
#[must_use]
pub fn text(pin: Hash, nonce: u64) -> String {
    format!("{pin}:{nonce:016}")
}

/// Reads a pin of a message, with or without its nonce.
#[must_use]
pub fn parse_text(text: &str) -> Option<(Hash, Option<u64>)> {
    match text.split_once(':') {
        Some((pin, nonce)) => Some((Hash::parse_strict(pin).ok()?, Some(nonce.parse().ok()?))),
        None => Some((Hash::parse_strict(text).ok()?, None)),
    }
}

/// The pins of broadcast messages on the ledger: for each message in order, for each topic in order.
#[must_use]
pub fn broadcast_contexts(messages: &[Message]) -> Vec<Hash> {
    messages.iter().flat_map(|message| &message.header.topics).map(|topic| broadcast_context(topic)).collect()
}

/// The pins of private messages on the ledger, read from the messages; `None` if a pin is missing or cannot be read.
#[must_use]
pub fn private_contexts(messages: &[Message]) -> Option<Vec<Hash>> {
    let complete = messages.iter().all(|message| message.pins.len() == message.header.topics.len());
    let pins = messages.iter().flat_map(|message| &message.pins);
    complete.then(|| pins.map(|pin| parse_text(pin).map(|(hash, _)| hash)).collect())?
}
