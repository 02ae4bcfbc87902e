//! Change events on the administration's listener: what a recorded node tells, and what is lost on who does not read.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use photinus_api::{Handle, Namespaces, Options, Server, State, options::Listener};
use photinus_testkit::network::{DEADLINE, NAMESPACE, Network};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Node {
    network: Network,
    namespaces: Namespaces,
    server: Handle,
}

impl Node {
    async fn start(queue: usize) -> Self {
        let network = Network::registered(1).await;
        let namespaces = Namespaces::new(NAMESPACE);
        namespaces.set(NAMESPACE, State::Running(network.members[0].namespace().clone()));
        let free = Listener::new("127.0.0.1", 0);
        let mut options = Options { http: free.clone(), spi: Some(free), ..Options::default() };
        options.changes.queue = queue;
        let server = Server::start(options, namespaces.clone()).await.unwrap();
        Self { network, namespaces, server }
    }

    async fn listen(&self, start: Value) -> Socket {
        let url = format!("ws://{}/spi/ws", self.server.addresses.spi.unwrap());
        let (mut socket, _) = connect_async(url).await.unwrap();
        socket.send(Message::text(start.to_string())).await.unwrap();
        socket
    }

    async fn broadcast(&self, tag: &str) {
        let body = json!({ "header": { "tag": tag, "topics": ["t"] }, "data": [{ "value": 1 }] });
        let input = serde_json::from_value(body).unwrap();
        self.network.members[0].namespace().broadcast(input, Some(DEADLINE)).await.unwrap();
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("http://{}/api/v1/{path}", self.server.addresses.http);
        let mut request = reqwest::Client::new().request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap_or_default()
    }

    async fn stop(self) {
        self.server.stop().await;
        self.network.stop().await;
    }
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        match timeout(DEADLINE, socket.next()).await.expect("a frame in time").unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(close) => panic!("closed: {close:?}"),
            _ => {}
        }
    }
}

/// Makes events until the listener hears one: from then on it hears all.
async fn heard(node: &Node, socket: &mut Socket) {
    loop {
        node.broadcast("warm").await;
        if let Ok(Some(Ok(Message::Text(_)))) = timeout(Duration::from_millis(200), socket.next()).await {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_told_of_as_a_recorded_node_tells_them() {
    let node = Node::start(10_000).await;
    let collections = json!([
        "messages",
        "events",
        "pins",
        "batches",
        "operations",
        "transactions",
        "blockchainevents",
        "data",
        "subscriptions"
    ]);
    let start = json!({ "type": "start", "collections": collections, "filter": { "namespaces": [NAMESPACE] } });
    let mut socket = node.listen(start).await;
    heard(&node, &mut socket).await;
    node.broadcast("told").await;
    let input = json!({ "name": "app", "transport": "websockets" });
    let created = node.call(reqwest::Method::POST, "subscriptions", Some(input.clone())).await;
    let input = json!({ "name": "app", "transport": "websockets", "options": { "readAhead": 2 } });
    node.call(reqwest::Method::PUT, "subscriptions", Some(input)).await;
    node.call(reqwest::Method::DELETE, &format!("subscriptions/{}", created["id"].as_str().unwrap()), None).await;
    let mut told: Vec<(String, String, Vec<String>)> = Vec::new();
    loop {
        let frame = next(&mut socket).await;
        let (collection, what) = (frame["collection"].as_str().unwrap(), frame["type"].as_str().unwrap());
        assert_eq!(frame["namespace"], NAMESPACE, "{frame}");
        told.push((collection.to_owned(), what.to_owned(), frame.as_object().unwrap().keys().cloned().collect()));
        if (collection, what) == ("subscriptions", "deleted") {
            assert_eq!(frame["id"], created["id"]);
            break;
        }
    }
    let keys = |extra: &[&str]| -> Vec<String> {
        ["collection", "type", "namespace"].iter().chain(extra).map(|key| (*key).to_owned()).collect()
    };
    for (collection, what, extra) in [
        ("data", "created", &["id"][..]),
        ("messages", "created", &["id", "sequence"]),
        ("transactions", "created", &["id"]),
        ("batches", "created", &["id"]),
        ("events", "created", &["id", "sequence"]),
        ("operations", "created", &["id"]),
        ("operations", "updated", &["id"]),
        ("messages", "updated", &["id"]),
        ("blockchainevents", "created", &["id"]),
        ("pins", "created", &["sequence"]),
        ("subscriptions", "created", &["id"]),
        ("subscriptions", "updated", &["id"]),
        ("subscriptions", "deleted", &["id"]),
    ] {
        let found = told.iter().find(|(one, kind, _)| one == collection && kind == what);
        let mut found = found.unwrap_or_else(|| panic!("{collection} {what}: {told:?}")).2.clone();
        let mut expected = keys(extra);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{collection} {what}");
    }
    assert!(!told.iter().any(|(collection, what, _)| collection == "pins" && what == "updated"), "{told:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_frames_do_nothing_and_unreadable_ones_end_the_socket() {
    let node = Node::start(10_000).await;
    let mut socket = node.listen(json!({ "type": "nonsense" })).await;
    let start = json!({ "type": "start", "collections": ["events"], "filter": { "types": ["created"] } });
    socket.send(Message::text(start.to_string())).await.unwrap();
    heard(&node, &mut socket).await;
    socket.send(Message::text("{oops")).await.unwrap();
    let closed = async { while !matches!(socket.next().await, None | Some(Ok(Message::Close(_)) | Err(_))) {} };
    timeout(DEADLINE, closed).await.expect("it is closed");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_comes_later_is_told_of_too() {
    let node = Node::start(10_000).await;
    let State::Running(namespace) = node.namespaces.remove(NAMESPACE).unwrap() else { panic!("it runs") };
    let mut socket = node.listen(json!({ "type": "start", "collections": ["messages"] })).await;
    node.broadcast("before").await;
    node.namespaces.set(NAMESPACE, State::Running(namespace));
    heard(&node, &mut socket).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_loses_changes_is_told_and_slows_nobody() {
    let node = Node::start(1).await;
    let mut socket = node.listen(json!({ "type": "start", "collections": ["pins", "events"] })).await;
    heard(&node, &mut socket).await;
    // Commits have several events each, and the listener has room for one.
    let mut sent = 0;
    let told = loop {
        node.broadcast("much").await;
        sent += 1;
        assert!(sent < 1_000, "something must be lost with room for one");
        let mut dropped = None;
        while let Ok(Some(Ok(message))) = timeout(Duration::from_millis(20), socket.next()).await {
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text).unwrap();
                dropped = (frame["type"] == "dropped").then_some(frame).or(dropped);
            }
        }
        if let Some(dropped) = dropped {
            break dropped;
        }
    };
    assert_eq!(told["collection"], "");
    assert!(told["droppedCount"].as_u64().unwrap() > 0 && told["droppedSince"].is_string(), "{told}");
    assert!(told.get("namespace").is_none());
    node.stop().await;
}
