//! What may be written: typed changes of records, gathered into sets that are committed whole or not at all.
//!
//! Changes of one set take effect in their order. All belong to one namespace; the `namespace` of the records
//! themselves is not looked at.

use photinus_model::{
    Hash, JsonText, Time, Uuid, batch, blob::Blob, blockchain_event::BlockchainEvent, data, datatype::Datatype,
    event::Event, group::Group, identity::Identity, message, namespace::Namespace, nextpin::NextPin, operation,
    pin::Pin, subscription::Subscription, transaction::Transaction, verifier::Verifier,
};

/// One change.
#[derive(Debug, Clone)]
pub enum Change {
    /// A message of this node. Conflicts when its id or its idempotency key is in use.
    InsertMessage(message::Message),
    /// A message that was received. Left out when id and hash are there already; another hash under the same id is a
    /// message of its own.
    KeepMessage(message::Message),
    /// Changes some fields of a message.
    UpdateMessage(Message),
    /// A data element. Left out when id and hash are there already; another hash under the same id is an element of its
    /// own.
    InsertData(data::Data),
    /// Removes a message that was received. No effect when it is absent.
    DeleteMessage {
        /// The id.
        id: Uuid,
        /// The hash.
        hash: Hash,
    },
    /// Removes one data element, and leaves others of its id. No effect when it is absent.
    DropData {
        /// The id.
        id: Uuid,
        /// The hash.
        hash: Hash,
    },
    /// Removes a batch that was received. No effect when it is absent.
    DeleteBatch {
        /// The id.
        id: Uuid,
        /// The hash.
        hash: Hash,
    },
    /// Changes where a data element is published.
    UpdateData(Data),
    /// Removes every data element of an id.
    DeleteData(Uuid),
    /// A blob that is held. Left out when it is known already for the same data element under the same reference.
    InsertBlob(Blob),
    /// Forgets a blob.
    DeleteBlob {
        /// SHA-256 of the content.
        hash: Hash,
        /// Where it lay.
        payload_ref: String,
    },
    /// A batch. Left out when id and hash are there already.
    InsertBatch(batch::Record),
    /// Notes when a batch arrived. No effect when the batch is absent, or has the note already.
    ConfirmBatch {
        /// The id.
        id: Uuid,
        /// The hash.
        hash: Hash,
        /// When.
        confirmed: Time,
    },
    /// A transaction of this node. Conflicts when its id or its idempotency key is in use.
    InsertTransaction(Transaction),
    /// A transaction that the ledger tells of: inserted if absent, else only its ledger hashes are added.
    KeepTransaction(Transaction),
    /// Adds hashes of ledger transactions. No effect when the transaction is absent.
    AddBlockchainIds {
        /// The transaction.
        tx: Uuid,
        /// Hashes, made lower case here.
        ids: Vec<String>,
    },
    /// An operation. Conflicts when its id is in use.
    InsertOperation(operation::Operation),
    /// Changes some fields of an operation. No effect when it is absent.
    UpdateOperation(Operation),
    /// An event of the ledger and the event that announces it. Both are left out when the place on the ledger is known
    /// already for the same listener.
    InsertBlockchainEvent {
        /// The record.
        record: BlockchainEvent,
        /// What is emitted for it; its `sequence` is given by the store.
        event: Option<Event>,
    },
    /// Removes the record of a place on the ledger that no listener of its own heard of: the ledger withdrew it. What was
    /// emitted for it stays.
    DeleteBlockchainEvent {
        /// The place.
        protocol_id: String,
    },
    /// Pins; those whose hash, batch, batch hash and index are there already are left out. Their `sequence` is given by
    /// the store.
    InsertPins(Vec<Pin>),
    /// Marks pins as decided. No effect on absent ones.
    MarkPinsDispatched(Dispatched),
    /// Removes pins of a batch.
    DeletePins {
        /// The batch.
        batch: Uuid,
        /// Their sequences. Those of other batches are left alone.
        sequences: Vec<i64>,
    },
    /// An identity, inserted or replaced by its DID.
    UpsertIdentity(Identity),
    /// A verifier, inserted or replaced by type and value.
    UpsertVerifier(Verifier),
    /// A datatype. Left out when name and version are there already.
    InsertDatatype(Datatype),
    /// A group, inserted or replaced by its hash, which must be set.
    UpsertGroup(Group),
    /// A new subscription. Conflicts when the name is in use.
    InsertSubscription(Subscription),
    /// A subscription, inserted or replaced by its name.
    UpsertSubscription(Subscription),
    /// Removes a subscription.
    DeleteSubscription(Uuid),
    /// How far a reader of events has come.
    SetOffset {
        /// The kind of reader, such as `subscription`.
        kind: &'static str,
        /// The reader.
        name: String,
        /// The sequence of the last event that is done.
        current: i64,
    },
    /// Forgets how far a reader has come.
    DeleteOffset {
        /// The kind of reader.
        kind: &'static str,
        /// The reader.
        name: String,
    },
    /// The record of the namespace itself, inserted or replaced.
    UpsertNamespace(Namespace),
    /// Next pins, inserted or replaced by context and identity.
    UpsertNextPins(Vec<NextPin>),
    /// An event. Its `sequence` is given by the store.
    InsertEvent(Event),
    /// Sets an entry of the ordered key-value table.
    PutKv {
        /// The owner of the entry.
        space: u8,
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// Removes an entry of the ordered key-value table.
    DeleteKv {
        /// The owner of the entry.
        space: u8,
        /// The key.
        key: Vec<u8>,
    },
}

impl Change {
    fn weight(&self) -> usize {
        let text = |json: &Option<JsonText>| json.as_ref().map_or(0, |json| json.as_str().len());
        1 + match self {
            Self::InsertData(data) => text(&data.value) / KIB,
            Self::InsertBatch(batch) => text(&batch.manifest) / KIB,
            Self::InsertDatatype(datatype) => text(&datatype.value) / KIB,
            Self::InsertOperation(operation) => (text(&operation.input) + text(&operation.output)) / KIB,
            Self::UpdateOperation(operation) => (text(&operation.input) + text(&operation.output)) / KIB,
            Self::InsertBlockchainEvent { record, .. } => (text(&record.output) + text(&record.info)) / KIB,
            Self::PutKv { value, .. } => value.len() / KIB,
            Self::InsertPins(pins) => pins.len(),
            _ => 0,
        }
    }
}

const KIB: usize = 1024;

/// Changes of a message. What is `None` stays.
///
/// Without a hash the oldest message of the id is meant. When there is no such message the change has no effect,
/// unless `from` demands a state.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The message.
    pub id: Uuid,
    /// Its hash, where several of one id may have been received.
    pub hash: Option<Hash>,
    /// States that it may be in; empty is any. Otherwise the set conflicts, see [`Message::or_skip`].
    pub from: Vec<message::State>,
    /// Whether a message in another state, or an absent one, is left alone without a conflict.
    pub or_skip: bool,
    /// The new state.
    pub state: Option<message::State>,
    /// The batch that carries it.
    pub batch: Option<Uuid>,
    /// The transaction that pins it.
    pub tx: Option<Uuid>,
    /// When it was decided.
    pub confirmed: Option<Time>,
    /// Why it was rejected.
    pub reject_reason: Option<String>,
    /// Its pins.
    pub pins: Option<Vec<String>>,
}

