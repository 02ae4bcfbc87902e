//! What the rows hold, and how they become bytes: a version byte, then postcard.

use std::sync::Arc;

use photinus_model::Hash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Error;
use super::tag::Table;
use crate::decision::Verdict;
use crate::facts::content::{Content, Group, Message};
use crate::facts::definition::Base;
use crate::facts::{Action, DataKey, Event, MessageKey, Place, Pos, Source};
use crate::reason::{Lane, Reason};
use crate::text::{Did, Signer};
use crate::work::Work;

/// Version of the encoding of every row.
const VERSION: u8 = 1;

/// A row of any table. Big ones are shared, so that reading one costs no copy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Row {
    Meta(Meta),
    Event(Pinned),
    Content(Arc<Stored>),
    Batch(Batch),
    Message(MessageState),
    Signer(SignerState),
    Identity(Arc<IdentityState>),
    Claim(Arc<ClaimState>),
    Verification(Arc<VerificationState>),
    Named(Named),
    Holder(Holder),
    End(Pos),
    Work(Work),
    Slot(SlotState),
    Lane(Arc<LaneState>),
    Group(Arc<Group>),
    Ballot(Ballot),
    Mark,
}

/// What a namespace knows as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// The lowest position that the next log may have.
    pub(crate) next: Pos,
    /// The highest position that a decision rests on.
    pub(crate) decided: Option<Pos>,
    /// Index of the contract in force.
    pub(crate) contract: u32,
    /// A termination that cannot be carried out yet.
    pub(crate) hold: Option<Hold>,
    /// Whether no log is taken any longer, until an operator acts.
    pub(crate) halted: bool,
    /// How many items of work the last step left over.
    pub(crate) work: u32,
}

/// A termination that cannot be carried out yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) action: Action,
    /// What must be known of its signer first. Nothing if a next contract is missing.
    pub(crate) waiting: Option<Reason>,
}

/// A log that pinned a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    pub(crate) event: Arc<Event>,
    /// Whether its values order nothing, by order of the operator or because its contract was not in force.
    pub(crate) void: bool,
}

/// Content, with the index behind the last value of each message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) content: Arc<Content>,
    ends: Vec<u32>,
}

impl Stored {
    pub(crate) fn new(content: Arc<Content>) -> Self {
        let ends = content.owners().map(|(base, message)| base.saturating_add(message.width())).collect();
        Self { content, ends }
    }

    /// The message that owns the value at `index`, and the index of its first value.
    pub(crate) fn owner(&self, index: u32) -> Option<(u32, &Message)> {
        let which = self.ends.partition_point(|end| *end <= index);
        let message = self.content.messages.get(which)?;
        let base = match which.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some((base, message))
    }
}

/// What is known of a batch besides its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// Who delivered the content. Not empty once it is known.
    pub(crate) sources: Vec<Source>,
}

/// What is known of a pinned message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MessageState {
    /// Pinned, not decided.
    Pending {
        /// The lowest place that anchors it.
        anchor: Place,
        /// Whether there are anchors above it.
        copies: bool,
        /// What it waits for, if it was looked at as the head of its contexts.
        waiting: Option<Reason>,
    },
    /// Decided for good.
    Decided {
        /// The verdict.
        verdict: Verdict,
        /// Where it stood.
        place: Place,
    },
}

/// What is known of a signing key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignerState {
    /// The identity that has the key, and since when.
    pub(crate) registered: Option<(Did, Place)>,
    /// Since when it is refused.
    pub(crate) refused: Option<Place>,
    /// How many of its claims are not verified yet.
    pub(crate) unverified: u32,
}

/// An identity that exists.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentityState {
    pub(crate) base: Base,
    /// Key of the claim.
    pub(crate) key: Signer,
    /// DID of the parent, if there is one.
    pub(crate) parent: Option<Did>,
    pub(crate) peer: Option<String>,
    pub(crate) place: Place,
    pub(crate) claim: MessageKey,
}

/// A claim that was confirmed, but that its parent has not verified yet.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimState {
    pub(crate) base: Base,
    pub(crate) key: Signer,
    pub(crate) place: Place,
    pub(crate) payload: DataKey,
}

