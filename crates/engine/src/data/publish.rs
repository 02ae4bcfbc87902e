//! Values and files in shared storage, on request or because a broadcast carries them.

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{
    JsonText, Uuid,
    data::Data,
    operation::{self, Status},
    transaction::{self, Transaction},
};
use photinus_store::{self as store, Change, ChangeSet, change};
use serde::Deserialize;

use super::Error;
use crate::{Namespace, core::Core, messaging::MAX_IDEMPOTENCY_KEY, operations};

/// A request to publish data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Key under which the request may be repeated.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

#[derive(Clone, Copy)]
enum What {
    Value,
    Blob,
}

impl Namespace {
    /// Puts the value of data into shared storage. Answers the data with its reference.
    ///
    /// # Errors
    /// When there is no such data, it has no value, or storage fails; the operation can be repeated then.
    pub async fn publish_value(&self, id: Uuid, input: Input) -> Result<Data, Error> {
        publish(self, id, What::Value, input).await
    }

    /// Puts the file of data into shared storage. Answers the data with its reference.
    ///
    /// # Errors
    /// When there is no such data, it has no file, or storage fails; the operation can be repeated then.
    pub async fn publish_blob(&self, id: Uuid, input: Input) -> Result<Data, Error> {
        publish(self, id, What::Blob, input).await
    }
}

/// Publishes, to the end also when the caller stops waiting.
async fn publish(namespace: &Namespace, id: Uuid, what: What, input: Input) -> Result<Data, Error> {
    let core = Arc::clone(namespace.core());
    let work = async move { try_publish(&core, id, what, input).await };
    namespace.core().tasks.finish("publication", work).await.unwrap_or(Err(store::Error::Closed.into()))
}

async fn try_publish(core: &Core, id: Uuid, what: What, input: Input) -> Result<Data, Error> {
    let key = input.idempotency_key.filter(|key| !key.is_empty());
    if key.as_ref().is_some_and(|key| key.len() > MAX_IDEMPOTENCY_KEY) {
        return Err(Error::TooLong { field: "idempotencyKey", limit: MAX_IDEMPOTENCY_KEY });
    }
    let data = core.store.read(core.name()).data(id).await?.ok_or(Error::NotFound(id))?;
    match what {
        What::Value if data.value.is_none() => return Err(photinus_model::data::Error::Empty.into()),
        What::Blob if data.blob.is_none() => return Err(Error::NoBlob(id)),
        What::Value | What::Blob => {}
    }
    let operation = begin(core, id, what, key).await?;
    let uploaded = match what {
        What::Value => upload_value(core, id, operation).await,
        What::Blob => upload_blob(core, id, operation).await,
    };
    if let Err(error) = uploaded {
        let update = operations::Update::new(operation, Status::Failed).error(error.to_string());
        operations::lazily(core, update).await;
        return Err(error);
    }
    core.store.read(core.name()).data(id).await?.ok_or(Error::NotFound(id))
}

/// Writes transaction and operation before anything is tried.
async fn begin(core: &Core, id: Uuid, what: What, key: Option<String>) -> Result<Uuid, Error> {
    let now = core.ports.clock.now();
    let transaction = Transaction {
        id: core.ports.ids.next(),
        namespace: core.name().to_owned(),
        kind: transaction::Type::DataPublish,
        created: now,
        idempotency_key: key.clone(),
        blockchain_ids: Vec::new(),
    };
    let kind = match what {
        What::Value => operation::Type::SharedStorageUploadValue,
        What::Blob => operation::Type::SharedStorageUploadBlob,
    };
    let input =
        JsonText::write(&operations::DataInput { data_id: id }).map_err(std::io::Error::other).map_err(Error::Blobs)?;
    let plugin = core.ports.storage.plugin_type();
    let operation = operations::initialized(core, transaction.id, kind, plugin, input, now);
    let id = operation.id;
    let mut changes = ChangeSet::new(core.name());
    changes.push(Change::InsertEvent(operations::submitted(core, &transaction)));
    changes.push(Change::InsertTransaction(transaction));
    changes.push(Change::InsertOperation(operation));
    match core.store.submit(changes).await {
        Ok(_) => Ok(id),
        Err(store::Error::Conflict(conflict)) => match (key, conflict.existing) {
            (Some(key), Some(existing)) => Err(Error::Idempotency { key, existing }),
            _ => Err(store::Error::Conflict(conflict).into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Uploads a value under an operation that is written down, and records where it is. Returns its reference.
pub(crate) async fn upload_value(core: &Core, id: Uuid, operation: Uuid) -> Result<String, Error> {
    let data = core.store.read(core.name()).data(id).await?.ok_or(Error::NotFound(id))?;
    let value = data.value.ok_or(photinus_model::data::Error::Empty)?;
    let reference = core.ports.storage.upload(Bytes::from(value.as_str().to_owned())).await?;
    let change = change::Data { id, public: Some(reference.clone()), ..change::Data::default() };
    published(core, change, operation, &reference).await?;
    Ok(reference)
}

/// Uploads a file under an operation that is written down, and records where it is. Returns its reference.
pub(crate) async fn upload_blob(core: &Core, id: Uuid, operation: Uuid) -> Result<String, Error> {
    let read = core.store.read(core.name());
    let data = read.data(id).await?.ok_or(Error::NotFound(id))?;
    let hash = data.blob.as_ref().and_then(|blob| blob.hash).ok_or(Error::NoBlob(id))?;
    let held = read.blobs_by_hash(hash).await?;
    let held = held.first().ok_or(Error::BlobUnknown(hash))?;
    let (_, content) = core.ports.blobs.open(&held.payload_ref).await?;
    let reference = core.ports.storage.upload_stream(content).await?;
    let change = change::Data { id, blob_public: Some(reference.clone()), ..change::Data::default() };
    published(core, change, operation, &reference).await?;
    Ok(reference)
}

async fn published(core: &Core, change: change::Data, operation: Uuid, reference: &str) -> Result<(), Error> {
    let output = operations::payload_ref(reference);
    let update = operations::Update::new(operation, Status::Succeeded).output(output);
    let mut changes = ChangeSet::new(core.name());
    changes.push(Change::UpdateData(change));
    changes.push(update.into_change(core.ports.clock.now()));
    core.store.submit(changes).await?;
    Ok(())
}
