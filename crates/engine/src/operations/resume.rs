//! Operations of requests that a crash cut off.

use std::sync::Arc;

use photinus_model::operation::{Operation, Status, Type};

use super::{DataInput, Update, lazily};
use crate::{core::Core, data};

/// Tries uploads of single values and files again that were written down and not finished, one after the other, and network
/// actions. Those of batches go on with their batch, and downloads with what waits for them.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn resume(core: &Arc<Core>) -> Result<(), photinus_store::Error> {
    let mut uploads = Vec::new();
    for operation in core.store.read(core.name()).unfinished_work().await? {
        if operation.kind == Type::BlockchainNetworkAction {
            super::action::resume(core, &operation);
            continue;
        }
        let single = matches!(operation.kind, Type::SharedStorageUploadValue | Type::SharedStorageUploadBlob);
        if single && !of_a_batch(core, &operation).await? {
            uploads.push(operation);
        }
    }
    if !uploads.is_empty() {
        let owner = Arc::clone(core);
        core.tasks.spawn_once("interrupted uploads", async move {
            for operation in uploads {
                upload(&owner, operation).await;
            }
        });
    }
    Ok(())
}

async fn of_a_batch(core: &Core, operation: &Operation) -> Result<bool, photinus_store::Error> {
    match operation.tx {
        Some(tx) => Ok(core.store.read(core.name()).batch_of(tx).await?.is_some()),
        None => Ok(false),
    }
}

async fn upload(core: &Core, operation: Operation) {
    let Some(input) = operation.input.as_ref().and_then(|input| input.read::<DataInput>().ok()) else { return };
    let result = match operation.kind {
        Type::SharedStorageUploadValue => data::upload_value(core, input.data_id, operation.id).await,
        _ => data::upload_blob(core, input.data_id, operation.id).await,
    };
    if let Err(error) = result {
        lazily(core, Update::new(operation.id, Status::Failed).error(error.to_string())).await;
    }
}
