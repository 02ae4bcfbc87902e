//! Scenarios recorded at a FireFly node, played again at this one: same frames, same codes, same closes.
//!
//! One recorded detail is changed: there an event that `autoack` had covered came again after its socket was closed; here it is
//! done, and the next one comes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says where"
)]

mod batches;
mod changes;
mod crowd;
mod frames;
mod passwords;
mod stalled;

use std::{collections::HashMap, time::Duration};

use futures::{SinkExt, StreamExt};
use photinus_api::{Handle, Namespaces, Options, Server, State};
use photinus_testkit::network::{NAMESPACE, Network};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message},
};

const DEADLINE: Duration = Duration::from_secs(30);

/// A node of one member with its API.
struct Node {
    network: Network,
    server: Handle,
}

/// A client's end of a socket.
struct Client {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    frames: std::collections::VecDeque<Value>,
    closed: bool,
}

/// One scenario as it is played: its sockets, and what the recorded ids stand for here.
struct Play<'a> {
    node: &'a Node,
    http: reqwest::Client,
    sockets: HashMap<String, Client>,
    ids: HashMap<String, String>,
    answer: Option<(u16, Value)>,
}

impl Node {
    async fn start() -> Self {
        let network = Network::registered(1).await;
        let namespaces = Namespaces::new(NAMESPACE);
        namespaces.set(NAMESPACE, State::Running(network.members[0].namespace().clone()));
        let mut options = Options::default();
        options.http.port = 0;
        let server = Server::start(options, namespaces).await.unwrap();
        Self { network, server }
    }

    async fn stop(self) {
        self.server.stop().await;
        self.network.stop().await;
    }
}

impl Client {
    async fn receive(&mut self) -> Option<Message> {
        match timeout(DEADLINE, self.stream.next()).await.expect("the server says something in time") {
            None | Some(Err(_)) | Some(Ok(Message::Close(_))) => {
                self.closed = true;
                None
            }
            Some(Ok(message)) => {
                if let Message::Text(text) = &message {
                    self.frames.push_back(serde_json::from_str(text).unwrap());
                }
                Some(message)
            }
        }
    }

    /// Returns when the server has done with everything sent before, or has closed the socket.
    async fn settle(&mut self) {
        if self.closed || self.stream.send(Message::Ping("settled".into())).await.is_err() {
            return;
        }
        while let Some(message) = self.receive().await {
            if matches!(message, Message::Pong(_)) {
                return;
            }
        }
    }

    async fn frame(&mut self) -> Value {
        while self.frames.is_empty() {
            assert!(self.receive().await.is_some(), "closed where a frame was expected");
        }
        self.frames.pop_front().unwrap()
    }
}

