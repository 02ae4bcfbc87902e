//! Asking for the members of a group whose first message never came.
//!
//! A sender keeps what it owes, so the message that tells of a group comes late rather than never, unless its sender is gone for
//! good after it was pinned. Pins of a group that is not known say nothing, so nobody misses it. The first that is heard of the
//! group is then a message of another member. Its node is asked who the members are, which the group's hash proves, and what
//! it has of the group: what is pinned of that and not here is asked for like any other payload (module `repair`).

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{Hash, Uuid, batch::Batch, group::Group};
use photinus_ports::{exchange::Route, peers::PeerId};
use photinus_sequencing::{Fact, explain, facts::content, text::Did};
use photinus_store::{Change, ChangeSet};
use serde::{Deserialize, Serialize};

use super::driver::{Error, Turn};
use crate::{core::Core, reception::Question, space};

/// Largest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// A group that is not known, and who wrote to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unknown {
    pub(super) group: Hash,
    peer: String,
}

impl Unknown {
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
            let unknown = Unknown { group, peer: peer.to_owned() };
            if !known && !self.group.after.groups.contains(&unknown) {
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
        for listed in told.batches.iter().take(MOST_BATCHES) {
            self.missed(listed, hash, peer).await?;
        }
        Ok(())
    }
}

/// Goes on with what was not known when the namespace last stopped.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn resume(core: &Arc<Core>) -> Result<(), photinus_store::Error> {
    let mut from = Vec::new();
    loop {
        let page = core.store.kv_range(core.name(), space::GROUP_REPAIRS, &from, None, 500).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        for unknown in page.iter().filter_map(|(_, value)| serde_json::from_slice::<Unknown>(value).ok()) {
            spawn(core, unknown);
        }
    }
}

/// Asks for it in the background, once it has been waited for long enough. One question at a time for each group.
pub(super) fn spawn(core: &Arc<Core>, unknown: Unknown) {
    if !core.aggregation.wonders(unknown.group) {
        return;
    }
    let owner = Arc::clone(core);
    core.tasks.spawn_once(format!("repair group {}", unknown.group), async move {
        let mut backoff = owner.tasks.backoff(owner.options.delivery.retry);
        let mut pause = owner.options.delivery.repair;
        while owner.tasks.pause(pause).await {
            match attempt(&owner, &unknown).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::warn!(namespace = owner.name(), group = %unknown.group, %error, "repair failed"),
            }
            pause = backoff.advance();
        }
        owner.aggregation.wonders_no_more(unknown.group);
    });
}

/// Asks once. `true` when there is nothing left to ask for.
async fn attempt(core: &Arc<Core>, unknown: &Unknown) -> Result<bool, crate::identity::Error> {
    if core.groups.get(unknown.group).await?.is_some() {
        let mut changes = ChangeSet::new(core.name());
        changes.push(forget(unknown.group));
        core.store.submit(changes).await?;
        return Ok(true);
    }
    let Some(own) = core.multiparty.node() else { return Ok(false) };
    let Some(from) = core.identities.peer_of(own).await? else { return Ok(false) };
    let route = Route { from: PeerId(from), to: PeerId(unknown.peer.clone()) };
    let Ok(question) = serde_json::to_vec(&Question::Group { hash: unknown.group }) else { return Ok(false) };
    let answer = match core.ports.exchange.ask(&route, Bytes::from(question), MAX_ANSWER).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%error, "a member does not tell of its group");
            return Ok(false);
        }
    };
    let Some(told) = read(core, &answer, unknown.group) else { return Ok(false) };
    tracing::info!(namespace = core.name(), group = %unknown.group, from = unknown.peer, "a group was asked for and told");
    Ok(core.aggregation.group(told, unknown.peer.clone()).await.is_ok())
}

/// Reads an answer, if it is the group that was asked for.
fn read(core: &Core, answer: &[u8], wanted: Hash) -> Option<Told> {
    let Told { group, batches } = serde_json::from_slice(answer).ok()?;
    let group = Group { hash: Some(wanted), local_namespace: core.name().to_owned(), message: None, ..group };
    let fits = group.namespace == core.options.network_namespace && group.validate().is_ok();
    fits.then_some(Told { group, batches })
}
