//! Files of messages: which are here, which are to be fetched, and how much of them each node sent.

use photinus_model::blob::Blob;
use photinus_sequencing::{Fact, facts::content};

use super::{
    driver::{Error, Turn},
    fetches,
    inbox::Content,
};
use crate::{data::held, space};

impl Turn<'_> {
    /// Counts a file that came from a peer, unless it is here already.
    pub(super) async fn received(&mut self, blob: &Blob) -> Result<(), Error> {
        if blob.peer.is_empty() || !self.group.counted.insert((blob.hash, blob.payload_ref.clone())) {
            return Ok(());
        }
        let here = self.core.store.read(self.core.name()).blobs_by_hash(blob.hash).await?;
        if here.iter().any(|here| here.payload_ref == blob.payload_ref) {
            return Ok(());
        }
        self.count_received(&blob.peer, |before| before.saturating_add(held::size(blob))).await
    }

    /// Changes the count of bytes of files that came from a peer.
    pub(super) async fn count_received(&mut self, peer: &str, change: impl Fn(u64) -> u64) -> Result<(), Error> {
        let before = match self.group.received.get(peer) {
            Some(before) => *before,
            None => held::sum(self.core, space::RECEIVED, peer).await?,
        };
        let now = change(before);
        self.group.received.insert(peer.to_owned(), now);
        self.group.push(held::write(space::RECEIVED, peer, now));
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
