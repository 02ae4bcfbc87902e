//! What a peer with a valid certificate may write that lies about everything else.

use photinus_model::{
    Hash, JsonText, Time, Uuid,
    batch::{self, Batch},
    data::{Data, Validator},
    message::{DataRef, Header, Message, TxType, Type},
    pin, transaction, wire,
};
use photinus_ports::{
    blockchain::PinEvent,
    exchange::{Refusal, Route},
    ids::{Ids, Random},
};
use photinus_testkit::network::{Member, NAMESPACE, Network, key, peer};

/// What the liar writes; the truth unless changed.
pub(crate) struct Forgery {
    pub(crate) author: usize,
    pub(crate) node: usize,
    pub(crate) group: Hash,
    pub(crate) tx_type: TxType,
    pub(crate) kind: Type,
    pub(crate) id: Uuid,
    pub(crate) batch: Uuid,
    pub(crate) nonce: u64,
}

impl Forgery {
    pub(crate) fn new(author: usize, group: Hash) -> Self {
        Self {
            author,
            node: author,
            group,
            tx_type: TxType::BatchPin,
            kind: Type::Private,
            id: Random.next(),
            batch: Random.next(),
            nonce: 0,
        }
    }

    pub(crate) async fn batch(&self, member: &Member, value: &str) -> Batch {
        let node = node(member, self.node).await;
        let author = format!("did:firefly:org/org_{}", self.author);
        let mut data = Data {
            id: Random.next(),
            validator: Validator::Json,
            namespace: String::new(),
            hash: None,
            created: Some(Time::from_unix_nanos(1)),
            datatype: None,
            value: Some(JsonText::parse(&format!("{value:?}")).unwrap()),
            public: String::new(),
            blob: None,
        };
        data.seal().unwrap();
        let mut message = Message {
            header: Header {
                id: self.id,
                cid: None,
                kind: self.kind.clone(),
                tx_type: self.tx_type.clone(),
                author: author.clone(),
                key: key(self.author),
                created: Some(Time::from_unix_nanos(1)),
                namespace: NAMESPACE.into(),
                group: Some(self.group),
                topics: vec!["t".into()],
                tag: String::new(),
                data_hash: None,
                tx_parent: None,
            },
            local_namespace: String::new(),
            hash: None,
            batch: None,
            tx_id: None,
            state: None,
            confirmed: None,
            reject_reason: String::new(),
            data: vec![DataRef { id: data.id, hash: data.hash.unwrap() }],
            pins: Vec::new(),
            idempotency_key: None,
        };
        message.seal().unwrap();
        if self.tx_type == TxType::BatchPin {
            message.pins = vec![pin::text(pin::private_pin("t", self.group, &author, self.nonce), self.nonce)];
        }
        let draft = batch::Draft {
            id: self.batch,
            kind: batch::Type::Private,
            namespace: NAMESPACE.into(),
            node: Some(node),
            group: Some(self.group),
            created: Time::from_unix_nanos(1),
            author,
            key: key(self.author),
            tx: transaction::Ref { kind: self.tx_type.clone(), id: Some(Random.next()) },
            messages: vec![message],
            data: vec![data],
        };
        draft.seal().batch
    }
}

pub(crate) async fn node(member: &Member, index: usize) -> Uuid {
    let did = format!("did:firefly:node/node_{index}");
    member.store.read(NAMESPACE).identity_by_did(&did).await.unwrap().unwrap().id
}

pub(crate) fn route(from: usize, to: usize) -> Route {
    Route { from: peer(from), to: peer(to) }
}

pub(crate) async fn inject(network: &Network, from: usize, to: usize, batch: &Batch) -> Result<String, Refusal> {
    network.fabric.inject(route(from, to), wire::wrap(None, batch)).await
}

/// The log that pins a private batch.
pub(crate) fn log(batch: &Batch) -> PinEvent {
    let mut uuids = [0; 32];
    uuids[..16].copy_from_slice(batch.payload.tx.id.unwrap().as_bytes());
    uuids[16..].copy_from_slice(batch.id.as_bytes());
    PinEvent {
        signer: batch.key.clone(),
        action: pin::onchain::ACTION_BATCH_PIN.into(),
        uuids,
        batch_hash: *batch.hash.as_bytes(),
        payload_ref: String::new(),
        contexts: pin::private_contexts(&batch.payload.messages).unwrap(),
    }
}
