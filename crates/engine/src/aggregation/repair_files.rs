//! Asking other members for a file of a private message that nobody delivered.
//!
//! A pinned message whose payload is here and whose file is not is written down in the commit that finds it so. After a while the
//! members of its group are asked one after the other to send the file, its author first; whoever holds it sends it as it
//! would have at first, so it is checked, counted and stored like any other, and the message goes on.

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{Hash, Uuid};
use photinus_ports::{exchange::Route, peers::PeerId};
use photinus_sequencing::facts::{BatchKey, MessageKey};
use photinus_store::{Change, ChangeSet};
use serde::{Deserialize, Serialize};

use super::{
    repair::{Lacking, candidates, note},
    repairs::{Key, Outcome, Work},
};
use crate::{core::Core, reception::Question, space};

/// Largest answer that is read: it says only that the file is on its way.
const MAX_ANSWER: u64 = 1 << 10;

/// A file that is lacking, and the message that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LackingFile {
    batch: Uuid,
    batch_hash: Hash,
    message: Uuid,
    message_hash: Hash,
    file: Hash,
    /// Absent in what was written down by earlier versions.
    #[serde(default)]
    group: Option<Hash>,
}

impl LackingFile {
    pub(super) fn new(group: Hash, batch: BatchKey, message: MessageKey, file: Hash) -> Self {
        Self {
            batch: batch.id,
            batch_hash: batch.hash,
            message: message.id,
            message_hash: message.hash,
            file,
            group: Some(group),
        }
    }

    /// Under which it is asked for.
    pub(super) fn asked_as(&self) -> Key {
        Key::File(self.file, MessageKey { id: self.message, hash: self.message_hash })
    }

    /// The group whose files take turns with those of others, or else the batch.
    pub(super) fn whose_turn(&self) -> Hash {
        self.group.unwrap_or(self.batch_hash)
    }

    fn key(&self) -> Vec<u8> {
        [self.file.as_bytes().as_slice(), self.message.as_bytes(), self.message_hash.as_bytes()].concat()
    }

    /// Writes it down.
    pub(super) fn remember(&self) -> Result<Change, serde_json::Error> {
        Ok(Change::PutKv { space: space::FILE_REPAIRS, key: self.key(), value: serde_json::to_vec(self)? })
    }
}

/// Goes on with what was lacking when the namespace last stopped.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn resume(core: &Core) -> Result<(), photinus_store::Error> {
    let mut from = Vec::new();
    loop {
        let page = core.store.kv_range(core.name(), space::FILE_REPAIRS, &from, None, 500).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        for lacking in page.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()) {
            core.aggregation.repairs.add(core, Work::File(lacking));
        }
    }
}

/// Asks the members until one has it.
pub(super) async fn attempt(core: &Arc<Core>, lacking: &LackingFile) -> Result<Outcome, crate::identity::Error> {
    let read = core.store.read(core.name());
    let message = read.message_with_hash(lacking.message, lacking.message_hash).await?;
    let open = message.filter(|message| !message.state.is_some_and(photinus_model::message::State::is_final));
    let here = !read.blobs_by_hash(lacking.file).await?.is_empty();
    let Some((message, group)) = open.filter(|_| !here).and_then(|message| {
        let group = message.header.group?;
        Some((message, group))
    }) else {
        let mut changes = ChangeSet::new(core.name());
        changes.push(Change::DeleteKv { space: space::FILE_REPAIRS, key: lacking.key() });
        core.store.submit(changes).await?;
        core.aggregation.came(lacking.file);
        return Ok(Outcome::Done);
    };
    let Some(own) = core.multiparty.node() else { return Ok(Outcome::NotYet) };
    let Some(from) = core.identities.peer_of(own).await? else { return Ok(Outcome::NotYet) };
    let question = Question::File { id: lacking.batch, hash: lacking.batch_hash, file: lacking.file };
    let Ok(question) = serde_json::to_vec(&question) else { return Ok(Outcome::NotYet) };
    let wanted = Lacking::of(lacking.batch, lacking.batch_hash, group, &message.header.author);
    for (node, _) in candidates(core, &wanted).await? {
        let Some(to) = core.identities.peer_of(node).await?.filter(|_| node != own) else { continue };
        let route = Route { from: PeerId(from.clone()), to: PeerId(to) };
        match core.ports.exchange.ask(&route, Bytes::from(question.clone()), MAX_ANSWER).await {
            Ok(_) => {
                tracing::info!(namespace = core.name(), file = %lacking.file, from = route.to.0, "a file was asked for");
                note(core, lacking.file, &route, "it sends it".to_owned());
                return Ok(Outcome::NotYet);
            }
            Err(error) => {
                tracing::debug!(%error, "a member does not send the file");
                note(core, lacking.file, &route, error.to_string());
            }
        }
    }
    Ok(Outcome::NotYet)
}
