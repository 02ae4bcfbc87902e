//! The conditions under which the content of a batch is believed.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::batch::{Batch, Data, DataRef, Header, Message, TxRef};
use crate::{
    Hash, JsonText, Time,
    batch::{self, Manifest, MessageEntry},
    data, json, message,
    text::without_nul as clean,
    transaction,
};

/// Why a batch is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// For another network or namespace.
    #[error("the batch is for namespace \"{0}\"")]
    Namespace(String),
    /// Without id, transaction id or hash.
    #[error("the batch has no {0}")]
    Missing(&'static str),
    /// A transaction type that batches cannot have.
    #[error("a batch cannot have the transaction type \"{0}\"")]
    TxType(String),
    /// No messages.
    #[error("the batch has no messages")]
    Empty,
    /// A hash that is not the one asked for.
    #[error("the batch has the hash {found}, not {expected}")]
    OtherHash {
        /// The hash asked for.
        expected: Hash,
        /// The hash that the batch claims.
        found: Hash,
    },
    /// A hash that the content does not have.
    #[error("the content has the hash {0}, not the claimed one")]
    WrongHash(Hash),
    /// `null` or no id in place of a message.
    #[error("message {0} is missing or has no id")]
    NoMessage(usize),
    /// Two messages of one id.
    #[error("message {0} repeats an id")]
    DuplicateMessage(usize),
    /// A message of another author or key than the batch.
    #[error("message {0} has another author or key than the batch")]
    Signer(usize),
    /// A message that is not well formed.
    #[error("message {index}: {error}")]
    Message {
        /// Its position.
        index: usize,
        /// The broken rule.
        error: message::Error,
    },
    /// `null`, no id or no hash in place of a data element.
    #[error("data element {0} is missing or has no id or hash")]
    NoData(usize),
    /// A data element whose hash is not that of its content.
    #[error("data element {0} does not have its hash")]
    DataHash(usize),
    /// Two data elements of one id with different hashes.
    #[error("data element {0} repeats an id with another hash")]
    DuplicateData(usize),
    /// A message refers to data that the batch does not carry.
    #[error("message {0} refers to data that is not in the batch")]
    DataMissing(usize),
    /// The batch carries data that no message refers to.
    #[error("the batch carries data that no message refers to")]
    DataUnused,
}

/// A batch whose content is what its hash says.
///
/// Texts of the batch that contain NUL, which databases cannot hold, have U+FFFD in its place, and times beyond 64 bits
/// of nanoseconds have wrapped; the hashes are those of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The batch, its messages as they are kept: state pending, with batch and transaction, without local namespace.
    pub batch: batch::Batch,
    /// What its hash covers.
    pub manifest: Manifest,
    /// The manifest's text.
    pub manifest_text: JsonText,
}

/// Checks a batch against the hash that the ledger (or, without a pin, the batch itself) gives, and the network's name
/// of the namespace.
///
/// # Errors
/// The first condition that does not hold. Content that fails proves nothing about its pin: another source may have the
/// right content.
pub fn accept(batch: Batch, expected: Option<Hash>, namespace: &str) -> Result<Accepted, Refused> {
    if batch.namespace != namespace {
        return Err(Refused::Namespace(batch.namespace));
    }
    let id = batch.id.ok_or(Refused::Missing("id"))?;
    let tx = batch.payload.tx.id.ok_or(Refused::Missing("transaction id"))?;
    let hash = batch.hash.ok_or(Refused::Missing("hash"))?;
    if let Some(expected) = expected.filter(|expected| *expected != hash) {
        return Err(Refused::OtherHash { expected, found: hash });
    }
    if batch.payload.messages.as_ref().is_none_or(Vec::is_empty) {
        return Err(Refused::Empty);
    }
    let tx_type = transaction::Type::from(batch.payload.tx.kind.0.as_str());
    if !tx_type.is_for_messages() {
        return Err(Refused::TxType(tx_type.to_string()));
    }
    let tx = transaction::Ref { kind: tx_type, id: Some(tx) };
    let manifest = manifest(id, &tx, &batch)?;
    let manifest_text = manifest.text();
    let computed = manifest_text.hash();
    if computed != hash && Hash::of(json::own(&batch.payload)) != hash {
        return Err(Refused::WrongHash(computed));
    }
    let data = check_data(&batch)?;
    let messages = check_messages(&batch, &tx, id)?;
    let mut used = HashSet::new();
    for (index, message) in messages.iter().enumerate() {
        for reference in &message.data {
            if data.get(&reference.id) != Some(&reference.hash) {
                return Err(Refused::DataMissing(index));
            }
            used.insert(reference.id);
        }
    }
    if used.len() != data.len() {
        return Err(Refused::DataUnused);
    }
    let data = batch.payload.data.unwrap_or_default().into_iter().flatten().filter_map(|data| keep_data(*data));
    Ok(Accepted {
        batch: batch::Batch {
            id,
            kind: batch::Type::from(clean(batch.kind.0).as_str()),
            namespace: batch.namespace,
            node: batch.node,
            group: batch.group,
            created: batch.created.map(Time::from),
            author: clean(batch.author),
            key: clean(batch.key),
            hash,
            payload: batch::Payload { tx, messages, data: data.collect() },
        },
        manifest,
        manifest_text,
    })
}

