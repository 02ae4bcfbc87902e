//! What a hostile party makes: messages in any name, batches that hash as they should, and logs that no member sent.

use photinus_model::{
    Hash, JsonText, Time, Uuid,
    batch::{self, Batch},
    data::{Data, DatatypeRef, Validator},
    message::{DataRef, Header, Message, TxType, Type},
    pin, transaction,
};
use photinus_ports::{
    blockchain::PinEvent,
    ids::{Ids, Random},
};
use photinus_testkit::network::{NAMESPACE, Network, key};
use serde_json::Value;

/// A key that no member holds.
pub(crate) const STRANGER: &str = "0x00000000000000000000000000000000000bad01";

/// Who a message says that it is from.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) author: String,
    pub(crate) key: String,
}

/// The organisation of the member with this index, with its own key.
pub(crate) fn org(index: usize) -> Speaker {
    Speaker { author: format!("did:firefly:org/org_{index}"), key: key(index) }
}

/// An organisation that nobody registered, with the stranger's key.
pub(crate) fn ghost() -> Speaker {
    Speaker { author: "did:firefly:org/ghost".into(), key: STRANGER.into() }
}

/// A message with its data.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) message: Message,
    pub(crate) data: Vec<Data>,
}

impl Letter {
    pub(crate) fn id(&self) -> Uuid {
        self.message.header.id
    }

    pub(crate) fn hash(&self) -> Hash {
        self.message.hash.unwrap()
    }

    /// Hashes it again after a change.
    pub(crate) fn seal(mut self) -> Self {
        for data in &mut self.data {
            data.seal().unwrap();
        }
        self.message.data = self.data.iter().map(|data| DataRef { id: data.id, hash: data.hash.unwrap() }).collect();
        self.message.seal().unwrap();
        self
    }
}

pub(crate) fn data(value: &Value) -> Data {
    Data {
        id: Random.next(),
        validator: Validator::Unset,
        namespace: String::new(),
        hash: None,
        created: Some(now()),
        datatype: None,
        value: Some(JsonText::parse(&value.to_string()).unwrap()),
        public: String::new(),
        blob: None,
    }
}

/// Data that names a datatype.
pub(crate) fn typed(value: &Value, name: &str, version: &str) -> Data {
    let datatype = Some(DatatypeRef { name: name.into(), version: version.into() });
    Data { datatype, validator: Validator::Json, ..data(value) }
}

fn now() -> Time {
    Time::from_unix_nanos(1_700_000_000_000_000_000)
}

/// A sealed message.
pub(crate) fn letter(speaker: &Speaker, kind: Type, tag: &str, topics: &[&str], data: Vec<Data>) -> Letter {
    let header = Header {
        id: Random.next(),
        cid: None,
        kind,
        tx_type: TxType::BatchPin,
        author: speaker.author.clone(),
        key: speaker.key.clone(),
        created: Some(now()),
        namespace: NAMESPACE.into(),
        group: None,
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        tag: tag.into(),
        data_hash: None,
        tx_parent: None,
    };
    let message = Message {
        header,
        local_namespace: String::new(),
        hash: None,
        batch: None,
        tx_id: None,
        state: None,
        confirmed: None,
        reject_reason: String::new(),
        data: Vec::new(),
        pins: Vec::new(),
        idempotency_key: None,
    };
    Letter { message, data }.seal()
}

/// A broadcast with one value.
pub(crate) fn broadcast(speaker: &Speaker, topics: &[&str], value: impl Into<Value>) -> Letter {
    letter(speaker, Type::Broadcast, "", topics, vec![data(&value.into())])
}

/// A definition with one value.
pub(crate) fn definition(speaker: &Speaker, tag: &str, topic: &str, value: &Value) -> Letter {
    letter(speaker, Type::Definition, tag, &[topic], vec![data(value)])
}

/// A batch whose hash is right.
pub(crate) fn batch(speaker: &Speaker, letters: &[&Letter]) -> Batch {
    let draft = batch::Draft {
        id: Random.next(),
        kind: batch::Type::Broadcast,
        namespace: NAMESPACE.into(),
        node: None,
        group: None,
        created: now(),
        author: speaker.author.clone(),
        key: speaker.key.clone(),
        tx: transaction::Ref { kind: TxType::BatchPin, id: Some(Random.next()) },
        messages: letters.iter().map(|letter| letter.message.clone()).collect(),
        data: letters.iter().flat_map(|letter| letter.data.clone()).collect(),
    };
    draft.seal().batch
}

/// The log that an honest node would leave for a batch.
pub(crate) fn log(batch: &Batch, signer: &str, payload_ref: &str) -> PinEvent {
    let mut uuids = [0; 32];
    uuids[..16].copy_from_slice(batch.payload.tx.id.unwrap().as_bytes());
    uuids[16..].copy_from_slice(batch.id.as_bytes());
    PinEvent {
        signer: signer.into(),
        action: pin::onchain::ACTION_BATCH_PIN.into(),
        uuids,
        batch_hash: *batch.hash.as_bytes(),
        payload_ref: payload_ref.into(),
        contexts: pin::broadcast_contexts(&batch.payload.messages),
    }
}

/// Publishes letters as one batch of their speaker. Answers the log that pins it, which is not on the ledger yet.
pub(crate) fn publish(network: &Network, speaker: &Speaker, letters: &[&Letter]) -> PinEvent {
    let batch = batch(speaker, letters);
    let payload_ref = network.storage.publish(batch.to_text());
    log(&batch, &speaker.key, &payload_ref)
}

/// Publishes letters as one batch, and pins it with their speaker's key.
pub(crate) fn send(network: &Network, speaker: &Speaker, letters: &[&Letter]) {
    network.ledger.inject(publish(network, speaker, letters));
}

/// A log on these topics that names a content which is nowhere.
pub(crate) fn junk(topics: &[&str], payload_ref: &str) -> PinEvent {
    let mut uuids = [0; 32];
    uuids[..16].copy_from_slice(Random.next().as_bytes());
    uuids[16..].copy_from_slice(Random.next().as_bytes());
    PinEvent {
        signer: STRANGER.into(),
        action: pin::onchain::ACTION_BATCH_PIN.into(),
        uuids,
        batch_hash: *Hash::of(Random.next().as_bytes()).as_bytes(),
        payload_ref: payload_ref.into(),
        contexts: topics.iter().map(Hash::of).collect(),
    }
}