impl Play<'_> {
    fn known(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (recorded, here)| text.replace(recorded, here))
    }

    fn socket(&mut self, step: &Value) -> &mut Client {
        self.sockets.get_mut(step["socket"].as_str().unwrap()).expect("the socket is open")
    }

    async fn step(&mut self, step: &Value) {
        match step["dir"].as_str().unwrap() {
            "connect" => self.connect(step).await,
            "refused" => assert_eq!(u64::from(self.answer.take().unwrap().0), step["status"].as_u64().unwrap()),
            "client" => {
                let frame = &step["frame"];
                let text = frame.as_str().map_or_else(|| frame.to_string(), str::to_owned);
                let text = self.known(&text);
                let socket = self.socket(step);
                socket.stream.send(Message::text(text)).await.unwrap();
                socket.settle().await;
            }
            "server" => {
                let got = self.socket(step).frame().await;
                self.compare(&step["frame"], &got);
            }
            "client close" => {
                let socket = self.socket(step);
                // The server may have had its last word already.
                let _ = socket.stream.close(None).await;
            }
            "closed" => {
                let socket = self.socket(step);
                while !socket.closed {
                    socket.receive().await;
                }
                assert!(socket.frames.is_empty(), "more than was recorded: {:?}", socket.frames);
            }
            "request" => self.request(step).await,
            "answer" => {
                let (status, answer) = self.answer.take().unwrap();
                // Broadcasts are confirmed before the play goes on, which is another way to succeed.
                let expected = step["status"].as_u64().unwrap();
                assert!(u64::from(status) == expected || (expected == 202 && status == 200), "{status}: {answer}");
                if let Some(id) = step["id"].as_str() {
                    self.ids.insert(id.to_owned(), answer["id"].as_str().unwrap().to_owned());
                }
            }
            other => panic!("a step of an unknown kind: {other}"),
        }
    }

    async fn connect(&mut self, step: &Value) {
        let url = format!("ws://{}{}", self.node.server.addresses.http, step["path"].as_str().unwrap());
        match timeout(DEADLINE, connect_async(&url)).await.unwrap() {
            Ok((stream, _)) => {
                let mut client = Client { stream, frames: Default::default(), closed: false };
                client.settle().await;
                self.sockets.insert(step["socket"].as_str().unwrap().to_owned(), client);
            }
            Err(Error::Http(response)) => self.answer = Some((response.status().as_u16(), Value::Null)),
            Err(error) => panic!("{url}: {error}"),
        }
    }

    async fn request(&mut self, step: &Value) {
        let mut path = self.known(step["path"].as_str().unwrap());
        if path.ends_with("/messages/broadcast") {
            path.push_str("?confirm=true");
        }
        let method = step["method"].as_str().unwrap().parse().unwrap();
        let mut request = self.http.request(method, format!("http://{}{path}", self.node.server.addresses.http));
        if step["body"].is_object() {
            request = request.json(&step["body"]);
        }
        let response = timeout(DEADLINE, request.send()).await.unwrap().unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        self.answer = Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))));
    }

    fn compare(&mut self, recorded: &Value, got: &Value) {
        assert_eq!(recorded["type"], got["type"], "{got}");
        if recorded["type"] == "protocol_error" {
            let error = got["error"].as_str().unwrap();
            let codes: Vec<&str> = error.split(": ").filter(|part| part.starts_with("FF") && part.len() == 7).collect();
            assert_eq!(serde_json::json!(codes), recorded["codes"], "{error}");
            return;
        }
        assert_eq!(recorded["tag"], got["message"]["header"]["tag"]);
        let subscription = recorded["subscription"].as_str().unwrap().to_owned();
        let here = got["subscription"]["id"].as_str().unwrap().to_owned();
        assert_eq!(self.ids.entry(subscription).or_insert_with(|| here.clone()), &here);
        let event = recorded["id"].as_str().unwrap().to_owned();
        let here = got["id"].as_str().unwrap().to_owned();
        assert_eq!(self.ids.entry(event).or_insert_with(|| here.clone()), &here, "a redelivered event keeps its id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_scenarios() {
    let scenarios: Vec<Value> = serde_json::from_str(include_str!("scenarios.json")).unwrap();
    let node = Node::start().await;
    for scenario in &scenarios {
        let mut play = Play {
            node: &node,
            http: reqwest::Client::new(),
            sockets: HashMap::new(),
            ids: HashMap::new(),
            answer: None,
        };
        for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            println!("{} #{number}: {step}", scenario["name"]);
            play.step(step).await;
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_sockets_are_listed_until_they_close() {
    let node = Node::start().await;
    let url = format!("ws://{}/ws?namespace={NAMESPACE}&ephemeral&autoack&filter.topic=t", node.server.addresses.http);
    let (stream, _) = connect_async(&url).await.unwrap();
    let mut client = Client { stream, frames: Default::default(), closed: false };
    client.settle().await;
    let list = || async {
        let url = format!("http://{}/api/v1/websockets", node.server.addresses.http);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let listed = list().await;
    assert_eq!(listed["enabled"], true);
    let subscription = &listed["connections"][0]["subscriptions"][0];
    assert_eq!((&subscription["ephemeral"], &subscription["namespace"]), (&true.into(), &NAMESPACE.into()));
    assert_eq!(subscription["filter"]["topic"], "t");
    assert!(subscription.get("name").is_none());
    client.stream.close(None).await.unwrap();
    while !client.closed {
        client.receive().await;
    }
    let gone = async {
        while list().await["connections"].as_array().is_some_and(|open| !open.is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, gone).await.expect("a closed socket is not listed");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_closes_sockets_with_a_word() {
    let node = Node::start().await;
    let (mut stream, _) = connect_async(format!("ws://{}/ws", node.server.addresses.http)).await.unwrap();
    node.server.stop().await;
    let last = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
    let Message::Close(Some(close)) = last else { panic!("{last:?}") };
    assert_eq!(u16::from(close.code), 1001);
    node.network.stop().await;
}
