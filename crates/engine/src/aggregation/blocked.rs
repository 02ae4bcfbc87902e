//! The topics that wait, and why.

use std::collections::BTreeMap;

use photinus_model::{Hash, Time, pin::Pin};
use photinus_query::{Condition, Query, collection::PINS};
use photinus_sequencing::Reason;
use serde::Serialize;

use super::{
    equivocation::Equivocation,
    repair, waits,
    why::{self, Cause},
};
use crate::{Namespace, core::Core, error::Error};

/// Most undecided pins that are looked at.
const MOST_PINS: usize = 20_000;
/// Pins that are read at once.
const PAGE: usize = 1_000;

/// A topic on which something waits.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The topic, if a message on it is known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What stands for it on the ledger. For private messages, which the ledger hides: the group.
    pub context: Hash,
    /// The group, if it is a topic of private messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Hash>,
    /// Whose private message is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Since when.
    pub since: Time,
    /// Places on the ledger that are not decided.
    pub undecided: u64,
    /// Where the first of them stands: what can be given up by `status/topics/release`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// What the first of them waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Cause>,
    /// What an author said twice on the topic, where there should be one thing. It holds up nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equivocation: Option<Equivocation>,
}

impl Namespace {
    /// The topics on which something waits, longest first, at most `limit`. What is merely being decided at this moment shows
    /// without a reason. Of private messages those are shown whose payload is missing. Behind them come the topics on which an author
    /// said two things where there should be one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn blocked_topics(&self, limit: usize) -> Result<Vec<Blocked>, Error> {
        let core = self.core();
        let mut open = undecided(core).await?;
        open.extend(lacking(self, limit).await?);
        open.sort_by_key(|blocked| blocked.since);
        open.extend(self.equivocations().await?.into_iter().map(told_twice));
        open.truncate(limit);
        let waits = |blocked: &&mut Blocked| blocked.group.is_none() && blocked.equivocation.is_none();
        for blocked in open.iter_mut().filter(waits) {
            blocked.topic = topic(core, blocked.context).await?;
            if let Some((place, reason)) = why::closed(self, blocked.context).await? {
                blocked.position = Some(waits::position(place.pos).protocol_id());
                blocked.waits_for = Some(why::cause(core, None, place, &reason).await?);
            }
        }
        Ok(open)
    }
}

/// A topic on which an author said two things.
fn told_twice(found: Equivocation) -> Blocked {
    Blocked {
        topic: Some(found.topic.clone()),
        context: found.group.unwrap_or_else(|| Hash::of(&found.topic)),
        group: found.group,
        author: Some(found.author.clone()),
        since: found.seen,
        undecided: 0,
        position: None,
        waits_for: None,
        equivocation: Some(found),
    }
}

/// Contexts with undecided pins.
async fn undecided(core: &Core) -> Result<Vec<Blocked>, Error> {
    let mut found: BTreeMap<Hash, Blocked> = BTreeMap::new();
    let (mut after, mut seen) = (-1, 0);
    loop {
        let page = core.store.read(core.name()).undispatched_pins(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        (after, seen) = (last.sequence, seen + page.len());
        for pin in page.into_iter().filter(|pin| !pin.masked) {
            let fresh = || Blocked {
                topic: None,
                context: pin.hash,
                group: None,
                author: None,
                since: pin.created,
                undecided: 0,
                position: None,
                waits_for: None,
                equivocation: None,
            };
            let blocked = found.entry(pin.hash).or_insert_with(fresh);
            blocked.undecided += 1;
            blocked.since = blocked.since.min(pin.created);
        }
        if seen >= MOST_PINS {
            break;
        }
    }
    Ok(found.into_values().collect())
}

/// Private messages whose payload is missing.
async fn lacking(namespace: &Namespace, limit: usize) -> Result<Vec<Blocked>, Error> {
    let core = namespace.core();
    let mut found = Vec::new();
    for (lacking, place) in repair::noted(namespace, limit).await? {
        let pins = core.store.read(core.name()).pins_of(lacking.id).await?;
        let Some(since) = pins.iter().map(|pin| pin.created).min() else { continue };
        found.push(Blocked {
            topic: Some(lacking.topic.clone()),
            context: lacking.group,
            group: Some(lacking.group),
            author: Some(lacking.author.clone()),
            since,
            undecided: pins.len() as u64,
            position: Some(waits::position(place.pos).protocol_id()),
            waits_for: Some(why::cause(core, None, place, &Reason::Content(lacking.batch())).await?),
            equivocation: None,
        });
    }
    Ok(found)
}

/// The topic that a context stands for, from messages that are here.
async fn topic(core: &Core, context: Hash) -> Result<Option<String>, Error> {
    let Some(field) = PINS.field("hash") else { return Ok(None) };
    let read = core.store.read(core.name());
    let query = Query::first(5).and(Condition::text(field, context.to_string()));
    for pin in read.find::<Pin>(&query).await?.items {
        for message in read.messages_of_batch(pin.batch).await? {
            if let Some(topic) = message.header.topics.into_iter().find(|topic| Hash::of(topic) == context) {
                return Ok(Some(topic));
            }
        }
    }
    Ok(None)
}
