//! The field rules and hashes of messages.

use std::collections::HashSet;

use uuid::Uuid;

use super::{DataRef, Header, Message, TxType};
use crate::{Hash, json, name};

/// The topic of a message that names none.
pub const DEFAULT_TOPIC: &str = "default";
/// The most topics of one message.
pub const MAX_TOPICS: usize = 10;
/// The most bytes of all topics of one message together.
const MAX_TOPIC_BYTES: usize = 1024;
/// What a message is estimated to take in a batch beside its data, in bytes.
const BASE_SIZE: u64 = 1024;

/// Why a message is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A transaction type that messages cannot have (`FF00130`).
    #[error("a message cannot have the transaction type \"{0}\"")]
    TxType(String),
    /// A topic or tag that is not a name (`FF00140`).
    #[error(transparent)]
    Name(#[from] name::Error),
    /// A topic given twice (`FF00133`).
    #[error("duplicate header.topics at index {index}: \"{topic}\"")]
    DuplicateTopic {
        /// Where the second stands.
        index: usize,
        /// The topic.
        topic: String,
    },
    /// Too many topics (`FF00134`).
    #[error("a message has at most {MAX_TOPICS} topics, not {0}")]
    TooManyTopics(usize),
    /// Topics too long together (`FF00135`).
    #[error("the topics of a message have at most {MAX_TOPIC_BYTES} bytes")]
    TopicsTooLong,
    /// A data reference without id or hash (`FF00128`).
    #[error("data reference {0} has no id or no hash")]
    NilData(usize),
    /// A data element referred to twice (`FF00129`).
    #[error("data reference {0} repeats an earlier one")]
    DuplicateData(usize),
    /// A received message without its hashes (`FF00131`).
    #[error("the message has no hash or no data hash")]
    NoHash,
    /// A received message whose hashes are not those of its content (`FF00132`).
    #[error("the hashes are not those of the content")]
    WrongHash,
}

impl Error {
    /// The code of the REST interface.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TxType(_) => "FF00130",
            Self::Name(error) => error.code(),
            Self::DuplicateTopic { .. } => "FF00133",
            Self::TooManyTopics(_) => "FF00134",
            Self::TopicsTooLong => "FF00135",
            Self::NilData(_) => "FF00128",
            Self::DuplicateData(_) => "FF00129",
            Self::NoHash => "FF00131",
            Self::WrongHash => "FF00132",
        }
    }
}

/// Checks transaction type, topics and tag, in the order of the reference.
///
/// # Errors
/// The first rule that is broken.
pub fn check_fields(tx_type: &TxType, topics: &[String], tag: &str) -> Result<(), Error> {
    if !tx_type.is_for_messages() {
        return Err(Error::TxType(tx_type.to_string()));
    }
    let mut seen = HashSet::with_capacity(topics.len());
    for (index, topic) in topics.iter().enumerate() {
        if !seen.insert(topic) {
            return Err(Error::DuplicateTopic { index, topic: topic.clone() });
        }
        if !name::is_valid(topic) {
            return Err(name::Error::Form { field: format!("header.topics[{index}]") }.into());
        }
    }
    if topics.len() > MAX_TOPICS {
        return Err(Error::TooManyTopics(topics.len()));
    }
    if topics.iter().map(String::len).sum::<usize>() > MAX_TOPIC_BYTES {
        return Err(Error::TopicsTooLong);
    }
    if !tag.is_empty() {
        name::check(tag, "header.tag")?;
    }
    Ok(())
}

/// Checks that data references are complete and name each element once.
///
/// # Errors
/// [`Error::NilData`] or [`Error::DuplicateData`].
pub fn check_refs(refs: impl IntoIterator<Item = (Option<Uuid>, Option<Hash>)>) -> Result<Vec<DataRef>, Error> {
    let mut seen = HashSet::new();
    let mut checked = Vec::new();
    for (index, data) in refs.into_iter().enumerate() {
        let (Some(id), Some(hash)) = data else { return Err(Error::NilData(index)) };
        if !seen.insert(id) {
            return Err(Error::DuplicateData(index));
        }
        checked.push(DataRef { id, hash });
    }
    Ok(checked)
}

/// The digest of data references, in the order of the message.
#[must_use]
pub fn data_hash(refs: &[DataRef]) -> Hash {
    Hash::of(json::own(refs))
}

impl Header {
    /// The digest of the header, which is the hash of the message.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(json::own(self))
    }
}

impl Message {
    /// Fills the defaults, checks the fields and sets both hashes. Id and time of creation are the caller's.
    ///
    /// # Errors
    /// The first rule that is broken; the message may be partly filled then.
    pub fn seal(&mut self) -> Result<(), Error> {
        if self.header.topics.is_empty() {
            self.header.topics.push(DEFAULT_TOPIC.to_owned());
        }
        if self.header.tx_type.is_unset() {
            self.header.tx_type = TxType::BatchPin;
        }
        self.confirmed = None;
        check_fields(&self.header.tx_type, &self.header.topics, &self.header.tag)?;
        check_refs(self.data.iter().map(|data| (Some(data.id), Some(data.hash))))?;
        self.header.data_hash = Some(data_hash(&self.data));
        self.hash = Some(self.header.hash());
        Ok(())
    }

    /// Checks fields and hashes of a sealed message.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify(&self) -> Result<(), Error> {
        check_fields(&self.header.tx_type, &self.header.topics, &self.header.tag)?;
        check_refs(self.data.iter().map(|data| (Some(data.id), Some(data.hash))))?;
        let (Some(hash), Some(data)) = (self.hash, self.header.data_hash) else { return Err(Error::NoHash) };
        if hash == self.header.hash() && data == data_hash(&self.data) { Ok(()) } else { Err(Error::WrongHash) }
    }

    /// The form that peers see: without what only this node knows. A transaction id assigned before the batch stays.
    #[must_use]
    pub fn in_batch(&self) -> Self {
        Self {
            header: self.header.clone(),
            local_namespace: String::new(),
            hash: self.hash,
            batch: None,
            tx_id: self.tx_id,
            state: None,
            confirmed: None,
            reject_reason: String::new(),
            data: self.data.clone(),
            pins: self.pins.clone(),
            idempotency_key: None,
        }
    }

    /// What the message is estimated to take in a batch without its data, in bytes.
    #[must_use]
    pub const fn size_estimate() -> u64 {
        BASE_SIZE
    }
}
