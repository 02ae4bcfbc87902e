//! What operators ask for: charts, folders, looking again, giving up, and the administration interface.

use photinus_testkit::{
    ledger::CONTRACT,
    network::{NAMESPACE, spare_key},
};
use reqwest::{Method, multipart};
use serde_json::{Value, json};

use super::{Api, read};

const ABSENT: &str = "11111111-1111-4111-8111-111111111111";

impl Api {
    async fn spi(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://{}/spi/v1/{path}", self.server.addresses.spi.unwrap());
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let (status, answer) = read(request.send().await.unwrap()).await;
        (status.as_u16(), answer)
    }

    #[track_caller]
    fn refused(answer: (reqwest::StatusCode, Value), status: u16, code: &str) {
        let (found, body) = answer;
        let sentence = body["error"].as_str().unwrap_or_default();
        assert!(found == status && sentence.starts_with(code), "{found} {body}, not {status} {code}");
    }
}

#[tokio::test]
async fn charts_count_what_happened() {
    let api = Api::start().await;
    let span = "startTime=2020-01-01T00:00:00Z&endTime=2100-01-01T00:00:00Z&buckets=1";
    let (status, chart) = api.get(&format!("charts/histogram/messages?{span}")).await;
    assert_eq!(status, 200, "{chart}");
    // The claims of the organisation and of the node.
    let types = json!([{ "count": "2", "type": "definition" }]);
    let expected = json!([{ "count": "2", "timestamp": "2020-01-01T00:00:00Z", "types": types, "isCapped": false }]);
    assert_eq!(chart, expected);
    for collection in ["transactions", "operations", "events", "blockchainevents"] {
        let (status, chart) =
            api.get(&format!("charts/histogram/{collection}?startTime=0&endTime=9e99&buckets=2")).await;
        assert_eq!(status, 400, "{chart}");
        let (_, chart) =
            api.get(&format!("charts/histogram/{collection}?startTime=0&endTime=4102444800&buckets=9")).await;
        assert_eq!(chart.as_array().unwrap().len(), 9, "{collection}: {chart}");
    }
    for (path, code) in [
        (format!("charts/histogram/nope?{span}"), "FF10301"),
        ("charts/histogram/messages?endTime=2&buckets=2".to_owned(), "FF10299"),
        ("charts/histogram/messages?startTime=1&endTime=2&buckets=0".to_owned(), "FF10298"),
        ("charts/histogram/messages?startTime=1&endTime=2&buckets=101".to_owned(), "FF10298"),
        ("charts/histogram/messages?startTime=2&endTime=1&buckets=2".to_owned(), "FF10300"),
    ] {
        Api::refused(api.get(&path).await, 400, code);
    }
    api.stop().await;
}

#[tokio::test]
async fn folders_of_files_are_listed() {
    let api = Api::start().await;
    for name in ["bills/2026/a.pdf", "bills/b.pdf", "c.pdf"] {
        let form = multipart::Form::new().text("metadata", json!({ "name": name }).to_string());
        let form = form.part("file", multipart::Part::bytes(vec![1]).file_name("x"));
        let sent = api.client.post(api.url("/api/v1/data")).multipart(form).send().await.unwrap();
        assert_eq!(sent.status(), 201);
    }
    for (path, expected) in [
        ("datasubpaths/", json!(["/bills"])),
        ("datasubpaths/bills", json!(["/bills/2026"])),
        ("datasubpaths//bills", json!(["/bills/2026"])),
        ("namespaces/default/datasubpaths/bills/2026", json!([])),
    ] {
        assert_eq!(api.get(path).await, (reqwest::StatusCode::OK, expected), "{path}");
    }
    Api::refused(api.get("datasubpaths").await, 404, "FF10109");
    api.stop().await;
}

