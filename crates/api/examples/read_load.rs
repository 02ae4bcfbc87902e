//! How many listings a node answers: `cargo run --release -p photinus-api --example read_load [MESSAGES] [SECONDS]`.
//!
//! One member on a ledger in memory, filled with messages; ten connections that ask for the newest 25 as fast as they are
//! answered. Prints requests per second, and the processor time of one, both ends together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a tool for developers")]

use std::time::{Duration, Instant};

use photinus_api::{Namespaces, Options, Server, State, options::Listener};
use photinus_model::{
    Hash, Time, Uuid,
    message::{self, DataRef, Header, Message},
    transaction,
};
use photinus_store::{Change, ChangeSet};
use photinus_testkit::network::{NAMESPACE, Network};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CONNECTIONS: usize = 10;

fn message(number: u128) -> Message {
    let nanos = 1_700_000_000_000_000_000 + i64::try_from(number).unwrap() * 1_000_000;
    Message {
        header: Header {
            id: Uuid::from_u128(number << 64 | number),
            cid: None,
            kind: message::Type::Broadcast,
            tx_type: transaction::Type::BatchPin,
            author: "did:firefly:org/org_0".to_owned(),
            key: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266".to_owned(),
            created: Some(Time::from_unix_nanos(nanos)),
            namespace: NAMESPACE.to_owned(),
            group: None,
            topics: vec![format!("topic-{}", number % 16)],
            tag: "bench".to_owned(),
            data_hash: Some(Hash::of(number.to_be_bytes())),
            tx_parent: None,
        },
        local_namespace: NAMESPACE.to_owned(),
        hash: Some(Hash::of(number.to_le_bytes())),
        batch: Some(Uuid::from_u128(number / 100)),
        tx_id: Some(Uuid::from_u128(number / 100 + 1)),
        state: Some(message::State::Confirmed),
        confirmed: Some(Time::from_unix_nanos(nanos + 5_000_000)),
        reject_reason: String::new(),
        data: vec![DataRef { id: Uuid::from_u128(number + 7), hash: Hash::of("x") }],
        pins: Vec::new(),
        idempotency_key: None,
    }
}

/// Asks until the time is over; how often it was answered.
async fn ask(address: std::net::SocketAddr, path: String, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut buffer = vec![0; 256 << 10];
    let mut answered = 0;
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut filled, mut whole) = (0, usize::MAX);
        while filled < whole {
            let read = stream.read(&mut buffer[filled..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
            if whole == usize::MAX
                && let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n")
            {
                let head = std::str::from_utf8(&buffer[..end]).unwrap().to_ascii_lowercase();
                assert!(head.starts_with("http/1.1 200"), "{head}");
                let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                whole = end + 4 + length.trim().parse::<usize>().unwrap();
            }
        }
        answered += 1;
    }
    answered
}

/// Processor time of this process.
fn consumed() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let messages: u128 = arguments.next().map_or(100_000, |text| text.parse().unwrap());
    let seconds: u64 = arguments.next().map_or(5, |text| text.parse().unwrap());
    let network = Network::registered(1).await;
    let member = &network.members[0];
    for from in (1..=messages).step_by(1000) {
        let mut set = ChangeSet::new(NAMESPACE);
        for number in from..from + 1000 {
            set.push(Change::KeepMessage(message(number)));
        }
        member.store.submit(set).await.unwrap();
    }
    let namespaces = Namespaces::new(NAMESPACE);
    namespaces.set(NAMESPACE, State::Running(member.namespace().clone()));
    let options = Options { http: Listener::new("127.0.0.1", 0), ..Options::default() };
    let server = Server::start(options, namespaces).await.unwrap();
    for path in ["messages?limit=25", "messages?limit=25&tag=bench", "messages?limit=1", "websockets"] {
        let path = format!("/api/v1/{path}");
        let (before, start) = (consumed(), Instant::now());
        let until = start + Duration::from_secs(seconds);
        let asking: Vec<_> =
            (0..CONNECTIONS).map(|_| tokio::spawn(ask(server.addresses.http, path.clone(), until))).collect();
        let mut answered = 0;
        for task in asking {
            answered += task.await.unwrap();
        }
        let (took, used) = (start.elapsed(), consumed() - before);
        println!(
            "{path:<40} {:>8.0} /s  {:>6.1} us of processor each",
            answered as f64 / took.as_secs_f64(),
            used.as_secs_f64() * 1e6 / answered as f64
        );
    }
    server.stop().await;
    network.stop().await;
}
