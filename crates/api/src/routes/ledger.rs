//! What happened on the ledger and on the way to it: `/batches`, `/pins`, `/nextpins`, `/transactions`, `/operations` and
//! `/blockchainevents`

use http::StatusCode;
use photinus_engine::{Namespace, aggregation::Rewind, operations::Patch};
use photinus_model::{
    Uuid, batch, blockchain_event::BlockchainEvent, nextpin::NextPin, operation::Operation, pin::Pin,
    transaction::Transaction,
};
use photinus_query::collection;
use serde::Serialize;

use super::EmptyInput;
use crate::{
    failure::Failure,
    listing,
    reply::{self, Answer, found, json, ok},
    request::{Request, uuid},
    route::{Parameter, Route},
};

const FETCH: &[Parameter] = &[Parameter { name: "fetchstatus", about: "Show what the ledger's adapter knows of it" }];

pub(super) static ROUTES: &[Route] = &[
    Route::get("batches", "getBatches", |r| Box::pin(listing::list::<batch::Record>(r)))
        .lists(&collection::BATCHES)
        .gives("BatchPersisted[]"),
    Route::get("batches/{batchid}", "getBatchByID", |r| Box::pin(one_batch(r))).gives("BatchPersisted"),
    Route::post("batches/{batchid}/cancel", "postBatchCancel", |r| Box::pin(cancel(r))).status(204).takes("Empty"),
    Route::get("pins", "getPins", |r| Box::pin(listing::list::<Pin>(r))).lists(&collection::PINS).gives("Pin[]"),
    Route::post("pins/rewind", "postPinsRewind", |r| Box::pin(rewind(r))).takes("PinRewind").gives("PinRewind"),
    Route::get("nextpins", "getNextPins", |r| Box::pin(listing::list::<NextPin>(r)))
        .lists(&collection::NEXTPINS)
        .gives("NextPin[]"),
    Route::get("transactions", "getTxns", |r| Box::pin(listing::list::<Transaction>(r)))
        .lists(&collection::TRANSACTIONS)
        .gives("Transaction[]"),
    Route::get("transactions/{txnid}", "getTxnByID", |r| Box::pin(transaction(r))).gives("Transaction"),
    Route::get("transactions/{txnid}/status", "getTxnStatus", |r| Box::pin(transaction_status(r)))
        .gives("TransactionStatus"),
    Route::get("transactions/{txnid}/operations", "getTxnOps", |r| Box::pin(transaction_operations(r)))
        .gives("Operation[]"),
    Route::get("transactions/{txnid}/blockchainevents", "getTxnBlockchainEvents", |r| Box::pin(transaction_events(r)))
        .gives("BlockchainEvent[]"),
    Route::get("operations", "getOps", |r| Box::pin(listing::list::<Operation>(r)))
        .lists(&collection::OPERATIONS)
        .gives("Operation[]"),
    Route::get("operations/{opid}", "getOpByID", |r| Box::pin(operation(r))).with(FETCH).gives("OperationWithDetail"),
    Route::post("operations/{opid}/retry", "postOpRetry", |r| Box::pin(retry(r)))
        .status(202)
        .takes("Empty")
        .gives("Operation"),
    Route::get("blockchainevents", "getBlockchainEvents", |r| Box::pin(listing::list::<BlockchainEvent>(r)))
        .lists(&collection::BLOCKCHAIN_EVENTS)
        .gives("BlockchainEvent[]"),
    Route::get("blockchainevents/{id}", "getBlockchainEventByID", |r| Box::pin(blockchain_event(r)))
        .gives("BlockchainEvent"),
];

pub(super) static SPI: &[Route] = &[
    Route::get("operations", "spiGetOps", |r| Box::pin(listing::list::<Operation>(r)))
        .lists(&collection::OPERATIONS)
        .gives("Operation[]"),
    Route::get("operations/{nsopid}", "spiGetOpByID", |r| Box::pin(named_operation(r))).of_node().gives("Operation"),
    Route::patch("operations/{nsopid}", "spiPatchOpByID", |r| Box::pin(resolve(r)))
        .of_node()
        .takes("OperationUpdateDTO")
        .gives("Empty"),
];

/// An operation with what the adapter knows of it.
#[derive(Serialize)]
struct WithDetail {
    #[serde(flatten)]
    operation: Operation,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<serde_json::Value>,
}

async fn one_batch(request: Request) -> Answer {
    let id = request.id("batchid")?;
    found(request.read()?.batch(id).await?)
}

async fn cancel(mut request: Request) -> Answer {
    let id = request.id("batchid")?;
    let EmptyInput {} = request.json_or_default().await?;
    request.namespace()?.cancel_batch(id).await?;
    reply::empty()
}

async fn rewind(mut request: Request) -> Answer {
    let wanted: Rewind = request.json().await?;
    ok(&request.namespace()?.rewind(wanted).await?)
}

async fn transaction(request: Request) -> Answer {
    let id = request.id("txnid")?;
    found(request.read()?.transaction(id).await?)
}

async fn transaction_status(request: Request) -> Answer {
    let id = request.id("txnid")?;
    ok(&request.namespace()?.transaction_status(id).await?)
}

async fn transaction_operations(request: Request) -> Answer {
    let id = request.id("txnid")?;
    ok(&request.read()?.operations_of(id).await?)
}

async fn transaction_events(request: Request) -> Answer {
    let id = request.id("txnid")?;
    ok(&request.read()?.blockchain_events_of(id).await?)
}

async fn operation(request: Request) -> Answer {
    let id = request.id("opid")?;
    if request.flag("fetchstatus") {
        let (operation, detail) = request.namespace()?.operation_detail(id).await?;
        return ok(&WithDetail { operation, detail });
    }
    let operation = request.read()?.operation(id).await?.ok_or_else(Failure::absent)?;
    ok(&WithDetail { operation, detail: None })
}

/// What `namespace:uuid` names.
fn reference(request: &Request) -> Result<(Namespace, Uuid), Failure> {
    let text = request.variable("nsopid");
    let parts = text.split_once(':').filter(|(_, id)| !id.contains(':'));
    let (namespace, id) = parts.ok_or_else(|| {
        Failure::bad("FF10411", format_args!("'{text}' does not name an operation: use NAMESPACE:UUID"))
    })?;
    Ok((request.shared.namespaces.running(namespace)?, uuid(id)?))
}

async fn named_operation(request: Request) -> Answer {
    let (namespace, id) = reference(&request)?;
    found(namespace.store().read(namespace.name()).operation(id).await?)
}

async fn resolve(mut request: Request) -> Answer {
    let (namespace, id) = reference(&request)?;
    let patch: Patch = request.json().await?;
    namespace.resolve_operation(id, patch).await?;
    ok(&serde_json::json!({}))
}

async fn retry(mut request: Request) -> Answer {
    let id = request.id("opid")?;
    let EmptyInput {} = request.json_or_default().await?;
    json(StatusCode::ACCEPTED, &request.namespace()?.retry_operation(id).await?)
}

async fn blockchain_event(request: Request) -> Answer {
    let id = request.id("id")?;
    found(request.read()?.blockchain_event(id).await?)
}
