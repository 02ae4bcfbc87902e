//! The manifest: the part of a batch that its hash covers.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Payload;
use crate::{Hash, JsonText, json, message::DataRef, transaction};

/// One message in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageEntry {
    /// The id.
    pub id: Uuid,
    /// The hash.
    pub hash: Hash,
    /// How many topics it has, which is how many pins it owns.
    pub topics: usize,
}

/// What the hash of a batch covers, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always 1.
    pub version: u64,
    /// The batch.
    pub id: Uuid,
    /// The transaction.
    pub tx: transaction::Ref,
    /// The messages.
    pub messages: Vec<MessageEntry>,
    /// The data of the messages; what two messages share stands here twice.
    pub data: Vec<DataRef>,
}

/// Why a kept manifest cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON of a manifest; very old batches kept their whole payload instead.
    #[error("not a manifest: {0}")]
    Shape(#[from] serde_json::Error),
    /// A version that this code does not know.
    #[error("manifest version {0} is not known")]
    Version(u64),
}

/// Which message a pin belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The message's position in the manifest.
    pub message: usize,
    /// The position of the pin's topic in that message.
    pub topic: usize,
}

impl Manifest {
    /// The manifest of a payload. Messages and data without hash have no place in one, and are left out.
    #[must_use]
    pub fn of(id: Uuid, payload: &Payload) -> Self {
        Self {
            version: 1,
            id,
            tx: payload.tx.clone(),
            messages: payload
                .messages
                .iter()
                .filter_map(|message| {
                    Some(MessageEntry {
                        id: message.header.id,
                        hash: message.hash?,
                        topics: message.header.topics.len(),
                    })
                })
                .collect(),
            data: payload.data.iter().filter_map(|data| Some(DataRef { id: data.id, hash: data.hash? })).collect(),
        }
    }

    /// The text whose digest is the batch's hash.
    #[must_use]
    pub fn text(&self) -> JsonText {
        JsonText::own(self)
    }

    /// Reads a kept manifest.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn parse(text: &JsonText) -> Result<Self, ManifestError> {
        let manifest: Self = text.read()?;
        if manifest.version == 1 { Ok(manifest) } else { Err(ManifestError::Version(manifest.version)) }
    }

    /// The digest of the text.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(json::own(self))
    }

    /// Which message owns the pin at an index of the ledger event.
    #[must_use]
    pub fn owner(&self, index: usize) -> Option<Owner> {
        let mut topic = index;
        for (message, entry) in self.messages.iter().enumerate() {
            if topic < entry.topics {
                return Some(Owner { message, topic });
            }
            topic -= entry.topics;
        }
        None
    }
}
