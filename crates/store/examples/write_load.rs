//! How many messages a store takes a second, on SQLite and on PostgreSQL.
//!
//! A message is written as a node's whole work with it writes it: message and data, then the batch's part, the pin and two
//! events. Run with `cargo run --release -p photinus-store --features testing --example write_load [messages] [submitters]`.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::{error::Error, time::Instant};

use photinus_model::{
    Hash, JsonText, Time, Uuid,
    data::Data,
    event::{self, Event},
    message::{DataRef, Header, Message, State, Type},
    pin::Pin,
    transaction,
};
use photinus_store::{
    Change, ChangeSet, Options, Store, change,
    testing::{Flush, Server},
};

const NAMESPACE: &str = "default";

/// An id that looks random and is the same in every run.
fn id(seed: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Hash::of(seed).0[..16]);
    Uuid::from_bytes(bytes)
}

fn message(number: u128, data: &Data) -> Message {
    let hash = data.hash.unwrap_or_default();
    Message {
        header: Header {
            id: id(&format!("m{number}")),
            cid: None,
            kind: Type::Broadcast,
            tx_type: transaction::Type::BatchPin,
            author: "did:firefly:org/carrier".to_owned(),
            key: "0x0102030405060708091011121314151617181920".to_owned(),
            created: Some(Time::from_unix_nanos(1_700_000_000_000_000_000 + i64::try_from(number).unwrap_or_default())),
            namespace: NAMESPACE.to_owned(),
            group: None,
            topics: vec!["default".to_owned()],
            tag: String::new(),
            data_hash: Some(hash),
            tx_parent: None,
        },
        local_namespace: NAMESPACE.to_owned(),
        hash: Some(Hash::of(hash)),
        batch: None,
        tx_id: None,
        state: Some(State::Ready),
        confirmed: None,
        reject_reason: String::new(),
        data: vec![DataRef { id: data.id, hash }],
        pins: Vec::new(),
        idempotency_key: None,
    }
}

fn data(number: u128) -> Result<Data, Box<dyn Error>> {
    let value = JsonText::parse(&format!(r#"{{"bill":"{number:080}"}}"#))?;
    Ok(Data {
        id: id(&format!("d{number}")),
        validator: photinus_model::data::Validator::Json,
        namespace: NAMESPACE.to_owned(),
        hash: Some(value.hash()),
        created: Some(Time::from_unix_nanos(1)),
        datatype: None,
        value: Some(value),
        public: String::new(),
        blob: None,
    })
}

fn event(number: u128, kind: event::Type, message: &Message) -> Event {
    Event {
        id: id(&format!("{kind}{number}")),
        sequence: 0,
        kind,
        namespace: NAMESPACE.to_owned(),
        reference: Some(message.header.id),
        correlator: None,
        tx: None,
        topic: "default".to_owned(),
        created: Time::from_unix_nanos(1),
    }
}

/// What a request writes.
fn accepted(message: &Message, data: Data) -> ChangeSet {
    let mut set = ChangeSet::new(NAMESPACE);
    set.push(Change::InsertData(data)).push(Change::InsertMessage(message.clone()));
    set
}

/// What the ledger's answer writes.
fn confirmed(number: u128, message: &Message, set: &mut ChangeSet) {
    set.push(Change::InsertPins(vec![Pin {
        sequence: 0,
        namespace: NAMESPACE.to_owned(),
        masked: false,
        hash: Hash::of("default"),
        batch: Uuid::from_u128(number / 500),
        batch_hash: Hash::of("batch"),
        index: i64::try_from(number % 500).unwrap_or_default(),
        dispatched: true,
        signer: message.header.key.clone(),
        created: Time::from_unix_nanos(1),
    }]));
    set.push(Change::UpdateMessage(change::Message {
        id: message.header.id,
        state: Some(State::Confirmed),
        confirmed: Some(Time::from_unix_nanos(2)),
        batch: Some(Uuid::from_u128(number / 500)),
        ..change::Message::default()
    }));
    for kind in [event::Type::TransactionSubmitted, event::Type::MessageConfirmed] {
        set.push(Change::InsertEvent(event(number, kind, message)));
    }
}

/// Messages, each submitted by one of several hands, then confirmed in batches of 500.
async fn load(name: &str, store: &Store, messages: u128, submitters: u128) -> Result<(), Box<dyn Error>> {
    let mut made = Vec::new();
    for number in 0..messages {
        let data = data(number)?;
        made.push((number, message(number, &data), data));
    }
    let begin = Instant::now();
    let mut hands = tokio::task::JoinSet::new();
    for hand in 0..submitters {
        let share: Vec<_> = made.iter().filter(|(number, ..)| number % submitters == hand).cloned().collect();
        let store = store.clone();
        hands.spawn(async move {
            for (_, message, data) in share {
                store.submit(accepted(&message, data)).await?;
            }
            Ok::<_, photinus_store::Error>(())
        });
    }
    while let Some(done) = hands.join_next().await {
        done??;
    }
    let accepted = begin.elapsed();
    for batch in made.chunks(500) {
        let mut set = ChangeSet::new(NAMESPACE);
        for (number, message, _) in batch {
            confirmed(*number, message, &mut set);
        }
        store.submit(set).await?;
    }
    let all = begin.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let rate = |time: std::time::Duration| messages as f64 / time.as_secs_f64();
    println!(
        "{name:10} {submitters:5} submitters: {:7.0} messages/s accepted, {:7.0} messages/s confirmed, {:7.0} messages/s in all",
        rate(accepted),
        rate(all.saturating_sub(accepted)),
        rate(all)
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let messages = arguments.next().map_or(Ok(50_000), |text| text.parse())?;
    let submitters = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let server = Server::start(Flush::Disk)?;
    for submitters in [submitters, 1] {
        let messages = if submitters == 1 { messages / 20 } else { messages };
        let store = Store::open(Options::sqlite(folder.path().join(format!("{submitters}.db")))).await?;
        load("SQLite", &store, messages, submitters).await?;
        store.close().await;
        let store = Store::open(Options::postgres(server.database().await?)).await?;
        load("PostgreSQL", &store, messages, submitters).await?;
        store.close().await;
    }
    Ok(())
}
