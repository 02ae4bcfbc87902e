//! Going on after a crash: from rows back to batches and messages on their way.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use photinus_model::{
    Uuid,
    batch::{self, Manifest},
    data::Data,
    message::Message,
    operation::{self, Operation, Status},
    transaction,
};
use photinus_sequencing::facts::Source;
use photinus_store as store;

use super::{
    Stream, dispatch,
    seal::{Outbound, UploadInput},
};
use crate::{
    aggregation::Content,
    core::Core,
    messaging::{Entry, Sealed},
    operations,
};

/// Why something that was stored could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Rows that belong together are not all there.
    #[error("batch '{batch}' cannot be rebuilt: {reason}")]
    Incomplete {
        /// The batch.
        batch: Uuid,
        /// What is missing.
        reason: String,
    },
    /// A record could not be written as JSON.
    #[error(transparent)]
    Encoding(#[from] serde_json::Error),
}

/// Puts everything on its way again that was accepted and is not on the ledger yet, in the order in which it was sealed or
/// accepted. Called before the first request is taken.
pub(crate) async fn recover(core: &Arc<Core>) -> Result<(), Error> {
    tell_again(core).await?;
    let unfinished = core.store.read(core.name()).unfinished_work().await?;
    let is_pin = |operation: &Operation| operation.kind == operation::Type::BlockchainPinBatch;
    let (pins, others): (Vec<_>, Vec<_>) = unfinished.into_iter().partition(is_pin);
    let pinning: HashSet<_> = pins.iter().filter_map(|pin| pin.tx).collect();
    let behind = others.into_iter().filter_map(|operation| operation.tx.filter(|_| is_upload(&operation)));
    finish_uploads(core, behind.filter(|tx| !pinning.contains(tx)).collect()).await?;
    for operation in pins {
        match resumable(core, &operation).await {
            Ok(outbound) => super::resume(core, outbound),
            Err(Error::Incomplete { batch, reason }) => {
                tracing::error!(namespace = core.name(), %batch, reason, "batch cannot be sent again");
                let update = operations::Update::new(operation.id, Status::Failed).error(reason);
                operations::lazily(core, update).await;
            }
            Err(error) => return Err(error),
        }
    }
    let mut after = None;
    loop {
        let page = core.store.read(core.name()).ready_messages(after, core.options.batching.page.max(1)).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(*last);
        for sealed in with_data(core, page.into_iter().map(|(_, message)| message).collect()).await? {
            let sealed = Arc::new(sealed);
            core.backlog.restore(std::slice::from_ref(&sealed));
            super::offer(core, sealed);
        }
    }
}

fn is_upload(operation: &Operation) -> bool {
    matches!(operation.kind, operation::Type::SharedStorageUploadBatch | operation::Type::SharedStorageUploadBlob)
}

