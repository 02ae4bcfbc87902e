//! Uploads, downloads and deletion.

use std::sync::Arc;

use photinus_model::{
    Hash, Uuid,
    blob::Blob,
    data::{BlobRef, Data, Validator, blob_name, blob_path},
    message::InlineData,
};
use photinus_ports::{blobs, stream::ByteStream};
use photinus_query::{Condition, Filter, Query, collection::DATA};
use photinus_store::{self as store, Change, ChangeSet};

use super::{Error, Fields, create, held};
use crate::{Namespace, core::Core};

/// A file that is stored and not yet anybody's. Unless it is given to [`Namespace::keep_blob`] it is removed.
pub struct Received {
    core: Arc<Core>,
    /// Taken when it became somebody's.
    stored: Option<blobs::Stored>,
    draft: create::Draft,
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received").field("stored", &self.stored).finish_non_exhaustive()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(stored) = self.stored.take() {
            let core = Arc::clone(&self.core);
            self.core.tasks.spawn_once("unwanted file", async move { discard(&core, &stored.payload_ref).await });
        }
    }
}

impl Namespace {
    /// Stores new data that is not a file. `blob.hash` may name a file that this node holds.
    ///
    /// # Errors
    /// When the value does not fit its datatype, or there is none.
    pub async fn create_data(&self, input: InlineData) -> Result<Data, Error> {
        let core = self.core();
        let data = create::create(core, input.into()).await?;
        let mut changes = ChangeSet::new(core.name());
        changes.push(Change::InsertData(data.clone()));
        core.store.submit(changes).await?;
        Ok(data)
    }

    /// Streams a file to disk. Its fields are checked first, so that nothing is stored for a request that is wrong anyway.
    ///
    /// # Errors
    /// When a field is wrong, or the file is too large or breaks off; nothing is left behind then.
    pub async fn receive_blob(&self, fields: Fields, content: ByteStream) -> Result<Received, Error> {
        let core = self.core();
        let draft = create::Draft {
            validator: Validator::from(fields.validator.as_str()),
            datatype: fields.datatype(),
            value: fields.value()?,
            blob: None,
        };
        if let Validator::Other(other) = &draft.validator {
            return Err(photinus_model::data::Error::UnknownValidator(other.to_string()).into());
        }
        create::check(core, &draft.validator, draft.datatype.as_ref(), draft.value.as_ref(), true).await?;
        let stored = core.ports.blobs.put(core.name(), content, core.options.limits.blob_size).await;
        let stored = stored.map_err(|error| match error {
            // What the system says is about our disk; what is wrong with the stream has no number of its own.
            blobs::Error::Io(error) if error.raw_os_error().is_none() => Error::Upload(error),
            other => other.into(),
        })?;
        Ok(Received { core: Arc::clone(core), stored: Some(stored), draft })
    }

    /// Makes data of a file. Goes on to its end when the caller stops waiting.
    ///
    /// # Errors
    /// When the store fails; the file is removed then.
    pub async fn keep_blob(&self, received: Received) -> Result<Data, Error> {
        self.core().tasks.finish("upload", keep(received)).await.unwrap_or(Err(store::Error::Closed.into()))
    }

    /// Removes a file that nobody wants after all.
    pub async fn discard_blob(&self, mut received: Received) {
        if let Some(stored) = received.stored.take() {
            discard(self.core(), &stored.payload_ref).await;
        }
    }

    /// Data with a file, and the file's size and content.
    ///
    /// # Errors
    /// When there is no such data, it has no file, or the file is not held here.
    pub async fn open_blob(&self, id: Uuid) -> Result<(Data, u64, ByteStream), Error> {
        let core = self.core();
        let read = core.store.read(core.name());
        let data = read.data(id).await?.ok_or(Error::NotFound(id))?;
        let hash = data.blob.as_ref().and_then(|blob| blob.hash).ok_or(Error::NoBlob(id))?;
        let held = read.blobs_by_hash(hash).await?;
        let held = held.first().ok_or(Error::BlobUnknown(hash))?;
        let (size, content) = core.ports.blobs.open(&held.payload_ref).await?;
        Ok((data, size, content))
    }

