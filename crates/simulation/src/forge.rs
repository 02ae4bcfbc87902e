//! What a hostile party makes: messages in any name, and batches that hash as they should.

use bytes::Bytes;
use photinus_model::{
    Hash, JsonText, Time, Uuid,
    batch::{self, Batch},
    data::{Data, DatatypeRef, Validator},
    message::{DataRef, Header, Message, TxType, Type},
    pin, transaction,
};
use photinus_ports::blockchain::PinEvent;
use serde_json::Value;

use crate::{random::Random, world::NAMESPACE};

/// Who a message says that it is from.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) author: String,
    pub(crate) key: String,
}

/// A message with its data.
pub(crate) struct Letter {
    pub(crate) message: Message,
    pub(crate) data: Vec<Data>,
}

pub(crate) fn uuid(random: &mut Random) -> Uuid {
    let bits = (u128::from(random.next()) << 64) | u128::from(random.next());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

fn time() -> Time {
    Time::from_unix_nanos(1_780_000_000_000_000_000)
}

pub(crate) fn data(random: &mut Random, value: &Value, datatype: Option<&str>) -> Data {
    let named = |name: &str| DatatypeRef { name: name.into(), version: "1".into() };
    let mut data = Data {
        id: uuid(random),
        validator: if datatype.is_some() { Validator::Json } else { Validator::Unset },
        namespace: String::new(),
        hash: None,
        created: Some(time()),
        datatype: datatype.map(named),
        value: JsonText::parse(&value.to_string()).ok(),
        public: String::new(),
        blob: None,
    };
    data.seal().expect("the data has a hash");
    data
}

/// A sealed message.
pub(crate) fn letter(id: Uuid, from: &Speaker, kind: Type, tag: &str, topics: &[&str], data: Vec<Data>) -> Letter {
    let header = Header {
        id,
        cid: None,
        kind,
        tx_type: TxType::BatchPin,
        author: from.author.clone(),
        key: from.key.clone(),
        created: Some(time()),
        namespace: NAMESPACE.into(),
        group: None,
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        tag: tag.into(),
        data_hash: None,
        tx_parent: None,
    };
    let refs = data.iter().map(|data| DataRef { id: data.id, hash: data.hash.unwrap_or_else(|| Hash::of("")) });
    let mut message = Message {
        header,
        local_namespace: String::new(),
        hash: None,
        batch: None,
        tx_id: None,
        state: None,
        confirmed: None,
        reject_reason: String::new(),
        data: refs.collect(),
        pins: Vec::new(),
        idempotency_key: None,
    };
    message.seal().expect("the message has a hash");
    Letter { message, data }
}

/// The same letter, to a group.
pub(crate) fn addressed(mut letter: Letter, group: Hash) -> Letter {
    letter.message.header.group = Some(group);
    letter.message.seal().expect("the message has a hash");
    letter
}

/// A batch whose hash is right.
pub(crate) fn batch(random: &mut Random, from: &Speaker, letters: &[Letter]) -> Batch {
    let group = letters.iter().find_map(|letter| letter.message.header.group);
    let draft = batch::Draft {
        id: uuid(random),
        kind: if group.is_some() { batch::Type::Private } else { batch::Type::Broadcast },
        namespace: NAMESPACE.into(),
        node: None,
        group,
        created: time(),
        author: from.author.clone(),
        key: from.key.clone(),
        tx: transaction::Ref { kind: TxType::BatchPin, id: Some(uuid(random)) },
        messages: letters.iter().map(|letter| letter.message.clone()).collect(),
        data: letters.iter().flat_map(|letter| letter.data.clone()).collect(),
    };
    draft.seal().batch
}

/// The log that an honest node would leave for a batch.
pub(crate) fn log(batch: &Batch, signer: &str, payload_ref: &str) -> PinEvent {
    let tx = batch.payload.tx.id.unwrap_or_default();
    let mut uuids = [0; 32];
    uuids[..16].copy_from_slice(tx.as_bytes());
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

/// The text of a batch as an odd implementation writes it, and Go reads it all the same.
pub(crate) fn odd(batch: &Batch) -> Bytes {
    let text = batch.to_text();
    Bytes::from(text.replacen("\"payload\":", "\"unknown\":[1,{\"id\":null}],\"PAYLOAD\":", 1))
}
