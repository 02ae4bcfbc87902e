//! Operations and transactions: what this node does towards the outside, written down before it is tried.
//!
//! The rows of an operation are not on the way of a message: their progress is gathered and written behind. What a crash
//! loses of it is tried again with the same operation id, which ports take for the same attempt.

mod action;
mod error;
mod progress;
mod receipt;
mod resolve;
mod resume;
mod retry;
pub mod status;

pub use action::NetworkAction;
pub(crate) use action::vote;
pub use error::Error;
use photinus_model::{
    JsonText, Time, Uuid,
    event::{self, Event},
    operation::{Operation, Status},
    transaction::Transaction,
};
pub(crate) use progress::{Handle, Update, durably, lazily, pending, succeeded};
pub(crate) use receipt::record as receipt;
pub use resolve::Patch;
pub(crate) use resume::resume;
use serde::{Deserialize, Serialize};

use crate::{Namespace, core::Core};

/// Input of operations that work on one piece of data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataInput {
    /// The data.
    pub(crate) data_id: Uuid,
}

/// Output of an upload.
pub(crate) fn payload_ref(reference: &str) -> Option<JsonText> {
    JsonText::write(&serde_json::json!({ "payloadRef": reference })).ok()
}

/// The event that tells of a transaction of this node.
pub(crate) fn submitted(core: &Core, transaction: &Transaction) -> Event {
    Event {
        id: core.ports.ids.next(),
        sequence: 0,
        kind: event::Type::TransactionSubmitted,
        namespace: core.name().to_owned(),
        reference: Some(transaction.id),
        correlator: None,
        tx: Some(transaction.id),
        topic: transaction.kind.as_str().to_owned(),
        created: transaction.created,
    }
}

/// A new operation that was not tried yet.
pub(crate) fn initialized(
    core: &Core,
    tx: Uuid,
    kind: photinus_model::operation::Type,
    plugin: &str,
    input: JsonText,
    now: Time,
) -> Operation {
    Operation {
        id: core.ports.ids.next(),
        namespace: core.name().to_owned(),
        tx: Some(tx),
        kind,
        status: Status::Initialized,
        plugin: plugin.to_owned(),
        input: Some(input),
        output: None,
        error: String::new(),
        created: now,
        updated: now,
        retry: None,
    }
}

impl Namespace {
    /// The status of a transaction, derived from its operations, its events on the ledger and its batch.
    ///
    /// # Errors
    /// [`Error::NoTransaction`] when there is none.
    pub async fn transaction_status(&self, id: Uuid) -> Result<status::Status, Error> {
        let core = self.core();
        let read = core.store.read(core.name());
        let transaction = read.transaction(id).await?.ok_or(Error::NoTransaction(id))?;
        let operations = read.operations_of(id).await?;
        let events = read.blockchain_events_of(id).await?;
        let batch = read.batch_of(id).await?;
        Ok(status::derive(&transaction.kind, &operations, &events, batch.as_ref()))
    }

    /// What the ledger's adapter knows of an operation beyond its record; `None` for operations of other kinds, and for those
    /// that the adapter never saw. A failure of the adapter is told as text, because the record itself is fine.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn operation_detail(&self, id: Uuid) -> Result<(Operation, Option<serde_json::Value>), Error> {
        let core = self.core();
        let operation = core.store.read(core.name()).operation(id).await?.ok_or(Error::NotFound(id))?;
        if !operation.kind.as_str().starts_with("blockchain_") {
            return Ok((operation, None));
        }
        let reference = photinus_ports::OperationRef { namespace: core.name().to_owned(), id };
        let detail = match core.ports.blockchain.operation_status(&reference).await {
            Ok(detail) => detail,
            Err(error) => Some(serde_json::json!({ "error": error.to_string() })),
        };
        Ok((operation, detail))
    }
}
