//! What the ledger says became of an operation.

use photinus_model::{JsonText, operation::Status};
use photinus_ports::blockchain::{Outcome, Receipt, SinkClosed};
use photinus_store as store;

use super::{Update, progress};
use crate::core::Core;

/// Records a receipt, for as long as it takes; returns when it is durable.
pub(crate) async fn record(core: &Core, receipt: Receipt) -> Result<(), SinkClosed> {
    let mut backoff = core.tasks.backoff(core.options.retry);
    let update = loop {
        match update(core, &receipt).await {
            Ok(update) => break update,
            Err(error) => {
                tracing::warn!(namespace = core.name(), %error, "receipt is recorded later");
                if !core.tasks.pause(backoff.advance()).await {
                    return Err(SinkClosed);
                }
            }
        }
    };
    match update {
        Some(update) => progress::durably(core, update).await.then_some(()).ok_or(SinkClosed),
        None => Ok(()),
    }
}

/// What a receipt changes. Nothing when its operation is not known here: it belongs to another life of this namespace.
async fn update(core: &Core, receipt: &Receipt) -> Result<Option<Update>, store::Error> {
    let id = receipt.operation.id;
    let Some(operation) = core.store.read(core.name()).operation(id).await? else {
        tracing::warn!(namespace = core.name(), operation = %id, "receipt of an unknown operation");
        return Ok(None);
    };
    let (status, error) = match &receipt.outcome {
        Outcome::Succeeded => (Status::Succeeded, String::new()),
        Outcome::Failed(error) => (Status::Failed, error.clone()),
        Outcome::Update => (Status::Pending, String::new()),
    };
    let output = (!receipt.output.is_empty()).then(|| JsonText::write(&receipt.output).ok()).flatten();
    let update = Update::new(id, status).output(output).error(error);
    Ok(Some(update.on_ledger(operation.tx, receipt.transaction_hash.clone())))
}
