//! Files of messages: which are here, which are to be fetched, and how much of them each node sent.

use photinus_sequencing::{Fact, facts::content};
use photinus_store::Change;

use super::{
    driver::{Error, Turn},
    fetches,
    inbox::Content,
};

impl Turn<'_> {
    /// Counts a file that came from a peer.
    pub(super) async fn received(&mut self, blob: &photinus_model::blob::Blob) -> Result<(), Error> {
        if blob.peer.is_empty() {
            return Ok(());
        }
        let size = u64::try_from(blob.size).unwrap_or_default();
        self.count_received(&blob.peer, |before| before.saturating_add(size)).await
    }

    /// Changes the count of bytes of files that came from a peer.
    pub(super) async fn count_received(&mut self, peer: &str, change: impl Fn(u64) -> u64) -> Result<(), Error> {
        let (space, key) = (crate::space::RECEIVED, peer.as_bytes().to_vec());
        let before = match self.group.received.get(peer) {
            Some(before) => *before,
            None => {
                let stored = self.core.store.kv_get(self.core.name(), space, &key).await?;
                stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
            }
        };
        let now = change(before);
        self.group.received.insert(peer.to_owned(), now);
        self.group.push(Change::PutKv { space, key, value: now.to_be_bytes().to_vec() });
        Ok(())
    }

    /// Tells the machine of the blobs that are held, and has the others fetched.
    pub(super) async fn blobs(&mut self, facts: &content::Content, content: &Content, own: bool) -> Result<(), Error> {
        let wanted: Vec<_> = facts.messages.iter().flat_map(|message| &message.data).collect();
        for data in wanted {
            let Some(hash) = data.blob else { continue };
            let held = own
                || self.group.files.contains(&hash)
                || !self.core.store.read(self.core.name()).blobs_by_hash(hash).await?.is_empty();
            if held {
                self.fact(&Fact::BlobHeld(hash)).await?;
                continue;
            }
            // It may have been here once, and been deleted.
            self.fact(&Fact::BlobGone(hash)).await?;
            let public = content.batch.payload.data.iter().find(|found| found.id == data.key.id);
            let public = public.and_then(|data| data.blob.as_ref()).map(|blob| blob.public.clone()).unwrap_or_default();
            if public.is_empty() {
                continue;
            }
            let (wanted, author) = ((data.key.id, hash), content.batch.author.as_str());
            fetches::begin_blob(self.core, &mut self.group, wanted, author, public, facts.tx)?;
        }
        Ok(())
    }
}
