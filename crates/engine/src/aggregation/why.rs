//! Why a message is where it is, in one answer: what it waits for, since when, what was tried, and what can be done.
//!
//! The answer is a chain. Its first link is what the message itself waits for; if that waits for something, the next link says
//! so, down to a fact that is missing. Everything is read from the store; nothing here changes anything.

use photinus_model::{
    Hash, Time, Uuid,
    message::{Message, State},
    operation::Operation,
    pin::Pin,
};
use photinus_sequencing::{
    Reason,
    explain::{self, Answer},
    facts::{BatchKey, MessageKey, Place},
    rows::Rows,
};
use serde::Serialize;

use super::{
    asked::Asked,
    equivocation::{self, Equivocation},
    fetches, waits,
};
use crate::{Namespace, core::Core, error::Error};

/// Most links of a chain.
const MAX_LINKS: usize = 8;

/// Where a message is, and why.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The message.
    pub id: Uuid,
    /// Digest of its header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Who wrote it.
    pub author: String,
    /// Its topics.
    pub topics: Vec<String>,
    /// When it was written, by its author's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Time>,
    /// All of this in a sentence.
    pub summary: String,
    /// What it waits for, and what that waits for. Empty once it is decided.
    pub waits_for: Vec<Cause>,
    /// Where its author said two things, as far as it is known here. It decided nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub equivocations: Vec<Equivocation>,
}

/// Something that is waited for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// What it is, in one word: `batch`, `ledger`, `content`, `blob`, `registration`, `earlier`, …
    pub kind: &'static str,
    /// What it is, for people.
    pub reason: String,
    /// Where on the ledger it is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// The member or key that it has to come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Since when it is waited for, as far as this node knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// What this node has tried.
    pub tried: Vec<Attempt>,
    /// How many contents and files wait to be fetched, when this one has not had its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<usize>,
    /// What an operator can do.
    pub next: &'static str,
}

/// An operation that was to bring what is waited for, or a question to another node.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Uuid>,
    /// What it does.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<photinus_model::operation::Type>,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<photinus_model::operation::Status>,
    /// The node that was asked: its name, or how the data exchange calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// What the last attempt said, or the node.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// When that was.
    pub updated: Time,
}

impl From<Operation> for Attempt {
    fn from(operation: Operation) -> Self {
        let Operation { id, kind, status, error, updated, .. } = operation;
        Self { operation: Some(id), kind: Some(kind), status: Some(status), asked: None, error, updated }
    }
}

impl Namespace {
    /// Where a message is and why. `None` when this node has no such message.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn why(&self, id: Uuid) -> Result<Option<Why>, Error> {
        let core = self.core();
        let Some(message) = core.store.read(core.name()).message(id).await? else { return Ok(None) };
        let decided = message.state.is_some_and(State::is_final);
        let waits_for = if decided { Vec::new() } else { causes(self, &message).await? };
        Ok(Some(Why {
            id,
            hash: message.hash,
            state: message.state,
            summary: summary(&message, &waits_for),
            waits_for,
            equivocations: equivocation::of_message(core, id).await?,
            author: message.header.author,
            topics: message.header.topics,
            created: message.header.created,
            confirmed: message.confirmed,
        }))
    }
}

fn summary(message: &Message, causes: &[Cause]) -> String {
    match (message.state, causes) {
        (Some(State::Confirmed), _) => "it is confirmed".to_owned(),
        (Some(State::Rejected), _) => format!("it is rejected: {}", message.reject_reason),
        (Some(State::Cancelled), _) => "it is cancelled".to_owned(),
        (_, []) => "it is being decided".to_owned(),
        (_, [only]) => format!("it waits for {}", only.reason),
        (_, [first, .., last]) => format!("it waits for {}, and that for {}", first.reason, last.reason),
    }
}

async fn causes(namespace: &Namespace, message: &Message) -> Result<Vec<Cause>, Error> {
    let core = namespace.core();
    match message.state {
        Some(State::Staged | State::Ready) => return Ok(vec![batch(core, message).await?]),
        Some(State::Sent) => {
            let pinned = match message.batch {
                Some(batch) => !core.store.read(core.name()).pins_of(batch).await?.is_empty(),
                None => false,
            };
            if !pinned {
                return Ok(vec![ledger(core, message).await?]);
            }
        }
        _ => {}
    }
    let Some(hash) = message.hash else { return Ok(Vec::new()) };
    let key = MessageKey { id: message.header.id, hash };
    let state = waits::ask(namespace, |rows| explain::message(rows, &key)).await.map_err(unreadable)?;
    match state {
        Some(explain::State::Waiting { place, reason }) => chain(namespace, message, place, reason).await,
        Some(explain::State::Decided { .. } | explain::State::Ready { .. }) => Ok(Vec::new()),
        None => match given_up(namespace, message).await? {
            Some(cause) => Ok(vec![cause]),
            None => untold(core, message).await,
        },
    }
}

