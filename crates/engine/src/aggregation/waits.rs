//! Why something is not decided: read from the rows of the order, for operators and tests.
//!
//! A reading has a view of its own and changes nothing. The rows may be committed anew while it looks; a view that fits
//! together nowhere is thrown away, and the reading starts again.

use std::sync::Arc;

use photinus_model::{Hash, Uuid};
use photinus_ports::blockchain::Position;
use photinus_sequencing::{
    Reason,
    explain::{self, Answer},
    facts::{BatchKey, MessageKey, Place, Pos},
    reason::Lane,
    rows::{self, Rows},
    text::Did,
};

use super::{
    Error,
    machine::{self, Machine},
};
use crate::{Namespace, core::Core};

/// Something that stands on the ledger and waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The position of its log.
    pub position: Position,
    /// Which of the log's values it is.
    pub index: u32,
    /// The kind of fact that is missing, in one word: `content`, `registration`, `parent`, …
    pub kind: &'static str,
    /// What is missing, for people. Its text may change.
    pub reason: String,
}

/// The next private message of an author, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneWait {
    /// Its number among the author's messages to the group on the topic.
    pub nonce: u64,
    /// The position of its log.
    pub position: Position,
    /// The kind of fact that is missing, in one word.
    pub kind: &'static str,
    /// What is missing, for people. Its text may change.
    pub reason: String,
}

/// Content that the ledger names and that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The position of the log that names it.
    pub position: Position,
    /// The batch.
    pub batch: Uuid,
    /// Digest of the batch's manifest.
    pub hash: Hash,
    /// Where shared storage should have it.
    pub payload_ref: String,
}

/// Readings that may fail because rows changed under them, before one counts as a fault of the rows.
const ATTEMPTS: usize = 5;

impl Namespace {
    /// Why a message is not decided. `None` when it is, or when no log with known content pins it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn why_message(&self, id: Uuid, hash: Hash) -> Result<Option<Wait>, Error> {
        let key = MessageKey { id, hash };
        let state = ask(self, |rows| explain::message(rows, &key)).await?;
        Ok(match state {
            Some(explain::State::Waiting { place, reason }) => Some(wait(place, &reason)),
            Some(explain::State::Decided { .. } | explain::State::Ready { .. }) | None => None,
        })
    }

    /// Why broadcasts on a topic wait: the lowest one that is not decided. `None` when all are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn why_topic(&self, topic: &str) -> Result<Option<Wait>, Error> {
        let context = Hash::of(topic);
        let closed = ask(self, |rows| explain::context(rows, &context)).await?;
        Ok(closed.map(|(place, reason)| wait(place, &reason)))
    }

    /// What the next message of an author to a group on a topic waits for. `None` when nobody has pinned it, or nothing is known
    /// of the group.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn why_lane(&self, group: Hash, topic: &str, author: &str) -> Result<Option<LaneWait>, Error> {
        let lane = Lane { group, topic: topic.to_owned(), author: Did::from(author) };
        let found = ask(self, |rows| explain::lane(rows, &lane)).await?;
        Ok(found.map(|explain::LaneHead { nonce, place, reason }| {
            let (kind, reason) = describe(&reason);
            LaneWait { nonce, position: position(place.pos), kind, reason }
        }))
    }

    /// The first `limit` contents that the ledger names and that are not here, in the order of the ledger.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn missing_contents(&self, limit: usize) -> Result<Vec<Missing>, Error> {
        let found = ask(self, |rows| explain::missing(rows, Pos::default(), limit)).await?;
        let missing = found.into_iter().map(|explain::Missing { pos, batch, payload_ref }| Missing {
            position: position(pos),
            batch: batch.id,
            hash: batch.hash,
            payload_ref,
        });
        Ok(missing.collect())
    }
}

/// Whether the payload of a private batch is here and came from somebody entitled to it.
pub(crate) async fn is_usable(core: &Arc<Core>, batch: BatchKey) -> Result<bool, Error> {
    ask(&Namespace::of(core), |rows| explain::is_usable(rows, &batch)).await
}

pub(super) async fn ask<T>(
    namespace: &Namespace,
    mut question: impl FnMut(&mut Rows) -> Result<Answer<T>, rows::Error>,
) -> Result<T, Error> {
    let core = namespace.core();
    let mut attempt = 1;
    loop {
        let mut machine = Machine::new(core.name(), core.store.clone(), super::rules(core));
        match machine.ask(&mut question).await {
            Err(machine::Error::Rows(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(super::driver::Error::from(error).into()),
            Ok(answer) => return Ok(answer),
        }
    }
}

pub(super) fn position(pos: Pos) -> Position {
    Position { block: pos.block, transaction: pos.tx, log: pos.log }
}

fn wait(place: Place, reason: &Reason) -> Wait {
    let (kind, reason) = describe(reason);
    Wait { position: position(place.pos), index: place.index, kind, reason }
}

fn at(place: &Place) -> String {
    format!("{} (value {})", position(place.pos).protocol_id(), place.index)
}

pub(super) fn describe(reason: &Reason) -> (&'static str, String) {
    match reason {
        Reason::Content(batch) => ("content", format!("the content of batch {} with hash {}", batch.id, batch.hash)),
        Reason::Provenance(batch) => ("provenance", format!("batch {} from somebody entitled to it", batch.id)),
        Reason::Earlier(context, place) => ("earlier", format!("what stands at {} in context {context}", at(place))),
        Reason::Slot(lane, nonce) => ("slot", format!("nonce {nonce} of {} on topic {}", lane.author, lane.topic)),
        Reason::Before { lane, nonce, .. } => {
            ("before", format!("message {nonce} of {} on topic {}, which stands before it", lane.author, lane.topic))
        }
        Reason::Registration(key) => ("registration", format!("the registration of key {key}")),
        Reason::SignerHistory(key) => ("signer-history", format!("earlier content signed by key {key}")),
        Reason::Parent(id) => ("parent", format!("a parent identity with id {id}")),
        Reason::Owner(did) => ("owner", format!("the organisation {did}")),
        Reason::Group(hash) => ("group", format!("the members of group {hash}")),
        Reason::Below(context, place) => ("below", format!("everything below {} in context {context}", at(place))),
        Reason::Interface(id, place) => ("interface", format!("interface {id}, or all content below {}", at(place))),
        Reason::Blob(hash) => ("blob", format!("the file with hash {hash}")),
        Reason::Transfer(message) => ("transfer", format!("a token transfer that names message {}", message.id)),
        Reason::Approval(message) => ("approval", format!("a token approval that names message {}", message.id)),
        Reason::Pool(id) => ("pool", format!("the activation of token pool {id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_names_its_place_and_what_is_missing() {
        let place = Place { pos: Pos { block: 7, tx: 1, log: 2 }, index: 3 };
        let told = wait(place, &Reason::Parent(Uuid::nil()));
        assert_eq!((told.position.block, told.position.log, told.index, told.kind), (7, 2, 3, "parent"));
        assert!(told.reason.contains("00000000-0000"), "{}", told.reason);
    }
}
