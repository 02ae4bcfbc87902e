//! What queries cost on a store of a million messages, on SQLite and on PostgreSQL, with the plans of the slow ones.
//!
//! `cargo run --release -p photinus-store --features testing --example million -- [messages] [sqlite|postgres]`

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use photinus_model::{
    Time, data::Data, event::Event, message::Message, operation::Operation, pin::Pin, transaction::Transaction,
};
use photinus_query::{Collection, Query, collection, rest};
use photinus_store::{
    Options, Store, Stored, fill,
    server::{Flush, Server},
};

const NAMESPACE: &str = "default";
/// When the first message was made, in nanoseconds since 1970.
const BEGAN: i64 = 1_700_000_000_000_000_000;
/// Times that a query is asked.
const TIMES: u32 = 20;
/// A query that takes longer is shown with its plan.
const SLOW: Duration = Duration::from_millis(5);

fn query(collection: &'static Collection, text: &str) -> Result<Query, rest::Error> {
    let pairs: Vec<(&str, &str)> = text.split('&').filter_map(|pair| pair.split_once('=')).collect();
    rest::parse(collection, &pairs, rest::Limits::default(), Time::ZERO).map(|parsed| parsed.query)
}

/// Asks a query some times, and tells the shortest and the mean time.
async fn ask<T: Stored>(store: &Store, of: &'static Collection, text: &str) -> Result<(), Box<dyn Error>> {
    let query = query(of, text)?;
    let read = store.read(NAMESPACE);
    let (mut shortest, mut all, mut found) = (Duration::MAX, Duration::ZERO, 0);
    for _ in 0..TIMES {
        let began = Instant::now();
        let page = read.find::<T>(&query).await?;
        let took = began.elapsed();
        (shortest, all, found) = (shortest.min(took), all + took, page.items.len());
    }
    let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (least, mean) = (milliseconds(shortest), milliseconds(all / TIMES));
    println!("{:12} {text:60} {least:9.3} ms, mean {mean:9.3} ms, {found} rows", of.name);
    if shortest > SLOW {
        for step in read.explain::<T>(&query).await? {
            println!("             | {step}");
        }
    }
    Ok(())
}

async fn ask_all(store: &Store, messages: u64) -> Result<(), Box<dyn Error>> {
    let half = BEGAN / 1_000_000_000 + i64::try_from(messages / 2_000)?;
    let of = &collection::MESSAGES;
    for text in [
        "limit=25",
        "limit=25&skip=1000",
        "limit=25&count=true",
        "author=did:firefly:org/filled_1",
        "author=nobody",
        "author=did:firefly:org/filled_1&count=true",
        "key=0x0000000000000000000000000000000000000001",
        "type=private",
        "type=definition",
        "type=groupinit",
        "topics=filled-3",
        "topics=nothing",
        "tag=tag-7",
        "state=confirmed",
        "state=rejected",
        "state=ready",
        "txid=00000000-0000-0000-0000-000000000001",
        "cid=00000000-0000-0000-0000-000000000001",
        &format!("created=>={half}"),
        &format!("created=<{half}"),
        &format!("confirmed=<{half}"),
        "sort=-created",
        "sort=created",
        "author=did:firefly:org/filled_1&sort=-created",
        "topics=filled-3&sort=-created",
        "topics=@no-such-topic",
    ] {
        ask::<Message>(store, of, text).await?;
    }
    for text in
        ["limit=25", "type=message_confirmed", "type=message_rejected", "type=transaction_submitted", "topic=filled-3"]
    {
        ask::<Event>(store, &collection::EVENTS, text).await?;
    }
    for field in ["reference", "correlator", "tx"] {
        let text = format!("{field}=00000000-0000-0000-0000-000000000001");
        ask::<Event>(store, &collection::EVENTS, &text).await?;
    }
    ask::<Pin>(store, &collection::PINS, "dispatched=false").await?;
    ask::<Pin>(store, &collection::PINS, "batch=00000000-0000-0000-0000-000000000001").await?;
    ask::<Operation>(store, &collection::OPERATIONS, "tx=00000000-0000-0000-0000-000000000001").await?;
    ask::<Operation>(store, &collection::OPERATIONS, "status=Failed").await?;
    ask::<Operation>(store, &collection::OPERATIONS, "type=blockchain_pin_batch").await?;
    ask::<Transaction>(store, &collection::TRANSACTIONS, "type=unpinned").await?;
    ask::<Data>(store, &collection::DATA, "limit=25").await?;
    ask::<Data>(store, &collection::DATA, "datatype.name=bill").await?;
    Ok(())
}

/// How long the newest page takes, of one connection that asks for nothing else, and how long its JSON.
async fn newest(store: &Store) -> Result<(), Box<dyn Error>> {
    /// Pages that are read.
    const PAGES: u32 = 20_000;
    let newest = Query::first(25);
    let (mut reading, mut writing) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..PAGES {
        let began = Instant::now();
        let page = store.read(NAMESPACE).find::<Message>(&newest).await?;
        let read = Instant::now();
        std::hint::black_box(photinus_model::json::to_bytes_of(&page.items, 32_768)?);
        reading += read - began;
        writing += read.elapsed();
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(PAGES);
    println!("the newest 25 messages: {:.1} us to read, {:.1} us as JSON", micros(reading), micros(writing));
    Ok(())
}

async fn measure(name: &str, options: Options, messages: u64) -> Result<(), Box<dyn Error>> {
    let store = Store::open(options).await?;
    let began = Instant::now();
    let shape =
        fill::Shape { namespace: NAMESPACE.to_owned(), messages, from: 0, topics: 1_000, batch: 300, began: BEGAN };
    fill::fill(&store, &shape).await?;
    println!("{name}: {messages} messages in {:.1} s", began.elapsed().as_secs_f64());
    newest(&store).await?;
    ask_all(&store, messages).await?;
    store.close().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let messages = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let only = arguments.next();
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("sqlite") {
        // Commits need not reach the disk: nothing here must survive.
        measure("SQLite", Options::temporary(), messages).await?;
    }
    if wanted("postgres") {
        let server = Server::start(Flush::System)?;
        measure("PostgreSQL", Options::postgres(server.database().await?), messages).await?;
    }
    Ok(())
}