/// The manifest of the batch as it stands; an element that has no place in one refuses the batch.
fn manifest(id: Uuid, tx: &transaction::Ref, batch: &Batch) -> Result<Manifest, Refused> {
    let mut messages = Vec::new();
    for (index, message) in batch.payload.messages.iter().flatten().enumerate() {
        let message = message.as_ref().ok_or(Refused::NoMessage(index))?;
        let id = message.header.id.ok_or(Refused::NoMessage(index))?;
        let hash = message.hash.ok_or(Refused::Message { index, error: message::Error::NoHash })?;
        messages.push(MessageEntry { id, hash, topics: message.header.topics.len() });
    }
    let mut data = Vec::new();
    for (index, element) in batch.payload.data.iter().flatten().enumerate() {
        let element = element.as_ref().ok_or(Refused::NoData(index))?;
        let (Some(id), Some(hash)) = (element.id, element.hash) else { return Err(Refused::NoData(index)) };
        data.push(message::DataRef { id, hash });
    }
    Ok(Manifest { version: 1, id, tx: tx.clone(), messages, data })
}

/// The data of the batch by id, each with the hash of its content.
fn check_data(batch: &Batch) -> Result<HashMap<Uuid, Hash>, Refused> {
    let mut known = HashMap::new();
    for (index, element) in batch.payload.data.iter().flatten().flatten().enumerate() {
        let (Some(id), Some(hash)) = (element.id, element.hash) else { return Err(Refused::NoData(index)) };
        let blob = element.blob.as_ref().and_then(|blob| blob.hash);
        if data::hash(element.value.0.as_ref(), blob) != Ok(hash) {
            return Err(Refused::DataHash(index));
        }
        if known.insert(id, hash).is_some_and(|earlier| earlier != hash) {
            return Err(Refused::DuplicateData(index));
        }
    }
    Ok(known)
}

/// The messages of the batch, each checked by itself.
fn check_messages(batch: &Batch, tx: &transaction::Ref, id: Uuid) -> Result<Vec<message::Message>, Refused> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for (index, message) in batch.payload.messages.iter().flatten().flatten().enumerate() {
        if message.header.author != batch.author || message.header.key != batch.key {
            return Err(Refused::Signer(index));
        }
        let checked = check_message(message).map_err(|error| Refused::Message { index, error })?;
        if !seen.insert(checked.header.id) {
            return Err(Refused::DuplicateMessage(index));
        }
        kept.push(message::Message { batch: Some(id), tx_id: tx.id, ..checked });
    }
    Ok(kept)
}

/// Checks fields and both hashes of a message.
fn check_message(message: &Message) -> Result<message::Message, message::Error> {
    let header = &message.header;
    let tx_type = message::TxType::from(header.tx_type.0.as_str());
    message::check_fields(&tx_type, &header.topics, &header.tag)?;
    let refs = message.data.iter().flatten().map(|data| data.as_ref().map_or((None, None), DataRef::parts));
    let refs = message::check_refs(refs)?;
    let (Some(hash), Some(data_hash)) = (message.hash, header.data_hash) else { return Err(message::Error::NoHash) };
    // An absent list hashes as `null`, which differs from the empty list.
    if hash != Hash::of(json::own(header)) || data_hash != Hash::of(json::own(&message.data)) {
        return Err(message::Error::WrongHash);
    }
    let header = keep_header(header, tx_type, data_hash).ok_or(message::Error::NoHash)?;
    Ok(message::Message {
        header,
        local_namespace: String::new(),
        hash: Some(hash),
        batch: None,
        tx_id: None,
        state: Some(message::State::Pending),
        confirmed: None,
        reject_reason: String::new(),
        data: refs,
        pins: message.pins.iter().cloned().map(clean).collect(),
        idempotency_key: None,
    })
}

fn keep_header(header: &Header, tx_type: message::TxType, data_hash: Hash) -> Option<message::Header> {
    Some(message::Header {
        id: header.id?,
        cid: header.cid,
        kind: message::Type::from(clean(header.kind.0.clone()).as_str()),
        tx_type,
        author: clean(header.author.clone()),
        key: clean(header.key.clone()),
        created: header.created.map(Time::from),
        namespace: clean(header.namespace.clone()),
        group: header.group,
        topics: header.topics.clone(),
        tag: header.tag.clone(),
        data_hash: Some(data_hash),
        tx_parent: header.tx_parent.clone().map(TxRef::keep),
    })
}

fn keep_data(element: Data) -> Option<data::Data> {
    Some(data::Data {
        id: element.id?,
        validator: data::Validator::from(clean(element.validator.0).as_str()),
        namespace: String::new(),
        hash: element.hash,
        created: element.created.map(Time::from),
        datatype: element
            .datatype
            .map(|datatype| data::DatatypeRef { name: clean(datatype.name), version: clean(datatype.version) }),
        value: element.value.0,
        public: clean(element.public),
        blob: element.blob.map(|blob| data::BlobRef {
            hash: blob.hash,
            size: blob.size,
            name: clean(blob.name),
            path: clean(blob.path),
            public: clean(blob.public),
        }),
    })
}

impl DataRef {
    const fn parts(&self) -> (Option<Uuid>, Option<Hash>) {
        (self.id, self.hash)
    }
}

impl TxRef {
    fn keep(self) -> message::TxParent {
        message::TxParent { kind: transaction::Type::from(clean(self.kind.0).as_str()), id: self.id }
    }
}
