//! What the machine answers: verdicts with everything that follows from them, in the order in which to commit it.
//!
//! A decision is plain data. Whoever drives the machine writes all decisions of one step, and the changed rows, in
//! one transaction. Not here: ids, sequence numbers and times of events; the driver has those.

use std::sync::Arc;

use photinus_model::{Hash, Uuid};
use serde::{Deserialize, Serialize};

use crate::facts::content::{Datatype, Group};
use crate::facts::definition::Base;
use crate::facts::{self, BatchKey, DataKey, MessageKey, Place, Pos};
use crate::reason::Reason;
use crate::text::{Did, Signer};

/// What one step decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// In the order in which they must be committed.
    pub decisions: Vec<Decision>,
    /// Whether work was left over: commit, then step again with [`Fact::Continue`](crate::Fact::Continue).
    pub more: bool,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A message got its verdict. It never gets another one.
    Decided(Box<Decided>),
    /// Values of an event that order nothing: nobody waits for them any longer, and no event tells of them.
    Void {
        /// Position of the event.
        pos: Pos,
        /// The batch that it names.
        batch: BatchKey,
        /// Indexes of the values, ascending.
        indexes: Vec<u32>,
    },
    /// A message that stands at the head of its contexts waits, for a reason that is new.
    Waiting {
        /// The message.
        message: MessageKey,
        /// Its batch.
        batch: BatchKey,
        /// The group that it names.
        group: Option<Hash>,
        /// What it waits for.
        reason: Reason,
    },
    /// Content is missing that shared storage should have.
    Fetch {
        /// Position of the event that names the content.
        pos: Pos,
        /// The content.
        batch: BatchKey,
        /// Where shared storage holds it.
        payload_ref: String,
        /// Who pinned it.
        signer: Signer,
    },
    /// A pin claims the next slot of a lane, and the content is missing that would say by what right. Said each time that the
    /// lane is looked at.
    Lacking {
        /// The content.
        batch: BatchKey,
        /// Position of the pin.
        pos: Pos,
        /// The lane.
        lane: crate::reason::Lane,
    },
    /// Have the token connector activate this pool; the message that defines it waits for the answer.
    ActivatePool {
        /// Id of the pool.
        pool: Uuid,
        /// The message that defines it.
        message: MessageKey,
        /// Its payload.
        payload: DataKey,
    },
    /// What was not decided of an event was given up.
    Released {
        /// Position of the event.
        pos: Pos,
        /// The batch that it names.
        batch: BatchKey,
        /// Indexes of the values, ascending.
        indexes: Vec<u32>,
        /// Position of the vote that was missing. Nothing if the operator of this node ordered it.
        vote: Option<Pos>,
    },
    /// The ledger withdrew what stood at a position, and nothing was decided that rests on it. What was written of it goes.
    Withdrawn {
        /// The position.
        pos: Pos,
        /// The event. Nothing if an action stood there.
        event: Option<Arc<facts::Event>>,
    },
    /// The contract in force changed, or may change.
    Contract(Contract),
    /// Something that an operator should see.
    Alarm(Alarm),
}

/// A verdict and all that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The message.
    pub message: MessageKey,
    /// The batch in which it was decided.
    pub batch: BatchKey,
    /// Where it stands on the ledger.
    pub place: Place,
    /// The verdict.
    pub verdict: Verdict,
    /// What it changes, to be applied in the same transaction.
    pub effects: Vec<Effect>,
    /// The events to write, in order: those about objects first, then one per topic of the message.
    pub events: Vec<Event>,
    /// The values used up, in every event that pins the message.
    pub pins: Vec<Pins>,
}

/// Confirmed, or rejected for a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The message counts.
    Confirmed,
    /// The message does not count.
    Rejected(Code),
}

/// A run of values of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pins {
    /// Position of the event.
    pub pos: Pos,
    /// The batch that the event names. It is another one than that of the message if the message was sent twice.
    pub batch: BatchKey,
    /// Index of the first value.
    pub first: u32,
    /// How many values.
    pub count: u32,
}

