//! Asking for the members of a group whose first message never came.
//!
//! A sender keeps what it owes, so the message that tells of a group comes late rather than never, unless its sender is gone for
//! good after it was pinned. Pins of a group that is not known say nothing, so nobody misses it. The first that is heard of the
//! group is then a message of another member. Its node is asked who the members are, which the group's hash proves, and what
//! it has of the group: what is pinned of that and not here is asked for like any other payload (module `repair`).

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{Hash, Time, Uuid, batch::Batch, group::Group, verifier};
use photinus_ports::{
    exchange::{Error as Exchange, Route},
    peers::PeerId,
};
use photinus_sequencing::{Fact, explain, facts::content, text::Did};
use photinus_store::{Change, ChangeSet};
use serde::{Deserialize, Serialize};

use super::{
    driver::{Error, Turn},
    repairs::{Outcome, Work, told},
};
use crate::{core::Core, reception::Question, space};

/// Largest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// A group that is not known, and who wrote to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unknown {
    pub(super) group: Hash,
    pub(super) peer: String,
    /// When it wrote.
    #[serde(default = "long_ago")]
    since: Time,
    /// Whether the group is known by now, and not yet all of what that node has of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    partly: bool,
}

fn long_ago() -> Time {
    Time::from_unix_nanos(0)
}

impl Unknown {
    fn told(&self) -> told::By {
        told::By { peer: self.peer.clone(), since: self.since }
    }

    fn remember(&self) -> Result<Change, serde_json::Error> {
        let key = self.group.as_bytes().to_vec();
        Ok(Change::PutKv { space: space::GROUP_REPAIRS, key, value: serde_json::to_vec(self)? })
    }
}

/// What a member tells of a group: who is in it, and what it has of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub(crate) group: Group,
    #[serde(default)]
    pub(crate) batches: Vec<Listed>,
}

/// A batch to a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) hash: Hash,
    pub(crate) author: String,
}

/// Batches that are told of with a group: the last ones. Those before them are missed when the topics are known.
pub(crate) const MOST_BATCHES: usize = 500;

fn forget(group: Hash) -> Change {
    Change::DeleteKv { space: space::GROUP_REPAIRS, key: group.as_bytes().to_vec() }
}

impl Turn<'_> {
    /// Notes the groups of a batch that are not known.
    pub(super) async fn unknown_groups(&mut self, batch: &Batch, peer: &str) -> Result<(), Error> {
        let mut looked_at: Vec<Hash> = Vec::new();
        for group in batch.payload.messages.iter().filter_map(|message| message.header.group) {
            if looked_at.contains(&group) {
                continue;
            }
            looked_at.push(group);
            let known = self.group.groups.contains_key(&Some(group))
                || self.core.groups.get(group).await?.is_some()
                || self.ask(|rows| explain::knows_group(rows, &group)).await?;
            let unknown = Unknown { group, peer: peer.to_owned(), since: self.group.now, partly: false };
            // Whoever wrote last is asked next, so that nobody keeps others from being asked.
            let asked = self.core.aggregation.repairs.wonders(group).is_some_and(|asked| asked == peer);
            let noted = self.group.after.groups.iter().any(|noted| noted.group == group && noted.peer == peer);
            if !known && !asked && !noted {
                self.group.push(unknown.remember()?);
                self.group.after.groups.push(unknown);
            }
        }
        Ok(())
    }

    /// Takes a group that came without the message that defines it.
    pub(super) async fn told(&mut self, told: &Group) -> Result<(), Error> {
        let Some(hash) = told.hash else { return Ok(()) };
        self.group.knows(told.clone());
        let members = told.members.iter().map(|member| Did::from(member.identity.as_str())).collect();
        self.fact(&Fact::Group(content::Group { hash, members })).await
    }

    /// Takes a group that was asked for, unless it came in the meantime.
    /// What is missed of it is noted.
    pub(super) async fn answered(&mut self, told: &Told, peer: &str) -> Result<(), Error> {
        let Some(hash) = told.group.hash else { return Ok(()) };
        self.group.push(forget(hash));
        let known =
            self.core.groups.get(hash).await?.is_some() || self.ask(|rows| explain::knows_group(rows, &hash)).await?;
        if !known {
            self.told(&told.group).await?;
        }
        let mut whole = true;
        for listed in told.batches.iter().take(MOST_BATCHES) {
            whole &= self.missed(listed, hash, peer).await?;
        }
        if !whole {
            // There is more than one node may tell of at a time. It is asked again.
            let since = noted(self.core, hash).await?.map_or(self.group.now, |noted| noted.since);
            self.group.push(Unknown { group: hash, peer: peer.to_owned(), since, partly: true }.remember()?);
        }
        Ok(())
    }
}

