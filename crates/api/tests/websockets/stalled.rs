//! Consumers that stopped: a socket that nobody reads, a webhook that never answers, and beside them one that is quick.

use futures::{SinkExt, StreamExt};
use photinus_testkit::network::{DEADLINE, NAMESPACE};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::Node;

/// Enough to fill every buffer between the node and who does not read.
const EVENTS: usize = 300;

async fn subscribe(node: &Node, name: &str, options: Value, transport: &str) -> String {
    let input = json!({ "name": name, "transport": transport, "options": options,
        "filter": { "events": "^message_confirmed$", "message": { "tag": "^much$" } } });
    let input = serde_json::from_value(input).unwrap();
    node.network.members[0].namespace().create_subscription(input).await.unwrap().id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stopped_holds_up_neither_the_node_nor_others_and_misses_nothing() {
    let node = Node::start().await;
    let member = &node.network.members[0];
    member.endpoints.stall("http://stuck");
    subscribe(&node, "stuck", json!({ "readAhead": 1_000 }), "websockets").await;
    subscribe(&node, "quick", json!({ "readAhead": 50 }), "websockets").await;
    let stuck_hook = subscribe(&node, "stuck-hook", json!({ "url": "http://stuck" }), "webhooks").await;
    subscribe(&node, "quick-hook", json!({ "url": "http://quick" }), "webhooks").await;
    let url = format!("ws://{}/ws", node.server.addresses.http);
    let start = |name: &str| json!({ "type": "start", "namespace": NAMESPACE, "name": name }).to_string();
    let (mut stuck, _) = connect_async(&url).await.unwrap();
    stuck.send(Message::text(start("stuck"))).await.unwrap();
    let (mut quick, _) = connect_async(&url).await.unwrap();
    quick.send(Message::text(start("quick"))).await.unwrap();

    // Long topics make large events.
    let topics: Vec<String> = (0..2).map(|n| format!("{n}{}", "t".repeat(60))).collect();
    let sending = async {
        for number in 0..EVENTS / topics.len() {
            let body = json!({ "header": { "tag": "much", "topics": topics }, "data": [{ "value": number }] });
            let wait = (number % 50 == 0).then_some(DEADLINE);
            member.namespace().broadcast(serde_json::from_value(body).unwrap(), wait).await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..EVENTS {
            let Some(Ok(Message::Text(text))) = quick.next().await else { panic!("an event") };
            let event: Value = serde_json::from_str(&text).unwrap();
            let ack = json!({ "type": "ack", "id": event["id"], "subscription": event["subscription"] });
            quick.send(Message::text(ack.to_string())).await.unwrap();
        }
    };
    let (sent, read) = tokio::join!(timeout(DEADLINE, sending), timeout(DEADLINE, reading));
    sent.expect("the node takes messages");
    read.expect("who is quick has all of them");
    let quick_calls =
        |calls: &[photinus_ports::webhooks::Call]| calls.iter().filter(|call| call.url == "http://quick").count();
    member.endpoints.until("the quick webhook has all", |calls| quick_calls(calls) == EVENTS).await;
    let calls = member.endpoints.calls();
    let waiting = calls.iter().filter(|call| call.url == "http://stuck").count();
    assert_eq!(waiting, 1, "one call at a time waits for an answer, whatever the number of events");

    // It reads again, and nothing is missing.
    let mut sequences = Vec::new();
    let catching_up = async {
        while sequences.len() < EVENTS {
            let Some(Ok(Message::Text(text))) = stuck.next().await else { panic!("an event") };
            sequences.push(serde_json::from_str::<Value>(&text).unwrap()["sequence"].as_i64().unwrap());
        }
    };
    timeout(DEADLINE, catching_up).await.expect("what it did not read is still there");
    assert!(sequences.is_sorted_by(|one, next| one < next));
    let hook = photinus_model::Uuid::try_parse(&stuck_hook).unwrap();
    member.namespace().delete_subscription(hook).await.unwrap();
    node.stop().await;
}