#[tokio::test]
async fn what_is_missing_is_asked_for_at_once() {
    let api = Api::start().await;
    let (_, pins) = api.get("pins?sort=sequence&limit=1").await;
    let (sequence, batch) = (&pins[0]["sequence"], &pins[0]["batch"]);
    for asked in [json!({ "sequence": sequence }), json!({ "batch": batch })] {
        let (status, answer) = api.post("pins/rewind", &asked.to_string()).await;
        assert_eq!((status.as_u16(), answer), (200, json!({ "sequence": sequence, "batch": batch })));
    }
    Api::refused(api.post("pins/rewind", "{}").await, 400, "FF00112");
    Api::refused(api.post("pins/rewind", r#"{"sequence":99999}"#).await, 404, "FF10109");
    Api::refused(api.post("pins/rewind", &json!({ "batch": ABSENT }).to_string()).await, 404, "FF10109");
    Api::refused(api.post("pins/rewind", r#"{"batch":"x"}"#).await, 400, "FF00161");
    let cancel = |batch: &str| format!("batches/{batch}/cancel");
    Api::refused(api.post(&cancel(batch.as_str().unwrap()), "{}").await, 400, "FF10466");
    Api::refused(api.post(&cancel(ABSENT), "").await, 404, "FF10109");
    Api::refused(api.post(&cancel("x"), "").await, 400, "FF00138");
    api.stop().await;
}

#[tokio::test]
async fn organisations_are_claimed_below_others() {
    let api = Api::start().await;
    let body = json!({ "name": "branch", "parent": "org_0", "key": spare_key(0), "profile": { "b": 1, "a": 2 } });
    let (status, org) = api.post("network/organizations?confirm=true", &body.to_string()).await;
    assert_eq!((status.as_u16(), &org["did"], &org["type"]), (200, &json!("did:firefly:org/branch"), &json!("org")));
    let (_, found) = api.get("network/organizations/branch").await;
    assert_eq!(found["id"], org["id"]);
    Api::refused(api.post("network/organizations", &body.to_string()).await, 409, "FF10407");
    Api::refused(api.post("network/organizations", r#"{"name":"!"}"#).await, 400, "FF00140");
    api.stop().await;
}

#[tokio::test]
async fn a_contract_ends_only_where_another_one_follows() {
    let mut api = Api::start().await;
    Api::refused(api.post("network/action", r#"{"type":"dance"}"#).await, 400, "FF10397");
    Api::refused(api.post("network/action", r#"{"type":"terminate"}"#).await, 409, "FF10396");
    let member = &mut api.network.members[0];
    let mut next = member.options.contracts[0].clone();
    next.location = json!({ "address": CONTRACT.replace("5f", "6f") });
    member.options.contracts.push(next);
    member.stop().await;
    member.start().await;
    api.namespaces.set(NAMESPACE, photinus_api::State::Running(member.namespace().clone()));
    let (status, answer) = api.post("network/action", r#"{"type":"terminate"}"#).await;
    assert_eq!((status.as_u16(), answer), (202, json!({ "type": "terminate" })));
    let operation = photinus_model::operation::Type::BlockchainNetworkAction;
    api.network.members[0]
        .until("the action is on the ledger", async |store| {
            let query = photinus_query::Query::first(100);
            let found = store.read(NAMESPACE).find::<photinus_model::operation::Operation>(&query).await.unwrap();
            let found = found.items.into_iter().find(|found| found.kind == operation);
            found.is_some_and(|found| found.status == photinus_model::operation::Status::Succeeded)
        })
        .await;
    assert_eq!(api.network.ledger.pins().last().unwrap().action, "firefly:terminate");
    let (_, transactions) = api.get("transactions?type=network_action").await;
    assert_eq!(transactions.as_array().unwrap().len(), 1);
    api.stop().await;
}

#[tokio::test]
async fn messages_and_topics_tell_why_they_wait() {
    let api = Api::start().await;
    let (_, message) = api.post("messages/broadcast?confirm", r#"{"data":[{"value":1}]}"#).await;
    let id = message["header"]["id"].as_str().unwrap();
    let (status, why) = api.get(&format!("messages/{id}/why")).await;
    assert_eq!((status.as_u16(), &why["summary"]), (200, &json!("it is confirmed")), "{why}");
    Api::refused(api.get(&format!("messages/{ABSENT}/why")).await, 404, "FF10109");
    Api::refused(api.get("messages/x/why").await, 400, "FF00138");
    assert_eq!(api.get("status/topics").await, (reqwest::StatusCode::OK, json!([])));
    Api::refused(api.get("status/topics?limit=0").await, 400, "FF00192");
    api.stop().await;
}

#[tokio::test]
async fn votes_may_be_for_others_and_giving_up_alone_is_not() {
    let api = Api::start().await;
    let (_, message) = api.post("messages/broadcast?confirm", r#"{"data":[{"value":1}]}"#).await;
    let (_, pins) = api.get(&format!("blockchainevents?tx.id={}", of_batch(&api, &message).await)).await;
    let position = pins[0]["protocolId"].as_str().unwrap();
    // It is decided, so there is nothing to vote for, unless others ask for it.
    let body = |for_others: Value| json!({ "position": position, "forOthers": for_others }).to_string();
    Api::refused(api.post("status/topics/release", &body(false.into())).await, 404, "FF10109");
    let (status, votes) = api.post("status/topics/release", &body(true.into())).await;
    assert_eq!(
        (status.as_u16(), &votes["position"], &votes["undecided"]),
        (202, &json!(position), &json!(0)),
        "{votes}"
    );
    // Alone, the word has no meaning. It must not look as if it had been heard.
    Api::refused(api.post("status/topics/abandon", &body(true.into())).await, 400, "FF00112");
    Api::refused(api.post("status/topics/abandon", &body(false.into())).await, 404, "FF10109");
    for path in ["status/topics/release", "status/topics/abandon"] {
        for nonsense in [json!("maybe"), json!(1), json!({})] {
            let (status, answer) = api.post(path, &body(nonsense)).await;
            let sentence = answer["error"].as_str().unwrap_or_default();
            assert!(status == 400 && sentence.contains("forOthers"), "{path}: {status} {answer}");
        }
    }
    api.stop().await;
}

/// The transaction that pinned a message's batch.
async fn of_batch(api: &Api, message: &Value) -> String {
    let (_, batch) = api.get(&format!("batches/{}", message["batch"].as_str().unwrap())).await;
    batch["tx"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn machines_read_and_resolve_operations() {
    let api = Api::start().await;
    let (status, operations) = api.spi(Method::GET, "namespaces/default/operations?limit=1&count", None).await;
    assert_eq!((status, &operations["count"]), (200, &json!(1)));
    let id = operations["items"][0]["id"].as_str().unwrap();
    let path = format!("operations/default:{id}");
    let (status, before) = api.spi(Method::GET, &path, None).await;
    assert_eq!((status, &before["status"]), (200, &json!("Succeeded")), "{before}");
    let (status, answer) =
        api.spi(Method::PATCH, &path, Some(json!({ "status": "Pending", "output": { "a": 1 } }))).await;
    assert_eq!((status, answer), (200, json!({})));
    let (_, after) = api.spi(Method::GET, &path, None).await;
    assert_eq!(after["status"], "Succeeded", "an outcome stays");
    let (status, _) = api.spi(Method::PATCH, &path, Some(json!({ "status": "Failed", "error": "no luck" }))).await;
    assert_eq!(status, 200);
    let (_, after) = api.spi(Method::GET, &path, None).await;
    assert_eq!((&after["status"], &after["error"]), (&json!("Failed"), &json!("no luck")));
    for (path, body, status, code) in [
        ("operations/default".to_owned(), None, 400, "FF10411"),
        (format!("operations/a:b:{id}"), None, 400, "FF10411"),
        ("operations/default:x".to_owned(), None, 400, "FF00138"),
        (format!("operations/nosuch:{id}"), None, 404, "FF10436"),
        (format!("operations/default:{ABSENT}"), None, 404, "FF00164"),
        (format!("operations/default:{ABSENT}"), Some(json!({})), 404, "FF00164"),
        (path.clone(), Some(json!({ "status": "Dreaming" })), 400, "FF00130"),
    ] {
        let method = if body.is_some() { Method::PATCH } else { Method::GET };
        let (found, answer) = api.spi(method, &path, body).await;
        let sentence = answer["error"].as_str().unwrap_or_default();
        assert!(found == status && sentence.starts_with(code), "{path}: {found} {answer}");
    }
    api.stop().await;
}
