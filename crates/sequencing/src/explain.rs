//! Questions about what is not decided: for those who operate a node, and for a driver that starts again.

use photinus_model::Hash;

use crate::decision::Verdict;
use crate::facts::content::{Content, Message};
use crate::facts::{BatchKey, MessageKey, Place, Pos};
use crate::reason::{Lane, Reason};
pub use crate::release::Tally;
use crate::rows::row::{MessageState, Pinned};
use crate::rows::{Error, Need, Rows, Stop, key};
use crate::{contract, lanes, open, release};

/// An answer, or what must be loaded to find it. After a need, ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// Tell the overlay these things, then ask again.
    Need(Vec<Need>),
    /// The answer.
    Is(T),
}

/// What is known of a pinned message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has its verdict.
    Decided {
        /// The verdict.
        verdict: Verdict,
        /// Where it stood.
        place: Place,
    },
    /// It stands on the ledger and waits.
    Waiting {
        /// Where it stands.
        place: Place,
        /// What it waits for.
        reason: Reason,
    },
    /// It will be decided by the work that is left over.
    Ready {
        /// Where it stands.
        place: Place,
    },
}

/// Content that the ledger names and that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Position of the event.
    pub pos: Pos,
    /// The content.
    pub batch: BatchKey,
    /// Where shared storage holds it.
    pub payload_ref: String,
}

/// Whether a log would be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is taken, or was taken before.
    Taken,
    /// Not now: the intake is held. It must be given again after the hold.
    Held,
    /// Not by these rows: decisions rest on what the ledger withdrew.
    Halted,
    /// Never: it is not of the contract that is in force at its position, or came out of order. It orders nothing.
    Never,
}

/// Whether a log of a contract at a position would be taken. Changes nothing.
///
/// # Errors
/// If rows are broken.
pub fn admission(rows: &mut Rows, contract: u32, pos: Pos) -> Result<Answer<Admission>, Error> {
    answer(contract::admission(rows, contract, pos))
}

/// What became of a message, and why it is not decided if it is not. Nothing if no event with known content pins it.
///
/// # Errors
/// If rows are broken.
pub fn message(rows: &mut Rows, message: &MessageKey) -> Result<Answer<Option<State>>, Error> {
    answer(state(rows, message))
}

/// Whether content is here and came from somebody entitled to it, so that it may be handed on.
///
/// # Errors
/// If rows are broken.
pub fn is_usable(rows: &mut Rows, batch: &BatchKey) -> Result<Answer<bool>, Error> {
    answer(usable(rows, batch))
}

/// Why an open context is closed: its lowest undecided value, and what that waits for. Nothing if all is decided.
///
/// # Errors
/// If rows are broken.
pub fn context(rows: &mut Rows, context: &Hash) -> Result<Answer<Option<(Place, Reason)>>, Error> {
    answer(closed(rows, context))
}

/// The first `limit` open events at or above `from` whose content is missing: what to fetch after a start.
///
/// # Errors
/// If rows are broken.
pub fn missing(rows: &mut Rows, from: Pos, limit: usize) -> Result<Answer<Vec<Missing>>, Error> {
    answer(unknown(rows, from, limit))
}

/// The next message of a lane that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneHead {
    /// Its nonce.
    pub nonce: u64,
    /// Where it is pinned.
    pub place: Place,
    /// What it waits for.
    pub reason: Reason,
}

/// The next message of a lane, and what it waits for. Nothing if nobody has pinned it, or if the lane is not known.
///
/// # Errors
/// If rows are broken.
pub fn lane(rows: &mut Rows, lane: &Lane) -> Result<Answer<Option<LaneHead>>, Error> {
    answer(lane_of(rows, lane))
}

/// How the votes stand to give up the event at a position. Nothing if there is no such event, or it was given up.
///
/// # Errors
/// If rows are broken.
pub fn votes(rows: &mut Rows, target: Pos) -> Result<Answer<Option<Tally>>, Error> {
    answer(release::tally(rows, target))
}

/// The lowest event that names a batch and was given up. What is undecided of the batch will not be decided there.
///
/// # Errors
/// If rows are broken.
pub fn given_up(rows: &mut Rows, batch: &BatchKey) -> Result<Answer<Option<Pos>>, Error> {
    answer(release::given_up(rows, batch))
}

/// What is known of a batch, whatever it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether its content is here.
    pub known: bool,
    /// Whether an event names it.
    pub pinned: bool,
}

/// What is known of a batch. Loads what taking its content in loads first.
///
/// # Errors
/// If rows are broken.
pub fn batch(rows: &mut Rows, batch: &BatchKey) -> Result<Answer<Standing>, Error> {
    answer(rows.standing(batch))
}

/// Whether a group is known.
///
/// # Errors
/// If rows are broken.
pub fn knows_group(rows: &mut Rows, hash: &Hash) -> Result<Answer<bool>, Error> {
    answer(rows.group(hash).map(|group| group.is_some()))
}

fn usable(rows: &mut Rows, batch: &BatchKey) -> Result<bool, Stop> {
    match rows.content(batch)? {
        Some(stored) => lanes::is_usable(rows, &stored.content),
        None => Ok(false),
    }
}

fn answer<T>(found: Result<T, Stop>) -> Result<Answer<T>, Error> {
    match found {
        Ok(found) => Ok(Answer::Is(found)),
        Err(Stop::Need(needs)) => Ok(Answer::Need(needs)),
        Err(Stop::Error(error)) => Err(error),
    }
}