    /// Deletes data, and its file when no other data has it. Goes on to its end when the caller stops waiting.
    ///
    /// # Errors
    /// When there is no such data, or a message on its way to the ledger refers to it.
    pub async fn delete_data(&self, id: Uuid) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        let work = async move { delete(&core, id).await };
        self.core().tasks.finish("deletion", work).await.unwrap_or(Err(store::Error::Closed.into()))
    }
}

async fn delete(core: &Core, id: Uuid) -> Result<(), Error> {
    let _alone = core.deleting.lock().await;
    let read = core.store.read(core.name());
    let data = read.data(id).await?.ok_or(Error::NothingToDelete(id))?;
    if read.data_in_flight(id).await? {
        return Err(Error::InUse(id));
    }
    let mut changes = ChangeSet::new(core.name());
    changes.push(Change::DeleteData(id));
    let orphans = match data.blob.as_ref().and_then(|blob| blob.hash) {
        Some(hash) => orphans(core, id, hash).await?,
        None => Vec::new(),
    };
    for blob in &orphans {
        changes.push(Change::DeleteBlob { hash: blob.hash, payload_ref: blob.payload_ref.clone() });
    }
    changes.extend(held::freed(core, &orphans).await?);
    core.store.submit(changes).await?;
    for blob in orphans {
        discard(core, &blob.payload_ref).await;
    }
    Ok(())
}

/// Files of a hash that nobody needs once the data is gone: all of them, if no other data has that hash; else the data's own,
/// as long as there is another.
pub(crate) async fn orphans(core: &Core, data: Uuid, hash: Hash) -> Result<Vec<Blob>, store::Error> {
    let read = core.store.read(core.name());
    let same_hash = DATA.field("blob.hash").map(|field| Filter::Is(Condition::text(field, hash.to_string())));
    let query = Query { limit: Some(2), ..Query::filtered(Filter::All(same_hash.into_iter().collect())) };
    let shared = read.find::<Data>(&query).await?.items.iter().any(|other| other.id != data);
    let mut held = read.blobs_by_hash(hash).await?;
    if shared {
        let others = held.iter().any(|blob| blob.data_id != Some(data));
        held.retain(|blob| others && blob.data_id == Some(data));
    }
    Ok(held)
}

async fn keep(mut received: Received) -> Result<Data, Error> {
    let core = Arc::clone(&received.core);
    let mut draft = std::mem::take(&mut received.draft);
    let Some(stored) = received.stored.clone() else { return Err(photinus_model::data::Error::Empty.into()) };
    let name = draft.value.as_ref().and_then(blob_name).unwrap_or_default();
    let size = i64::try_from(stored.size).unwrap_or(i64::MAX);
    draft.blob = Some(BlobRef { hash: Some(stored.hash), size, path: blob_path(&name), name, public: String::new() });
    let data = create::finish(&core, draft).await?;
    let blob = Blob {
        namespace: core.name().to_owned(),
        hash: stored.hash,
        payload_ref: stored.payload_ref,
        created: core.ports.clock.now(),
        peer: String::new(),
        size,
        data_id: Some(data.id),
    };
    let mut changes = ChangeSet::new(core.name());
    changes.push(Change::InsertBlob(blob));
    changes.push(Change::InsertData(data.clone()));
    let stored = core.store.submit(changes).await;
    if matches!(stored, Ok(_) | Err(store::Error::Unknown(_))) {
        // It is in the database, or may be.
        received.stored = None;
    }
    stored?;
    Ok(data)
}

/// Removes a file. One that cannot be removed wastes space and does no harm.
pub(crate) async fn discard(core: &Core, payload_ref: &str) {
    if let Err(error) = core.ports.blobs.delete(payload_ref).await {
        tracing::warn!(namespace = core.name(), payload_ref, %error, "file could not be removed");
    }
}