/// Why a message is rejected. The text that [`std::fmt::Display`] writes starts with the code that FireFly clients
/// know, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Code {
    /// The header's key is empty, or is not the key that pinned the message.
    #[error("FF10452: the message is not signed by the key that pinned it")]
    Signer,
    /// The key belongs to another identity than the author.
    #[error("FF10453: the signing key is not registered to the author")]
    Author,
    /// The key tried to register itself in a way that members disagree about.
    #[error("FF10453: the registration of the signing key was refused")]
    RefusedKey,
    /// The private pins on the ledger are not those of the message.
    #[error("the pins on the ledger are not those of the message")]
    Pins,
    /// The value does not satisfy its datatype.
    #[error("FF10198: the value does not conform to its datatype")]
    SchemaInvalid,
    /// No such datatype at the place of the message.
    #[error("FF10195: the datatype of the value is not known")]
    DatatypeUnknown,
    /// A datatype, but no value to check.
    #[error("FF10199: data with a datatype must have a value")]
    ValueMissing,
    /// The data of a definition message is not what its tag promises.
    #[error("FF10400: the payload of the definition cannot be used")]
    Payload,
    /// The author of a claim is not the one that the identity demands.
    #[error("FF10402: the author is not the one who may claim this identity")]
    ClaimAuthor,
    /// The definition breaks a rule of its kind.
    #[error("FF10403: the definition is not valid")]
    Invalid,
    /// The schema of the datatype does not compile.
    #[error("FF10406: the schema of the datatype is not valid")]
    InvalidSchema,
    /// Something else has that name or that key already.
    #[error("FF10407: the definition conflicts with an existing one")]
    Exists,
    /// The identity named does not exist.
    #[error("FF10408: the identity is not known")]
    IdentityUnknown,
    /// The author may not speak for the identity named.
    #[error("FF10409: the author may not define this for the identity")]
    DefinitionAuthor,
    /// A verification names the claim with another hash.
    #[error("FF10410: the claim has another hash than the verification says")]
    ClaimHash,
    /// No token connector of that name here.
    #[error("FF10420: the token connector is not configured")]
    Connector,
    /// A definition on another topic than the one that orders its kind and name.
    #[error("the topic is not the one of this definition")]
    Topic,
    /// The identity named differs from the one known by that DID.
    #[error("the identity differs from the one known by its DID")]
    Base,
    /// One key claims more identities than are kept for it.
    #[error("the signing key has too many unverified claims")]
    TooManyClaims,
    /// No such kind of definition.
    #[error("the tag names no kind of definition")]
    UnknownTag,
}

/// A change that a confirmed message makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An identity exists from now on.
    Identity(Box<Identity>),
    /// An identity got another description and profile.
    IdentityUpdated {
        /// DID of the identity.
        did: Did,
        /// Id of the identity.
        id: Uuid,
        /// The message that says so.
        message: MessageKey,
        /// The data item with the update.
        payload: DataKey,
    },
    /// A data exchange peer id belongs to this node from now on. Usually it comes with the identity of the node; when
    /// two nodes claim one peer id, the one with the lower place has it, even if that is decided later.
    Peer {
        /// The peer id.
        peer: String,
        /// DID of the node.
        node: Did,
    },
    /// A datatype exists from now on.
    Datatype {
        /// Its id.
        id: Uuid,
        /// Its name and version.
        datatype: Datatype,
        /// The message that defines it.
        message: MessageKey,
        /// The data item with the definition.
        payload: DataKey,
    },
    /// A contract interface exists from now on.
    Interface {
        /// Its id.
        id: Uuid,
        /// The message that defines it.
        message: MessageKey,
        /// The data item with the definition.
        payload: DataKey,
    },
    /// A contract API exists from now on.
    Api {
        /// Its id.
        id: Uuid,
        /// The message that defines it.
        message: MessageKey,
        /// The data item with the definition.
        payload: DataKey,
    },
    /// A token pool is active and defined from now on.
    Pool {
        /// Its id.
        id: Uuid,
        /// The message that defines it.
        message: MessageKey,
        /// The data item with the definition.
        payload: DataKey,
    },
    /// A group is known from now on.
    Group {
        /// The group.
        group: Group,
        /// The message that defines it.
        message: MessageKey,
    },
    /// A message of ours was replaced before it was decided: label it as cancelled.
    Cancelled {
        /// The message replaced.
        message: MessageKey,
    },
}