fn state(rows: &mut Rows, message: &MessageKey) -> Result<Option<State>, Stop> {
    let (anchor, waiting) = match rows.message(message)? {
        None => return Ok(None),
        Some(MessageState::Decided { verdict, place }) => return Ok(Some(State::Decided { verdict, place })),
        Some(MessageState::Pending { anchor, waiting, .. }) => (anchor, waiting),
    };
    if let Some(reason) = waiting {
        return Ok(Some(State::Waiting { place: anchor, reason }));
    }
    let Pinned { event, void } = rows.event(anchor.pos)?.ok_or_else(|| Stop::inconsistent("an anchor"))?;
    if void {
        return Ok(None);
    }
    let stored = rows.content(&event.batch)?.ok_or_else(|| Stop::inconsistent("content of an anchor"))?;
    let Some((base, owner)) = stored.owner(anchor.index) else { return Ok(None) };
    let reason = if event.masked() {
        behind(rows, &stored.content, owner, open::slice(&event, base, owner.width()))?
    } else {
        earlier(rows, open::slice(&event, base, owner.width()), anchor)?
    };
    Ok(Some(match reason {
        Some(reason) => State::Waiting { place: anchor, reason },
        None => State::Ready { place: anchor },
    }))
}

/// What stands below an open message in one of its contexts.
fn earlier(rows: &mut Rows, contexts: &[Hash], anchor: Place) -> Result<Option<Reason>, Stop> {
    for context in contexts {
        if let Some(head) = open::head(rows, context)?
            && head < anchor
        {
            return Ok(Some(Reason::Earlier(*context, head)));
        }
    }
    Ok(None)
}

/// What a private message waits for that is not at the head of its lanes.
fn behind(rows: &mut Rows, content: &Content, message: &Message, values: &[Hash]) -> Result<Option<Reason>, Stop> {
    if !lanes::is_usable(rows, content)? {
        return Ok(Some(Reason::Provenance(content.batch)));
    }
    let Some(group) = &message.group else { return Ok(None) };
    if rows.group(group)?.is_none() {
        return Ok(Some(Reason::Group(*group)));
    }
    for (topic, value) in message.topics.iter().zip(values) {
        let lane = Lane { group: *group, topic: topic.clone(), author: content.author.clone() };
        // An author who is no member has no lane; the message waits for a slot that it will never get.
        let Some(state) = rows.lane(&lanes::id(group, topic, &content.author))? else {
            return Ok(Some(Reason::Slot(lane, 0)));
        };
        if lanes::value(&lane, state.next) != *value {
            return Ok(Some(Reason::Slot(lane, state.next)));
        }
        // Whoever was not signed by the right key has the value, but not the slot.
        let has = match lanes::standing(rows, &state, state.next)?.standing {
            lanes::Standing::Won(winner) => winner.message().is_some_and(|won| won.key == message.key),
            _ => false,
        };
        if !has {
            return Ok(Some(Reason::Slot(lane, state.next)));
        }
    }
    Ok(None)
}

fn lane_of(rows: &mut Rows, lane: &Lane) -> Result<Option<LaneHead>, Stop> {
    let Some(state) = rows.lane(&lanes::id(&lane.group, &lane.topic, &lane.author))? else { return Ok(None) };
    let (place, reason) = match lanes::standing(rows, &state, state.next)?.standing {
        lanes::Standing::Unclaimed | lanes::Standing::Skipped(_) => return Ok(None),
        lanes::Standing::Open(place) => {
            let event = rows.event(place.pos)?.ok_or_else(|| Stop::inconsistent("a claim"))?.event;
            let reason = match rows.content(&event.batch)? {
                None => Reason::Content(event.batch),
                Some(_) => Reason::Provenance(event.batch),
            };
            (place, reason)
        }
        lanes::Standing::Won(winner) => {
            let key = winner.message().map(|message| message.key);
            match key.map(|key| self::state(rows, &key)).transpose()?.flatten() {
                Some(State::Waiting { reason, .. }) => (winner.place(), reason),
                _ => return Ok(None),
            }
        }
    };
    Ok(Some(LaneHead { nonce: state.next, place, reason }))
}

fn closed(rows: &mut Rows, context: &Hash) -> Result<Option<(Place, Reason)>, Stop> {
    let Some(head) = open::head(rows, context)? else { return Ok(None) };
    let pinned = rows.event(head.pos)?.ok_or_else(|| Stop::inconsistent("an event with open values"))?;
    let missing = Reason::Content(pinned.event.batch);
    let Some(stored) = rows.content(&pinned.event.batch)? else { return Ok(Some((head, missing))) };
    let Some((_, owner)) = stored.owner(head.index) else { return Ok(Some((head, missing))) };
    Ok(Some(match state(rows, &owner.key)? {
        Some(State::Waiting { reason, .. }) => (head, reason),
        _ => (head, missing),
    }))
}

fn unknown(rows: &mut Rows, from: Pos, limit: usize) -> Result<Vec<Missing>, Stop> {
    let (_, to) = key::unknowns();
    let mut low = key::unknown(from);
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(key) = rows.first(&low, &to)? else { break };
        low = key::successor(&key);
        let Some(pos) = key::trailing_pos(&key) else { continue };
        let event = rows.event(pos)?.ok_or_else(|| Stop::inconsistent("an event without content"))?.event;
        found.push(Missing { pos, batch: event.batch, payload_ref: event.payload_ref.clone() });
    }
    Ok(found)
}