/// A message whose batch is on the ledger, and whose content the order has not been told of.
async fn untold(core: &Core, message: &Message) -> Result<Vec<Cause>, Error> {
    let Some(id) = message.batch else { return Ok(Vec::new()) };
    let Some(hash) = core.store.read(core.name()).batch(id).await?.and_then(|batch| batch.hash) else {
        return Ok(Vec::new());
    };
    let reason = Reason::Content(BatchKey { id, hash });
    let cause = cause(core, Some(message), Place::default(), &reason).await?;
    Ok(vec![Cause { position: None, ..cause }])
}

/// A message whose batch was given up, and that stands nowhere else.
async fn given_up(namespace: &Namespace, message: &Message) -> Result<Option<Cause>, Error> {
    let core = namespace.core();
    let Some(id) = message.batch else { return Ok(None) };
    let Some(hash) = core.store.read(core.name()).batch(id).await?.and_then(|batch| batch.hash) else {
        return Ok(None);
    };
    let batch = BatchKey { id, hash };
    let found = waits::ask(namespace, |rows| explain::given_up(rows, &batch)).await.map_err(unreadable)?;
    Ok(found.map(|pos| Cause {
        kind: "released",
        reason: format!("nothing: batch {id} was given up, so it will not be decided"),
        position: Some(waits::position(pos).protocol_id()),
        from: None,
        since: None,
        tried: Vec::new(),
        queued: None,
        next: advice("released"),
    }))
}

pub(super) fn unreadable(error: super::Error) -> Error {
    Error::Namespace(error.into())
}

/// A message that is not in a batch yet.
async fn batch(core: &Core, message: &Message) -> Result<Cause, Error> {
    let report = core.batching.report();
    let mine = format!("{}|", message.header.author);
    let status = report.processors.into_iter().find(|processor| processor.name.starts_with(&mine));
    let status = status.map(|processor| processor.status).unwrap_or_default();
    let read = core.store.read(core.name());
    let under_way = match status.flushing {
        Some(batch) => read.batch(batch).await?.and_then(|batch| batch.tx.id),
        None => None,
    };
    let tried = match under_way {
        Some(tx) => attempts(read.operations_of(tx).await?),
        None => Vec::new(),
    };
    let reason = match status.last_flush_error.filter(|_| status.blocked) {
        Some(error) => format!("its author's batch before it, which cannot be sent: {error}"),
        None => "the next batch of its author".to_owned(),
    };
    let since = message.header.created;
    Ok(Cause { kind: "batch", reason, position: None, from: None, since, tried, queued: None, next: advice("batch") })
}

/// A message whose batch is not on the ledger yet.
async fn ledger(core: &Core, message: &Message) -> Result<Cause, Error> {
    let tried = match message.tx_id {
        Some(tx) => attempts(core.store.read(core.name()).operations_of(tx).await?),
        None => Vec::new(),
    };
    let failed = tried.iter().find(|attempt| attempt.status == Some(photinus_model::operation::Status::Failed));
    let reason = match failed {
        Some(failed) => format!("its batch on the ledger, where it will not get: {}", failed.error),
        None => "its batch on the ledger".to_owned(),
    };
    let since = tried.iter().map(|attempt| attempt.updated).min().or(message.header.created);
    Ok(Cause { kind: "ledger", reason, position: None, from: None, since, tried, queued: None, next: advice("ledger") })
}

fn attempts(operations: Vec<Operation>) -> Vec<Attempt> {
    operations.into_iter().map(Attempt::from).collect()
}

/// What a message waits for, and what that waits for, down to a fact that is missing.
async fn chain(namespace: &Namespace, message: &Message, place: Place, reason: Reason) -> Result<Vec<Cause>, Error> {
    let mut links = Vec::new();
    let (mut place, mut reason) = (place, reason);
    let mut seen = Vec::new();
    loop {
        links.push(cause(namespace.core(), Some(message), place, &reason).await?);
        if links.len() >= MAX_LINKS || seen.contains(&reason) {
            return Ok(links);
        }
        let Some((next_place, next)) = behind(namespace, &reason).await? else { return Ok(links) };
        seen.push(std::mem::replace(&mut reason, next));
        place = next_place;
    }
}

/// Why that which is waited for waits itself.
async fn behind(namespace: &Namespace, reason: &Reason) -> Result<Option<(Place, Reason)>, Error> {
    match reason {
        Reason::Earlier(context, _) | Reason::Below(context, _) => closed(namespace, *context).await,
        Reason::Slot(lane, _) | Reason::Before { lane, .. } => {
            let found = waits::ask(namespace, |rows: &mut Rows| explain::lane(rows, lane)).await.map_err(unreadable)?;
            Ok(found.map(|head| (head.place, head.reason)))
        }
        _ => Ok(None),
    }
}

/// The lowest undecided value of a context, and what it waits for.
pub(super) async fn closed(namespace: &Namespace, context: Hash) -> Result<Option<(Place, Reason)>, Error> {
    let question = |rows: &mut Rows| -> Result<Answer<_>, _> { explain::context(rows, &context) };
    waits::ask(namespace, question).await.map_err(unreadable)
}

