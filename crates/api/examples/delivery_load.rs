//! Events to one WebSocket that acknowledges each, with read-ahead 50: how many per second. Arguments: messages that are
//! confirmed before (default 20 000), how often all events are delivered (default 3), and how many messages are in flight
//! while they are made (default 200; fewer make smaller batches, and more events of transactions and of the ledger).
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it prints what it measured, and stops when that fails")]

use std::time::Instant;

use futures::{SinkExt, StreamExt};
use photinus_api::{Namespaces, Options, Server, State};
use photinus_model::message::Input;
use photinus_testkit::network::{DEADLINE, Member, NAMESPACE, Network};
use tokio_tungstenite::{connect_async, tungstenite::Message};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let (messages, rounds) = (arguments.next().unwrap_or(20_000), arguments.next().unwrap_or(3));
    let senders = arguments.next().unwrap_or(200);
    let network = Network::registered(1).await;
    let member = &network.members[0];
    fill(member, messages, senders).await;
    let events = member.events_after(-1).await.len();
    let namespaces = Namespaces::new(NAMESPACE);
    namespaces.set(NAMESPACE, State::Running(member.namespace().clone()));
    let mut options = Options::default();
    options.http.port = 0;
    let server = Server::start(options, namespaces).await.unwrap();
    let url = format!("ws://{}/ws", server.addresses.http);
    for round in 0..rounds {
        for durable in [false, true] {
            let name = format!("app{round}");
            if durable {
                subscribe(member, &name).await;
            }
            let start = Instant::now();
            let count = deliver(&url, events, durable.then_some(&name)).await;
            let rate = count as f64 / start.elapsed().as_secs_f64();
            println!("round {round}: {count} events, {rate:.0} per second, durable: {durable}");
        }
    }
    server.stop().await;
    network.stop().await;
}

async fn fill(member: &Member, messages: u64, senders: u64) {
    let each = messages.div_ceil(senders);
    let senders = (0..senders).map(|sender| {
        let namespace = member.namespace().clone();
        tokio::spawn(async move {
            let body = format!(r#"{{"header":{{"topics":["load"]}},"data":[{{"value":"{sender:0>100}"}}]}}"#);
            for _ in 0..each {
                let input: Input = serde_json::from_str(&body).unwrap();
                namespace.broadcast(input, Some(DEADLINE)).await.unwrap();
            }
        })
    });
    for sender in futures::future::join_all(senders).await {
        sender.unwrap();
    }
}

async fn subscribe(member: &Member, name: &str) {
    let input = format!(r#"{{"name":"{name}","options":{{"firstEvent":"oldest","readAhead":50}}}}"#);
    member.namespace().create_subscription(serde_json::from_str(&input).unwrap()).await.unwrap();
}

async fn deliver(url: &str, events: usize, durable: Option<&String>) -> usize {
    let (mut stream, _) = connect_async(url).await.unwrap();
    let what = match durable {
        Some(name) => format!(r#""name":"{name}""#),
        None => r#""ephemeral":true,"options":{"firstEvent":"oldest","readAhead":50}"#.to_owned(),
    };
    let start = format!(r#"{{"type":"start","namespace":"{NAMESPACE}",{what}}}"#);
    stream.send(Message::text(start)).await.unwrap();
    let mut count = 0;
    while count < events {
        let frame = stream.next().await.unwrap().unwrap();
        let text = frame.to_text().unwrap();
        // The id comes first.
        let ack = format!(r#"{{"type":"ack","id":"{}"}}"#, &text[7..43]);
        stream.send(Message::text(ack)).await.unwrap();
        count += 1;
    }
    count
}
