//! Frames have the members that recorded frames have, in the same order.

use std::collections::BTreeMap;

use futures::{SinkExt, StreamExt};
use photinus_testkit::network::{DEADLINE, NAMESPACE};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::Node;

const EVENT: &str = "id sequence type namespace reference tx topic created";
const SUBSCRIPTION: &str = "subscription{id namespace name}";
const MESSAGE: &str = "message{header{id type txtype author key created namespace topics[] tag datahash} localNamespace hash batch \
                       txid state confirmed data[{id hash}]}";

/// The names of a value's members in their order, those of inner objects in braces.
fn names(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match value {
                Value::Object(_) => format!("{name}{{{}}}", names(value)),
                Value::Array(items) => match items.first() {
                    Some(item @ Value::Object(_)) => format!("{name}[{{{}}}]", names(item)),
                    _ => format!("{name}[]"),
                },
                _ => name.clone(),
            };
            members.iter().map(member).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// Frames by type, until one of each is there.
async fn collect(node: &Node, query: &str, types: &[&str]) -> BTreeMap<String, Value> {
    let url = format!("ws://{}/ws?namespace={NAMESPACE}&ephemeral&autoack&{query}", node.server.addresses.http);
    let (mut socket, _) = connect_async(url).await.unwrap();
    socket.send(Message::Ping("started".into())).await.unwrap();
    let body = json!({ "header": { "tag": "frame", "topics": ["t"] }, "data": [{ "value": 1 }] });
    let input = serde_json::from_value(body).unwrap();
    while !matches!(socket.next().await.unwrap().unwrap(), Message::Pong(_)) {}
    node.network.members[0].namespace().broadcast(input, Some(DEADLINE)).await.unwrap();
    let mut found = BTreeMap::new();
    let reading = async {
        while types.iter().any(|kind| !found.contains_key(*kind)) {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                assert!(text.ends_with('\n') && text.matches('\n').count() == 1, "one document and a line feed");
                let frame: Value = serde_json::from_str(&text).unwrap();
                found.insert(frame["type"].as_str().unwrap().to_owned(), frame);
            }
        }
    };
    timeout(DEADLINE, reading).await.expect("every type in time");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_have_the_recorded_members_in_the_recorded_order() {
    let node = Node::start().await;
    let types = ["transaction_submitted", "blockchain_event_received", "message_confirmed"];
    // A parameter of old clients that means nothing any more.
    let mut found = collect(&node, "changeevents=.*", &types).await;
    assert_eq!(names(&found["message_confirmed"]), format!("{EVENT} {MESSAGE} {SUBSCRIPTION}"));
    let transaction = "transaction{id namespace type created";
    let got = names(&found["transaction_submitted"]);
    assert!(got.starts_with(&format!("{EVENT} {transaction}")) && got.ends_with(SUBSCRIPTION), "{got}");
    let record = found.get_mut("blockchain_event_received").unwrap();
    // What the ledger says of a log is its adapter's.
    for part in ["info", "output"] {
        let said = record["blockchainEvent"][part].take();
        assert!(said.is_object(), "{part}: {said}");
    }
    let expected = format!(
        "{EVENT} blockchainEvent{{id source namespace name protocolId output info timestamp \
         tx{{type id blockchainId}}}} {SUBSCRIPTION}"
    );
    assert_eq!(names(record), expected);
    let batch = collect(&node, "batch&batchtimeout=10ms&filter.events=^message_confirmed$", &["event_batch"]).await;
    let expected = format!("type id {SUBSCRIPTION} events[{{{EVENT} {MESSAGE} {SUBSCRIPTION}}}]");
    assert_eq!(names(&batch["event_batch"]), expected);
    node.stop().await;
}
