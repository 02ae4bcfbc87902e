//! How common queries are answered when there are many messages: by an index, in its order.

use photinus_model::{
    Time, Uuid, batch, blockchain_event::BlockchainEvent, data::Data, event::Event, message::Message,
    operation::Operation, pin::Pin, transaction::Transaction,
};
use photinus_query::{Collection, Query, collection, rest};
use photinus_store::{Options, Store, Stored, fill};

use crate::backends::{NS, Place};

/// Enough that a planner chooses as with a million.
const MESSAGES: u64 = 20_000;

/// What is asked, as in a URL.
fn query(collection: &'static Collection, text: &str) -> Query {
    let pairs: Vec<(&str, &str)> = text.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let parsed = rest::parse(collection, &pairs, rest::Limits::default(), Time::ZERO).unwrap();
    assert!(parsed.unknown.is_empty(), "{:?}", parsed.unknown);
    parsed.query
}

/// Whether the few rows that are found may be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sorted {
    ByIndex,
    Few,
}
use Sorted::{ByIndex, Few};

/// Fails when the answer is not found by these indexes, or when rows are looked at or sorted that are not asked for.
async fn expect<T: Stored>(
    store: &Store,
    collection: &'static Collection,
    text: &str,
    indexes: &[&str],
    sorted: Sorted,
) {
    let plan = store.read(NS).explain::<T>(&query(collection, text)).await.unwrap().join("\n");
    let told = format!("{} {text}:\n{plan}", collection.name);
    assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN"), "{told}");
    let step = |line: &str| line.trim_start_matches([' ', '-', '>']).to_owned();
    let sorts = plan.lines().any(|line| step(line) == "Sort" || line.contains("TEMP B-TREE"));
    assert!(sorted == Few || !sorts, "{told}");
    for index in indexes {
        assert!(plan.contains(index), "{index}: {told}");
    }
}

async fn filled(place: &Place) -> Store {
    // Nothing here must survive: commits need not reach the disk.
    let options = if let Place::File(_) = place { Options::temporary() } else { place.options() };
    let store = Store::open(options).await.unwrap();
    let began = 1_700_000_000_000_000_000;
    let shape = fill::Shape { namespace: NS.to_owned(), messages: MESSAGES, from: 0, topics: 50, batch: 20, began };
    fill::fill(&store, &shape).await.unwrap();
    if let Place::Server(url) = place {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute("VACUUM ANALYZE").await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }
    store
}

crate::on_both! {
    async fn common_queries_use_an_index(place: Place) {
        let store = filled(&place).await;
        let id = Uuid::from_u128(7);
        let hash = "0".repeat(64);
        let of = &collection::MESSAGES;
        let halves = |index| ["messages_undecided", index];
        expect::<Message>(&store, of, "limit=25", &halves("messages_order"), ByIndex).await;
        expect::<Message>(&store, of, "limit=25&skip=1000", &halves("messages_order"), ByIndex).await;
        for (filter, index) in [
            ("author=did:firefly:org/filled_1", "messages_author"),
            ("author=nobody", "messages_author"),
            ("type=private", "messages_type"),
            ("type=groupinit", "messages_type"),
            ("topics=filled-3", "messages_topics"),
            ("tag=tag-7", "messages_tag"),
            ("key=0x0000000000000000000000000000000000000001", "messages_key"),
            ("state=rejected", "messages_state"),
            ("state=ready", "messages_state"),
            (&format!("group={hash}"), "messages_group"),
        ] {
            expect::<Message>(&store, of, filter, &halves(index), ByIndex).await;
            let counted = format!("{filter}&count=true");
            let plan = store.read(NS).explain::<Message>(&query(of, &counted)).await.unwrap().join("\n");
            assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN messages"), "{counted}:\n{plan}");
        }
        for (filter, index) in
            [("txid", "messages_txid"), ("cid", "messages_cid"), ("batch", "messages_batch"), ("id", "messages_id")]
        {
            expect::<Message>(&store, of, &format!("{filter}={id}"), &[index], Few).await;
        }
        expect::<Message>(&store, of, "created=>1700000010", &halves("messages_order"), ByIndex).await;
        expect::<Message>(&store, of, "created=<1700000010", &halves("messages_order"), ByIndex).await;
        expect::<Message>(&store, of, "confirmed=<1700000010", &halves("messages_order"), ByIndex).await;
        // What is undecided may have to be sorted.
        expect::<Message>(&store, of, "sort=-created", &["messages_created"], Few).await;
        expect::<Message>(&store, of, "sort=author&created=>1700000019", &[], Few).await;

        let of = &collection::EVENTS;
        expect::<Event>(&store, of, "limit=25", &[], ByIndex).await;
        expect::<Event>(&store, of, "type=message_rejected", &["events_type"], ByIndex).await;
        expect::<Event>(&store, of, "topic=filled-3", &["events_topic"], ByIndex).await;
        for (filter, index) in
            [("reference", "events_reference"), ("correlator", "events_correlator"), ("tx", "events_tx")]
        {
            expect::<Event>(&store, of, &format!("{filter}={id}"), &[index], Few).await;
        }
        let of = &collection::PINS;
        expect::<Pin>(&store, of, &format!("batch={id}"), &["pins_batch"], Few).await;
        expect::<Pin>(&store, of, &format!("hash={hash}"), &["pins_hash"], Few).await;
        expect::<Pin>(&store, of, "dispatched=false", &["pins_open"], ByIndex).await;
        let of = &collection::OPERATIONS;
        expect::<Operation>(&store, of, &format!("tx={id}"), &["operations_tx"], Few).await;
        expect::<Operation>(&store, of, "status=Failed", &["operations_status"], ByIndex).await;
        let of = &collection::DATA;
        expect::<Data>(&store, of, "limit=25", &[], ByIndex).await;
        expect::<Data>(&store, of, &format!("id={id}"), &["data_id"], Few).await;
        expect::<Data>(&store, of, &format!("blob.hash={hash}"), &["data_blob"], Few).await;
        expect::<Data>(&store, of, "datatype.name=bill", &["data_datatype"], Few).await;
        // Of batches and what belongs to them there are too few here for an index to be worth it; that nothing is refused counts.
        for (of, filter) in [(&collection::BATCHES, "author=x"), (&collection::BATCHES, "sort=created")] {
            store.read(NS).explain::<batch::Record>(&query(of, filter)).await.unwrap();
        }
        let filter = query(&collection::TRANSACTIONS, "type=unpinned&blockchainids=0x");
        store.read(NS).explain::<Transaction>(&filter).await.unwrap();
        let filter = query(&collection::BLOCKCHAIN_EVENTS, "tx.blockchainid=0x");
        store.read(NS).explain::<BlockchainEvent>(&filter).await.unwrap();
        store.close().await;
    }
}
