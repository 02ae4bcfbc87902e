//! Three whole nodes in one process, joined as in production: the embedded chain, mutual TLS, replicated storage, SQLite.

use std::net::{Ipv4Addr, TcpListener};

use photinus_devchain::{Chain, Options};
use photinus_node::{Node, config};

use crate::network::{DEADLINE, MEMBERS, broadcast, configurations, message_events, running, start};

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
