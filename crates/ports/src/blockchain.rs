//! The ledger: signing keys, pinning, and an ordered stream of pins that cannot be missed.

use std::sync::Arc;

use async_trait::async_trait;
use photinus_model::{Hash, Time, verifier};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{OperationRef, health::Health, journal::Journal};

/// Place of a log on the ledger; the order of places is the order of everything that is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Block number.
    pub block: u64,
    /// Index of the transaction in its block.
    pub transaction: u32,
    /// Index of the log in its block.
    pub log: u32,
}

impl Position {
    /// The text that FireFly calls `protocolId`: `%012d/%06d/%06d`, whose text order is the ledger order.
    #[must_use]
    pub fn protocol_id(&self) -> String {
        format!("{:012}/{:06}/{:06}", self.block, self.transaction, self.log)
    }

    /// Reads a `protocolId`, with or without leading zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let mut next = || parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let position =
            Self { block: next()?.parse().ok()?, transaction: next()?.parse().ok()?, log: next()?.parse().ok()? };
        parts.next().is_none().then_some(position)
    }
}

/// A contract's place on its chain: `{"address":"0x…"}` on Ethereum, addresses in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Location(pub Map<String, Value>);

/// What a signing key is wanted for; an adapter may answer differently for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyIntent {
    /// To sign a transaction.
    Sign,
    /// To run a read-only call.
    Query,
    /// To find out who owns it.
    Lookup,
}

/// What a batch pin puts on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPin {
    /// Name that the members share. Version-1 contracts serve several networks and want it with every pin.
    pub network: String,
    /// Transaction id, the first half of the on-chain `uuids`.
    pub transaction: Uuid,
    /// Batch id, the second half.
    pub batch: Uuid,
    /// Hash of the batch manifest.
    pub batch_hash: Hash,
    /// Reference of the payload in shared storage; empty for private batches.
    pub payload_ref: String,
    /// One value per message and topic, in batch order.
    pub contexts: Vec<Hash>,
}

/// A decoded `BatchPin` log, before anything is believed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinEvent {
    /// Who signed the transaction, normalised as the chain's keys are (Ethereum: `0x` and lower case).
    pub signer: String,
    /// The third field of the event: `firefly:batch_pin`, another action, or a network namespace on version-1 contracts.
    pub action: String,
    /// Transaction id and batch id as 32 bytes.
    pub uuids: [u8; 32],
    /// Hash of the batch manifest.
    pub batch_hash: [u8; 32],
    /// Reference of the payload; empty means private.
    pub payload_ref: String,
    /// Pinned values in order.
    pub contexts: Vec<Hash>,
}

/// One final log of a contract that a namespace listens to.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Where it stands.
    pub position: Position,
    /// Name of the event, `BatchPin`.
    pub name: String,
    /// Hash of the chain's transaction, in the chain's text form.
    pub transaction_hash: String,
    /// Time of the block.
    pub timestamp: Time,
    /// The event's arguments as applications see them (`output` of a blockchain event).
    pub output: Map<String, Value>,
    /// Everything else that applications see (`info` of a blockchain event).
    pub info: Map<String, Value>,
    /// The decoded pin.
    pub pin: PinEvent,
}

/// Where to resume reading after a restart. Opaque to the engine, which stores it together with what it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last block that was reported whole.
    pub block: u64,
    /// Its hash, so that a reorganisation during downtime is noticed. Empty when unknown.
    pub block_hash: String,
}

/// A step of the ledger stream. Whole blocks only: a block's logs are never split over two deliveries.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Set when logs from this block number on, reported earlier as final, are no longer on the chain. Such a step has no logs, and
    /// its cursor is where the branches part: logs may be refused for the time being, a retraction is always taken, and what it
    /// leaves must be noticed when it is retracted too.
    pub retracted_from: Option<u64>,
    /// Logs in ledger order. Empty when logs are retracted, or only the cursor moves.
    pub logs: Vec<Log>,
    /// Stored by the engine in the same commit.
    pub cursor: Cursor,
}

/// How a submitted operation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Mined and successful, with the configured confirmations.
    Succeeded,
    /// Will never succeed: reverted, refused by the chain or replaced by another transaction. The text says why.
    Failed(String),
    /// Progress that is worth recording, such as the hash of a broadcast transaction.
    Update,
}

/// The fate of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The operation that it answers.
    pub operation: OperationRef,
    /// How it went.
    pub outcome: Outcome,
    /// Hash of the chain's transaction, when one was sent.
    pub transaction_hash: Option<String>,
    /// Stored as the operation's output: `headers`, `protocolId`, `transactionHash`, … as connectors write it.
    pub output: Map<String, Value>,
}

/// The engine is shutting down and takes nothing more; deliver again after the next start.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the namespace is stopping")]
pub struct SinkClosed;

