//! Asking other members for the payload of a private batch that the ledger names and nobody delivered.
//!
//! The machine tells of it when the pin claims a slot that a member of one of our groups must fill. It is written down in that
//! commit and struck out in the one that takes the content. After a while the author's node is asked, then every other member of
//! the group: whoever holds a payload may serve it, because it is checked against the hash on the ledger.
//!
//! Deliberately not here: groups of which nothing is known, whose pins tell nothing; files (module `repair_files`); and when it
//! is asked for (module `repairs`).

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{Hash, Uuid, wire};
use photinus_ports::{
    blockchain::Position,
    exchange::{Error, Route},
    peers::PeerId,
};
use photinus_sequencing::{
    facts::{BatchKey, Place, Pos, Source},
    reason::Lane,
};
use photinus_store::{Change, ChangeSet};
use serde::{Deserialize, Serialize};

use super::{
    asked::Asked,
    inbox::Content,
    ledger,
    repairs::{Outcome, Work, told},
    waits,
};
use crate::{Namespace, core::Core, reception::Question, space};

/// Largest answer that is read.
const MAX_ANSWER: u64 = 4 << 20;

/// A payload that is lacking, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lacking {
    pub(super) id: Uuid,
    pub(super) hash: Hash,
    pub(super) group: Hash,
    pub(super) author: String,
    /// Where it was pinned.
    #[serde(default)]
    pub(super) position: Option<String>,
    #[serde(default)]
    pub(super) topic: String,
    /// Who told of it, while nothing else says that it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<told::By>,
}

impl Lacking {
    pub(super) fn new(batch: BatchKey, pos: Pos, lane: &Lane) -> Self {
        let Lane { group, topic, author } = lane;
        Self {
            id: batch.id,
            hash: batch.hash,
            group: *group,
            author: author.as_str().to_owned(),
            position: Some(waits::position(pos).protocol_id()),
            topic: topic.clone(),
            told: None,
        }
    }

    /// A payload of which only this is known.
    pub(super) fn of(id: Uuid, hash: Hash, group: Hash, author: &str) -> Self {
        Self { id, hash, group, author: author.to_owned(), position: None, topic: String::new(), told: None }
    }

    pub(super) fn batch(&self) -> BatchKey {
        BatchKey { id: self.id, hash: self.hash }
    }

    /// Writes it down.
    pub(super) fn remember(&self) -> Result<Change, serde_json::Error> {
        Ok(Change::PutKv { space: space::REPAIRS, key: key(self.batch()), value: serde_json::to_vec(self)? })
    }
}

fn key(batch: BatchKey) -> Vec<u8> {
    [batch.id.as_bytes().as_slice(), batch.hash.as_bytes()].concat()
}

/// Strikes it out.
pub(super) fn forget(batch: BatchKey) -> Change {
    Change::DeleteKv { space: space::REPAIRS, key: key(batch) }
}

/// Goes on with what was lacking when the namespace last stopped.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn resume(core: &Core) -> Result<(), photinus_store::Error> {
    let mut from = Vec::new();
    loop {
        let page = core.store.kv_range(core.name(), space::REPAIRS, &from, None, 500).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        for lacking in page.iter().filter_map(|(_, value)| serde_json::from_slice::<Lacking>(value).ok()) {
            core.aggregation.repairs.add(core, Work::Batch(lacking));
        }
    }
}

/// What is lacking, and where it was pinned: at most `limit` that are noted with their place.
pub(super) async fn noted(namespace: &Namespace, limit: usize) -> Result<Vec<(Lacking, Place)>, photinus_store::Error> {
    let core = namespace.core();
    let page = core.store.kv_range(core.name(), space::REPAIRS, &[], None, limit).await?;
    let noted = page.iter().filter_map(|(_, value)| serde_json::from_slice::<Lacking>(value).ok());
    let placed = noted.filter_map(|lacking| {
        let position = Position::parse(lacking.position.as_deref()?)?;
        Some((lacking, Place { pos: ledger::pos(position), index: 0 }))
    });
    Ok(placed.collect())
}