/// Changes of a data element. What is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// The element; every one of this id.
    pub id: Uuid,
    /// Where the value is published.
    pub public: Option<String>,
    /// Where the blob is published.
    pub blob_public: Option<String>,
}

/// Changes of an operation.
///
/// An open status never overwrites a final one; then only `retry` takes effect.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The operation.
    pub id: Uuid,
    /// The new status.
    pub status: operation::Status,
    /// A new input; `None` keeps the old one.
    pub input: Option<JsonText>,
    /// A new output; `None` keeps the old one.
    pub output: Option<JsonText>,
    /// The new error, which may be empty.
    pub error: String,
    /// When it changed.
    pub updated: Time,
    /// The operation that repeats it; `None` keeps the old one.
    pub retry: Option<Uuid>,
}

/// Pins of one batch that are decided.
#[derive(Debug, Clone)]
pub struct Dispatched {
    /// The batch.
    pub batch: Uuid,
    /// Its hash.
    pub batch_hash: Hash,
    /// Which of its pins, by index.
    pub indexes: Vec<i64>,
}

/// What must hold for a change set to be written. Looked at before its first change.
#[derive(Debug, Clone)]
pub enum Precondition {
    /// An entry of the ordered key-value table has this value, or is absent.
    KvIs {
        /// The owner of the entry.
        space: u8,
        /// The key.
        key: Vec<u8>,
        /// The value; `None` is absent.
        value: Option<Vec<u8>>,
    },
    /// The oldest message of an id is in one of these states.
    MessageState {
        /// The message.
        id: Uuid,
        /// The states.
        states: Vec<message::State>,
    },
}

/// Changes of one namespace that are committed whole or not at all.
#[derive(Debug, Clone)]
pub struct ChangeSet {
    pub(crate) namespace: String,
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) changes: Vec<Change>,
}

impl ChangeSet {
    /// An empty set for a namespace by its local name.
    #[must_use]
    pub fn new(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), preconditions: Vec::new(), changes: Vec::new() }
    }

    /// Demands that something holds.
    pub fn require(&mut self, precondition: Precondition) -> &mut Self {
        self.preconditions.push(precondition);
        self
    }

    /// Adds a change behind the others.
    pub fn push(&mut self, change: Change) -> &mut Self {
        self.changes.push(change);
        self
    }

    /// The local name of the namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// What the set adds to a group: one for each change, pin and KiB of the values that can be large.
    pub(crate) fn weight(&self) -> usize {
        self.changes.iter().map(Change::weight).sum::<usize>() + 1
    }

    /// Whether there is neither a change nor a precondition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.preconditions.is_empty()
    }
}

impl Extend<Change> for ChangeSet {
    fn extend<T: IntoIterator<Item = Change>>(&mut self, changes: T) {
        self.changes.extend(changes);
    }
}
