//! A sealed batch's way out: its blobs and itself to shared storage, then its pin to the ledger.
//!
//! Every step is repeated until it succeeds, with the same ids and the same content. What the ledger says it will never
//! accept ends as a failed operation, which can be repeated by hand.

use std::{fmt::Display, sync::Arc};

use bytes::Bytes;
use photinus_model::{
    JsonText, Uuid,
    batch::{self, Batch},
    operation::Status,
};
use photinus_ports::{OperationRef, blockchain, storage};

use super::{
    ahead::Ahead,
    processor::Processor,
    seal::{Outbound, Published},
};
use crate::{core::Core, data, operations};

/// Why a step ended without success.
enum End {
    /// The namespace stops; the next start goes on here.
    Stopping,
    /// Repeating does not help.
    Final(String),
}

/// Publishes a batch while it is being stored, which saves the time of one of the two. `None` when blobs must go first, or
/// when it fails; then [`send`] tries. A batch that is published and not stored after all is in nobody's way.
pub(super) async fn publish_early(core: &Core, outbound: &Outbound) -> Option<Published> {
    // What is private is never published.
    if outbound.batch.kind == batch::Type::Private || !outbound.blobs.is_empty() {
        return None;
    }
    let text = Bytes::from(outbound.batch.to_text());
    let bytes = text.len();
    let reference = core.ports.storage.upload(text).await.ok()?;
    Some(Published { reference, bytes })
}

/// Uploads or delivers a batch, and pins it. `ahead` are deliveries that were begun already. The number of bytes uploaded, or `None` when it was cut short; the operations say why.
pub(super) async fn send(core: &Arc<Core>, processor: &Processor, outbound: &Outbound, ahead: Ahead) -> Option<usize> {
    if outbound.batch.kind == batch::Type::Private {
        let bytes = super::private::deliver(core, outbound, ahead).await?;
        return if outbound.is_pinned() { pin_at(core, processor, outbound, "", bytes).await } else { Some(bytes) };
    }
    let mut batch = Arc::clone(&outbound.batch);
    for (data, operation) in &outbound.blobs {
        match publish_blob(core, processor, *data, *operation).await {
            Ok(reference) => set_public(Arc::make_mut(&mut batch), *data, &reference),
            Err(End::Stopping) => return None,
            Err(End::Final(error)) => return give_up(core, outbound, *operation, error).await,
        }
    }
    let Published { reference, bytes } = match &outbound.published {
        Some(published) => published.clone(),
        None => {
            let text = Bytes::from(batch.to_text());
            let bytes = text.len();
            match upload(core, processor, text).await {
                Ok(reference) => Published { reference, bytes },
                Err(End::Stopping) => return None,
                Err(End::Final(error)) => return give_up(core, outbound, outbound.upload, error).await,
            }
        }
    };
    let output = operations::payload_ref(&reference);
    operations::lazily(core, operations::Update::new(outbound.upload, Status::Succeeded).output(output)).await;
    pin_at(core, processor, outbound, &reference, bytes).await
}

/// Pins a batch whose payload lies at a reference, or with its recipients if that is empty.
async fn pin_at(
    core: &Core,
    processor: &Processor,
    outbound: &Outbound,
    reference: &str,
    bytes: usize,
) -> Option<usize> {
    // Ahead of the attempt, so that no receipt overtakes it. A crash in between does no harm: what is pending is tried again.
    let input = outbound.pin_input(reference).ok();
    operations::lazily(core, operations::Update::new(outbound.pin, Status::Pending).input(input)).await;
    match pin(core, processor, outbound, outbound.pin, reference).await {
        Ok(()) => Some(bytes),
        Err(End::Stopping) => None,
        Err(End::Final(error)) => {
            operations::lazily(core, operations::Update::new(outbound.pin, Status::Failed).error(error)).await;
            Some(bytes)
        }
    }
}

/// Records a step that will never succeed, and that the pin is therefore not tried.
async fn give_up(core: &Core, outbound: &Outbound, operation: Uuid, error: String) -> Option<usize> {
    operations::lazily(core, operations::Update::new(operation, Status::Failed).error(error.clone())).await;
    operations::lazily(core, operations::Update::new(outbound.pin, Status::Failed).error(error)).await;
    Some(0)
}

/// Publishes what belongs to a batch once more, for as long as it takes. What is there already stays as it is.
pub(super) async fn publish_again(core: &Core, outbound: &Outbound) {
    let mut backoff = core.tasks.backoff(core.options.retry);
    while let Err(error) = try_again(core, outbound).await {
        tracing::warn!(namespace = core.name(), batch = %outbound.batch.id, error, "its upload is tried again");
        if !core.tasks.pause(backoff.advance()).await {
            return;
        }
    }
}

