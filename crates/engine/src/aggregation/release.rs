//! Giving up a batch that will never come: together, by votes on the ledger, or alone.
//!
//! What counts as agreed is decided by the rules of the order, alike on every member. Here a vote is cast, the order of an
//! operator is taken, and what was given up is told to applications.

use photinus_model::{Uuid, blockchain_event::BlockchainEvent, event};
use photinus_ports::blockchain::Position;
use photinus_query::{Condition, Query, collection::BLOCKCHAIN_EVENTS};
use photinus_sequencing::{
    explain,
    facts::{BatchKey, Pos},
};
use photinus_store::Change;
use serde::{Deserialize, Serialize};

use super::{apply, group::Group, ledger, waits};
use crate::{
    Namespace,
    core::Core,
    operations::{self, Error},
};

/// The topic of the event that tells of a batch that members gave up together.
pub const TOPIC_RELEASED: &str = "photinus_released";
/// The topic of the event that tells of a batch that this node gave up alone.
pub const TOPIC_ABANDONED: &str = "photinus_abandoned";

/// What is to be given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// Position of the pin, as `status/topics` and `messages/{id}/why` tell it.
    #[serde(default)]
    pub position: String,
    /// Vote although nothing of it is undecided here, because other members wait for it. A stranger can pin a private batch
    /// openly: those who have it know that the pin orders nothing, and all others wait.
    #[serde(default)]
    pub for_others: bool,
}

/// How it stands with giving something up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Votes {
    /// Position of the pin.
    pub position: String,
    /// The batch that it names.
    pub batch: Uuid,
    /// Values of it that are not decided here.
    pub undecided: usize,
    /// The organisations whose votes were counted.
    pub votes: Vec<String>,
    /// The organisation whose vote alone is enough: the one above the signer of the pin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How many organisations may vote; more than half of them are enough. Absent while something missing below may add one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub electorate: Option<usize>,
}

impl Namespace {
    /// Votes on the ledger to give up what is not decided of a pinned batch. Answers when the vote is durable and how the others
    /// stood before it.
    ///
    /// # Errors
    /// When nothing stands there, or nothing undecided and the vote is not for others, or this member has no vote.
    pub async fn release(&self, wanted: &Wanted) -> Result<Votes, Error> {
        let votes = self.standing(wanted, if wanted.for_others { 0 } else { 1 }).await?;
        operations::vote(self, &votes.position).await?;
        Ok(votes)
    }

    /// Gives up what is not decided of a pinned batch, on this node alone. Answers when it is done, and what it was.
    ///
    /// # Errors
    /// When nothing undecided stands there, or it is asked for others.
    pub async fn abandon(&self, wanted: &Wanted) -> Result<Votes, Error> {
        if wanted.for_others {
            return Err(Error::NoOthers);
        }
        let votes = self.standing(wanted, 1).await?;
        let core = self.core();
        if let Some(position) = Position::parse(&votes.position) {
            let done = core.aggregation.abandon(ledger::pos(position)).await;
            done.map_err(|_| photinus_store::Error::Closed)?;
        }
        Ok(votes)
    }

    /// What stands at a position, with at least so many values that are not decided.
    async fn standing(&self, wanted: &Wanted, undecided: usize) -> Result<Votes, Error> {
        let parsed = Position::parse(&wanted.position);
        let position = parsed.ok_or_else(|| Error::Position(wanted.position.clone()))?;
        let votes = self.votes(position).await?.filter(|votes| votes.undecided >= undecided);
        votes.ok_or_else(|| Error::NothingOpen(position.protocol_id()))
    }

    /// How it stands with giving up the pin at a position. `None` when there is none, or it was given up.
    async fn votes(&self, position: Position) -> Result<Option<Votes>, Error> {
        let target = ledger::pos(position);
        let asked = waits::ask(self, |rows| explain::votes(rows, target)).await;
        let tally = asked.map_err(|error| Error::Failed(error.to_string()))?;
        Ok(tally.map(|tally| Votes {
            position: position.protocol_id(),
            batch: tally.batch.id,
            undecided: tally.undecided,
            votes: tally.votes.iter().map(ToString::to_string).collect(),
            owner: tally.owner.map(|owner| owner.to_string()),
            electorate: tally.electorate,
        }))
    }
}

/// Tells applications of what was given up, by the ledger event of the pin.
pub(super) async fn apply(
    core: &Core,
    group: &mut Group<'_>,
    pos: Pos,
    batch: BatchKey,
    indexes: Vec<u32>,
    vote: Option<Pos>,
) -> Result<(), apply::Error> {
    let at = waits::position(pos).protocol_id();
    let by = vote.map_or_else(|| "its operator".to_owned(), |vote| waits::position(vote).protocol_id());
    tracing::warn!(namespace = core.name(), batch = %batch.id, position = at, by, "a batch that did not come was given up");
    let topic = if vote.is_some() { TOPIC_RELEASED } else { TOPIC_ABANDONED };
    group.dispatched(pos, batch, indexes);
    group.push(super::repair::forget(batch));
    group.after.found.push(batch);
    // A pin of this very commit has no record to refer to yet; its batch is the correlator in any case.
    let reference = record(core, &at).await?.map(|record| record.id);
    let event = group.event(
        event::Type::BlockchainEventReceived,
        reference.unwrap_or(batch.id),
        Some(batch.id),
        None,
        topic.to_owned(),
    );
    group.push(Change::InsertEvent(event));
    Ok(())
}

/// The ledger event at a position.
async fn record(core: &Core, protocol_id: &str) -> Result<Option<BlockchainEvent>, photinus_store::Error> {
    let Some(field) = BLOCKCHAIN_EVENTS.field("protocolid") else { return Ok(None) };
    let query = Query::first(1).and(Condition::text(field, protocol_id.to_owned()));
    Ok(core.store.read(core.name()).find::<BlockchainEvent>(&query).await?.items.into_iter().next())
}
