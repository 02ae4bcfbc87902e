//! Outcomes of operations that somebody else reports, and batches that are to be given up.

use photinus_model::{JsonText, Uuid, operation::Operation, operation::Status, transaction};
use serde::Deserialize;

use super::{Error, Update, progress};
use crate::Namespace;

/// What somebody else knows of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Patch {
    /// How far it is; unchanged when left out.
    #[serde(default)]
    pub status: Option<String>,
    /// What came of it; unchanged when left out.
    #[serde(default)]
    pub output: Option<JsonText>,
    /// Why it failed; unchanged when left out.
    #[serde(default)]
    pub error: Option<String>,
}

impl Namespace {
    /// Records what somebody else knows of an operation; returns when it is durable. An outcome that is known does not become
    /// open again.
    ///
    /// # Errors
    /// When there is no such operation or no such status.
    pub async fn resolve_operation(&self, id: Uuid, patch: Patch) -> Result<(), Error> {
        let core = self.core();
        let known: Operation = core.store.read(core.name()).operation(id).await?.ok_or(Error::NotFound(id))?;
        let status: Status = match patch.status.filter(|text| !text.is_empty()) {
            Some(text) => text.parse().map_err(|_| Error::Status(text))?,
            None => known.status,
        };
        let output = patch.output.filter(|output| !output.is_null());
        let update = Update::new(id, status).output(output).error(patch.error.unwrap_or(known.error));
        if progress::durably(core, update).await { Ok(()) } else { Err(photinus_store::Error::Closed.into()) }
    }

    /// Gives a batch up that waits for a custom contract. Batches of other kinds always go through in the end, and one that is not
    /// being sent by this node cannot be taken back.
    ///
    /// # Errors
    /// When there is no such batch, or it cannot be given up.
    pub async fn cancel_batch(&self, id: Uuid) -> Result<(), Error> {
        let core = self.core();
        let batch = core.store.read(core.name()).batch(id).await?.ok_or(Error::NoBatch(id))?;
        if batch.tx.kind != transaction::Type::ContractInvokePin {
            return Err(Error::NotCancellable { id, kind: batch.tx.kind.as_str().to_owned() });
        }
        // This node sends no such batches, so it cannot be one of its own.
        Err(Error::NotDispatched(id))
    }
}
