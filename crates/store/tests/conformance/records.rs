//! Records to write, each recognisable by a number, with every optional part in use.

use photinus_model::{
    Hash, JsonText, Time, Uuid, batch,
    blob::Blob,
    blockchain_event::{BlockchainEvent, TxRef},
    data::{BlobRef, Data, DatatypeRef, Validator},
    datatype::Datatype,
    event::{self, Event},
    group::{Group, Member},
    identity::{self, Identity},
    message::{self, DataRef, Header, Message, State, TxParent},
    nextpin::NextPin,
    operation::{self, Operation},
    pin::Pin,
    subscription::{Filter, Options, Subscription},
    transaction::{self, Transaction},
    verifier::{self, Verifier},
};

use crate::backends::NS;

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn hash(number: u128) -> Hash {
    Hash::of(number.to_string())
}

pub(crate) fn time(number: i64) -> Time {
    Time::from_unix_nanos(1_700_000_000_000_000_000 + number)
}

pub(crate) fn json(text: &str) -> JsonText {
    JsonText::parse(text).unwrap()
}

pub(crate) fn message(number: u128) -> Message {
    Message {
        header: Header {
            id: id(number),
            cid: Some(id(1)),
            kind: message::Type::Broadcast,
            tx_type: transaction::Type::BatchPin,
            author: "did:firefly:org/one".to_owned(),
            key: "0x01".to_owned(),
            created: Some(time(1)),
            namespace: "network".to_owned(),
            group: Some(hash(2)),
            topics: vec!["a".to_owned(), "b".to_owned()],
            tag: "bill".to_owned(),
            data_hash: Some(hash(3)),
            tx_parent: Some(TxParent { kind: transaction::Type::TokenTransfer, id: None }),
        },
        local_namespace: NS.to_owned(),
        hash: Some(hash(number)),
        batch: None,
        tx_id: None,
        state: Some(State::Ready),
        confirmed: None,
        reject_reason: String::new(),
        data: vec![DataRef { id: id(1000), hash: hash(1000) }, DataRef { id: id(1001), hash: hash(1001) }],
        pins: vec![format!("{}:0000000000000001", hash(4))],
        idempotency_key: None,
    }
}

