//! What works, from a request to what can be read afterwards.

use reqwest::{Method, multipart};
use serde_json::{Value, json};

use super::{Api, read};

#[tokio::test]
async fn a_broadcast_can_be_followed_everywhere() {
    let api = Api::start().await;
    let body = json!({ "HEADER": { "Topics": ["a<b".replace('<', "-")], "tag": "bill" }, "data": [{ "value": { "a": "<&>" } }], "idempotencyKey": "k" });
    let (status, message) = api.post("messages/broadcast?confirm", &body.to_string()).await;
    assert_eq!(status, 200, "{message}");
    assert_eq!(message["state"], "confirmed");
    let id = message["header"]["id"].as_str().unwrap();
    let (status, again) = api.post("messages/broadcast", &body.to_string()).await;
    assert_eq!(status, 409);
    assert!(again["error"].as_str().unwrap().starts_with("FF10430"), "{again}");
    let (_, inline) = api.get(&format!("namespaces/default//messages/{id}?fetchdata")).await;
    assert_eq!(inline["data"][0]["value"], json!({ "a": "<&>" }));
    let raw =
        api.client.get(api.url(&format!("/api/v1/messages/{id}/data"))).send().await.unwrap().text().await.unwrap();
    assert!(raw.contains(r#""\u003c\u0026\u003e""#) && raw.ends_with('\n'), "{raw}");
    let (_, transaction) = api.get(&format!("messages/{id}/transaction")).await;
    let tx = transaction["id"].as_str().unwrap();
    let (_, operations) = api.get(&format!("transactions/{tx}/operations")).await;
    assert_eq!(operations.as_array().unwrap().len(), 2, "{operations}");
    let (_, events) = api.get(&format!("messages/{id}/events?fetchreferences")).await;
    assert_eq!(events[0]["type"], "message_confirmed");
    let (_, counted) = api.get("messages?tag=bill&count").await;
    assert_eq!((&counted["count"], &counted["total"]), (&json!(1), &json!(1)));
    for path in ["pins", "batches", "blockchainevents", "events", "transactions", "operations", "verifiers"] {
        let (status, items) = api.get(path).await;
        assert!(status == 200 && items.as_array().is_some_and(|items| !items.is_empty()), "{path}: {items}");
    }
    api.stop().await;
}

#[tokio::test]
async fn the_network_and_its_members_can_be_read() {
    let api = Api::start().await;
    let (_, status) = api.get("status").await;
    assert_eq!((&status["org"]["registered"], &status["node"]["registered"]), (&json!(true), &json!(true)));
    let (_, org) = api.get("network/organizations/org_0").await;
    let (_, same) = api.get("identities/did:firefly:org/org_0?fetchverifiers").await;
    assert_eq!(org["id"], same["id"]);
    assert_eq!(same["verifiers"].as_array().unwrap().len(), 1);
    let (_, nodes) = api.get("network/nodes").await;
    assert_eq!(nodes.as_array().unwrap().len(), 1);
    let (_, names) = api.get("namespaces?includeinitializing").await;
    assert_eq!(names.as_array().unwrap().len(), 2);
    let (_, described) = read_url(&api, "/api/openapi.json").await;
    assert!(described["paths"]["/namespaces/{ns}/messages/broadcast"]["post"].is_object());
    let response =
        api.client.get(api.url("/api/v1/status?nope=1")).header("X-FireFly-Request-ID", "mine").send().await.unwrap();
    assert_eq!(response.headers()["x-firefly-request-id"], "mine");
    assert_eq!(response.headers()["x-photinus-unknown-parameters"], "nope");
    api.stop().await;
}

#[tokio::test]
async fn queries_may_be_json() {
    let api = Api::start().await;
    let query = json!({ "equal": [{ "field": "type", "value": "definition" }], "gt": [{ "field": "created", "value": "-1h" }],
        "sort": ["created"], "limit": 1, "count": true });
    let (status, page) = api.post("messages/query", &query.to_string()).await;
    assert_eq!((status.as_u16(), &page["count"], &page["total"]), (200, &json!(1), &json!(2)), "{page}");
    for collection in [
        "data",
        "datatypes",
        "batches",
        "transactions",
        "operations",
        "events",
        "subscriptions",
        "pins",
        "identities",
        "verifiers",
        "blockchainevents",
    ] {
        let (status, page) = api.post(&format!("{collection}/query"), "{}").await;
        assert!(status == 200 && page.is_array(), "{collection}: {page}");
    }
    let (status, refused) = api.post("messages/query", r#"{"equal":[{"field":"nope","value":1}]}"#).await;
    assert!(status == 400 && refused["error"].as_str().unwrap().starts_with("FF00142"), "{refused}");
    let (_, recent) = api.get("messages?created=>-1h&created=[<=now").await;
    assert_eq!(recent.as_array().unwrap().len(), 2);
    api.stop().await;
}

async fn read_url(api: &Api, path: &str) -> (reqwest::StatusCode, Value) {
    read(api.client.get(api.url(path)).send().await.unwrap()).await
}

#[tokio::test]
async fn files_come_back_as_they_were_sent() {
    let api = Api::start().await;
    let content = vec![7_u8; 300_000];
    let file = || multipart::Part::bytes(content.clone()).file_name("dir/bill.pdf");
    let form = multipart::Form::new().text("autometa", "true").part("file", file());
    let sent = api.client.post(api.url("/api/v1/data")).multipart(form).send().await.unwrap();
    let (status, data) = read(sent).await;
    assert_eq!(status, 201, "{data}");
    assert_eq!(data["value"]["filename"], "bill.pdf");
    let path = format!("data/{}", data["id"].as_str().unwrap());
    let blob = api.client.get(api.url(&format!("/api/v1/{path}/blob"))).send().await.unwrap();
    assert_eq!(blob.headers()["x-ff-blob-hash-sha256"], data["blob"]["hash"].as_str().unwrap());
    assert_eq!(blob.bytes().await.unwrap(), content);
    assert_eq!(api.send(Method::DELETE, &path, "", "").await.0, 204);
    let late = multipart::Form::new().part("file", file()).text("metadata", "late");
    let (status, refused) = read(api.client.post(api.url("/api/v1/data")).multipart(late).send().await.unwrap()).await;
    assert!(status == 400 && refused["error"].as_str().unwrap().starts_with("FF00163"), "{refused}");
    let (status, refused) = read(
        api.client.post(api.url("/api/v1/data")).multipart(multipart::Form::new().text("a", "b")).send().await.unwrap(),
    )
    .await;
    assert!(status == 400 && refused["error"].as_str().unwrap().starts_with("FF00161"), "{refused}");
    api.stop().await;
}
