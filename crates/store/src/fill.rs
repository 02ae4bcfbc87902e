//! Fills a store with messages that look as if they had come and gone, to measure what a node does with many.
//!
//! What is written is what the engine leaves behind of a message: the message, its data, its batch with transaction, operations and
//! pins, the event of the ledger and those of the messages. Nothing of it waits for anything. The ids are the same in every run.

use std::iter::successors;

use futures::{StreamExt, TryStreamExt, future, stream};
use photinus_model::{
    Hash, JsonText, Time, Uuid, batch,
    blockchain_event::{BlockchainEvent, TxRef},
    data::{Data, Validator},
    event::{self, Event},
    message::{self, DataRef, Header, Message, State},
    operation::{self, Operation},
    pin::Pin,
    transaction::{self, Transaction},
};

use crate::{
    change::{Change, ChangeSet},
    error::Error,
    store::Store,
};

/// Batches that are written at the same time.
const UNDER_WAY: usize = 8;
/// Nanoseconds from one message to the next.
const APART: i64 = 1_000_000;
/// Groups that private messages are for.
const GROUPS: u64 = 20;
/// Authors of the messages.
const AUTHORS: u64 = 3;
/// One message of so many is a definition.
const DEFINITIONS: u64 = 1_000;
/// One message of so many is rejected.
const REJECTED: u64 = 20_000;

/// What a store is to be filled with.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The local namespace.
    pub namespace: String,
    /// Messages.
    pub messages: u64,
    /// Messages that were written before, by an earlier call.
    pub from: u64,
    /// Topics that the messages are spread over.
    pub topics: u64,
    /// Messages of a batch.
    pub batch: u64,
    /// When the first message was made, in nanoseconds since 1970; the others follow, a millisecond apart.
    pub began: i64,
}

/// Writes the messages. Returns when they are durable.
///
/// # Errors
/// When the store refuses or does not answer.
pub async fn fill(store: &Store, shape: &Shape) -> Result<(), Error> {
    let end = shape.from.saturating_add(shape.messages);
    let firsts = successors(Some(shape.from), |first| first.checked_add(shape.batch.max(1)));
    let sets = firsts.take_while(|first| *first < end).map(|first| {
        let mut set = ChangeSet::new(&shape.namespace);
        Batch { shape, first, count: shape.batch.clamp(1, end - first) }.write(&mut set);
        store.submit(set)
    });
    stream::iter(sets).buffered(UNDER_WAY).try_for_each(|_| future::ready(Ok(()))).await
}

/// An id that looks random and is the same in every run.
fn id(kind: &str, number: u64) -> Uuid {
    let hash = digest(kind, number).0;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(bytes)
}

fn digest(kind: &str, number: u64) -> Hash {
    Hash::of(format!("{kind}{number}"))
}

/// Messages that came together.
struct Batch<'a> {
    shape: &'a Shape,
    first: u64,
    count: u64,
}