pub(crate) fn data(number: u128) -> Data {
    Data {
        id: id(number),
        validator: Validator::Json,
        namespace: NS.to_owned(),
        hash: Some(hash(number)),
        created: Some(time(2)),
        datatype: Some(DatatypeRef { name: "bill".to_owned(), version: "1".to_owned() }),
        value: Some(json(r#"{"b":1.0,"a":"\u0000"}"#)),
        public: String::new(),
        blob: Some(BlobRef {
            hash: Some(hash(5)),
            size: 7,
            name: "x/y.pdf".to_owned(),
            path: "x".to_owned(),
            public: String::new(),
        }),
    }
}

pub(crate) fn blob(number: u128) -> Blob {
    Blob {
        namespace: NS.to_owned(),
        hash: hash(5),
        payload_ref: format!("ref/{number}"),
        created: time(3),
        peer: "peer".to_owned(),
        size: 7,
        data_id: Some(id(number)),
    }
}

pub(crate) fn batch(number: u128) -> batch::Record {
    batch::Record {
        id: id(number),
        kind: batch::Type::Broadcast,
        namespace: NS.to_owned(),
        node: Some(id(6)),
        group: Some(hash(6)),
        created: Some(time(4)),
        author: "did:firefly:org/one".to_owned(),
        key: "0x01".to_owned(),
        hash: Some(hash(number)),
        manifest: Some(json(r#"{"version":1}"#)),
        tx: transaction::Ref { kind: transaction::Type::BatchPin, id: Some(id(number + 1)) },
        confirmed: None,
    }
}

pub(crate) fn transaction(number: u128) -> Transaction {
    Transaction {
        id: id(number),
        namespace: NS.to_owned(),
        kind: transaction::Type::BatchPin,
        created: time(5),
        idempotency_key: None,
        blockchain_ids: vec!["0xaa".to_owned()],
    }
}

pub(crate) fn operation(number: u128) -> Operation {
    Operation {
        id: id(number),
        namespace: NS.to_owned(),
        tx: Some(id(7)),
        kind: operation::Type::BlockchainPinBatch,
        status: operation::Status::Initialized,
        plugin: "ethereum".to_owned(),
        input: Some(json(r#"{"batch":"x"}"#)),
        output: None,
        error: String::new(),
        created: time(6),
        updated: time(6),
        retry: None,
    }
}

pub(crate) fn blockchain_event(number: u128) -> BlockchainEvent {
    BlockchainEvent {
        id: id(number),
        source: "ethereum".to_owned(),
        namespace: NS.to_owned(),
        name: "BatchPin".to_owned(),
        listener: None,
        protocol_id: format!("{number:012}/000000/000000"),
        output: Some(json(r#"{"a":"1"}"#)),
        info: Some(json("{}")),
        timestamp: time(7),
        tx: TxRef { kind: transaction::Type::BatchPin, id: Some(id(7)), blockchain_id: "0xaa".to_owned() },
    }
}

pub(crate) fn event(number: u128) -> Event {
    Event {
        id: id(number),
        sequence: 0,
        kind: event::Type::MessageConfirmed,
        namespace: NS.to_owned(),
        reference: Some(id(8)),
        correlator: Some(id(9)),
        tx: Some(id(7)),
        topic: "a".to_owned(),
        created: time(8),
    }
}

pub(crate) fn pin(batch: u128, index: i64) -> Pin {
    Pin {
        sequence: 0,
        namespace: NS.to_owned(),
        masked: true,
        hash: hash(u128::from(index.unsigned_abs())),
        batch: id(batch),
        batch_hash: hash(batch),
        index,
        dispatched: false,
        signer: "0x01".to_owned(),
        created: time(9),
    }
}

pub(crate) fn nextpin(identity: &str) -> NextPin {
    NextPin {
        namespace: NS.to_owned(),
        context: hash(10),
        identity: identity.to_owned(),
        hash: hash(11),
        nonce: u64::MAX,
    }
}

pub(crate) fn identity(number: u128) -> Identity {
    Identity {
        id: id(number),
        did: format!("did:firefly:org/{number}"),
        kind: identity::Type::Org,
        parent: Some(id(12)),
        namespace: NS.to_owned(),
        name: format!("{number}"),
        description: "a carrier".to_owned(),
        profile: Some(json(r#"{"a":1}"#)),
        messages: identity::Messages { claim: Some(id(13)), verification: Some(id(14)), update: Some(id(15)) },
        created: Some(time(10)),
        updated: Some(time(11)),
    }
}

pub(crate) fn verifier(value: &str) -> Verifier {
    Verifier {
        hash: Some(verifier::hash(NS, verifier::Type::EthereumAddress, value)),
        identity: Some(id(16)),
        namespace: NS.to_owned(),
        kind: verifier::Type::EthereumAddress,
        value: value.to_owned(),
        created: Some(time(12)),
    }
}

pub(crate) fn datatype(number: u128) -> Datatype {
    Datatype {
        id: Some(id(number)),
        message: Some(id(17)),
        validator: Validator::Json,
        namespace: NS.to_owned(),
        name: format!("type{number}"),
        version: "1".to_owned(),
        hash: Some(hash(number)),
        created: Some(time(13)),
        value: Some(json(r#"{"type":"object"}"#)),
    }
}

pub(crate) fn group(number: u128) -> Group {
    let member = |identity: &str| Member { identity: identity.to_owned(), node: Some(id(18)) };
    Group {
        namespace: "network".to_owned(),
        name: "partners".to_owned(),
        members: vec![member("did:firefly:org/b"), member("did:firefly:org/a")],
        local_namespace: NS.to_owned(),
        message: Some(id(19)),
        hash: Some(hash(number)),
        created: Some(time(14)),
    }
}

pub(crate) fn subscription(name: &str, number: u128) -> Subscription {
    Subscription {
        id: id(number),
        namespace: NS.to_owned(),
        name: name.to_owned(),
        transport: "websockets".to_owned(),
        filter: Filter { events: "^message_confirmed$".to_owned(), ..Filter::default() },
        options: Options { first_event: Some("7".to_owned()), ..Options::default() },
        ephemeral: false,
        created: time(15),
        updated: None,
    }
}
