//! Questions of other members: for a payload or a file that their group was sent and they do not have, or for the group itself.
//!
//! Any member that holds a payload serves it, so that a member whose sender is gone can still follow. It is given to nodes of
//! the groups of its messages and to nobody else; whoever asked checks it against the hash that the ledger has. What came from
//! somebody who is not entitled to it is not handed on: asked for at its author's node it would count as that author's word.

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{
    Hash, Uuid,
    batch::{Batch, Record},
    data::Data,
    group::Group,
    transaction::Type,
    wire,
};
use photinus_ports::{exchange::Refusal, peers::PeerId};
use photinus_query::{Condition, Query, collection::BATCHES};
use photinus_sequencing::facts::BatchKey;
use serde::{Deserialize, Serialize};

use super::{later, never, sender};
use crate::{aggregation, batching, core::Core, delivery};

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub(crate) enum Question {
    /// For the payload of a private batch.
    Batch {
        /// Its id.
        id: Uuid,
        /// Its hash.
        hash: Hash,
    },
    /// For the members of a group.
    Group {
        /// Its hash.
        hash: Hash,
    },
    /// For a file of a private batch, to be sent.
    File {
        /// Id of the batch.
        id: Uuid,
        /// Hash of the batch.
        hash: Hash,
        /// Hash of the file.
        file: Hash,
    },
}

/// Files that are sent at once to those who missed them.
const MOST_FILES: usize = 32;

/// Answers a question: the wrapper of the batch as its author sent it, or that a file of it is on its way.
pub(super) async fn answer(core: &Arc<Core>, peer: &PeerId, question: &[u8]) -> Result<Bytes, Refusal> {
    let question: Question = serde_json::from_slice(question).map_err(|_| never("the question is not understood"))?;
    let (id, hash, file) = match question {
        Question::Group { hash } => return group(core, peer, hash).await,
        Question::Batch { id, hash } => (id, hash, None),
        Question::File { id, hash, file } => (id, hash, Some(file)),
    };
    let (node, batch) = held(core, peer, id, hash).await?;
    let Some(file) = file else { return Ok(Bytes::from(wire::wrap(None, &batch))) };
    let named = |data: &&Data| data.blob.as_ref().is_some_and(|blob| blob.hash == Some(file));
    let data = batch.payload.data.iter().find(named).ok_or_else(nothing)?;
    if core.store.read(core.name()).blobs_by_hash(file).await.map_err(later)?.is_empty() {
        return Err(nothing());
    }
    send(core, node, data.id, file)?;
    Ok(Bytes::from_static(b"{}"))
}

/// The same words for everything that is not given, so that a question does not tell what is here.
fn nothing() -> Refusal {
    never("this node holds no such batch for the one who asks")
}

/// A group, for one of its nodes.
async fn group(core: &Core, peer: &PeerId, hash: Hash) -> Result<Bytes, Refusal> {
    let node = sender::node(core, peer).await?.ok_or_else(nothing)?;
    let group = core.groups.get(hash).await.map_err(later)?.ok_or_else(nothing)?;
    if !group.members.iter().any(|member| member.node == Some(node.id)) {
        return Err(nothing());
    }
    let group = Group { local_namespace: String::new(), message: None, ..Group::clone(&group) };
    let told = aggregation::Told { group, batches: batches(core, hash).await? };
    serde_json::to_vec(&told).map(Bytes::from).map_err(later)
}

/// The last batches of a group that were sent to be pinned.
async fn batches(core: &Core, group: Hash) -> Result<Vec<aggregation::Listed>, Refusal> {
    let Some(field) = BATCHES.field("group") else { return Ok(Vec::new()) };
    let query = Query::first(aggregation::MOST_BATCHES as u64).and(Condition::text(field, group.to_string()));
    let found = core.store.read(core.name()).find::<Record>(&query).await.map_err(later)?.items;
    let pinned = found.into_iter().filter(|batch| batch.tx.kind == Type::BatchPin);
    Ok(pinned
        .filter_map(|batch| Some(aggregation::Listed { id: batch.id, hash: batch.hash?, author: batch.author }))
        .collect())
}

/// A batch that is here, and the node that asks, if it may have it.
async fn held(core: &Arc<Core>, peer: &PeerId, id: Uuid, hash: Hash) -> Result<(Uuid, Arc<Batch>), Refusal> {
    let node = sender::node(core, peer).await?.ok_or_else(nothing)?;
    let record = core.store.read(core.name()).batch_with_hash(id, hash).await.map_err(later)?;
    let record = record.ok_or_else(nothing)?;
    if !aggregation::waits::is_usable(core, BatchKey { id, hash }).await.map_err(later)? {
        return Err(nothing());
    }
    let outbound = match batching::rebuild_record(core, record).await {
        Ok(outbound) => outbound,
        Err(batching::RecoveryError::Store(error)) => return Err(later(error)),
        Err(_) => return Err(nothing()),
    };
    for message in &outbound.batch.payload.messages {
        let group = message.header.group.ok_or_else(nothing)?;
        let group = core.groups.get(group).await.map_err(later)?.ok_or_else(nothing)?;
        if !group.members.iter().any(|member| member.node == Some(node.id)) {
            return Err(nothing());
        }
    }
    Ok((node.id, outbound.batch))
}

/// Sends a file in the background, once at a time to each who asks.
fn send(core: &Arc<Core>, node: Uuid, data: Uuid, file: Hash) -> Result<(), Refusal> {
    {
        let mut serving = core.reception.serving.lock();
        if serving.len() >= MOST_FILES {
            return Err(later("many files are being sent to those who missed them"));
        }
        if !serving.insert((node, file)) {
            return Ok(());
        }
    }
    let owner = Arc::clone(core);
    core.tasks.spawn_once(format!("serve file {file}"), async move {
        if let Err(error) = delivery::serve(&owner, node, data, file).await {
            tracing::info!(namespace = owner.name(), %node, %file, error, "a file that was asked for did not arrive");
        }
        owner.reception.serving.lock().remove(&(node, file));
    });
    Ok(())
}
