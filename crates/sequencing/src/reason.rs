//! Why something is not decided yet: always one typed reason, which names a missing fact or something lower on the
//! ledger.
//!
//! Reasons are persisted with what waits, so that the fact which ends a wait finds it by key and nothing is polled.

use photinus_model::{Hash, Uuid};
use serde::{Deserialize, Serialize};

use crate::facts::{BatchKey, MessageKey, Place};
use crate::text::{Did, Signer};

/// What an undecided message, or a closed context, waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The content of this batch is missing.
    Content(BatchKey),
    /// The content is here, but nobody entitled to it has delivered it.
    Provenance(BatchKey),
    /// Something stands lower in this open context.
    Earlier(Hash, Place),
    /// An earlier nonce of a lane is not used yet.
    Slot(Lane, u64),
    /// No identity has this key.
    Registration(Signer),
    /// A lower event signed by this key has no content yet, or holds a claim that is not decided.
    SignerHistory(Signer),
    /// No identity with this id may be the parent of the identity claimed.
    Parent(Uuid),
    /// The organisation that claims a node is not known.
    Owner(Did),
    /// The group is not known.
    Group(Hash),
    /// A value lower than this place is open in this context, where something that the message needs may be defined.
    Below(Hash, Place),
    /// The contract interface with this id may yet turn out to be defined below this place.
    Interface(Uuid, Place),
    /// The blob with this hash is not held.
    Blob(Hash),
    /// No token transfer that names this message was seen.
    Transfer(MessageKey),
    /// No token approval that names this message was seen.
    Approval(MessageKey),
    /// The token pool is not active.
    Pool(Uuid),
    /// Another author's message stands before it, where private messages have one order across authors.
    Before {
        /// The lane of the other message.
        lane: Lane,
        /// Its nonce.
        nonce: u64,
        /// Whether its place may still move up, because it stands behind others in further lanes.
        moving: bool,
    },
}

/// The order of one author's messages to one group on one topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lane {
    /// The group.
    pub group: Hash,
    /// The topic.
    pub topic: String,
    /// DID of the author.
    pub author: Did,
}
