//! Sealing: what a message becomes before it is stored. Pure rules.

use parking_lot::Mutex;
use photinus_model::{
    Hash, Time, Uuid, batch,
    data::Data,
    json,
    message::{DataRef, Header, Message, State, TxType, Type},
    transaction,
};
use photinus_store::Change;

use super::Error;
use crate::{batching, identity::Signer};

/// Data of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The data, with its hash.
    pub(crate) data: Data,
    /// Whether the store holds it already.
    pub(crate) stored: bool,
}

/// A message before it is sealed.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// Type of the message.
    pub(crate) kind: Type,
    /// The group that it is for; none is everybody.
    pub(crate) group: Option<Hash>,
    /// How it is sent.
    pub(crate) tx_type: TxType,
    /// What it answers.
    pub(crate) cid: Option<Uuid>,
    /// Topics; none stands for the default topic.
    pub(crate) topics: Vec<String>,
    /// Label; may be empty.
    pub(crate) tag: String,
    /// Who speaks.
    pub(crate) signer: Signer,
    /// What it carries.
    pub(crate) data: Vec<Entry>,
    /// Key under which the request may be repeated.
    pub(crate) idempotency_key: Option<String>,
}

/// Where and when a message is sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// Id of the message.
    pub(super) id: Uuid,
    /// Now.
    pub(super) created: Time,
    /// Name of the namespace on the wire.
    pub(super) network_namespace: &'a str,
    /// Name of the namespace here.
    pub(super) namespace: &'a str,
}

/// A sealed message and its data.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// The record, in state `ready`.
    pub(crate) message: Message,
    /// Its data, in order.
    pub(crate) data: Vec<Entry>,
    /// Bytes that message and data take in a batch.
    pub(crate) size: usize,
    /// How it is sent, as far as is known: of the batch that was assembled last.
    pub(crate) sent: Mutex<Option<Sent>>,
}

/// How a message was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The batch that carries it.
    pub(crate) batch: Uuid,
    /// The transaction of the batch.
    pub(crate) tx: Uuid,
    /// Its pins.
    pub(crate) pins: Vec<String>,
}

impl Outgoing {
    /// Completes the header and hashes it.
    pub(super) fn seal(self, place: &Place<'_>) -> Result<Sealed, Error> {
        let refs = self.data.iter().filter_map(|entry| Some(DataRef { id: entry.data.id, hash: entry.data.hash? }));
        let mut message = Message {
            data: refs.collect(),
            header: Header {
                id: place.id,
                cid: self.cid,
                kind: self.kind,
                tx_type: self.tx_type,
                author: self.signer.author,
                key: self.signer.key,
                created: Some(place.created),
                namespace: place.network_namespace.to_owned(),
                group: self.group,
                topics: self.topics,
                tag: self.tag,
                data_hash: None,
                tx_parent: None,
            },
            local_namespace: place.namespace.to_owned(),
            hash: None,
            batch: None,
            tx_id: None,
            state: Some(State::Ready),
            confirmed: None,
            reject_reason: String::new(),
            pins: Vec::new(),
            idempotency_key: self.idempotency_key,
        };
        message.seal()?;
        Sealed::new(message, self.data)
    }
}

impl Sealed {
    /// Joins a sealed message with its data.
    pub(crate) fn new(message: Message, data: Vec<Entry>) -> Result<Self, Error> {
        let mut size = json::to_bytes(&message.in_batch())?.len() + 1;
        let kind = if message.header.group.is_some() { batch::Type::Private } else { batch::Type::Broadcast };
        if kind == batch::Type::Private && message.header.tx_type != TxType::Unpinned {
            size += PINS_MEMBER + message.header.topics.len() * PIN;
        }
        for entry in &data {
            size += json::to_bytes(&entry.data.in_batch(&kind))?.len() + 1;
            if kind == batch::Type::Broadcast && entry.data.blob.as_ref().is_some_and(|blob| blob.public.is_empty()) {
                size += PUBLIC_MEMBER;
            }
        }
        Ok(Self { message, data, size, sent: Mutex::default() })
    }

    /// The record of the message as it is once it is confirmed; `None` when another transaction confirmed it than this node's.
    pub(crate) fn confirmed(&self, tx: Option<Uuid>, at: Time) -> Option<Message> {
        let sent = self.sent.lock().clone().filter(|sent| Some(sent.tx) == tx)?;
        Some(Message {
            state: Some(State::Confirmed),
            batch: Some(sent.batch),
            tx_id: tx,
            confirmed: Some(at),
            pins: sent.pins.clone(),
            ..self.message.clone()
        })
    }