/// An identity that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The part that never changes.
    pub base: Base,
    /// Key that signed the claim. For an organisation or a custom identity it is registered to it; for a node it is
    /// the key of its parent.
    pub key: Signer,
    /// For a node: its data exchange peer id.
    pub peer: Option<String>,
    /// The claim message.
    pub claim: MessageKey,
    /// The data item of the claim, which has the description and the profile.
    pub payload: DataKey,
    /// The verification message, for an identity that needs one.
    pub verification: Option<MessageKey>,
}

/// An event to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type.
    pub kind: EventKind,
    /// Id of the object that it is about.
    pub reference: Uuid,
    /// The FireFly transaction that it belongs to.
    pub tx: Option<Uuid>,
    /// Its topic.
    pub topic: Topic,
    /// Id of a related object.
    pub correlator: Option<Uuid>,
}

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// `message_confirmed`
    MessageConfirmed,
    /// `message_rejected`
    MessageRejected,
    /// `identity_confirmed`
    IdentityConfirmed,
    /// `identity_updated`
    IdentityUpdated,
    /// `datatype_confirmed`
    DatatypeConfirmed,
    /// `contract_interface_confirmed`
    InterfaceConfirmed,
    /// `contract_api_confirmed`
    ApiConfirmed,
    /// `token_pool_confirmed`
    PoolConfirmed,
}

/// The topic of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// A topic of the message.
    Message(String),
    /// `ff_definition`
    Definition,
    /// The topic of the contract interface with this network name, which contains the name of the local namespace.
    Interface(String),
    /// The id of a token pool.
    Pool(Uuid),
}

/// What becomes of the multiparty contract in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// The contract ended at this position; values of the next one count from there.
    Ended {
        /// Index of the contract that ended.
        contract: u32,
        /// Position of the action that ended it.
        at: Pos,
    },
    /// Take no logs above this position until told to go on: it is not known yet whether the contract ends there.
    Hold {
        /// Position of the action.
        at: Pos,
    },
    /// The action at this position does not count: take logs above it again.
    Resume {
        /// Position of the action.
        at: Pos,
    },
    /// The log at this position came during a hold. It was not taken: give it again after the hold.
    NotTaken {
        /// Position of the log.
        pos: Pos,
    },
}

/// A message that claims a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// The batch that carries it.
    pub batch: BatchKey,
    /// The message.
    pub message: MessageKey,
}

/// Two messages of one author under one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoMessages {
    /// The lane.
    pub lane: crate::reason::Lane,
    /// The number of the value in it.
    pub nonce: u64,
    /// The lower one on the ledger.
    pub one: Claimed,
    /// The other.
    pub other: Claimed,
}

/// Something that an operator should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// Logs were withdrawn that decisions rest on. No further log is taken; the namespace must be rebuilt.
    RetractedDecision {
        /// Lowest position withdrawn.
        pos: Pos,
        /// Highest position that a decision rests on.
        decided: Pos,
    },
    /// The ledger now shows another log at a position that is known already. The new one is ignored.
    OtherLog {
        /// The position.
        pos: Pos,
    },
    /// A log came late: higher positions have been taken. It is ignored.
    OutOfOrder {
        /// Position of the log.
        pos: Pos,
        /// The lowest position that would be taken.
        next: Pos,
    },
    /// The contract was terminated by one who may, but no next contract is configured. No further log is taken.
    NoNextContract {
        /// Position of the action.
        at: Pos,
    },
    /// A termination was ignored because it was not known yet whether its signer may terminate, and no next contract
    /// is configured.
    TerminationIgnored {
        /// Position of the action.
        at: Pos,
    },
    /// An author pinned two messages under one value. Which of them counts is decided; a member to which one did not come may
    /// decide otherwise.
    TwoMessages(Box<TwoMessages>),
    /// A log of a contract that was not in force at its position. It orders nothing.
    WrongContract {
        /// Position of the log.
        pos: Pos,
    },
}
