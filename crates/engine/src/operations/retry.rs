//! Repeating an operation by hand.

use std::sync::Arc;

use photinus_model::{
    Hash, JsonText, Uuid,
    operation::{Operation, Status, Type},
};
use photinus_store::{Change, ChangeSet, change};

use super::{DataInput, Error, Update};
use crate::{Namespace, batching, core::Core, data, delivery};

/// Most repetitions of repetitions that are followed.
const MAX_CHAIN: usize = 1_000;

impl Namespace {
    /// Repeats an operation: copies its newest repetition under a new id, links the copy from the newest one before it, and
    /// tries it. Answers the copy as it was written down, or the failure if it fails at once. Goes on to its end when the caller
    /// stops waiting.
    ///
    /// FireFly links the copy from the operation that was named, so that copies in between count as failed for ever.
    ///
    /// # Errors
    /// When there is no such operation, it cannot be repeated, or the attempt fails at once.
    pub async fn retry_operation(&self, id: Uuid) -> Result<Operation, Error> {
        let core = Arc::clone(self.core());
        let work = async move { repeat(&core, id).await };
        self.core().tasks.finish("repetition", work).await.unwrap_or(Err(photinus_store::Error::Closed.into()))
    }
}

async fn repeat(core: &Arc<Core>, id: Uuid) -> Result<Operation, Error> {
    let latest = latest(core, id).await?;
    let work = Work::of(core, &latest).await?;
    let now = core.ports.clock.now();
    let copy = Operation {
        id: core.ports.ids.next(),
        status: Status::Initialized,
        output: None,
        error: String::new(),
        created: now,
        updated: now,
        retry: None,
        ..latest.clone()
    };
    let mut changes = ChangeSet::new(core.name());
    changes.push(Change::InsertOperation(copy.clone()));
    changes.push(Change::UpdateOperation(change::Operation {
        id: latest.id,
        status: latest.status,
        input: None,
        output: None,
        error: latest.error,
        updated: now,
        retry: Some(copy.id),
    }));
    core.store.submit(changes).await?;
    match work.run(core, copy.id).await {
        Ok((status, output)) => {
            super::lazily(core, Update::new(copy.id, status).output(output)).await;
            Ok(copy)
        }
        Err(error) => {
            super::lazily(core, Update::new(copy.id, Status::Failed).error(error.clone())).await;
            Err(Error::Failed(error))
        }
    }
}

/// The newest repetition of an operation.
async fn latest(core: &Core, id: Uuid) -> Result<Operation, Error> {
    let read = core.store.read(core.name());
    let mut operation = read.operation(id).await?.ok_or(Error::NotFound(id))?;
    for _ in 0..MAX_CHAIN {
        let Some(next) = operation.retry else { break };
        operation = read.operation(next).await?.ok_or(Error::NotFound(next))?;
    }
    Ok(operation)
}

/// Input of an operation that delivers a batch.
#[derive(serde::Deserialize)]
struct SendBatch {
    batch: Uuid,
    node: Uuid,
}

/// Input of an operation that delivers a file.
#[derive(serde::Deserialize)]
struct SendBlob {
    data_id: Uuid,
    hash: Hash,
    node: Uuid,
}

/// What an operation does, ready to be done once more.
enum Work {
    Batch { outbound: Box<batching::Outbound>, pin: bool },
    Value(Uuid),
    Blob(Uuid),
    Delivery { node: Uuid, what: delivery::What },
}

impl Work {
    async fn of(core: &Core, operation: &Operation) -> Result<Self, Error> {
        let gone = || Error::InputGone(operation.id);
        let input = operation.input.as_ref().ok_or_else(gone)?;
        match operation.kind {
            Type::BlockchainPinBatch => {
                let input: batching::PinInput = input.read().map_err(|_| gone())?;
                let outbound = batching::rebuild(core, input.batch).await.map_err(|_| gone())?;
                Ok(Self::Batch { outbound: Box::new(outbound), pin: true })
            }
            Type::SharedStorageUploadBatch => {
                let input: batching::UploadInput = input.read().map_err(|_| gone())?;
                let outbound = batching::rebuild(core, input.id).await.map_err(|_| gone())?;
                Ok(Self::Batch { outbound: Box::new(outbound), pin: false })
            }
            Type::SharedStorageUploadValue => Ok(Self::Value(input.read::<DataInput>().map_err(|_| gone())?.data_id)),
            Type::SharedStorageUploadBlob => Ok(Self::Blob(input.read::<DataInput>().map_err(|_| gone())?.data_id)),
            Type::DataExchangeSendBatch => {
                let input: SendBatch = input.read().map_err(|_| gone())?;
                let record = core.store.read(core.name()).batch(input.batch).await?.ok_or_else(gone)?;
                let what = delivery::What::Batch { id: input.batch, hash: record.hash.ok_or_else(gone)? };
                Ok(Self::Delivery { node: input.node, what })
            }
            Type::DataExchangeSendBlob => {
                let input: SendBlob = input.read().map_err(|_| gone())?;
                let what = delivery::What::Blob { data: input.data_id, hash: input.hash };
                Ok(Self::Delivery { node: input.node, what })
            }
            kind => Err(Error::NotRepeatable(kind)),
        }
    }

    async fn run(&self, core: &Arc<Core>, operation: Uuid) -> Result<(Status, Option<JsonText>), String> {
        let published = |reference: String| (Status::Succeeded, super::payload_ref(&reference));
        match self {
            Self::Batch { outbound, pin } => {
                let repeated = batching::repeat(core, outbound, operation, *pin).await?;
                Ok((repeated.status, repeated.output))
            }
            Self::Delivery { node, what } => {
                let again = delivery::again(core, *node, what.clone(), operation).await;
                again.map(|()| (Status::Pending, None)).map_err(|error| error.to_string())
            }
            Self::Value(id) => {
                data::upload_value(core, *id, operation).await.map(published).map_err(|error| error.to_string())
            }
            Self::Blob(id) => {
                data::upload_blob(core, *id, operation).await.map(published).map_err(|error| error.to_string())
            }
        }
    }
}
