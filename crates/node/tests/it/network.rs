//! Configurations of whole nodes that share an embedded chain, and what tests ask of them.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use photinus_api::State;
use photinus_devchain::TEST_MNEMONIC;
use photinus_engine::Namespace;
use photinus_ethereum::options::{Keys, Mnemonic, Secret, Url};
use photinus_exchange_https::Identity;
use photinus_model::event::Event;
use photinus_node::{Node, config};
use serde_json::{Value, json};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const MEMBERS: usize = 3;

/// Ports that were free a moment ago.
fn ports() -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..MEMBERS).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

pub(crate) async fn deploy(chain: &str) -> (String, Vec<String>) {
    let mnemonic = Mnemonic { phrase: Secret::new(TEST_MNEMONIC), first: 0, count: 3 };
    let keys = Keys { mnemonic: Some(mnemonic), ..Keys::default() };
    let ring = photinus_ethereum::keys::Keyring::load(&keys).unwrap();
    let addresses: Vec<String> = ring.addresses().iter().map(photinus_ethereum::keys::normal).collect();
    let options = photinus_ethereum::Options { url: Url::new(chain), keys, ..photinus_ethereum::Options::default() };
    (photinus_ethereum::deploy(&options, &addresses[0]).await.unwrap().address, addresses)
}

/// The configuration of each member, as its file would say it.
pub(crate) async fn configurations(folder: &Path, chain: &photinus_devchain::Handle) -> Vec<Value> {
    let (contract, addresses) = deploy(&chain.url()).await;
    let ports = ports();
    let identities: Vec<Identity> = (0..MEMBERS)
        .map(|index| {
            Identity::load_or_create(&folder.join(format!("{index}/exchange")), &org(index), "127.0.0.1").unwrap()
        })
        .collect();
    (0..MEMBERS)
        .map(|index| {
            let peers: Vec<Value> = (0..MEMBERS)
                .filter(|peer| *peer != index)
                .map(|peer| {
                    json!({"endpoint": format!("https://127.0.0.1:{}", ports[peer]),
                           "fingerprint": identities[peer].fingerprint().to_string()})
                })
                .collect();
            let dir = folder.join(index.to_string());
            json!({
                "http": {"port": 0},
                "metrics": {"enabled": false},
                "plugins": {
                    "blockchain": [{"name": "chain", "type": "evm", "evm": {
                        "url": chain.url(), "wsUrl": chain.ws_url(),
                        "keys": {"mnemonic": {"phrase": TEST_MNEMONIC, "first": index, "count": 1}},
                    }}],
                    "database": [{"name": "db", "type": "sqlite3", "sqlite3": {"url": dir.join("node.db")}}],
                    "dataexchange": [{"name": "dx", "type": "https", "https": {
                        "directory": dir.join("exchange"), "port": ports[index], "peers": peers,
                    }}],
                    "sharedstorage": [{"name": "files", "type": "embedded", "embedded": {"directory": dir.join("files")}}],
                },
                "namespaces": {"default": "default", "predefined": [{"name": "default", "multiparty": {
                    "enabled": true,
                    "org": {"name": org(index), "key": addresses[index]},
                    "node": {"name": format!("node_{index}")},
                    "contract": [{"location": {"address": contract}, "firstEvent": "0"}],
                }}]},
            })
        })
        .collect()
}

pub(crate) fn org(index: usize) -> String {
    format!("org_{index}")
}

pub(crate) async fn start(settings: &Value) -> Node {
    let loaded = config::parse(&config::to_yaml(settings), []).unwrap_or_else(|problems| panic!("{problems}"));
    Node::start(loaded.config).await.unwrap()
}

/// A node that can read its file again.
pub(crate) async fn start_from(file: &Path) -> Node {
    let loaded = config::load(file).unwrap_or_else(|error| panic!("{error}"));
    Node::start_from(loaded.config, file.to_owned()).await.unwrap()
}

/// The namespace of a node, once it runs.
pub(crate) async fn running(node: &Node) -> Namespace {
    running_as(node, "default").await
}

/// The namespace of a node with this name, once it runs.
pub(crate) async fn running_as(node: &Node, wanted: &str) -> Namespace {
    let waiting = async {
        loop {
            for (name, state) in node.namespaces().all() {
                match state {
                    State::Running(namespace) if name == wanted => return namespace,
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("the namespace starts")
}

/// Waits until a member has seen the end of this many messages; type, topic and message of each such event in order.
pub(crate) async fn message_events(namespace: &Namespace, count: usize) -> Vec<(String, String, String)> {
    let mut feed = namespace.store().feed(namespace.name());
    let waiting = async {
        loop {
            let events: Vec<Event> = namespace.store().read(namespace.name()).events_after(-1, 10_000).await.unwrap();
            let seen: Vec<_> = events
                .iter()
                .map(|event| serde_json::to_value(event).unwrap())
                .filter(|event| event["type"].as_str().unwrap().starts_with("message_"))
                .map(|event| {
                    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
                    (text("type"), text("topic"), text("reference"))
                })
                .collect();
            if seen.len() >= count {
                return seen;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), feed.next()).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap_or_else(|_| panic!("{} does not see {count}", namespace.name()))
}

pub(crate) async fn broadcast(namespace: &Namespace, topic: &str, value: &str) {
    let input = json!({"header": {"topics": [topic]}, "data": [{"value": value}]});
    let input = serde_json::from_value(input).unwrap();
    namespace.broadcast(input, Some(DEADLINE)).await.unwrap();
}

/// Registers organisation and node.
pub(crate) async fn register(namespace: &Namespace) {
    namespace.register_organization(Some(DEADLINE)).await.unwrap();
    namespace.register_node(Some(DEADLINE)).await.unwrap();
}

/// Writes a configuration as an operator does who is careful: readers see the old one or the new one.
pub(crate) fn write(file: &Path, settings: &Value) {
    let next = file.with_extension("next");
    std::fs::write(&next, config::to_yaml(settings)).unwrap();
    std::fs::rename(next, file).unwrap();
}

/// Asks the node over HTTP to read its configuration again; status and body.
pub(crate) async fn reset(node: &Node) -> (u16, String) {
    http(node.addresses().spi.unwrap(), "POST /spi/v1/reset", "", "").await
}

/// Sends a request with more headers and a JSON body; status and body.
pub(crate) async fn http(address: SocketAddr, request: &str, headers: &str, body: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}
