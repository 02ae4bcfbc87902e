//! What the aggregator writes of things that came early, in the commits in which they come, are joined, or go.

use std::collections::BTreeSet;

use photinus_model::{Hash, Uuid, batch::Batch, batch::Manifest, batch::Record, blob::Blob, message::State};
use photinus_query::Query;
use photinus_sequencing::{
    Fact, explain,
    facts::{BatchKey, MessageKey, Pos},
};
use photinus_store::Change;

use super::{
    super::{
        driver::{Error, Turn},
        repair::Lacking,
        repair_groups::Listed,
        repairs::{Lane, told},
        waits,
    },
    Item, Note,
};
use crate::data;

/// What a batch takes beside its values: the rows and their indexes, about.
const BATCH: usize = 1_024;

fn size(batch: &Batch) -> u64 {
    let values = batch.payload.data.iter().filter_map(|data| data.value.as_ref());
    let values: usize = values.map(|value| value.as_str().len()).sum();
    (values + BATCH * (1 + batch.payload.messages.len())) as u64
}

impl Turn<'_> {
    fn early(&self, item: &Item) -> Option<Note> {
        match self.group.after.early.get(item) {
            Some(note) => note.clone(),
            None => self.core.aggregation.early().get(item),
        }
    }

    fn note_early(&mut self, item: Item, note: Note) -> Result<(), Error> {
        self.group.push(item.remember(&note)?);
        self.group.after.early.insert(item, Some(note));
        Ok(())
    }

    fn strike_early(&mut self, item: Item) {
        if self.early(&item).is_some() {
            self.group.push(item.forget());
            self.group.after.early.insert(item, None);
        }
    }

    /// A batch came whose pin is not here.
    pub(in super::super) fn unpinned_content(&mut self, batch: &Batch, peer: &str) -> Result<(), Error> {
        let note = Note {
            peer: peer.to_owned(),
            bytes: size(batch),
            since: self.group.now,
            group: batch.group,
            author: batch.author.clone(),
            gone: false,
            told: false,
        };
        self.note_early(Item::Batch(BatchKey { id: batch.id, hash: batch.hash }), note)
    }

    /// A private batch was pinned. What was thrown away is asked for again.
    pub(in super::super) fn pinned(&mut self, batch: BatchKey, pos: Pos) -> Result<(), Error> {
        let item = Item::Batch(batch);
        let Some(note) = self.early(&item) else { return Ok(()) };
        self.strike_early(item);
        let Some(group) = note.group.filter(|_| note.gone) else { return Ok(()) };
        let told = note.told.then_some(told::By { peer: note.peer, since: note.since });
        let lacking = Lacking {
            position: Some(waits::position(pos).protocol_id()),
            told,
            ..Lacking::of(batch.id, batch.hash, group, &note.author)
        };
        self.group.lacks(self.core, lacking)?;
        Ok(())
    }

    /// Another member of a group says that it has a batch which did not come here. It is asked for as soon as it is pinned. `false`
    /// when there is no room for more of what that member says.
    pub(in super::super) async fn missed(&mut self, listed: &Listed, group: Hash, peer: &str) -> Result<bool, Error> {
        let batch = BatchKey { id: listed.id, hash: listed.hash };
        let standing = self.ask(|rows| explain::batch(rows, &batch)).await?;
        let item = Item::Batch(batch);
        if standing.known || self.early(&item).is_some() || self.core.aggregation.repairs.lacks(batch) {
            return Ok(true);
        }
        let (peer, author, since) = (peer.to_owned(), listed.author.clone(), self.group.now);
        if standing.pinned {
            let more = &self.group.after.lacking;
            let more =
                more.iter().filter(|lacking| lacking.told.as_ref().is_some_and(|told| told.peer == peer)).count();
            if self.core.aggregation.repairs.of(&Lane::Told(peer.clone())) + more >= told::MOST_BATCHES {
                return Ok(false);
            }
            let told = Some(told::By { peer, since });
            let lacking = Lacking { told, ..Lacking::of(batch.id, batch.hash, group, &author) };
            self.group.lacks(self.core, lacking)?;
            return Ok(true);
        }
        let more = self.group.after.early.values().flatten().filter(|note| note.gone && note.peer == peer).count();
        let most = self.core.options.delivery.early.batches.min(told::MOST_NAMES);
        if self.core.aggregation.early().names(&peer) + more >= most {
            return Ok(false);
        }
        self.note_early(item, Note { peer, bytes: 0, since, group: Some(group), author, gone: true, told: true })?;
        Ok(true)
    }

    /// A batch came: its files are no longer without a message.
    pub(in super::super) fn names(&mut self, batch: &Batch) {
        for data in &batch.payload.data {
            if let Some(hash) = data.blob.as_ref().and_then(|blob| blob.hash) {
                self.strike_early(Item::File { data: data.id, hash });
                self.group.named.insert((data.id, hash));
            }
        }
    }

    /// A file came from another node.
    pub(in super::super) async fn file_from_peer(&mut self, blob: &Blob) -> Result<(), Error> {
        let Some(data) = blob.data_id.filter(|_| !blob.peer.is_empty()) else { return Ok(()) };
        let item = Item::File { data, hash: blob.hash };
        if self.early(&item).is_some() || self.is_named(data, blob.hash).await? {
            return Ok(());
        }
        let bytes = u64::try_from(blob.size).unwrap_or_default();
        let (peer, since) = (blob.peer.clone(), self.group.now);
        self.note_early(item, Note { peer, bytes, since, group: None, author: String::new(), gone: false, told: false })
    }

    /// Whether a message that is here names a file.
    async fn is_named(&self, data: Uuid, hash: Hash) -> Result<bool, Error> {
        if self.group.named.contains(&(data, hash)) {
            return Ok(true);
        }
        let found = self.core.store.read(self.core.name()).data_by_ids(&[data]).await?;
        Ok(found.iter().any(|data| data.blob.as_ref().is_some_and(|blob| blob.hash == Some(hash))))
    }

    /// Throws away what nothing came for. What was joined in the meantime stays.
    pub(in super::super) async fn expire(&mut self, item: Item) -> Result<(), Error> {
        let Some(note) = self.early(&item) else { return Ok(()) };
        match item {
            Item::Batch(batch) => self.expire_batch(batch, note).await,
            Item::File { data, hash } => self.expire_file(data, hash).await,
        }
    }

    async fn expire_batch(&mut self, batch: BatchKey, note: Note) -> Result<(), Error> {
        let item = Item::Batch(batch);
        let standing = self.ask(|rows| explain::batch(rows, &batch)).await?;
        if standing.pinned || note.gone {
            self.strike_early(item);
            return Ok(());
        }
        let record = self.core.store.read(self.core.name()).batch_with_hash(batch.id, batch.hash).await?;
        if let Some(record) = record {
            self.delete_content(&record).await?;
        }
        self.fact(&Fact::Forgotten(batch)).await?;
        tracing::warn!(
            namespace = self.core.name(), peer = note.peer, batch = %batch.id,
            "a batch that was sent and never pinned was thrown away"
        );
        self.group.after.expired += 1;
        if self.core.aggregation.early().keeps_names(&note.peer, &self.core.options.delivery.early) {
            return self.note_early(item, Note { gone: true, bytes: 0, since: self.group.now, ..note });
        }
        self.strike_early(item);
        Ok(())
    }

    /// Deletes the rows of a batch as far as nothing else has them.
    async fn delete_content(&mut self, record: &Record) -> Result<(), Error> {
        let (Some(text), Some(hash)) = (&record.manifest, record.hash) else { return Ok(()) };
        let Ok(manifest) = Manifest::parse(text) else { return Ok(()) };
        let mut gone = BTreeSet::new();
        for entry in &manifest.messages {
            let key = MessageKey { id: entry.id, hash: entry.hash };
            let found = self.core.store.read(self.core.name()).message_with_hash(key.id, key.hash).await?;
            let pending = found.is_some_and(|found| found.state == Some(State::Pending));
            // Another batch may have brought it to the ledger.
            if pending && self.ask(|rows| explain::message(rows, &key)).await?.is_none() {
                self.group.push(Change::DeleteMessage { id: key.id, hash: key.hash });
                gone.insert((key.id, Some(key.hash)));
            }
        }
        for entry in &manifest.data {
            self.delete_data(entry.id, entry.hash, &gone).await?;
        }
        self.group.push(Change::DeleteBatch { id: record.id, hash });
        Ok(())
    }

    async fn delete_data(&mut self, id: Uuid, hash: Hash, gone: &BTreeSet<(Uuid, Option<Hash>)>) -> Result<(), Error> {
        let read = self.core.store.read(self.core.name());
        let users = read.messages_of_data(id, &Query::first(gone.len() as u64 + 1)).await?.items;
        if users.iter().any(|user| !gone.contains(&(user.header.id, user.hash))) {
            return Ok(());
        }
        let file = read.data_with_hash(id, hash).await?.and_then(|data| data.blob).and_then(|blob| blob.hash);
        self.group.push(Change::DropData { id, hash });
        match file {
            Some(file) => self.delete_file(id, file).await,
            None => Ok(()),
        }
    }

    async fn expire_file(&mut self, data: Uuid, hash: Hash) -> Result<(), Error> {
        self.strike_early(Item::File { data, hash });
        if self.is_named(data, hash).await? {
            return Ok(());
        }
        tracing::warn!(namespace = self.core.name(), %data, %hash, "a file that no message names was thrown away");
        self.group.after.expired += 1;
        self.delete_file(data, hash).await
    }

    /// Deletes the file that came for a data element, unless others need it.
    async fn delete_file(&mut self, data: Uuid, hash: Hash) -> Result<(), Error> {
        for blob in data::blob::orphans(self.core, data, hash).await? {
            if blob.data_id != Some(data) || blob.peer.is_empty() {
                continue;
            }
            self.count_received(&blob.peer, |before| before.saturating_sub(data::held::size(&blob))).await?;
            self.group.push(Change::DeleteBlob { hash: blob.hash, payload_ref: blob.payload_ref.clone() });
            self.group.after.discarded.push(blob);
        }
        Ok(())
    }
}