/// A reason with everything that this node knows about it.
pub(super) async fn cause(
    core: &Core,
    message: Option<&Message>,
    place: Place,
    reason: &Reason,
) -> Result<Cause, Error> {
    let (kind, text) = waits::describe(reason);
    let read = core.store.read(core.name());
    let (batch, operations): (Option<BatchKey>, Vec<Uuid>) = match reason {
        Reason::Content(batch) | Reason::Provenance(batch) => (Some(*batch), fetches::of_batch(core, *batch).await?),
        Reason::Blob(hash) => {
            let mut operations = Vec::new();
            for data in message.iter().flat_map(|message| &message.data) {
                operations.extend(fetches::of_blob(core, data.id, *hash).await?);
            }
            (None, operations)
        }
        _ => (None, Vec::new()),
    };
    let mut tried = Vec::with_capacity(operations.len());
    let mut since: Option<Time> = None;
    for id in operations {
        if let Some(operation) = read.operation(id).await? {
            since = Some(since.map_or(operation.created, |since| since.min(operation.created)));
            tried.push(Attempt::from(operation));
        }
    }
    let thing = match reason {
        Reason::Content(batch) => Some(batch.hash),
        Reason::Blob(hash) => Some(*hash),
        _ => None,
    };
    for asked in thing.into_iter().flat_map(|thing| core.aggregation.questions(thing)) {
        tried.push(question(core, asked).await?);
    }
    let wanted = batch.map(|batch| batch.id).or(message.and_then(|message| message.batch));
    let pin: Option<Pin> = match wanted {
        Some(batch) => read.pins_of(batch).await?.into_iter().next(),
        None => None,
    };
    let from = match (&pin, reason) {
        (Some(pin), Reason::Content(_) | Reason::Provenance(_)) => Some(owner(core, &pin.signer).await?),
        (_, Reason::Blob(_)) => message.map(|message| message.header.author.clone()),
        (_, Reason::Registration(key) | Reason::SignerHistory(key)) => Some(key.to_string()),
        (_, Reason::Owner(did)) => Some(did.to_string()),
        (_, Reason::Slot(lane, _) | Reason::Before { lane, .. }) => Some(lane.author.to_string()),
        _ => None,
    };
    let since = since.or(pin.map(|pin| pin.created));
    let position = Some(waits::position(place.pos).protocol_id());
    let untried = tried.iter().any(|attempt| attempt.status == Some(photinus_model::operation::Status::Initialized));
    let queued = untried.then(|| core.aggregation.fetches().report().missing);
    Ok(Cause { kind, reason: text, position, from, since, tried, queued, next: advice(kind) })
}

/// A question to another node, by the name of the node if it has one.
async fn question(core: &Core, asked: Asked) -> Result<Attempt, Error> {
    let node = core.identities.by_verifier(photinus_model::verifier::Type::DxPeerId, &asked.node).await?;
    let name = node.map_or_else(|| asked.node.clone(), |node| node.did.clone());
    let (error, updated) = (asked.said, asked.time);
    Ok(Attempt { operation: None, kind: None, status: None, asked: Some(name), error, updated })
}

/// Who a key belongs to; the key itself when that is not known.
async fn owner(core: &Core, key: &str) -> Result<String, Error> {
    let kind = core.ports.blockchain.verifier_type();
    let owner = core.identities.by_verifier(kind, key).await?;
    Ok(owner.map_or_else(|| key.to_owned(), |owner| owner.did.clone()))
}

/// What an operator can do about a kind of wait.
fn advice(kind: &str) -> &'static str {
    match kind {
        "batch" => "nothing as long as batches go out; if one is blocked, look at the error of its operations",
        "ledger" => {
            "see that the ledger can be reached and that the key can pay; a failed operation is repeated by \
             POST operations/{id}/retry"
        }
        "content" => {
            "see that the sender's node and shared storage can be reached; POST pins/rewind asks again at once. While it is \
             missing, its topics stay closed on every member that misses it. If it will never come, POST status/topics/release \
             with the position gives it up: by its sender's organisation, or by more than half of all"
        }
        "released" => "its author sends it again, in a new message",
        "before" => "nothing by itself: it goes on when what stands before it is decided",
        "provenance" => "ask the member that sent it to send it again from its own node",
        "earlier" | "below" => "nothing by itself: it goes on when what stands before it is decided",
        "slot" => "ask the author whether an earlier message to the group was pinned and delivered",
        "registration" => "the owner of the key registers it: POST network/organizations/self, or POST identities",
        "signer-history" => "nothing by itself: earlier batches signed by the key have to arrive first",
        "parent" | "owner" => "the parent identity has to be registered first",
        "group" => "ask the member that made the group to send its first message again",
        "blob" => "see that the sender's node and shared storage can be reached; POST pins/rewind asks again at once",
        "transfer" | "approval" | "pool" => "see that the token connector reads the ledger",
        "interface" => "the contract interface has to be published before what uses it",
        _ => "nothing: it is being decided",
    }
}