impl Batch<'_> {
    fn write(&self, set: &mut ChangeSet) {
        let mut pins = Vec::new();
        for index in 0..self.count {
            let (data, message) = self.message(self.first + index);
            pins.push(self.pin(index, &message));
            set.push(Change::InsertData(data));
            set.push(Change::KeepMessage(message));
        }
        set.push(Change::InsertBatch(self.record()));
        set.push(Change::InsertTransaction(self.transaction()));
        for kind in [operation::Type::SharedStorageUploadBatch, operation::Type::BlockchainPinBatch] {
            set.push(Change::InsertOperation(self.operation(kind)));
        }
        let submitted = self.event(event::Type::TransactionSubmitted, self.first, self.tx(), "batch_pin");
        set.push(Change::InsertEvent(submitted));
        let (record, event) = self.pinned();
        set.push(Change::InsertBlockchainEvent { record, event: Some(event) });
        set.push(Change::InsertPins(pins));
        for number in self.first..self.first + self.count {
            let kind = if rejected(number) { event::Type::MessageRejected } else { event::Type::MessageConfirmed };
            set.push(Change::InsertEvent(self.event(kind, number, id("message", number), &self.topic(number))));
        }
    }

    fn number(&self) -> u64 {
        self.first / self.shape.batch.max(1)
    }

    fn tx(&self) -> Uuid {
        id("transaction", self.first)
    }

    fn is_private(&self) -> bool {
        self.number() % 2 == 1
    }

    fn author(&self) -> String {
        format!("did:firefly:org/filled_{}", self.number() % AUTHORS)
    }

    fn key(&self) -> String {
        format!("0x{:040x}", self.number() % AUTHORS)
    }

    fn group(&self) -> Option<Hash> {
        self.is_private().then(|| digest("group", self.number() % GROUPS))
    }

    fn topic(&self, number: u64) -> String {
        format!("filled-{}", number % self.shape.topics.max(1))
    }

    fn made(&self, number: u64) -> Time {
        let after = i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(APART);
        Time::from_unix_nanos(self.shape.began.saturating_add(after))
    }

    /// When the last of the messages was made: that they were decided then is near enough.
    fn decided(&self) -> Time {
        self.made(self.first + self.count)
    }

    fn message(&self, number: u64) -> (Data, Message) {
        let value = JsonText::parse(&format!(r#"{{"bill":"{number:080}"}}"#)).ok();
        let hash = value.as_ref().map(JsonText::hash).unwrap_or_default();
        let data = Data {
            id: id("data", number),
            validator: Validator::Json,
            namespace: self.shape.namespace.clone(),
            hash: Some(hash),
            created: Some(self.made(number)),
            datatype: None,
            value,
            public: String::new(),
            blob: None,
        };
        let kind = match (self.is_private(), number % DEFINITIONS) {
            (true, _) => message::Type::Private,
            (false, 0) => message::Type::Definition,
            (false, _) => message::Type::Broadcast,
        };
        let message = Message {
            header: Header {
                id: id("message", number),
                cid: (number % 10 == 3).then(|| id("message", number - 1)),
                kind,
                tx_type: transaction::Type::BatchPin,
                author: self.author(),
                key: self.key(),
                created: Some(self.made(number)),
                namespace: self.shape.namespace.clone(),
                group: self.group(),
                topics: vec![self.topic(number)],
                tag: if number.is_multiple_of(7) { format!("tag-{}", number % 70) } else { String::new() },
                data_hash: Some(hash),
                tx_parent: None,
            },
            local_namespace: self.shape.namespace.clone(),
            hash: Some(digest("hash", number)),
            batch: Some(id("batch", self.first)),
            tx_id: Some(self.tx()),
            state: Some(if rejected(number) { State::Rejected } else { State::Confirmed }),
            confirmed: Some(self.decided()),
            reject_reason: if rejected(number) { "FF10000: filled".to_owned() } else { String::new() },
            data: vec![DataRef { id: data.id, hash }],
            pins: Vec::new(),
            idempotency_key: None,
        };
        (data, message)
    }

    fn pin(&self, index: u64, message: &Message) -> Pin {
        Pin {
            sequence: 0,
            namespace: self.shape.namespace.clone(),
            masked: self.is_private(),
            hash: if self.is_private() {
                digest("pin", self.first + index)
            } else {
                Hash::of(message.header.topics.concat())
            },
            batch: id("batch", self.first),
            batch_hash: digest("batch", self.first),
            index: i64::try_from(index).unwrap_or(i64::MAX),
            dispatched: true,
            signer: self.key(),
            created: self.decided(),
        }
    }

    fn record(&self) -> batch::Record {
        batch::Record {
            id: id("batch", self.first),
            kind: if self.is_private() { batch::Type::Private } else { batch::Type::Broadcast },
            namespace: self.shape.namespace.clone(),
            node: Some(id("node", self.number() % AUTHORS)),
            group: self.group(),
            created: Some(self.made(self.first)),
            author: self.author(),
            key: self.key(),
            hash: Some(digest("batch", self.first)),
            manifest: None,
            tx: transaction::Ref { kind: transaction::Type::BatchPin, id: Some(self.tx()) },
            confirmed: Some(self.decided()),
        }
    }

    fn transaction(&self) -> Transaction {
        Transaction {
            id: self.tx(),
            namespace: self.shape.namespace.clone(),
            kind: transaction::Type::BatchPin,
            created: self.made(self.first),
            idempotency_key: None,
            blockchain_ids: vec![format!("0x{}", digest("ledger", self.first))],
        }
    }

    fn operation(&self, kind: operation::Type) -> Operation {
        Operation {
            id: id(kind.as_str(), self.first),
            namespace: self.shape.namespace.clone(),
            tx: Some(self.tx()),
            kind,
            status: operation::Status::Succeeded,
            plugin: "filled".to_owned(),
            input: None,
            output: None,
            error: String::new(),
            created: self.made(self.first),
            updated: self.decided(),
            retry: None,
        }
    }

    fn event(&self, kind: event::Type, number: u64, reference: Uuid, topic: &str) -> Event {
        Event {
            id: id(kind.as_str(), number),
            sequence: 0,
            kind,
            namespace: self.shape.namespace.clone(),
            reference: Some(reference),
            correlator: None,
            tx: Some(self.tx()),
            topic: topic.to_owned(),
            created: self.decided(),
        }
    }

    fn pinned(&self) -> (BlockchainEvent, Event) {
        let record = BlockchainEvent {
            id: id("blockchain event", self.first),
            source: "filled".to_owned(),
            namespace: self.shape.namespace.clone(),
            name: "BatchPin".to_owned(),
            listener: None,
            protocol_id: format!("filled/{:012}", self.first),
            output: None,
            info: None,
            timestamp: self.decided(),
            tx: TxRef {
                kind: transaction::Type::BatchPin,
                id: Some(self.tx()),
                blockchain_id: format!("0x{}", digest("ledger", self.first)),
            },
        };
        let event = self.event(event::Type::BlockchainEventReceived, self.first, record.id, "ff_batch_pin");
        (record, event)
    }
}

fn rejected(number: u64) -> bool {
    number % REJECTED == REJECTED / 2
}
