//! Many sockets at once, slow ones among them, and namespaces that stop beneath them.

use std::time::Duration;

use futures::{SinkExt, StreamExt, future::join_all};
use photinus_testkit::network::{DEADLINE, NAMESPACE};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::Node;

/// As many as must hold.
const SOCKETS: usize = 1_000;

async fn broadcast(node: &Node, tag: &str) {
    let body = json!({ "header": { "tag": tag, "topics": ["t"] }, "data": [{ "value": 1 }] });
    let input = serde_json::from_value(body).unwrap();
    node.network.members[0].namespace().broadcast(input, Some(DEADLINE)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sockets_hold_and_slow_ones_slow_nobody() {
    let node = Node::start().await;
    let url = format!(
        "ws://{}/ws?namespace={NAMESPACE}&ephemeral&autoack&filter.events=^message_confirmed$&filter.message.tag=^crowd$",
        node.server.addresses.http
    );
    let mut sockets = Vec::with_capacity(SOCKETS);
    let opening = async {
        while sockets.len() < SOCKETS {
            let some = join_all((0..50).map(|_| connect_async(&url))).await;
            sockets.extend(some.into_iter().map(|opened| opened.unwrap().0));
        }
        // The answer to a ping comes behind the start of the subscription.
        for socket in &mut sockets {
            socket.send(Message::Ping("started".into())).await.unwrap();
        }
        for socket in &mut sockets {
            while !matches!(socket.next().await.unwrap().unwrap(), Message::Pong(_)) {}
        }
    };
    timeout(Duration::from_secs(60), opening).await.expect("all are open in time");
    for _ in 0..3 {
        broadcast(&node, "crowd").await;
    }
    // Every tenth never reads; the others have everything all the same.
    let reading = join_all(sockets.iter_mut().enumerate().filter(|(at, _)| at % 10 != 0).map(async |(_, socket)| {
        for _ in 0..3 {
            let frame = socket.next().await.unwrap().unwrap();
            let event: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
            assert_eq!(event["message"]["header"]["tag"], "crowd");
        }
    }));
    timeout(Duration::from_secs(60), reading).await.expect("all have it in time");
    drop(sockets);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_stops_says_so_to_its_sockets() {
    let node = Node::start().await;
    let url = format!("ws://{}/ws?namespace={NAMESPACE}&ephemeral&autoack", node.server.addresses.http);
    let (mut concerned, _) = connect_async(&url).await.unwrap();
    let (mut other, _) = connect_async(format!("ws://{}/ws", node.server.addresses.http)).await.unwrap();
    concerned.send(Message::Ping("started".into())).await.unwrap();
    while !matches!(concerned.next().await.unwrap().unwrap(), Message::Pong(_)) {}
    node.network.stop().await;
    let last = timeout(DEADLINE, concerned.next()).await.unwrap().unwrap().unwrap();
    let Message::Close(Some(close)) = last else { panic!("{last:?}") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1012, "namespace 'default' stops: start again"));
    other.send(Message::Ping("here".into())).await.unwrap();
    assert!(matches!(timeout(DEADLINE, other.next()).await.unwrap().unwrap().unwrap(), Message::Pong(_)));
    node.server.stop().await;
}
