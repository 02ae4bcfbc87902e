//! Two local namespaces of one node in one network: one joins late, leaves in the middle of traffic and comes back.

use photinus_devchain::{Chain, Options, TEST_MNEMONIC};
use photinus_engine::Namespace;
use serde_json::{Value, json};

use crate::network::{
    DEADLINE, broadcast, configurations, deploy, http, message_events, register, reset, running, running_as, start,
    start_from, write,
};

/// Sends a private message to an organisation.
async fn send(from: &Namespace, to: &str, value: &str) {
    let input = json!({
        "header": {"topics": ["private"]}, "data": [{"value": value}], "group": {"members": [{"identity": to}]},
    });
    from.send_private(serde_json::from_value(input).unwrap(), Some(DEADLINE)).await.unwrap();
}

/// What a metric says.
fn value(metrics: &str, name: &str) -> i64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} is not among the metrics")).trim().parse().unwrap()
}

/// Messages of a topic in their order.
fn on(topic: &str, events: &[(String, String, String)]) -> Vec<(String, String, String)> {
    events.iter().filter(|(_, of, _)| of == topic).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_local_names_of_one_network() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::start(Options { port: 0, ..Options::default() }).await.unwrap();
    let mut all = configurations(folder.path(), &chain).await;
    let (elsewhere, addresses) = deploy(&chain.url()).await;
    let other = start(&all[1]).await;
    let mut settings: Value = all.remove(0);
    settings["monitoring"] = json!({"enabled": true, "port": 0});
    settings["spi"] = json!({"enabled": true, "port": 0});
    settings["plugins"]["blockchain"][0]["evm"]["keys"] =
        json!({"mnemonic": {"phrase": TEST_MNEMONIC, "first": 0, "count": 3}});
    let file = folder.path().join("node.yaml");
    write(&file, &settings);
    let node = start_from(&file).await;
    let (first, member) = (running(&node).await, running(&other).await);
    register(&first).await;
    register(&member).await;
    for number in 0..5 {
        broadcast(&member, "t", &format!("early {number}")).await;
    }

    // A second local name of the same network joins while the others send, and reads all of the ledger.
    let mut twin = settings["namespaces"]["predefined"][0].clone();
    twin["name"] = "twin".into();
    twin["multiparty"]["networkNamespace"] = "default".into();
    twin["multiparty"]["org"] = json!({"name": "org_twin", "key": addresses[2]});
    twin["multiparty"]["node"] = json!({"name": "node_twin"});
    settings["namespaces"]["predefined"].as_array_mut().unwrap().push(twin);
    write(&file, &settings);
    let load = |count: u32, what: &'static str| {
        let member = member.clone();
        tokio::spawn(async move {
            for number in 0..count {
                broadcast(&member, "t", &format!("{what} {number}")).await;
            }
        })
    };
    let sending = load(10, "while it joins");
    assert_eq!(reset(&node).await.0, 204);
    let joined = running_as(&node, "twin").await;
    register(&joined).await;
    sending.await.unwrap();
    let total = 6 + 15;
    let expected = message_events(&first, total).await;
    for namespace in [&member, &joined] {
        assert_eq!(on("t", &message_events(namespace, total).await), on("t", &expected));
    }
    assert_eq!(on("t", &expected).len(), 15);

    // Each tells operators of itself.
    let (_, metrics) = http(node.addresses().monitoring.unwrap(), "GET /metrics", "", "").await;
    for name in ["default", "twin"] {
        let expires = value(&metrics, &format!("ff_multiparty_node_identity_dx_expiry_epoch{{ns=\"{name}\"}}"));
        assert!(expires > 1_700_000_000, "{expires}");
        assert_eq!(value(&metrics, &format!("photinus_aggregation_alarms{{ns=\"{name}\"}}")), 0);
    }

    // Private messages reach the name that they are for, also between two names of one node.
    send(&member, "org_twin", "from another node").await;
    send(&first, "org_twin", "from the same node").await;
    send(&joined, "org_0", "and back").await;
    let known = message_events(&joined, total + 3).await.len();

    // Each has its own place on the ledger: after a restart nothing comes twice.
    drop((first, joined));
    node.stop().await;
    broadcast(&member, "t", "while it was away").await;
    let node = start_from(&file).await;
    let (first, joined) = (running(&node).await, running_as(&node, "twin").await);
    let again = message_events(&joined, known + 1).await;
    assert_eq!(again.len(), known + 1);
    let mut beside = message_events(&first, total + 3).await;
    while on("t", &beside).len() < on("t", &again).len() {
        // One name may be behind the other.
        beside = message_events(&first, beside.len() + 1).await;
    }
    assert_eq!(on("t", &beside), on("t", &again));

    // It goes in the middle of traffic, some of it for it alone; the others do not notice.
    let without: Value = {
        let mut without = settings.clone();
        without["namespaces"]["predefined"].as_array_mut().unwrap().pop();
        without
    };
    write(&file, &without);
    let sending = load(10, "while it leaves");
    let private = tokio::spawn({
        let member = member.clone();
        async move {
            for number in 0..10 {
                send(&member, "org_twin", &format!("while it leaves {number}")).await;
            }
        }
    });
    assert_eq!(reset(&node).await.0, 204);
    drop(joined);
    sending.await.unwrap();
    private.await.unwrap();
    broadcast(&first, "t", "without it").await;

    // When it comes back it has all of it.
    write(&file, &settings);
    assert_eq!(reset(&node).await.0, 204);
    let back = running_as(&node, "twin").await;
    let whole = message_events(&back, known + 1 + 21).await;
    assert_eq!(whole.len(), known + 1 + 21);
    assert_eq!(whole[..known + 1], again, "what it had stays as it was");
    let shared = on("t", &whole);
    assert_eq!(shared.len(), 15 + 1 + 11);
    for namespace in [&first, &member] {
        let seen = message_events(namespace, shared.len()).await;
        let seen = on("t", &seen);
        assert_eq!(seen, shared[..seen.len()]);
    }

    // A namespace of another network that has the same node goes: what is for the node still finds the one that stays.
    let mut aside = settings["namespaces"]["predefined"][0].clone();
    aside["name"] = "aside".into();
    aside["multiparty"]["networkNamespace"] = "elsewhere".into();
    aside["multiparty"]["contract"][0]["location"]["address"] = elsewhere.into();
    let mut more = settings.clone();
    more["namespaces"]["predefined"].as_array_mut().unwrap().push(aside);
    write(&file, &more);
    assert_eq!(reset(&node).await.0, 204);
    running_as(&node, "aside").await;
    send(&member, "org_0", "while there are two").await;
    write(&file, &settings);
    assert_eq!(reset(&node).await.0, 204);
    let before = message_events(&first, 1).await.len();
    send(&member, "org_0", "when one has gone").await;
    assert_eq!(message_events(&first, before + 1).await.last().unwrap().1, "private");
    node.stop().await;
    other.stop().await;
    chain.stop().await;
}
