//! What the outside world may tell the machine.
//!
//! Only [`Fact::Pinned`], [`Fact::Action`], [`Fact::Release`] and [`Fact::Retracted`] are ordered: they come in the order of the ledger.
//! Everything else may come at any time, any number of times, or never, and the decisions are the same in the end.
//!
//! Not here: parsing and hashing. Whoever builds a [`content::Content`] has checked every hash in it; a payload that
//! fails those checks is no fact at all.

pub mod content;
pub mod definition;

use std::sync::Arc;

use photinus_model::{Hash, Uuid};
use serde::{Deserialize, Serialize};

use crate::text::Signer;

/// Where a log stands on the ledger. Ordered by block, then transaction, then log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Pos {
    /// Number of the block.
    pub block: u64,
    /// Index of the transaction in the block (or any number that orders transactions as the ledger does).
    pub tx: u32,
    /// Index of the log in the transaction.
    pub log: u32,
}

/// Where one value of an event stands: the position of the event, then the index in its list of contexts.
///
/// It is also the measure of time of every rule: a fact is known *as of* a place if it stands at a lower place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Place {
    /// Position of the event.
    pub pos: Pos,
    /// Index of the value inside the event.
    pub index: u32,
}

impl Pos {
    /// The lowest position above this one, unless this is the highest of all.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let Self { block, tx, log } = self;
        if let Some(log) = log.checked_add(1) {
            return Some(Self { block, tx, log });
        }
        if let Some(tx) = tx.checked_add(1) {
            return Some(Self { block, tx, log: 0 });
        }
        block.checked_add(1).map(|block| Self { block, tx: 0, log: 0 })
    }
}

impl Place {
    /// The lowest place above this one, unless this is the highest of all.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self.index.checked_add(1) {
            Some(index) => Some(Self { pos: self.pos, index }),
            None => self.pos.next().map(|pos| Self { pos, index: 0 }),
        }
    }
}

/// A batch as the ledger commits to it: never the id alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchKey {
    /// Id of the batch.
    pub id: Uuid,
    /// Hash of its manifest.
    pub hash: Hash,
}

/// A message as its manifest commits to it: never the id alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageKey {
    /// Id of the message.
    pub id: Uuid,
    /// Hash of its header.
    pub hash: Hash,
}

/// A data item as a message commits to it: never the id alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DataKey {
    /// Id of the data item.
    pub id: Uuid,
    /// Hash of its value, its blob, or both.
    pub hash: Hash,
}

/// One `BatchPin` log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Position of the log.
    pub pos: Pos,
    /// Index of the multiparty contract that emitted it, in the order of the configuration.
    pub contract: u32,
    /// The FireFly transaction named by the log.
    pub tx: Uuid,
    /// The batch named by the log.
    pub batch: BatchKey,
    /// Where shared storage holds the payload. Empty for a private batch: its values are masked.
    pub payload_ref: String,
    /// Who signed the ledger transaction.
    pub signer: Signer,
    /// The contexts of the log, in its order.
    pub values: Vec<Hash>,
}

impl Event {
    /// Whether the values hide their contexts, as those of private batches do.
    #[must_use]
    pub fn masked(&self) -> bool {
        self.payload_ref.is_empty()
    }

    /// The place of the value at `index`.
    #[must_use]
    pub fn place(&self, index: u32) -> Place {
        Place { pos: self.pos, index }
    }
}

/// One network action log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Position of the log.
    pub pos: Pos,
    /// Index of the multiparty contract that emitted it, in the order of the configuration.
    pub contract: u32,
    /// Who signed the ledger transaction.
    pub signer: Signer,
    /// The action asked for, such as `firefly:terminate`.
    pub action: String,
}

/// A vote to release the event at a position: to give up what is not decided of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Position of the log.
    pub pos: Pos,
    /// Index of the multiparty contract that emitted it, in the order of the configuration.
    pub contract: u32,
    /// Who signed the ledger transaction.
    pub signer: Signer,
    /// Position of the event.
    pub target: Pos,
}

/// How content reached this member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// Sealed here.
    Own,
    /// Read from shared storage.
    Storage,
    /// Delivered over data exchange by the peer with this id (the `profile.id` of its node).
    Peer(String),
    /// Served by some member on request, long after its author sent it.
    Repair,
}

/// A record of the token connector that names a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TokenRecord {
    /// A transfer.
    Transfer,
    /// An approval.
    Approval,
}

/// What an operator may order. Local to this member unless the ledger carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Void every undecided value of the event at this position.
    Abandon(Pos),
}

/// A fact: the only input of [`step`](crate::step).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A batch was pinned. Ordered; a replay of a known position does nothing.
    Pinned(Arc<Event>),
    /// A network action was logged. Ordered.
    Action(Action),
    /// A vote to release an event was logged. Ordered.
    Release(Release),
    /// The chain client withdraws all logs at and above this position, which it had called final.
    Retracted(Pos),
    /// Content that passed every check of the door, and where it came from.
    Content(Arc<content::Content>, Source),
    /// A group, known to hash to its name, that came some other way than in a pinned message.
    Group(content::Group),
    /// Content that no event names was thrown away. One that an event names stays.
    Forgotten(BatchKey),
    /// The blob with this hash is held, whole and verified.
    BlobHeld(Hash),
    /// The blob with this hash is not held, or not any more.
    BlobGone(Hash),
    /// The token connector reported a record that names this message.
    TokenSeen(TokenRecord, MessageKey),
    /// The token pool with this id is active.
    PoolActive(Uuid),
    /// The operator gave an order.
    Operator(Order),
    /// Nothing new: go on with the work that an earlier step left ([`Outcome::more`](crate::Outcome)).
    Continue,
}
