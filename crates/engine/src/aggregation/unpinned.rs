//! Messages without a pin: confirmed once, in the order in which they are complete.
//!
//! Their transaction type is part of what their hash covers, so none of them is ever a message that waits for its pin. A batch
//! whose files are not all here is kept with a note for each missing file, and looked at again when that comes.

use std::{collections::BTreeSet, sync::Arc};

use photinus_model::{Hash, Uuid, batch::Batch, event, group::Group, message::State};
use photinus_sequencing::facts::MessageKey;
use photinus_store::{Change, change};

use super::{
    content as contents,
    driver::{Error, Turn},
    inbox::Content,
};
use crate::{batching, space};

/// The note that a batch waits for a file.
fn note(file: Hash, batch: &Batch) -> Vec<u8> {
    [file.as_bytes().as_slice(), batch.id.as_bytes(), batch.hash.as_bytes()].concat()
}

/// Batches that are read at once when a file comes.
const PAGE: usize = 1_000;

impl Turn<'_> {
    /// Takes the messages of a batch that are new.
    pub(super) async fn unpinned(&mut self, content: &Content, told: Option<&Group>) -> Result<(), Error> {
        if let Some(told) = told {
            self.told(told).await?;
        }
        let now = self.group.now;
        contents::store(&mut self.group, content, now);
        self.names(&content.batch);
        let missing = self.missing(&content.batch).await?;
        if missing.is_empty() {
            return self.confirm(&content.batch).await;
        }
        for file in missing {
            let key = note(file, &content.batch);
            self.group.push(Change::PutKv { space: space::UNPINNED, key, value: Vec::new() });
        }
        self.group.incomplete.push(Arc::clone(&content.batch));
        Ok(())
    }

    /// Looks again at batches that wait for a file, which is here now.
    pub(super) async fn file_came(&mut self, file: Hash) -> Result<(), Error> {
        self.group.files.insert(file);
        let mut batches = std::mem::take(&mut self.group.incomplete);
        let notes = self.core.store.kv_scan(self.core.name(), space::UNPINNED, file.as_bytes(), None, PAGE).await?;
        for (key, _) in notes {
            batches.extend(self.incomplete(&key).await?);
            self.group.push(Change::DeleteKv { space: space::UNPINNED, key });
        }
        for batch in batches {
            self.group.push(Change::DeleteKv { space: space::UNPINNED, key: note(file, &batch) });
            if self.missing(&batch).await?.is_empty() {
                self.confirm(&batch).await?;
            } else {
                self.group.incomplete.push(batch);
            }
        }
        Ok(())
    }

    /// The batch that a note names, as it came.
    async fn incomplete(&self, key: &[u8]) -> Result<Option<Arc<Batch>>, Error> {
        let id = key.get(32..48).and_then(|id| Uuid::from_slice(id).ok());
        let hash = key.get(48..).and_then(|hash| <[u8; 32]>::try_from(hash).ok()).map(Hash::from);
        let (Some(id), Some(hash)) = (id, hash) else { return Ok(None) };
        let Some(record) = self.core.store.read(self.core.name()).batch_with_hash(id, hash).await? else {
            return Ok(None);
        };
        match batching::rebuild_record(self.core, record).await {
            Ok(outbound) => Ok(Some(outbound.batch)),
            Err(batching::RecoveryError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::error!(namespace = self.core.name(), batch = %id, %error, "a batch that waited cannot be read");
                Ok(None)
            }
        }
    }

    /// Files of a batch that are not here.
    async fn missing(&self, batch: &Batch) -> Result<BTreeSet<Hash>, Error> {
        let mut missing = BTreeSet::new();
        for hash in batch.payload.data.iter().filter_map(|data| data.blob.as_ref()?.hash) {
            let here = self.group.files.contains(&hash)
                || !self.core.store.read(self.core.name()).blobs_by_hash(hash).await?.is_empty();
            if !here {
                missing.insert(hash);
            }
        }
        Ok(missing)
    }

    async fn confirm(&mut self, batch: &Batch) -> Result<(), Error> {
        let ids: Vec<_> = batch.payload.messages.iter().map(|message| message.header.id).collect();
        let known = self.core.store.read(self.core.name()).messages_by_ids(&ids).await?;
        for message in &batch.payload.messages {
            let Some(hash) = message.hash else { continue };
            let key = MessageKey { id: message.header.id, hash };
            let decided = known.iter().any(|known| {
                known.header.id == key.id && known.hash == Some(hash) && known.state.is_some_and(State::is_final)
            });
            if decided || !self.group.unpinned.insert(key) {
                continue;
            }
            self.core.tally.arrived(std::slice::from_ref(message));
            self.group.push(Change::UpdateMessage(change::Message {
                id: key.id,
                hash: Some(hash),
                state: Some(State::Confirmed),
                confirmed: Some(self.group.now),
                ..change::Message::default()
            }));
            for topic in &message.header.topics {
                let event = self.group.event(
                    event::Type::MessageConfirmed,
                    message.header.id,
                    message.header.cid,
                    batch.payload.tx.id,
                    topic.clone(),
                );
                self.group.push(Change::InsertEvent(event));
            }
        }
        Ok(())
    }
}
