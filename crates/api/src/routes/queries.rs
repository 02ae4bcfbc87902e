//! `POST /…/query`: listings whose query is a JSON object. Ours: FireFly has the language and no route for it.

use photinus_model::{
    batch, blockchain_event::BlockchainEvent, data::Data, datatype::Datatype, event::Event, identity::Identity,
    message::Message, operation::Operation, pin::Pin, subscription::Subscription, transaction::Transaction,
    verifier::Verifier,
};
use photinus_ports::clock::{Clock, System};
use photinus_query::{Collection, collection, json};
use photinus_store::Stored;
use serde::Serialize;

use crate::{listing, reply::Answer, request::Request, route::Route};

macro_rules! queries {
    ($($path:literal $operation:literal $record:ty, $collection:ident, $gives:literal;)+) => {
        pub(super) static ROUTES: &[Route] = &[$(
            Route::post(concat!($path, "/query"), $operation, |r| {
                Box::pin(answer::<$record>(r, &collection::$collection))
            })
            .takes("Query")
            .gives($gives)
        ),+];
    };
}

queries! {
    "messages" "queryMsgs" Message, MESSAGES, "Message[]";
    "data" "queryData" Data, DATA, "Data[]";
    "datatypes" "queryDatatypes" Datatype, DATATYPES, "Datatype[]";
    "batches" "queryBatches" batch::Record, BATCHES, "BatchPersisted[]";
    "transactions" "queryTxns" Transaction, TRANSACTIONS, "Transaction[]";
    "operations" "queryOps" Operation, OPERATIONS, "Operation[]";
    "events" "queryEvents" Event, EVENTS, "Event[]";
    "subscriptions" "querySubscriptions" Subscription, SUBSCRIPTIONS, "Subscription[]";
    "pins" "queryPins" Pin, PINS, "Pin[]";
    "identities" "queryIdentities" Identity, IDENTITIES, "Identity[]";
    "verifiers" "queryVerifiers" Verifier, VERIFIERS, "Verifier[]";
    "blockchainevents" "queryBlockchainEvents" BlockchainEvent, BLOCKCHAIN_EVENTS, "BlockchainEvent[]";
}

async fn answer<T: Stored + Serialize>(mut request: Request, collection: &'static Collection) -> Answer {
    let body: serde_json::Value = request.json().await?;
    let query = json::parse(collection, &body, request.shared.options.limits.listing, System.now())?;
    listing::found::<T>(&request, &query).await
}