async fn try_again(core: &Core, outbound: &Outbound) -> Result<(), String> {
    let mut batch = Arc::clone(&outbound.batch);
    for (data, operation) in &outbound.blobs {
        let reference = data::upload_blob(core, *data, *operation).await.map_err(|error| error.to_string())?;
        set_public(Arc::make_mut(&mut batch), *data, &reference);
    }
    let reference = core.ports.storage.upload(Bytes::from(batch.to_text())).await.map_err(|error| error.to_string())?;
    let output = operations::payload_ref(&reference);
    operations::lazily(core, operations::Update::new(outbound.upload, Status::Succeeded).output(output)).await;
    Ok(())
}

async fn publish_blob(core: &Core, processor: &Processor, data: Uuid, operation: Uuid) -> Result<String, End> {
    let mut backoff = core.tasks.backoff(core.options.retry);
    loop {
        let error = match data::upload_blob(core, data, operation).await {
            Ok(reference) => return Ok(reference),
            Err(error @ (data::Error::BlobUnknown(_) | data::Error::NotFound(_) | data::Error::NoBlob(_))) => {
                return Err(End::Final(error.to_string()));
            }
            Err(error) => error,
        };
        wait(core, processor, &error, &mut backoff).await?;
    }
}

async fn upload(core: &Core, processor: &Processor, text: Bytes) -> Result<String, End> {
    let mut backoff = core.tasks.backoff(core.options.retry);
    loop {
        let error = match core.ports.storage.upload(text.clone()).await {
            Ok(reference) => return Ok(reference),
            Err(error @ storage::Error::TooLarge(_)) => return Err(End::Final(error.to_string())),
            Err(error) => error,
        };
        wait(core, processor, &error, &mut backoff).await?;
    }
}

async fn pin(
    core: &Core,
    processor: &Processor,
    outbound: &Outbound,
    operation: Uuid,
    reference: &str,
) -> Result<(), End> {
    let mut backoff = core.tasks.backoff(core.options.retry);
    loop {
        let error = match submit(core, outbound, operation, reference).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => error,
            Err(error) => return Err(End::Final(error.to_string())),
        };
        wait(core, processor, &error, &mut backoff).await?;
    }
}

/// One attempt to pin a batch.
async fn submit(core: &Core, outbound: &Outbound, operation: Uuid, reference: &str) -> Result<(), blockchain::Error> {
    let pin = blockchain::BatchPin {
        network: core.options.network_namespace.clone(),
        transaction: outbound.tx,
        batch: outbound.batch.id,
        batch_hash: outbound.batch.hash,
        payload_ref: reference.to_owned(),
        contexts: outbound.contexts(),
    };
    let operation = OperationRef { namespace: core.name().to_owned(), id: operation };
    let (location, _in_force) = core.multiparty.sending().await;
    core.ports.blockchain.submit_batch_pin(&operation, &outbound.batch.key, &pin, &location).await?;
    core.tally.pinned(&location.0);
    Ok(())
}

/// Notes a failure and waits before the next attempt.
async fn wait(
    core: &Core,
    processor: &Processor,
    error: &(dyn Display + Sync),
    backoff: &mut crate::backoff::Backoff,
) -> Result<(), End> {
    processor.failed(core, &error.to_string());
    if core.tasks.pause(backoff.advance()).await { Ok(()) } else { Err(End::Stopping) }
}

fn set_public(batch: &mut Batch, data: Uuid, reference: &str) {
    for data in batch.payload.data.iter_mut().filter(|candidate| candidate.id == data) {
        if let Some(blob) = &mut data.blob {
            reference.clone_into(&mut blob.public);
        }
    }
}

/// What a repetition by hand came to.
pub(crate) struct Repeated {
    /// How far it got.
    pub(crate) status: Status,
    /// What came of it.
    pub(crate) output: Option<JsonText>,
}

/// One attempt at an operation of a batch, under a new operation id.
pub(crate) async fn repeat(core: &Core, outbound: &Outbound, operation: Uuid, pin: bool) -> Result<Repeated, String> {
    let private = outbound.batch.kind == batch::Type::Private;
    let reference = if private {
        String::new()
    } else {
        let text = Bytes::from(outbound.batch.to_text());
        core.ports.storage.upload(text).await.map_err(|error| error.to_string())?
    };
    if !pin {
        return Ok(Repeated { status: Status::Succeeded, output: operations::payload_ref(&reference) });
    }
    submit(core, outbound, operation, &reference).await.map_err(|error| error.to_string())?;
    Ok(Repeated { status: Status::Pending, output: None })
}
