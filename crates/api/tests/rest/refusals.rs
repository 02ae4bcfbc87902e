//! Bad input, and what is answered to it.

use reqwest::Method;

use super::Api;

const ABSENT: &str = "11111111-1111-4111-8111-111111111111";
const JSON: &str = "application/json";

#[tokio::test]
async fn bad_input_is_refused_with_the_codes_that_clients_know() {
    let api = Api::start().await;
    let mut wrong = Vec::new();
    let absent = |path: &str| path.replace("{}", ABSENT);
    for (path, status, code) in [
        ("messages?limit=99999", 400, "FF00192"),
        ("messages?skip=1001", 400, "FF00191"),
        ("messages?created=notatime", 400, "FF00143"),
        ("events?sequence=x", 400, "FF00143"),
        ("events?sequence=@1", 400, "FF00145"),
        ("messages?tag=?@", 400, "FF00144"),
        ("messages?tag=>!1", 400, "FF00193"),
        ("messages?limit=x&skip=0$&nope=1&sort=nope", 200, ""),
        ("messages?limit=0", 200, ""),
        ("events?id=nope", 200, ""),
        ("nosuch", 404, "FF10109"),
        ("messages/", 404, "FF10109"),
        ("namespaces/nosuch/messages", 404, "FF10436"),
        ("namespaces/nosuch", 404, "FF10436"),
        ("namespaces/later/messages", 412, "FF10441"),
        ("messages/nope", 400, "FF00138"),
        ("messages/{}", 404, "FF10109"),
        ("messages/{}/data", 404, "FF10109"),
        ("messages/{}/events", 404, "FF10109"),
        ("data/{}", 404, "FF00164"),
        ("data/{}/value", 404, "FF00164"),
        ("data/{}/blob", 404, "FF00164"),
        ("data/{}/messages", 200, ""),
        ("datatypes/a/1", 404, "FF00164"),
        ("batches/{}", 404, "FF00164"),
        ("events/{}", 404, "FF00164"),
        ("events/{}?fetchreference", 404, "FF00164"),
        ("transactions/{}", 404, "FF00164"),
        ("transactions/{}/status", 404, "FF10109"),
        ("transactions/{}/operations", 200, ""),
        ("operations/{}", 404, "FF00164"),
        ("blockchainevents/{}", 404, "FF00164"),
        ("subscriptions/{}", 404, "FF00164"),
        ("subscriptions/{}/events", 404, "FF10109"),
        ("identities/{}", 404, "FF10109"),
        ("identities/{}/did", 404, "FF10109"),
        ("identities/{}/verifiers", 404, "FF10109"),
        ("identities/did:firefly:org/nobody", 404, "FF10277"),
        ("identities/did:other:x", 400, "FF10349"),
        ("network/organizations/nobody", 404, "FF10109"),
        ("network/organizations/!", 400, "FF00140"),
        ("verifiers/nope", 400, "FF00107"),
    ] {
        expect(&mut wrong, path, api.get(&absent(path)).await, status, code);
    }
    let bad_topics = format!(
        r#"{{"header":{{"topics":[{}]}}}}"#,
        (0..11).map(|n| format!("\"t{n}\"")).collect::<Vec<_>>().join(",")
    );
    let unknown_data = format!(r#"{{"data":[{{"id":"{ABSENT}"}}]}}"#);
    let ambiguous = format!(r#"{{"data":[{{"id":"{ABSENT}","value":1}}]}}"#);
    let long_key = format!(r#"{{"idempotencyKey":"{}"}}"#, "k".repeat(257));
    let long_value = format!(r#"{{"data":[{{"value":"{}"}}]}}"#, "v".repeat(900_000));
    let too_long = " ".repeat(5 << 20);
    for (media, body, status, code) in [
        ("text/plain", "{}", 415, "FF00162"),
        ("", "{}", 415, "FF00162"),
        ("multipart/form-data; boundary=x", "--x--", 415, "FF00162"),
        ("application/x-www-form-urlencoded", "a=b", 400, "FF00162"),
        (JSON, "", 400, "FF00161"),
        (JSON, "null", 400, "FF00161"),
        (JSON, "{oops", 400, "FF00161"),
        (JSON, r#"{"header":[]}"#, 400, "FF00161"),
        (JSON, r#"{"header":{"cid":"x"}}"#, 400, "FF00161"),
        (JSON, r#"{"data":[{"id":"x"}]}"#, 400, "FF00161"),
        (JSON, r#"{"data":[{}]}"#, 400, "FF10205"),
        (JSON, &unknown_data, 400, "FF10204"),
        (JSON, &ambiguous, 400, "FF10205"),
        (JSON, r#"{"header":{"topics":["!"]}}"#, 400, "FF00140"),
        (JSON, r#"{"header":{"topics":["a","a"]}}"#, 400, "FF00133"),
        (JSON, &bad_topics, 400, "FF00134"),
        (JSON, r#"{"header":{"tag":"!"}}"#, 400, "FF00140"),
        (JSON, r#"{"header":{"tag":"ff_define_datatype"}}"#, 400, "FF10206"),
        (JSON, r#"{"header":{"txtype":"nonsense"}}"#, 400, "FF00130"),
        (JSON, r#"{"header":{"author":"did:firefly:org/nobody"}}"#, 400, "FF10206"),
        (JSON, r#"{"data":[{"value":1,"datatype":{"name":"a","version":"1"}}]}"#, 400, "FF10195"),
        (JSON, r#"{"data":[{"value":1,"validator":"nope"}]}"#, 400, "FF00108"),
        (JSON, &long_key, 400, "FF00135"),
        (JSON, &long_value, 400, "FF10327"),
        (JSON, &too_long, 413, "FF00161"),
    ] {
        let answer = api.send(Method::POST, "messages/broadcast", media, body).await;
        expect(&mut wrong, &body[..body.len().min(60)], answer, status, code);
    }
    let retry = absent("operations/{}/retry");
    let data = absent("data/{}");
    let subscription = absent("subscriptions/{}");
    for (method, path, body, status, code) in [
        (Method::POST, retry.as_str(), "{}", 404, "FF00164"),
        (Method::DELETE, &data, "", 404, "FF10143"),
        (Method::DELETE, &subscription, "", 404, "FF10109"),
        (Method::PUT, "messages/broadcast", "{}", 405, ""),
        (Method::DELETE, "status", "", 405, ""),
        (Method::POST, "datatypes", r#"{"name":"a","version":"!","value":{}}"#, 400, "FF00140"),
        (Method::POST, "datatypes", r#"{"name":"a","version":"1"}"#, 400, "FF00112"),
        (Method::POST, "datatypes", r#"{"name":"a","version":"1","value":{"type":7}}"#, 400, "FF10196"),
        (Method::POST, "identities", r#"{"name":"a"}"#, 400, "FF00124"),
        (Method::POST, "identities", r#"{"name":"a","type":"nope","parent":"org_0"}"#, 400, "FF00126"),
        (Method::POST, "identities", r#"{"name":"a","parent":"org_0"}"#, 400, "FF10352"),
        (Method::POST, "network/organizations/self", "{}", 409, "FF10407"),
        (Method::POST, "subscriptions", r#"{"name":"!"}"#, 400, "FF00140"),
        (Method::POST, "subscriptions", r#"{"name":"a","transport":"pigeon"}"#, 400, "FF10172"),
        (Method::POST, "subscriptions", r#"{"name":"a","filter":{"events":"["}}"#, 400, "FF10171"),
    ] {
        let answer = api.send(method, path, JSON, body).await;
        expect(&mut wrong, &format!("{path} {body}"), answer, status, code);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    api.stop().await;
}

fn expect(
    wrong: &mut Vec<String>,
    what: &str,
    (status, answer): (reqwest::StatusCode, serde_json::Value),
    expected: u16,
    code: &str,
) {
    let text = answer["error"].as_str().unwrap_or_default();
    if status.as_u16() != expected || !text.starts_with(code) || (code.is_empty() && !text.is_empty()) {
        wrong.push(format!("{what}: {status} {text}, expected {expected} {code}"));
    }
}