/// Does the uploads of batches again of which the ledger has said what became of the pin, and a crash came before it was
/// written down what became of them. Uploads that belong to no batch go on elsewhere.
async fn finish_uploads(core: &Arc<Core>, transactions: BTreeSet<Uuid>) -> Result<(), Error> {
    for tx in transactions {
        let operations = core.store.read(core.name()).operations_of(tx).await?;
        let is_pin = |operation: &&Operation| operation.kind == operation::Type::BlockchainPinBatch;
        let Some(pin) = operations.iter().filter(is_pin).find(|pin| pin.retry.is_none()) else { continue };
        match resumable(core, pin).await {
            Ok(outbound) => {
                let owner = Arc::clone(core);
                let work = async move { dispatch::publish_again(&owner, &outbound).await };
                core.tasks.spawn_once(format!("uploads of transaction {tx}"), work);
            }
            Err(Error::Incomplete { reason, .. }) => {
                for operation in operations.iter().filter(|one| is_upload(one) && !one.status.is_final()) {
                    let update = operations::Update::new(operation.id, Status::Failed).error(reason.clone());
                    operations::lazily(core, update).await;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells the order of the contents of all batches that were sealed here and are not decided. It is told of each before its pin is
/// sent, but from memory: a crash may come when the pin is on the ledger and the content is not taken yet. To be told of one
/// twice does no harm.
async fn tell_again(core: &Arc<Core>) -> Result<(), Error> {
    for record in core.store.read(core.name()).undecided_batches().await? {
        let id = record.id;
        let outbound = match rebuild_record(core, record).await {
            Ok(outbound) => outbound,
            Err(Error::Incomplete { reason, .. }) => {
                tracing::error!(namespace = core.name(), batch = %id, reason, "the content of a batch cannot be told again");
                continue;
            }
            Err(error) => return Err(error),
        };
        if outbound.is_pinned() {
            let content = Content { batch: outbound.batch, manifest: None, source: Source::Own };
            if core.aggregation.content(content).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Messages of a stream that wait in the store, oldest first.
pub(super) async fn waiting(core: &Core, stream: &Stream, limit: usize) -> Result<Vec<Arc<Sealed>>, Error> {
    let Stream { author, group, pinned } = stream;
    let messages = core.store.read(core.name()).ready_messages_of(author, *group, *pinned, limit).await?;
    Ok(with_data(core, messages).await?.into_iter().map(Arc::new).collect())
}

async fn with_data(core: &Core, messages: Vec<Message>) -> Result<Vec<Sealed>, Error> {
    let ids = messages.iter().flat_map(|message| &message.data).map(|data| data.id).collect();
    let data = data_of(core, ids).await?;
    let mut list = Vec::with_capacity(messages.len());
    for message in messages {
        let refs = message.data.iter();
        let found: Option<Vec<_>> =
            refs.map(|wanted| data.get(&wanted.id).map(|data| Entry { data: data.clone(), stored: true })).collect();
        let Some(entries) = found else {
            tracing::error!(namespace = core.name(), message = %message.header.id, "message without its data cannot be sent");
            continue;
        };
        match Sealed::new(message, entries) {
            Ok(sealed) => list.push(sealed),
            Err(error) => tracing::error!(namespace = core.name(), error = error.describe(), "message cannot be sent"),
        }
    }
    Ok(list)
}

async fn data_of(core: &Core, mut ids: Vec<Uuid>) -> Result<HashMap<Uuid, Data>, store::Error> {
    ids.sort_unstable();
    ids.dedup();
    let found = core.store.read(core.name()).data_by_ids(&ids).await?;
    Ok(found.into_iter().map(|data| (data.id, data)).collect())
}

/// The batch of a pin whose fate is open, with its operations. It may be on the ledger already: the ledger's adapter takes an
/// operation that it knows for the same attempt.
pub(super) async fn resumable(core: &Core, pin: &Operation) -> Result<Outbound, Error> {
    let (Some(tx), Some(input)) = (pin.tx, &pin.input) else {
        return Err(Error::Incomplete { batch: pin.id, reason: "the operation names no batch".to_owned() });
    };
    let input: super::seal::PinInput = input.read()?;
    let mut outbound = rebuild(core, input.batch).await?;
    outbound.pin = pin.id;
    for operation in core.store.read(core.name()).operations_of(tx).await? {
        match operation.kind {
            operation::Type::DataExchangeSendBatch if !operation.status.is_final() => outbound.owed.push(operation.id),
            // Of several one may be open: that is the one to end.
            operation::Type::SharedStorageUploadBatch
                if reads::<UploadInput>(&operation).is_some()
                    && (outbound.upload.is_nil() || !operation.status.is_final()) =>
            {
                outbound.upload = operation.id;
            }
            operation::Type::SharedStorageUploadBlob if operation.status != Status::Succeeded => {
                outbound
                    .blobs
                    .extend(reads::<operations::DataInput>(&operation).map(|input| (input.data_id, operation.id)));
            }
            _ => {}
        }
    }
    Ok(outbound)
}

fn reads<T: serde::de::DeserializeOwned>(operation: &Operation) -> Option<T> {
    serde_json::from_str(operation.input.as_ref()?.as_str()).ok()
}

/// A batch of this node from its rows, the same as it was sealed, byte for byte. Its operations are not filled in.
pub(crate) async fn rebuild(core: &Core, id: Uuid) -> Result<Outbound, Error> {
    let record = core.store.read(core.name()).batch(id).await?;
    let missing = || Error::Incomplete { batch: id, reason: "it is not stored".to_owned() };
    rebuild_record(core, record.ok_or_else(missing)?).await
}

/// As [`rebuild`], of any batch whose rows are here.
pub(crate) async fn rebuild_record(core: &Core, record: batch::Record) -> Result<Outbound, Error> {
    let (id, read) = (record.id, core.store.read(core.name()));
    let incomplete = |reason: &str| Error::Incomplete { batch: id, reason: reason.to_owned() };
    let text = record.manifest.clone().ok_or_else(|| incomplete("it has no manifest"))?;
    let manifest = Manifest::parse(&text).map_err(|error| incomplete(&error.to_string()))?;
    let tx = record.tx.id.ok_or_else(|| incomplete("it has no transaction"))?;
    let ids: Vec<_> = manifest.messages.iter().map(|entry| entry.id).collect();
    let mut messages = read.messages_by_ids(&ids).await?;
    // Others may have sent something else under the same ids.
    messages.retain(|message| {
        manifest.messages.iter().any(|entry| entry.id == message.header.id && Some(entry.hash) == message.hash)
    });
    let mut messages: HashMap<_, _> = messages.into_iter().map(|message| (message.header.id, message)).collect();
    let mut ids_of_data: Vec<_> = manifest.data.iter().map(|entry| entry.id).collect();
    ids_of_data.sort_unstable();
    ids_of_data.dedup();
    let mut data = read.data_by_ids(&ids_of_data).await?;
    data.retain(|data| manifest.data.iter().any(|entry| entry.id == data.id && Some(entry.hash) == data.hash));
    let data: HashMap<_, _> = data.into_iter().map(|data| (data.id, data)).collect();
    let draft = batch::Draft {
        id,
        kind: record.kind,
        namespace: core.options.network_namespace.clone(),
        node: record.node,
        group: record.group,
        created: record.created.ok_or_else(|| incomplete("it has no time"))?,
        author: record.author,
        key: record.key,
        messages: ids
            .iter()
            .map(|id| messages.remove(id).map(|message| as_sealed(message, &record.tx.kind)))
            .collect::<Option<_>>()
            .ok_or_else(|| incomplete("a message is missing"))?,
        data: manifest
            .data
            .iter()
            .map(|entry| data.get(&entry.id).cloned())
            .collect::<Option<_>>()
            .ok_or_else(|| incomplete("data is missing"))?,
        tx: record.tx,
    };
    let sealed = draft.seal();
    if Some(sealed.batch.hash) != record.hash {
        return Err(incomplete("its content has changed"));
    }
    Ok(Outbound {
        batch: Arc::new(sealed.batch),
        manifest: sealed.manifest_text,
        tx,
        upload: Uuid::nil(),
        pin: Uuid::nil(),
        blobs: Vec::new(),
        published: None,
        deliveries: Vec::new(),
        owed: Vec::new(),
    })
}

/// A message as it was when its batch was sealed: without the transaction that the batch gave it.
fn as_sealed(mut message: Message, kind: &transaction::Type) -> Message {
    if *kind != transaction::Type::ContractInvokePin {
        message.tx_id = None;
    }
    message
}
