//! Pinning batches once more, after their pins came too late for the contract that they were sent to.

use std::collections::HashMap;

use photinus_model::{
    Uuid,
    operation::{Operation, Status, Type},
};
use photinus_ports::OperationRef;
use photinus_store::{Change, ChangeSet, change};

use super::{
    Outbound,
    recover::{self, Error},
};
use crate::{certain, core::Core};

/// Gives every batch that was sent to the ledger and is not on it a new operation that pins it, unchanged. All of them are written
/// in one commit, together with `mark`. Called when every log that counts was taken, and while nothing is being sent.
pub(crate) async fn pin_again(core: &Core, mark: Change) -> Result<Vec<Outbound>, crate::namespace::Error> {
    let mut changes = ChangeSet::new(core.name());
    changes.push(mark);
    let mut again: Vec<Outbound> = Vec::new();
    for batch in core.store.read(core.name()).unpinned_batches().await? {
        let Some(tx) = batch.tx.id else { continue };
        let Some(sent) = sent_pin(core, tx).await? else { continue };
        let now = core.ports.clock.now();
        let fresh = Operation {
            id: core.ports.ids.next(),
            status: Status::Initialized,
            output: None,
            error: String::new(),
            created: now,
            updated: now,
            retry: None,
            ..sent.clone()
        };
        let outbound = match recover::resumable(core, &fresh).await {
            Ok(outbound) => outbound,
            Err(error @ Error::Incomplete { .. }) => {
                tracing::error!(namespace = core.name(), %error, "batch cannot be pinned again");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        tracing::info!(namespace = core.name(), batch = %batch.id, "its pin came too late, pinning it again");
        changes.push(Change::InsertOperation(fresh.clone()));
        changes.push(Change::UpdateOperation(change::Operation {
            id: sent.id,
            status: sent.status,
            input: None,
            output: None,
            error: sent.error,
            updated: now,
            retry: Some(fresh.id),
        }));
        again.push(outbound);
    }
    let one = again.first().map(|outbound| outbound.pin);
    certain::submit(core, changes, || async move {
        match one {
            Some(operation) => Ok(core.store.read(core.name()).operation(operation).await?.is_some()),
            // Nothing is to be done for it; the mark is set once more.
            None => Ok(false),
        }
    })
    .await?;
    Ok(again)
}

/// The newest pin operation of a transaction, if the ledger's adapter has sent it. One that it has not goes to the contract in
/// force by itself; one that failed waits for whoever repeats it by hand.
async fn sent_pin(core: &Core, tx: Uuid) -> Result<Option<Operation>, crate::namespace::Error> {
    let operations = core.store.read(core.name()).operations_of(tx).await?;
    let pins = operations.into_iter().filter(|operation| operation.kind == Type::BlockchainPinBatch);
    let mut newest: HashMap<Uuid, Operation> = pins.map(|pin| (pin.id, pin)).collect();
    newest.retain(|_, pin| pin.retry.is_none());
    for pin in newest.into_values() {
        let sent = match pin.status {
            Status::Succeeded => true,
            Status::Failed => false,
            Status::Initialized | Status::Pending => {
                let operation = OperationRef { namespace: core.name().to_owned(), id: pin.id };
                core.ports.blockchain.operation_status(&operation).await?.is_some()
            }
        };
        if sent {
            return Ok(Some(pin));
        }
    }
    Ok(None)
}
