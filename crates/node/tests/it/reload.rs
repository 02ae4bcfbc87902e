//! Namespaces come, change and go while a node runs.

use std::{path::Path, time::Duration};

use photinus_api::State;
use photinus_devchain::{Chain, Options};
use photinus_node::Node;
use serde_json::{Value, json};

use crate::network::{
    DEADLINE, broadcast, configurations, message_events, register, reset, running_as, start_from, write,
};

/// Waits until a condition on the node holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{what}: not in time"));
}

fn names(node: &Node) -> Vec<String> {
    node.namespaces().all().into_iter().map(|(name, _)| name).collect()
}

/// A configuration of one node with its SPI on, and the entry of its namespace under another local and network name.
async fn one(folder: &Path, chain: &photinus_devchain::Handle) -> (Value, Value) {
    let mut settings = configurations(folder, chain).await.remove(0);
    settings["spi"] = json!({ "enabled": true, "port": 0 });
    settings["namespaces"]["retry"] = json!({ "initDelay": "20ms", "maxDelay": "100ms" });
    let mut second = settings["namespaces"]["predefined"][0].clone();
    second["name"] = "second".into();
    second["multiparty"]["networkNamespace"] = "other".into();
    let (next, _) = crate::network::deploy(&chain.url()).await;
    second["multiparty"]["contract"][0]["location"]["address"] = next.into();
    (settings, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_starts_and_stops_namespaces_and_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::start(Options { port: 0, ..Options::default() }).await.unwrap();
    let (mut settings, second) = one(folder.path(), &chain).await;
    let file = folder.path().join("node.yaml");
    write(&file, &settings);
    let node = start_from(&file).await;
    let first = running_as(&node, "default").await;
    register(&first).await;

    settings["namespaces"]["predefined"].as_array_mut().unwrap().push(second);
    write(&file, &settings);
    let sending = tokio::spawn({
        let first = first.clone();
        async move {
            for number in 0..20 {
                broadcast(&first, "t", &number.to_string()).await;
            }
        }
    });
    assert_eq!(reset(&node).await.0, 204);
    let added = running_as(&node, "second").await;
    register(&added).await;
    broadcast(&added, "t", "in the second").await;
    assert_eq!(added.status().await.unwrap().namespace.network_name, "other");

    // A change of one namespace starts it anew; what it had is there again.
    settings["namespaces"]["predefined"][1]["description"] = "changed".into();
    write(&file, &settings);
    assert_eq!(reset(&node).await.0, 204);
    let changed = running_as(&node, "second").await;
    assert_eq!(changed.status().await.unwrap().namespace.description, "changed");
    assert_eq!(message_events(&changed, 3).await.len(), 3);
    broadcast(&changed, "t", "after the change").await;

    // A file that cannot be used changes nothing, and the answer says why.
    std::fs::write(&file, "namespaces: {predefined: 7}").unwrap();
    let (status, answer) = reset(&node).await;
    assert!(status == 400 && answer.contains("FF00101") && answer.contains("predefined"), "{answer}");
    assert_eq!(names(&node), ["default", "second"]);

    settings["namespaces"]["predefined"].as_array_mut().unwrap().pop();
    write(&file, &settings);
    assert_eq!(reset(&node).await.0, 204);
    assert_eq!(names(&node), ["default"]);
    sending.await.unwrap();
    assert_eq!(message_events(&first, 22).await.len(), 22, "nobody noticed anything");
    node.stop().await;
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_followed_takes_effect_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::start(Options { port: 0, ..Options::default() }).await.unwrap();
    let (mut settings, second) = one(folder.path(), &chain).await;
    settings["config"] = json!({ "autoReload": true });
    let file = folder.path().join("node.yaml");
    write(&file, &settings);
    let node = start_from(&file).await;
    running_as(&node, "default").await;
    let (status, answer) = reset(&node).await;
    assert!(status == 409 && answer.contains("FF10438"), "{answer}");
    settings["namespaces"]["predefined"].as_array_mut().unwrap().push(second);
    write(&file, &settings);
    until("the namespace is added", || names(&node) == ["default", "second"]).await;
    running_as(&node, "second").await;
    node.stop().await;
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_cannot_start_says_why_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::start(Options { port: 0, ..Options::default() }).await.unwrap();
    let (mut settings, mut second) = one(folder.path(), &chain).await;
    // Its database is where a file is in the way of the folder.
    let blocked = folder.path().join("blocked");
    std::fs::write(&blocked, "").unwrap();
    let databases = settings["plugins"]["database"].as_array_mut().unwrap();
    databases.push(json!({ "name": "db2", "type": "sqlite3", "sqlite3": { "url": blocked.join("node.db") } }));
    second["plugins"] = json!(["chain", "db2", "dx", "files"]);
    let namespaces = settings["namespaces"]["predefined"].as_array_mut().unwrap();
    namespaces[0]["plugins"] = json!(["chain", "db", "dx", "files"]);
    namespaces.push(second);
    let file = folder.path().join("node.yaml");
    write(&file, &settings);
    let node = start_from(&file).await;
    running_as(&node, "default").await;
    until("the reason shows", || {
        node.namespaces().all().into_iter().any(|(name, state)| match state {
            State::Initializing { error: Some(error), .. } => name == "second" && error.contains("db2"),
            _ => false,
        })
    })
    .await;
    std::fs::remove_file(&blocked).unwrap();
    running_as(&node, "second").await;
    node.stop().await;
    chain.stop().await;
}