/// Asks each member once; of what one node told, that node, and the others only when it cannot be reached.
pub(super) async fn attempt(core: &Arc<Core>, lacking: &Lacking) -> Result<Outcome, crate::identity::Error> {
    let known = core.store.read(core.name()).batch_with_hash(lacking.id, lacking.hash).await?;
    if known.is_some_and(|known| known.confirmed.is_some()) {
        // It came while the note was being written.
        return strike_out(core, lacking).await;
    }
    let Some(own) = core.multiparty.node() else { return Ok(Outcome::NotYet) };
    let Some(from) = core.identities.peer_of(own).await? else { return Ok(Outcome::NotYet) };
    let mut candidates: Vec<(String, bool)> = Vec::new();
    for (node, source) in self::candidates(core, lacking).await? {
        candidates.extend(core.identities.peer_of(node).await?.filter(|_| node != own).map(|to| (to, source)));
    }
    if let Some(told) = &lacking.told {
        candidates.sort_by_key(|(peer, _)| *peer != told.peer);
    }
    for (to, source) in candidates {
        let route = Route { from: PeerId(from.clone()), to: PeerId(to) };
        match ask(core, lacking, &route, source).await {
            Ok(content) => {
                tracing::info!(namespace = core.name(), batch = %lacking.id, from = route.to.0, "payload was asked for and given");
                if core.aggregation.received(content).await.is_ok() {
                    return Ok(Outcome::Done);
                }
            }
            Err(No { said, refused }) => {
                tracing::debug!(node = route.to.0, said, "a member does not serve the payload");
                note(core, lacking.hash, &route, said);
                let Some(told) = lacking.told.as_ref().filter(|told| refused && told.peer == route.to.0) else {
                    continue;
                };
                let outcome = told.refused(core.ports.clock.now(), core.options.delivery.early.expiry);
                if outcome != Outcome::Done {
                    return Ok(outcome);
                }
                tracing::warn!(
                    namespace = core.name(), batch = %lacking.id, peer = told.peer,
                    "a member told of a batch to a group and does not give it: it is not asked for any longer"
                );
                return strike_out(core, lacking).await;
            }
        }
    }
    Ok(Outcome::NotYet)
}

async fn strike_out(core: &Core, lacking: &Lacking) -> Result<Outcome, crate::identity::Error> {
    let mut changes = ChangeSet::new(core.name());
    changes.push(forget(lacking.batch()));
    core.store.submit(changes).await?;
    Ok(Outcome::Done)
}

/// Nodes to ask: those of the author first. What they serve counts as delivered by them.
pub(super) async fn candidates(core: &Core, lacking: &Lacking) -> Result<Vec<(Uuid, bool)>, crate::identity::Error> {
    let Some(group) = core.groups.get(lacking.group).await? else {
        let author = core.identities.by_did(&lacking.author).await?;
        let node = match author {
            Some(author) => core.identities.first_node(author.id).await?,
            None => None,
        };
        return Ok(node.map(|node| (node, true)).into_iter().collect());
    };
    let mut nodes: Vec<(Uuid, bool)> = Vec::with_capacity(group.members.len());
    for member in &group.members {
        if let Some(node) = member.node.filter(|node| !nodes.iter().any(|(known, _)| known == node)) {
            nodes.push((node, member.identity == lacking.author));
        }
    }
    nodes.sort_by_key(|(_, of_author)| !of_author);
    Ok(nodes)
}

/// Keeps what a node said to a question, to be shown.
pub(super) fn note(core: &Core, thing: Hash, route: &Route, said: String) {
    core.aggregation.asked(thing, Asked { node: route.to.0.clone(), time: core.ports.clock.now(), said });
}

/// Why an answer is of no use.
struct No {
    /// In words.
    said: String,
    /// Whether it was an answer.
    refused: bool,
}

/// Asks one node, and checks what it answers.
async fn ask(core: &Core, lacking: &Lacking, route: &Route, of_author: bool) -> Result<Content, No> {
    let question = Question::Batch { id: lacking.id, hash: lacking.hash };
    let question = serde_json::to_vec(&question).map_err(|error| No { said: error.to_string(), refused: false })?;
    let answer = core.ports.exchange.ask(route, Bytes::from(question), MAX_ANSWER).await;
    let answer =
        answer.map_err(|error| No { said: error.to_string(), refused: matches!(error, Error::Refused { .. }) })?;
    read(core, lacking, route, of_author, &answer).map_err(|said| No { said, refused: true })
}

/// Reads an answer, if it is what was asked for.
///
/// # Errors
/// Why it is of no use, in words.
fn read(core: &Core, lacking: &Lacking, route: &Route, of_author: bool, answer: &[u8]) -> Result<Content, String> {
    let limit = usize::try_from(MAX_ANSWER).unwrap_or(usize::MAX).saturating_add(1);
    let text = std::str::from_utf8(answer).map_err(|_| "it answered something else than a batch".to_owned())?;
    let wrapper = wire::parse_wrapper(text, limit).map_err(|error| error.to_string())?;
    let wrapper = wrapper.ok_or_else(|| "it answered without a batch".to_owned())?;
    let accepted = wire::accept(wrapper.batch, Some(lacking.hash), &core.options.network_namespace);
    let accepted = accepted.map_err(|error| error.to_string())?;
    if accepted.batch.id != lacking.id {
        return Err("it answered with another batch".to_owned());
    }
    let mut groups = accepted.batch.payload.messages.iter().map(|message| message.header.group);
    if lacking.told.is_some() && groups.any(|group| group != Some(lacking.group)) {
        return Err("it told of a batch that is for another group".to_owned());
    }
    let source = if of_author { Source::Peer(route.to.0.clone()) } else { Source::Repair };
    Ok(Content { batch: Arc::new(accepted.batch), manifest: Some(accepted.manifest_text), source })
}
