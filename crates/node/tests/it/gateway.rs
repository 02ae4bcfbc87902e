//! Namespaces outside of a network, and namespaces that ask for passwords.

use photinus_node::Node;
use serde_json::{Value, json};

use crate::network::{http, reset, running_as, start_from, write};

async fn get(node: &Node, path: &str) -> (u16, Value) {
    let (status, body) = http(node.addresses().http, &format!("GET /api/v1/namespaces/alone/{path}"), "", "").await;
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

async fn post(node: &Node, path: &str, body: &Value) -> (u16, Value) {
    let request = format!("POST /api/v1/namespaces/alone/{path}");
    let (status, body) = http(node.addresses().http, &request, "", &body.to_string()).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

fn alone(database: &std::path::Path) -> Value {
    json!({
        "http": {"port": 0},
        "metrics": {"enabled": false},
        "plugins": {"database": [{"name": "db", "type": "sqlite3", "sqlite3": {"url": database}}]},
        "namespaces": {"default": "alone", "predefined": [{"name": "alone", "description": "no network"}]},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_without_a_network_has_data_and_subscriptions_and_refuses_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.yaml");
    write(&file, &alone(&folder.path().join("node.db")));
    let node = start_from(&file).await;
    running_as(&node, "alone").await;

    let (status, told) = get(&node, "status").await;
    let created = told["namespace"]["created"].clone();
    let nothing = json!([]);
    let expected = json!({
        "namespace": {"name": "alone", "networkName": "alone", "description": "no network", "created": created},
        "plugins": {
            "blockchain": nothing, "database": [{"name": "db", "pluginType": "sqlite3"}], "dataExchange": nothing,
            "events": [{"pluginType": "websockets"}, {"pluginType": "webhooks"}],
            "identity": nothing, "sharedStorage": nothing, "tokens": nothing,
        },
        "multiparty": {"enabled": false},
        "database": {},
    });
    assert_eq!((status, told), (200, expected));
    let nobody = json!({"enabled": false, "org": {"status": ""}, "node": {"status": ""}});
    assert_eq!(get(&node, "status/multiparty").await, (200, nobody));

    let (status, data) = post(&node, "data", &json!({"value": {"a": 1}})).await;
    assert_eq!(status, 201, "{data}");
    let id = data["id"].as_str().unwrap();
    assert_eq!(get(&node, &format!("data/{id}/value")).await, (200, json!({"a": 1})));
    let subscription = json!({"name": "s", "transport": "websockets"});
    assert_eq!(post(&node, "subscriptions", &subscription).await.0, 201);
    for listed in ["messages", "events", "operations", "transactions", "identities", "batches", "pins", "datatypes"] {
        assert_eq!(get(&node, listed).await, (200, nothing.clone()), "{listed}");
    }

    let message = json!({"data": [{"value": 1}], "group": {"members": [{"identity": "x"}]}});
    for (path, body) in [
        ("messages/broadcast", &message),
        ("messages/private", &message),
        ("messages/requestreply", &message),
        ("datatypes", &json!({"name": "w", "version": "1", "value": {}})),
        ("network/organizations/self", &json!({})),
        ("network/nodes/self", &json!({})),
        ("network/action", &json!({"type": "terminate"})),
        (&format!("data/{id}/value/publish"), &json!({})),
    ] {
        let (status, refused) = post(&node, path, body).await;
        assert_eq!(status, 400, "{path}");
        assert!(refused["error"].as_str().unwrap().starts_with("FF10414: "), "{path}: {refused}");
    }
    for path in ["groups", "status/batchmanager", &format!("data/{id}/messages"), &format!("data/{id}/blob")] {
        let (status, refused) = get(&node, path).await;
        assert!(status == 400 && refused["error"].as_str().unwrap().starts_with("FF10414: "), "{path}: {refused}");
    }
    node.stop().await;

    // What it has is there again.
    let node = start_from(&file).await;
    running_as(&node, "alone").await;
    assert_eq!(get(&node, &format!("data/{id}/value")).await, (200, json!({"a": 1})));
    assert_eq!(get(&node, "status").await.1["namespace"]["created"], created);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_of_a_namespace_come_and_change_with_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("passwords");
    std::fs::write(&passwords, format!("alice:{}\n", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let mut settings = alone(&folder.path().join("node.db"));
    settings["spi"] = json!({"enabled": true, "port": 0});
    settings["namespaces"]["predefined"].as_array_mut().unwrap().push(json!({"name": "open"}));
    let file = folder.path().join("node.yaml");
    write(&file, &settings);
    let node = start_from(&file).await;
    running_as(&node, "alone").await;
    running_as(&node, "open").await;
    assert_eq!(get(&node, "status").await.0, 200);

    // A file of passwords that cannot be used is refused, and nothing changes.
    settings["plugins"]["auth"] = json!([{"name": "people", "type": "basic", "basic": {"passwordfile": "/not/there"}}]);
    settings["namespaces"]["predefined"][0]["plugins"] = json!(["db", "people"]);
    settings["namespaces"]["predefined"][1]["plugins"] = json!(["db"]);
    write(&file, &settings);
    let (status, why) = reset(&node).await;
    assert!(status == 400 && why.contains("people") && why.contains("/not/there"), "{why}");
    assert_eq!(get(&node, "status").await.0, 200);

    // Passwords come without a stop of the namespace.
    let running = running_as(&node, "alone").await;
    settings["plugins"]["auth"][0]["basic"]["passwordfile"] = passwords.to_str().unwrap().into();
    write(&file, &settings);
    assert_eq!(reset(&node).await.0, 204);
    assert!(!running.stopping().is_cancelled());
    let (status, refused) = get(&node, "status").await;
    assert_eq!((status, refused), (401, json!({"error": "FF00169: Unauthorized"})));
    let alice = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n"; // alice:secret
    let let_in = http(node.addresses().http, "GET /api/v1/status", alice, "").await;
    assert_eq!(let_in.0, 200, "{}", let_in.1);
    let open = http(node.addresses().http, "GET /api/v1/namespaces/open/status", "", "").await;
    assert_eq!(open.0, 200, "{}", open.1);
    node.stop().await;
}
