//! Custom identities: what is refused and how, one by one, and what can be read of one that was claimed.

use photinus_testkit::network::{key, spare_key};
use reqwest::Method;
use serde_json::{Value, json};

use super::Api;

const JSON: &str = "application/json";

/// What is refused: status, how the sentence begins, and a word of it that tells the reader what to do.
async fn refused(api: &Api, method: Method, path: &str, body: &Value, expected: (u16, &str, &str)) -> Option<String> {
    let (status, code, word) = expected;
    let (got, answer) = api.send(method, path, JSON, &body.to_string()).await;
    let text = answer["error"].as_str().unwrap_or_default();
    let right = got.as_u16() == status && text.starts_with(code) && text.contains(word);
    (!right).then(|| format!("{path} {body}: {got} {text}, expected {status} {code} … {word}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_claim_that_is_wrong_is_refused_with_the_reason() {
    let api = Api::start().await;
    let spare = spare_key(0);
    let desk = json!({ "name": "desk", "parent": "org_0", "key": spare, "profile": { "floor": 1 } });
    let (status, claimed) = api.post("identities?confirm", &desk.to_string()).await;
    assert_eq!(status, 200, "{claimed}");
    let desk = claimed["id"].as_str().unwrap();
    // Registered to nobody. What is wrong here is found before it is asked whether the node has it.
    let free = spare_key(1);
    let child = |parent: &str| json!({ "name": "x", "parent": parent, "key": free });
    let named = |name: &str| json!({ "name": name, "parent": "org_0", "key": free });
    let keyed = |key: &str| json!({ "name": "x", "parent": "org_0", "key": key });
    let stranger = "0x000000000000000000000000000000000000dead";
    let absent = "11111111-1111-4111-8111-111111111111";
    let mut wrong = Vec::new();
    for (body, expected) in [
        (json!({}), (400, "FF00124", "parent")),
        (json!({ "name": "x" }), (400, "FF00124", "parent")),
        (json!({ "parent": "org_0", "key": free }), (400, "FF00140", "name")),
        (child("nobody"), (400, "FF10214", "nobody")),
        (child(absent), (400, "FF10214", absent)),
        (child("did:firefly:nobody"), (400, "FF10214", "did:firefly:nobody")),
        (child("did:firefly:org/nobody"), (400, "FF10214", "nobody")),
        (child("did:web:somebody"), (400, "FF10349", "did:web")),
        (child("did:firefly:node/node_0"), (400, "FF10365", "node")),
        (json!({ "name": "x", "type": "robot", "parent": "org_0" }), (400, "FF00126", "custom")),
        (json!({ "name": "x", "type": "org", "parent": desk, "key": free }), (400, "FF10365", "custom")),
        (json!({ "name": "x", "type": "node", "parent": desk }), (400, "FF10365", "custom")),
        (named("bad name"), (400, "FF00140", "name")),
        (named("-dash"), (400, "FF00140", "name")),
        (named(&"n".repeat(65)), (400, "FF00140", "name")),
        (named(absent), (400, "FF00141", "name")),
        (json!({ "name": "desk", "parent": "org_0", "key": spare }), (409, "FF10407", "did:firefly:desk")),
        (json!({ "name": "org_0", "type": "org", "key": key(0) }), (409, "FF10407", "did:firefly:org/org_0")),
        (json!({ "name": "x", "parent": "org_0" }), (400, "FF10352", "key")),
        (keyed(""), (400, "FF10352", "key")),
        (keyed("nonsense"), (400, "FF10141", "nonsense")),
        (keyed(&key(0)), (409, "FF10407", "did:firefly:org/org_0")),
        (keyed(&spare), (409, "FF10407", "did:firefly:desk")),
        (keyed(stranger), (403, "FF10111", stranger)),
        (json!({ "name": "x", "parent": "org_0", "key": free, "profile": 5 }), (400, "FF00140", "profile")),
        (json!({ "name": "x", "parent": "org_0", "key": free, "profile": ["a"] }), (400, "FF00140", "profile")),
        (
            json!({ "name": "x", "parent": "org_0", "key": free, "description": "d".repeat(4097) }),
            (400, "FF00135", "4096"),
        ),
        (json!({ "name": 7, "parent": "org_0", "key": free }), (400, "FF00161", "name")),
    ] {
        wrong.extend(refused(&api, Method::POST, "identities", &body, expected).await);
    }
    let change = json!({ "profile": {} });
    for (id, body, expected) in [
        (desk, json!({}), (400, "FF10480", "profile")),
        (desk, json!({ "profile": "text" }), (400, "FF00140", "profile")),
        (desk, json!({ "profile": {}, "description": "d".repeat(4097) }), (400, "FF00135", "4096")),
        (absent, change.clone(), (404, "FF10143", absent)),
        ("nonsense", change, (400, "FF00138", "nonsense")),
    ] {
        wrong.extend(refused(&api, Method::PATCH, &format!("identities/{id}"), &body, expected).await);
    }
    // Who speaks must be who owns the key.
    let message = |header: Value| json!({ "header": header, "data": [{ "value": 1 }] });
    for (header, expected) in [
        (json!({ "key": stranger }), (400, "FF10206", "FF10356")),
        (json!({ "key": free }), (400, "FF10206", "FF10356")),
        (json!({ "key": "nonsense" }), (400, "FF10206", "FF10141")),
        (json!({ "author": "nobody" }), (400, "FF10206", "FF10277")),
        (json!({ "author": "did:firefly:nobody" }), (400, "FF10206", "FF10277")),
        (json!({ "author": "did:firefly:desk", "key": key(0) }), (400, "FF10206", "FF10355")),
        (json!({ "author": "org_0", "key": spare }), (400, "FF10206", "FF10355")),
        (json!({ "author": "did:firefly:node/node_0" }), (400, "FF10206", "FF10353")),
    ] {
        wrong.extend(refused(&api, Method::POST, "messages/broadcast", &message(header), expected).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_keys_and_documents_are_found_by_every_name() {
    let api = Api::start().await;
    let spare = spare_key(0);
    let body =
        json!({ "name": "desk", "parent": "did:firefly:org/org_0", "key": spare.to_uppercase().replace("0X", "0x") });
    let (_, claimed) = api.post("identities?confirm", &body.to_string()).await;
    let id = claimed["id"].as_str().unwrap();
    for path in [
        format!("identities/{id}"),
        "identities/did:firefly:desk".to_owned(),
        "network/identities/did:firefly:desk".to_owned(),
    ] {
        let (status, found) = api.get(&format!("{path}?fetchverifiers")).await;
        assert_eq!((status.as_u16(), &found["did"]), (200, &json!("did:firefly:desk")), "{path}: {found}");
        assert_eq!(found["verifiers"], json!([{ "type": "ethereum_address", "value": spare }]), "{path}");
    }
    let (_, verifiers) = api.get(&format!("identities/{id}/verifiers")).await;
    let hash = verifiers[0]["hash"].as_str().unwrap();
    assert_eq!((verifiers.as_array().unwrap().len(), &verifiers[0]["value"]), (1, &json!(spare)));
    let (_, verifier) = api.get(&format!("verifiers/{hash}")).await;
    assert_eq!((&verifier["identity"], &verifier["value"]), (&json!(id), &json!(spare)));
    for path in [format!("identities/{id}/did"), "network/diddocs/did:firefly:desk".to_owned()] {
        let (status, document) = api.get(&path).await;
        assert_eq!((status.as_u16(), &document["id"]), (200, &json!("did:firefly:desk")), "{path}: {document}");
        assert_eq!(document["authentication"], json!([format!("#{hash}")]));
        let method = &document["verificationMethod"][0];
        assert_eq!((&method["id"], &method["controller"]), (&json!(hash), &json!("did:firefly:desk")));
        assert_eq!((&method["blockchainAcountId"], method["type"].as_str().is_some()), (&json!(spare), true));
    }
    // A node is verified by its certificate, and has no key.
    let (_, document) = api.get("network/diddocs/did:firefly:node/node_0").await;
    assert!(document["verificationMethod"][0]["dataExchangePeerID"].is_string(), "{document}");
    for (body, value) in [
        (json!({ "type": "ethereum_address", "value": spare.trim_start_matches("0x").to_uppercase() }), Some(&spare)),
        (json!({ "value": spare }), Some(&spare)),
        (json!({ "type": "dx_peer_id", "value": "x" }), None),
        (json!({ "value": "zz" }), None),
        (json!({}), None),
    ] {
        let (status, found) = api.post("verifiers/resolve", &body.to_string()).await;
        match value {
            Some(value) => assert_eq!((status.as_u16(), &found["value"]), (200, &json!(value)), "{body}"),
            None => assert_eq!(status.as_u16(), 400, "{body}: {found}"),
        }
    }
    let update = json!({ "description": "two", "profile": { "floor": 2 } });
    let path = format!("identities/{id}?confirm");
    let (status, updated) = api.send(Method::PATCH, &path, JSON, &update.to_string()).await;
    assert_eq!((status.as_u16(), &updated["profile"]["floor"]), (200, &json!(2)), "{updated}");
    assert!(updated["messages"]["update"].is_string());
    api.stop().await;
}
