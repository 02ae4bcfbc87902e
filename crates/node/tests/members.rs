//! Three whole nodes in one process, joined as in production: the embedded chain, mutual TLS, replicated storage, SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::Duration,
};

use photinus_api::State;
use photinus_devchain::{Chain, Options, TEST_MNEMONIC};
use photinus_engine::Namespace;
use photinus_ethereum::options::{Keys, Mnemonic, Secret, Url};
use photinus_exchange_https::Identity;
use photinus_model::event::Event;
use photinus_node::{Node, config};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);
const MEMBERS: usize = 3;

/// Ports that were free a moment ago.
fn ports() -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..MEMBERS).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

async fn contract(chain: &str) -> (String, Vec<String>) {
    let mnemonic = Mnemonic { phrase: Secret::new(TEST_MNEMONIC), first: 0, count: 3 };
    let keys = Keys { mnemonic: Some(mnemonic), ..Keys::default() };
    let ring = photinus_ethereum::keys::Keyring::load(&keys).unwrap();
    let addresses: Vec<String> = ring.addresses().iter().map(photinus_ethereum::keys::normal).collect();
    let options = photinus_ethereum::Options { url: Url::new(chain), keys, ..photinus_ethereum::Options::default() };
    (photinus_ethereum::deploy(&options, &addresses[0]).await.unwrap().address, addresses)
}

/// The configuration of each member, as its file would say it.
async fn configurations(folder: &Path, chain: &photinus_devchain::Handle) -> Vec<Value> {
    let (contract, addresses) = contract(&chain.url()).await;
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

fn org(index: usize) -> String {
    format!("org_{index}")
}

async fn start(settings: &Value) -> Node {
    let loaded = config::parse(&config::to_yaml(settings), []).unwrap_or_else(|problems| panic!("{problems}"));
    Node::start(loaded.config).await.unwrap()
}

/// The namespace of a node, once it runs.
async fn running(node: &Node) -> Namespace {
    let waiting = async {
        loop {
            if let Some((_, State::Running(namespace))) = node.namespaces().all().into_iter().next() {
                return namespace;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("the namespace starts")
}

/// Waits until a member has seen the end of this many messages; type, topic and message of each such event in order.
async fn message_events(namespace: &Namespace, count: usize) -> Vec<(String, String, String)> {
    let mut feed = namespace.store().feed("default");
    let waiting = async {
        loop {
            let events: Vec<Event> = namespace.store().read("default").events_after(-1, 10_000).await.unwrap();
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

async fn broadcast(namespace: &Namespace, topic: &str, value: &str) {
    let input = json!({"header": {"topics": [topic]}, "data": [{"value": value}]});
    let input = serde_json::from_value(input).unwrap();
    namespace.broadcast(input, Some(DEADLINE)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_see_the_same_and_catch_up_after_an_absence() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::start(Options { port: 0, ..Options::default() }).await.unwrap();
    let settings = configurations(folder.path(), &chain).await;
    let mut nodes = Vec::new();
    for settings in &settings {
        nodes.push(start(settings).await);
    }
    let mut namespaces = Vec::new();
    for node in &nodes {
        namespaces.push(running(node).await);
    }
    for namespace in &namespaces {
        namespace.register_organization(Some(DEADLINE)).await.unwrap();
        namespace.register_node(Some(DEADLINE)).await.unwrap();
    }
    for (index, namespace) in namespaces.iter().enumerate() {
        broadcast(namespace, "greetings", &format!("from {index}")).await;
    }
    let expected = message_events(&namespaces[0], 3 * MEMBERS).await;
    assert!(expected.iter().all(|(kind, ..)| kind == "message_confirmed"), "{expected:?}");
    for namespace in &namespaces[1..] {
        assert_eq!(message_events(namespace, expected.len()).await, expected);
    }

    // One is away while the others go on.
    namespaces.pop();
    nodes.pop().unwrap().stop().await;
    for round in 0..5 {
        broadcast(&namespaces[round % 2], "greetings", &format!("round {round}")).await;
    }
    let expected = message_events(&namespaces[0], 3 * MEMBERS + 5).await;
    let back = start(&settings[MEMBERS - 1]).await;
    assert_eq!(message_events(&running(&back).await, expected.len()).await, expected);

    nodes.push(back);
    for node in nodes {
        node.stop().await;
    }
    chain.stop().await;
}

#[tokio::test]
async fn what_cannot_be_started_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::start(Options { port: 0, ..Options::default() }).await.unwrap();
    let mut settings = configurations(folder.path(), &chain).await.remove(0);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    settings["http"]["port"] = taken.local_addr().unwrap().port().into();
    let loaded = config::parse(&config::to_yaml(&settings), []).unwrap();
    let error = Node::start(loaded.config.clone()).await.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot listen"), "{error}");
    drop(taken);
    // Database, folder and the port for peers are free again.
    let node = Node::start(loaded.config).await.unwrap();
    running(&node).await;
    node.stop().await;
    chain.stop().await;
}