/// Goes on with what was not known when the namespace last stopped.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn resume(core: &Core) -> Result<(), photinus_store::Error> {
    let mut from = Vec::new();
    loop {
        let page = core.store.kv_range(core.name(), space::GROUP_REPAIRS, &from, None, 500).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        for unknown in page.iter().filter_map(|(_, value)| serde_json::from_slice::<Unknown>(value).ok()) {
            core.aggregation.repairs.add(core, Work::Group(unknown));
        }
    }
}

/// Asks once.
pub(super) async fn attempt(core: &Arc<Core>, unknown: &Unknown) -> Result<Outcome, crate::identity::Error> {
    let Some(noted) = noted(core, unknown.group).await? else { return Ok(Outcome::Done) };
    if core.groups.get(noted.group).await?.is_some() && !noted.partly {
        return strike_out(core, noted.group).await;
    }
    let Some(own) = core.multiparty.node() else { return Ok(Outcome::NotYet) };
    let Some(from) = core.identities.peer_of(own).await? else { return Ok(Outcome::NotYet) };
    let Some(node) = core.identities.by_verifier(verifier::Type::DxPeerId, &noted.peer).await? else {
        return Ok(Outcome::NotYet);
    };
    let route = Route { from: PeerId(from), to: PeerId(noted.peer.clone()) };
    let Ok(question) = serde_json::to_vec(&Question::Group { hash: noted.group }) else { return Ok(Outcome::NotYet) };
    let told = match core.ports.exchange.ask(&route, Bytes::from(question), MAX_ANSWER).await {
        Ok(answer) => read(core, &answer, noted.group).filter(|told| {
            let has = |node: Uuid| told.group.members.iter().any(|member| member.node == Some(node));
            has(own) && has(node.id)
        }),
        Err(error) => {
            tracing::debug!(%error, "a member does not tell of its group");
            if !matches!(error, Exchange::Refused { .. }) {
                return Ok(Outcome::NotYet);
            }
            None
        }
    };
    let Some(told) = told else { return refused(core, &noted).await };
    tracing::info!(namespace = core.name(), group = %noted.group, from = noted.peer, "a group was asked for and told");
    if core.aggregation.group(told, noted.peer).await.is_err() {
        return Ok(Outcome::NotYet);
    }
    match self::noted(core, unknown.group).await? {
        None => Ok(Outcome::Done),
        // What it told of must come first, or turn out not to.
        Some(partly) => refused(core, &partly).await,
    }
}

/// What comes of it that a node does not tell all of its group.
async fn refused(core: &Core, noted: &Unknown) -> Result<Outcome, crate::identity::Error> {
    match noted.told().refused(core.ports.clock.now(), core.options.delivery.early.expiry) {
        Outcome::Done => strike_out(core, noted.group).await,
        outcome => Ok(outcome),
    }
}

/// What is noted of a group that is asked for.
async fn noted(core: &Core, group: Hash) -> Result<Option<Unknown>, photinus_store::Error> {
    let noted = core.store.kv_get(core.name(), space::GROUP_REPAIRS, group.as_bytes()).await?;
    Ok(noted.and_then(|noted| serde_json::from_slice(&noted).ok()))
}

async fn strike_out(core: &Core, group: Hash) -> Result<Outcome, crate::identity::Error> {
    let mut changes = ChangeSet::new(core.name());
    changes.push(forget(group));
    core.store.submit(changes).await?;
    Ok(Outcome::Done)
}

/// Reads an answer, if it is the group that was asked for.
fn read(core: &Core, answer: &[u8], wanted: Hash) -> Option<Told> {
    let Told { group, batches } = serde_json::from_slice(answer).ok()?;
    let group = Group { hash: Some(wanted), local_namespace: core.name().to_owned(), message: None, ..group };
    let fits = group.namespace == core.options.network_namespace && group.validate().is_ok();
    fits.then_some(Told { group, batches })
}