/// A verification that was confirmed before the claim that it names.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerificationState {
    pub(crate) base: Base,
    /// DID of the parent.
    pub(crate) author: Did,
    pub(crate) message: MessageKey,
}

/// The slot that has a masked value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotState {
    /// Id of the lane.
    pub(crate) lane: Hash,
    pub(crate) nonce: u64,
    /// Once it is used: the lowest place that claimed it.
    pub(crate) used: Option<Place>,
    /// What must be known before it is used up without a word, and the place of the claim that would use it.
    pub(crate) held: Option<(Place, Reason)>,
}

/// How far the messages of one author on one topic of one group have got.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneState {
    pub(crate) lane: Lane,
    /// The nonce of the next message to decide.
    pub(crate) next: u64,
    /// The lowest nonce whose value nobody has pinned.
    pub(crate) unclaimed: u64,
    /// Where the last message decided stood.
    pub(crate) after: Pos,
}

/// A vote to release an event that cannot be counted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ballot {
    /// Position of the event.
    pub(crate) target: Pos,
    /// Who voted.
    pub(crate) signer: Signer,
}

/// Something defined under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) message: MessageKey,
    pub(crate) payload: DataKey,
    pub(crate) place: Place,
}

/// Which identity has something, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) did: Did,
    pub(crate) place: Place,
}

impl Row {
    /// The bytes to persist.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Meta(row) => write(row),
            Self::Event(row) => write(row),
            Self::Content(row) => write(&row.content),
            Self::Batch(row) => write(row),
            Self::Message(row) => write(row),
            Self::Signer(row) => write(row),
            Self::Identity(row) => write(row),
            Self::Claim(row) => write(row),
            Self::Verification(row) => write(row),
            Self::Named(row) => write(row),
            Self::Holder(row) => write(row),
            Self::End(row) => write(row),
            Self::Work(row) => write(row),
            Self::Slot(row) => write(row),
            Self::Lane(row) => write(row),
            Self::Group(row) => write(row),
            Self::Ballot(row) => write(row),
            Self::Mark => write(&()),
        }
    }

    /// Reads the bytes of the row at `key`.
    pub(crate) fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, Error> {
        let table = Table::of(key).ok_or(Error::UnknownTable)?;
        Ok(match table {
            Table::Meta => Self::Meta(read(bytes)?),
            Table::Event => Self::Event(read(bytes)?),
            Table::Content => Self::Content(Arc::new(Stored::new(read(bytes)?))),
            Table::Batch => Self::Batch(read(bytes)?),
            Table::Message => Self::Message(read(bytes)?),
            Table::Signer => Self::Signer(read(bytes)?),
            Table::Identity => Self::Identity(read(bytes)?),
            Table::Claim => Self::Claim(read(bytes)?),
            Table::Verification => Self::Verification(read(bytes)?),
            Table::Datatype | Table::Interface | Table::Api | Table::Pool => Self::Named(read(bytes)?),
            Table::Peer | Table::Unverified | Table::IdentityId | Table::Tally => Self::Holder(read(bytes)?),
            Table::Contract => Self::End(read(bytes)?),
            Table::Work => Self::Work(read(bytes)?),
            Table::Masked if super::key::is_slot(key) => Self::Slot(read(bytes)?),
            Table::Lane => Self::Lane(Arc::new(read(bytes)?)),
            Table::Group => Self::Group(Arc::new(read(bytes)?)),
            Table::Ballot => Self::Ballot(read(bytes)?),
            Table::Masked
            | Table::Released
            | Table::Lanes
            | Table::Delivery
            | Table::Naming
            | Table::Copy
            | Table::Open
            | Table::Unknown
            | Table::History
            | Table::InterfaceId
            | Table::InterfaceOpen
            | Table::Blob
            | Table::Token
            | Table::ActivePool
            | Table::Action
            | Table::Wait => {
                read::<()>(bytes)?;
                Self::Mark
            }
        })
    }
}

fn write(row: &impl Serialize) -> Result<Vec<u8>, Error> {
    postcard::to_extend(row, vec![VERSION]).map_err(Error::Encode)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&VERSION, row)) => postcard::from_bytes(row).map_err(Error::Decode),
        Some((&version, _)) => Err(Error::Version(version)),
        None => Err(Error::Version(0)),
    }
}
