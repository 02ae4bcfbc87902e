//! Questions of other members: for a payload that their group was sent and they do not have.
//!
//! Any member that holds a payload serves it, so that a member whose sender is gone can still follow. It is given to nodes of
//! the groups of its messages and to nobody else; whoever asked checks it against the hash that the ledger has.

use bytes::Bytes;
use photinus_model::{Hash, Uuid, wire};
use photinus_ports::{exchange::Refusal, peers::PeerId};
use serde::{Deserialize, Serialize};

use super::{later, never, sender};
use crate::{batching, core::Core};

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
}

/// Answers a question: the wrapper of the batch, as its author sent it.
pub(super) async fn answer(core: &Core, peer: &PeerId, question: &[u8]) -> Result<Bytes, Refusal> {
    let question: Question = serde_json::from_slice(question).map_err(|_| never("the question is not understood"))?;
    let Question::Batch { id, hash } = question;
    // The same words for everything that is not given, so that a question does not tell what is here.
    let nothing = || never("this node holds no such batch for the one who asks");
    let node = sender::node(core, peer).await?.ok_or_else(nothing)?;
    let record = core.store.read(core.name()).batch_with_hash(id, hash).await.map_err(later)?;
    let record = record.ok_or_else(nothing)?;
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
    Ok(Bytes::from(wire::wrap(None, &outbound.batch)))
}