    /// Inserts the data that the store does not hold.
    pub(crate) fn new_data(&self) -> impl Iterator<Item = Change> {
        let new = self.data.iter().filter(|entry| !entry.stored);
        new.map(|entry| Change::InsertData(entry.data.clone()))
    }

    /// Inserts the message with its new data.
    pub(crate) fn insert(&self) -> impl Iterator<Item = Change> {
        self.new_data().chain(std::iter::once_with(|| Change::InsertMessage(self.message.clone())))
    }
}

/// Bytes of the list of pins that a message gets with its batch, and of each pin in it: hash, colon, nonce of up to 20 digits.
const PINS_MEMBER: usize = 10;
const PIN: usize = 88;
/// Bytes of a blob's reference in shared storage that is not known yet.
const PUBLIC_MEMBER: usize = 128;

impl batching::Entry for Sealed {
    fn key(&self) -> &str {
        &self.message.header.key
    }

    fn tx_type(&self) -> &transaction::Type {
        &self.message.header.tx_type
    }

    fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use photinus_model::{JsonText, data::Validator, message};

    use super::*;

    fn outgoing(topics: &[&str], tag: &str, values: &[&str]) -> Outgoing {
        let entry = |(at, value): (usize, &&str)| {
            let mut data = Data {
                id: Uuid::from_u128(100 + at as u128),
                validator: Validator::Unset,
                namespace: "local".into(),
                hash: None,
                created: Some(Time::from_unix_nanos(1)),
                datatype: None,
                value: Some(JsonText::parse(value).unwrap()),
                public: String::new(),
                blob: None,
            };
            data.seal().unwrap();
            Entry { data, stored: false }
        };
        Outgoing {
            kind: Type::Broadcast,
            group: None,
            tx_type: TxType::BatchPin,
            cid: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            tag: tag.into(),
            signer: Signer {
                author: "did:firefly:org/org_a".into(),
                key: "0x1111111111111111111111111111111111111111".into(),
            },
            data: values.iter().enumerate().map(entry).collect(),
            idempotency_key: Some("k".into()),
        }
    }

    fn place() -> Place<'static> {
        Place {
            id: Uuid::parse_str("55555555-5555-4555-8555-555555555555").unwrap(),
            created: Time::from_unix_nanos(1_700_000_000_500_000_000),
            network_namespace: "net1",
            namespace: "local",
        }
    }

    #[test]
    fn the_header_is_the_one_that_every_member_hashes() {
        let sealed = outgoing(&[], "", &[]).seal(&place()).unwrap();
        assert_eq!(
            sealed.message.hash.unwrap().to_string(),
            "376c71c681f04adad5729adf40d56052b9a9eb9cc3566cb825ab33f2dcdde41c"
        );
        assert_eq!(sealed.message.header.topics, [message::DEFAULT_TOPIC]);
        assert_eq!((sealed.message.state, sealed.message.local_namespace.as_str()), (Some(State::Ready), "local"));
    }

    #[test]
    fn fields_are_checked() {
        for (topics, tag, code) in [
            (&["bad topic"][..], "", "FF00140"),
            (&["a", "a"], "", "FF00133"),
            (&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"], "", "FF00134"),
            (&["a"], "bad tag!", "FF00140"),
        ] {
            assert_eq!(outgoing(topics, tag, &[]).seal(&place()).unwrap_err().code(), code, "{topics:?} {tag}");
        }
    }

    #[test]
    fn the_size_is_what_the_batch_grows_by() {
        let batch = |messages: Vec<Sealed>| {
            let draft = batch::Draft {
                id: Uuid::from_u128(1),
                kind: batch::Type::Broadcast,
                namespace: "net1".into(),
                node: None,
                group: None,
                created: Time::from_unix_nanos(1),
                author: "a".into(),
                key: "k".into(),
                tx: transaction::Ref { kind: TxType::BatchPin, id: Some(Uuid::from_u128(2)) },
                data: messages.iter().flat_map(|sealed| sealed.data.iter().map(|entry| entry.data.clone())).collect(),
                messages: messages.into_iter().map(|sealed| sealed.message).collect(),
            };
            draft.seal().batch.to_text().len()
        };
        let one = || outgoing(&["t"], "", &["1"]).seal(&place()).unwrap();
        let two = outgoing(&["t"], "x", &[r#"{"a":"<é>"}"#, "2"]).seal(&place()).unwrap();
        let (size, data_hash) = (two.size, two.message.header.data_hash);
        assert_eq!(batch(vec![one(), two]) - batch(vec![one()]), size);
        assert_ne!(data_hash, Some(Hash::of("[]")));
    }
}