/// Takes what the ledger reports, for one namespace. Calls return when the fact is durable.
#[async_trait]
pub trait LedgerSink: Send + Sync {
    /// A step of the stream, in order. The adapter calls the next one only after this one returned.
    async fn deliver(&self, delivery: Delivery) -> Result<(), SinkClosed>;
    /// The fate of an operation; repeated receipts are harmless.
    async fn receipt(&self, receipt: Receipt) -> Result<(), SinkClosed>;
}

/// From where a namespace reads a contract's logs when it has no cursor yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstEvent {
    /// From block 0.
    Oldest,
    /// Only what is mined from now on.
    Newest,
    /// From this block on.
    Block(u64),
}

/// What [`Blockchain::listen`] needs.
#[derive(Clone)]
pub struct Listen {
    /// Local name of the namespace, for logs and for the names that applications see.
    pub namespace: String,
    /// The multiparty contract.
    pub location: Location,
    /// Version that [`Blockchain::network_version`] answered.
    pub network_version: u8,
    /// Used when there is no cursor.
    pub first: FirstEvent,
    /// Where the last run stopped.
    pub cursor: Option<Cursor>,
    /// Where the stream goes.
    pub sink: Arc<dyn LedgerSink>,
}

/// A running stream; dropping it does not stop it, [`Subscription::stop`] does.
#[async_trait]
pub trait Subscription: Send + Sync {
    /// Id that applications see as the contract's subscription.
    fn id(&self) -> &str;
    /// Stops and waits until nothing more will be delivered.
    async fn stop(&self);
}

/// Why the ledger did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key's text is not one that this chain can use.
    #[error("'{0}' is not a valid signing key of this blockchain")]
    InvalidKey(String),
    /// A key is needed and none was given.
    #[error("a signing key is required")]
    MissingKey,
    /// This node holds no private key for the address.
    #[error("no private key for '{0}' is available to this node")]
    UnknownKey(String),
    /// The location is not of this chain's form.
    #[error("invalid contract location: {0}")]
    InvalidLocation(String),
    /// The chain will never accept it: it reverted, or the request itself is wrong. Repeating does not help.
    #[error("{0}")]
    Rejected(String),
    /// The chain cannot be reached or is overloaded; repeating helps. Nothing was sent, or what was sent is journalled.
    #[error("blockchain unavailable: {0}")]
    Unavailable(String),
    /// The journal refused a write; nothing was sent.
    #[error("submission could not be recorded: {0}")]
    Journal(String),
}

impl Error {
    /// Whether repeating the same call later can succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::Journal(_))
    }
}

/// A blockchain that members share.
///
/// Guarantees of an implementation, checked by its conformance suite:
/// * `submit_*` is idempotent in the operation: calling it again with an operation that is journalled sends no second
///   transaction, but makes sure that the first one is on its way and will be reported.
/// * What was accepted (`Ok`) is reported through [`LedgerSink::receipt`] once its fate is known, also when the process was
///   killed and started again in between.
/// * A stream reports every final log once, in ledger order, resuming from its cursor.
#[async_trait]
pub trait Blockchain: Send + Sync {
    /// Type name that applications see, such as `ethereum`.
    fn plugin_type(&self) -> &str;

    /// Kind of verifier that this chain's keys make.
    fn verifier_type(&self) -> verifier::Type;

    /// Makes the adapter ready for a namespace: where it journals, and where receipts go. In-flight operations found in the
    /// journal are resumed. Called once per namespace before anything else of that namespace.
    async fn attach(&self, namespace: &str, journal: Arc<dyn Journal>, sink: Arc<dyn LedgerSink>) -> Result<(), Error>;

    /// Stops work for a namespace: receipts, resubmission. Journalled operations are resumed by the next `attach`.
    async fn detach(&self, namespace: &str);

    /// The normal form of a key, or why it is none.
    async fn resolve_key(&self, key: &str, intent: KeyIntent) -> Result<String, Error>;

    /// The normal form of a contract location.
    fn normalize_location(&self, location: &Value) -> Result<Location, Error>;

    /// Version of the multiparty contract: 1, or what `networkVersion()` answers.
    async fn network_version(&self, location: &Location) -> Result<u8, Error>;

    /// Signs and sends a batch pin. `Ok` when it is journalled and on its way.
    async fn submit_batch_pin(
        &self,
        operation: &OperationRef,
        key: &str,
        pin: &BatchPin,
        location: &Location,
    ) -> Result<(), Error>;

    /// Signs and sends a network action, such as `terminate`.
    async fn submit_network_action(
        &self,
        operation: &OperationRef,
        key: &str,
        action: &str,
        payload: &str,
        location: &Location,
    ) -> Result<(), Error>;

    /// Starts the stream of a contract's pins.
    async fn listen(&self, listen: Listen) -> Result<Box<dyn Subscription>, Error>;

    /// What is known of an operation's transaction, as applications see it with `fetchstatus`. `None`: never submitted.
    async fn operation_status(&self, operation: &OperationRef) -> Result<Option<Value>, Error>;

    /// Whether the chain can be reached.
    fn health(&self) -> Health;
}
