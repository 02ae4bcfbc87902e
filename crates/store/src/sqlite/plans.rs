//! That every small read finds its rows by an index, in order, without looking at others.

use photinus_model::{
    Hash, Uuid, batch, blockchain_event::BlockchainEvent, data::Data, event::Event, identity, message::Message,
    operation::Operation, transaction::Transaction, verifier,
};
use photinus_query::{Condition, Query, collection};
use rusqlite::Connection;

use crate::{Change, ChangeSet, Chart, Database, Limits, Options, Store, plan, rows::Stored, value::Value};

/// Fails when a query reads rows that it does not want.
pub(super) fn check(connection: &Connection, text: &str, params: &[Value]) {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
    for (index, value) in (1..).zip(params) {
        statement.raw_bind_parameter(index, value).unwrap();
    }
    let mut steps = statement.raw_query();
    let mut some = false;
    while let Some(step) = steps.next().unwrap() {
        let step: String = step.get(3).unwrap();
        // The few namespaces are read as they lie.
        let scans = step.starts_with("SCAN") && !text.contains("FROM namespaces");
        // What is open, or undecided, is in an index of its own.
        let few = step.contains("_open") || step.contains("_undecided");
        let filters = text.replace("AND confirmed IS", "").contains(" AND ");
        assert!(!scans && (few || !filters || !step.ends_with("(ns=?)")), "{step}: {text}");
        some = true;
    }
    assert!(some, "no plan: {text}");
}

#[test]
fn look_ups_use_an_index() {
    let opened = super::open(Database::Temporary, &Limits::default()).unwrap();
    for lookup in plan::LOOKUPS {
        opened.backend.check_plan(lookup);
    }
}

#[tokio::test]
async fn small_reads_use_an_index() {
    let store = Store::open(Options::temporary()).await.unwrap();
    let mut set = ChangeSet::new("ns");
    set.push(Change::PutKv { space: 1, key: vec![1], value: vec![2] });
    store.submit(set).await.unwrap();
    let (read, id, hash, text) = (store.read("ns"), Uuid::from_u128(1), Hash::of("x"), "text");
    let ids = [id; 5];
    read.message(id).await.unwrap();
    read.message_with_hash(id, hash).await.unwrap();
    read.messages_by_ids(&ids).await.unwrap();
    read.message_by_idempotency_key(text).await.unwrap();
    read.ready_messages(Some(3), 5).await.unwrap();
    read.ready_messages_of(text, None, true, 5).await.unwrap();
    read.ready_messages_of(text, Some(hash), false, 5).await.unwrap();
    read.messages_of_batch(id).await.unwrap();
    read.data(id).await.unwrap();
    read.data_with_hash(id, hash).await.unwrap();
    read.data_by_ids(&ids).await.unwrap();
    read.data_in_flight(id).await.unwrap();
    read.blobs_by_hash(hash).await.unwrap();
    read.batch(id).await.unwrap();
    read.batch_with_hash(id, hash).await.unwrap();
    read.batch_of(id).await.unwrap();
    read.transaction(id).await.unwrap();
    read.transaction_by_idempotency_key(text).await.unwrap();
    read.operation(id).await.unwrap();
    read.operations_of(id).await.unwrap();
    read.unfinished_operations().await.unwrap();
    read.unfinished_work().await.unwrap();
    read.blockchain_event(id).await.unwrap();
    read.blockchain_events_of(id).await.unwrap();
    read.event(id).await.unwrap();
    read.events_after(7, 5).await.unwrap();
    read.last_event().await.unwrap();
    read.undispatched_pins(7, 5).await.unwrap();
    read.pin(7).await.unwrap();
    read.pins_of(id).await.unwrap();
    read.nextpins(hash).await.unwrap();
    read.identity(id).await.unwrap();
    read.identity_by_did(text).await.unwrap();
    read.identity_by_name(identity::Type::Org, text).await.unwrap();
    read.first_child(id, identity::Type::Node).await.unwrap();
    read.verifier(verifier::Type::EthereumAddress, text).await.unwrap();
    read.verifier_by_hash(hash).await.unwrap();
    read.verifiers_of(id).await.unwrap();
    read.datatype(text, text).await.unwrap();
    read.datatype_by_id(id).await.unwrap();
    read.group(hash).await.unwrap();
    read.subscription(id).await.unwrap();
    read.subscription_by_name(text).await.unwrap();
    read.offset(text, text).await.unwrap();
    let (from, to) = (photinus_model::Time::ZERO, photinus_model::Time::from_unix_nanos(9));
    for chart in [Chart::Messages, Chart::Transactions, Chart::Operations, Chart::Events, Chart::BlockchainEvents] {
        read.count_between(chart, from, to, 100).await.unwrap();
    }
    read.data_folders("/a", 100).await.unwrap();
    store.kv_get("ns", 1, &[1]).await.unwrap();
    store.kv_range("ns", 1, &[1], Some(&[2]), 5).await.unwrap();
    store.kv_scan("ns", 1, &[1], Some(&[1, 2]), 5).await.unwrap();
    store.kv_last("ns", 1, &[1]).await.unwrap();
    let page = Query::first(25);
    read.messages_of_data(id, &page).await.unwrap();
    for (field, value) in [("tag", "bill"), ("group", &hash.to_string()), ("cid", &id.to_string())] {
        let field = collection::MESSAGES.field(field).unwrap();
        let query = page.clone().and(Condition::text(field, value));
        read.find::<Message>(&query).await.unwrap();
    }
    first_page::<Message>(&store).await;
    first_page::<Data>(&store).await;
    first_page::<batch::Record>(&store).await;
    first_page::<Transaction>(&store).await;
    first_page::<Operation>(&store).await;
    first_page::<Event>(&store).await;
    first_page::<BlockchainEvent>(&store).await;
    store.close().await;
}

/// The newest rows of a collection, in the collection's own order.
async fn first_page<T: Stored>(store: &Store) {
    store.read("ns").find::<T>(&Query::first(25)).await.unwrap();
}
