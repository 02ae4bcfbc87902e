//! What was recorded of whole streams and of batches: scenarios 1, 3 and 3b.
//!
//! There, messages shared a batch of the ledger, and here each is confirmed before the next; so what is compared are frames and
//! rules, and not how many events each batch has.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::{Client, Node, Play};

const BATCH: [&str; 4] = ["type", "id", "subscription", "events"];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn open(node: &Node, path: &str) -> Client {
    let (stream, _) = connect_async(format!("ws://{}{path}", node.server.addresses.http)).await.unwrap();
    let mut client = Client { stream, frames: Default::default(), closed: false };
    client.settle().await;
    client
}

async fn say(client: &mut Client, frame: Value) {
    use futures::SinkExt;
    client.stream.send(Message::text(frame.to_string())).await.unwrap();
}

fn player(node: &Node) -> Play<'_> {
    let (http, sockets, ids) = (reqwest::Client::new(), HashMap::new(), HashMap::new());
    Play { node, http, sockets, ids, answer: None }
}

async fn request(play: &mut Play<'_>, method: &str, path: &str, body: Value) -> Value {
    let path = format!("/api/v1/namespaces/default/{path}");
    play.request(&json!({ "method": method, "path": path, "body": body })).await;
    let (status, answer) = play.answer.take().unwrap();
    assert!((200..300).contains(&status), "{status}: {answer}");
    answer
}

async fn send(play: &mut Play<'_>, tag: &str) -> String {
    let body = json!({ "header": { "tag": tag, "topics": ["ws-topic"] }, "data": [{ "value": 1 }] });
    let message = request(play, "POST", "messages/broadcast", body).await;
    message["header"]["id"].as_str().unwrap().to_owned()
}

/// The next batch, whose events must have this tag.
async fn batch(client: &mut Client, tag: &str) -> Value {
    let frame = client.frame().await;
    assert_eq!((keys(&frame), &frame["type"]), (BATCH.to_vec(), &json!("event_batch")));
    let events = frame["events"].as_array().unwrap();
    assert!(!events.is_empty());
    for event in events {
        assert_eq!(event["subscription"], frame["subscription"], "each names its subscription too");
        assert_eq!((&event["type"], &event["message"]["header"]["tag"]), (&json!("message_confirmed"), &json!(tag)));
    }
    frame
}

fn references(batch: &Value) -> Vec<String> {
    let events = batch["events"].as_array().unwrap();
    events.iter().map(|event| event["reference"].as_str().unwrap().to_owned()).collect()
}

/// Takes batches until so many events came. Gives what they are about.
async fn take(client: &mut Client, tag: &str, count: usize, most: usize) -> Vec<String> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let frame = batch(client, tag).await;
        let got = references(&frame);
        assert!(got.len() <= most, "{got:?}");
        taken.extend(got);
        say(client, json!({ "type": "ack", "id": frame["id"], "subscription": frame["subscription"] })).await;
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_1_a_stream_of_everything() {
    let node = Node::start().await;
    let mut client = open(&node, "/ws?namespace=default&ephemeral&autoack").await;
    let mut play = player(&node);
    for _ in 0..2 {
        let message = send(&mut play, "1").await;
        let event = ["id", "sequence", "type", "namespace", "reference", "tx", "topic", "created"];
        for (kind, topic, object) in [
            ("transaction_submitted", "batch_pin", "transaction"),
            ("blockchain_event_received", "ff_batch_pin", "blockchainEvent"),
            ("message_confirmed", "ws-topic", "message"),
        ] {
            let frame = client.frame().await;
            assert_eq!(keys(&frame), [&event[..], &[object, "subscription"]].concat(), "{frame}");
            assert_eq!((&frame["type"], &frame["topic"]), (&json!(kind), &json!(topic)));
            assert_eq!(frame["subscription"]["id"], frame["subscription"]["name"]);
            if kind == "message_confirmed" {
                assert_eq!(frame["reference"], json!(message));
                let header =
                    ["id", "type", "txtype", "author", "key", "created", "namespace", "topics", "tag", "datahash"];
                assert_eq!(keys(&frame["message"]["header"]), header);
            }
        }
    }
    client.settle().await;
    assert!(client.frames.is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_3_batches_are_acknowledged_by_their_own_id() {
    let node = Node::start().await;
    let mut play = player(&node);
    let options = json!({ "firstEvent": "newest", "batch": true, "batchTimeout": "500ms", "readAhead": 2 });
    let filter = json!({ "events": "message_confirmed", "message": { "tag": "^3$" } });
    let body = json!({ "name": "batched", "transport": "websockets", "filter": filter, "options": options });
    let subscription = request(&mut play, "POST", "subscriptions", body).await;
    assert_eq!(subscription["options"]["withData"], json!(false));
    let start = json!({ "type": "start", "namespace": "default", "name": "batched" });
    let mut first = open(&node, "/ws").await;
    say(&mut first, start.clone()).await;
    let sent = [send(&mut play, "3").await, send(&mut play, "3").await, send(&mut play, "3").await];
    assert_eq!(take(&mut first, "3", 3, 2).await, sent);
    // The id of an event acknowledges no batch, and closes the socket.
    let fourth = send(&mut play, "3").await;
    let frame = batch(&mut first, "3").await;
    say(&mut first, json!({ "type": "ack", "id": frame["events"][0]["id"], "subscription": frame["subscription"] }))
        .await;
    let error = first.frame().await;
    assert_eq!(keys(&error), ["type", "error"]);
    assert!(error["error"].as_str().unwrap().starts_with("FF10176: invalid data: FF10175: "), "{error}");
    while !first.closed {
        first.receive().await;
    }
    // The same events come again under another id.
    let mut second = open(&node, "/ws").await;
    say(&mut second, start).await;
    let again = batch(&mut second, "3").await;
    assert_ne!(again["id"], frame["id"]);
    assert_eq!(again["events"][0], frame["events"][0]);
    assert_eq!(references(&again), [fourth]);
    say(&mut second, json!({ "type": "ack", "id": again["id"] })).await;
    let fifth = send(&mut play, "3").await;
    assert_eq!(take(&mut second, "3", 1, 2).await, [fifth]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_3b_batches_without_acknowledgements() {
    let node = Node::start().await;
    let path =
        "/ws?namespace=default&ephemeral&autoack&batch&batchtimeout=100ms&readahead=50&filter.events=message_confirmed";
    let mut client = open(&node, path).await;
    let mut play = player(&node);
    let sent = [send(&mut play, "3b").await, send(&mut play, "3b").await];
    let mut got = Vec::new();
    while got.len() < sent.len() {
        got.extend(references(&batch(&mut client, "3b").await));
    }
    assert_eq!(got, sent);
    node.stop().await;
}
