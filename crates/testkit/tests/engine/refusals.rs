//! Requests that are wrong: each is refused at the door, with the code that clients know, and leaves nothing behind.

use photinus_engine::{Error, Kind, definitions::DatatypeInput};
use photinus_testkit::network::{DEADLINE, NAMESPACE, Network, key, spare_key};
use serde_json::{Value, json};

use crate::inputs::{confirmed, input, message, refusal};

fn datatype(body: Value) -> DatatypeInput {
    serde_json::from_str(&body.to_string()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcasts() {
    let network = Network::registered(2).await;
    let namespace = network.members[0].namespace();
    let schema = json!({ "name": "widget", "version": "1", "value": { "type": "object", "required": ["id"] } });
    namespace.publish_datatype(datatype(schema), Some(DEADLINE)).await.unwrap();
    let stored = namespace.create_data(serde_json::from_str(r#"{"value":"held"}"#).unwrap()).await.unwrap();
    let before = network.ledger.pins().len();
    let unknown = "9dbaf94a-aa6b-40e3-bb65-c1eb39c1af4d";
    let header = |header: Value| json!({ "header": header, "data": [{ "value": 1 }] });
    let data = |data: Value| json!({ "data": data });
    let topics: Vec<_> = (0..11).map(|number| number.to_string()).collect();
    for (body, code, kind) in [
        (data(json!([{ "value": null }])), "FF10205", Kind::BadInput),
        (data(json!([{}])), "FF10205", Kind::BadInput),
        (data(json!([{ "id": unknown }])), "FF10204", Kind::BadInput),
        (data(json!([{ "id": stored.id, "hash": "00".repeat(32) }])), "FF10204", Kind::BadInput),
        (data(json!([{ "id": stored.id, "value": 1 }])), "FF10205", Kind::BadInput),
        (data(json!([{ "id": stored.id }, { "id": stored.id }])), "FF00129", Kind::BadInput),
        (data(json!([{ "blob": { "hash": "00".repeat(32) } }])), "FF10239", Kind::BadInput),
        (data(json!([{ "value": 1, "validator": "magic" }])), "FF00108", Kind::BadInput),
        (data(json!([{ "value": 1, "datatype": { "name": "nope", "version": "1" } }])), "FF10195", Kind::BadInput),
        (data(json!([{ "value": 1, "datatype": { "name": "widget" } }])), "FF10195", Kind::BadInput),
        (data(json!([{ "value": {}, "datatype": { "name": "widget", "version": "1" } }])), "FF10198", Kind::BadInput),
        (data(json!([{ "value": "x".repeat(819_200) }])), "FF10327", Kind::BadInput),
        (header(json!({ "topics": ["bad topic"] })), "FF00140", Kind::BadInput),
        (header(json!({ "topics": ["a", "a"] })), "FF00133", Kind::BadInput),
        (header(json!({ "topics": topics })), "FF00134", Kind::BadInput),
        (header(json!({ "tag": "bad tag" })), "FF00140", Kind::BadInput),
        (header(json!({ "tag": "ff_identity_claim" })), "FF10206", Kind::BadInput),
        (header(json!({ "txtype": "unpinned" })), "FF00130", Kind::BadInput),
        (header(json!({ "type": "private" })), "FF10287", Kind::BadInput),
        (header(json!({ "group": "00".repeat(32) })), "FF10287", Kind::BadInput),
        (header(json!({ "key": "nonsense" })), "FF10206", Kind::BadInput),
        (header(json!({ "key": spare_key(0) })), "FF10206", Kind::BadInput),
        (header(json!({ "key": key(1) })), "FF10206", Kind::NotAllowed),
        (header(json!({ "author": "nobody" })), "FF10206", Kind::BadInput),
        (header(json!({ "author": "did:web:nobody" })), "FF10206", Kind::BadInput),
        (header(json!({ "author": "org_1" })), "FF10206", Kind::NotAllowed),
        (header(json!({ "author": "org_1", "key": key(0) })), "FF10206", Kind::BadInput),
        (json!({ "idempotencyKey": "k".repeat(257) }), "FF00135", Kind::BadInput),
    ] {
        let error: Error = namespace.broadcast(input(body.clone()), None).await.unwrap_err();
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!((error.code(), error.kind()), (code, kind), "{shown}: {error}");
    }
    let text = refusal(namespace.broadcast(input(header(json!({ "author": "nobody" }))), None).await);
    assert!(text.contains("FF10277"), "{text}");
    assert_eq!(network.ledger.pins().len(), before);
    confirmed(&network.members[0], message("t", "still fine")).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_names_the_first_message() {
    let network = Network::registered(1).await;
    let namespace = network.members[0].namespace();
    let keyed = || input(json!({ "data": [{ "value": 1 }], "idempotencyKey": "once" }));
    let requests: Vec<_> = (0..10).map(|_| namespace.broadcast(keyed(), None)).collect();
    let mut results = futures::future::join_all(requests).await;
    results.push(namespace.broadcast(keyed(), Some(DEADLINE)).await);
    let first = results.iter().find_map(|result| result.as_ref().ok()).unwrap().header.id;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!((error.code(), error.kind()), ("FF10430", Kind::Conflict));
        assert!(error.to_string().contains(&first.to_string()), "{error}");
    }
    let data = network.members[0].store.read(NAMESPACE).message(first).await.unwrap().unwrap().data;
    assert_eq!(data.len(), 1);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datatypes() {
    let network = Network::registered(2).await;
    let namespace = network.members[0].namespace();
    let good = json!({ "name": "widget", "version": "1", "value": { "type": "object" } });
    let published = namespace.publish_datatype(datatype(good.clone()), Some(DEADLINE)).await.unwrap();
    assert!(published.message.is_some() && published.id.is_some());
    assert_eq!(published.namespace, NAMESPACE);
    let other = json!({ "name": "widget", "version": "1", "value": { "type": "string" } });
    for (body, code) in [
        (good, "FF10407"),
        (other, "FF10407"),
        (json!({ "name": "widget", "version": "bad version", "value": {} }), "FF00140"),
        (json!({ "name": "widget", "version": "2" }), "FF00112"),
        (json!({ "name": "widget", "version": "2", "value": { "type": "nonsense" } }), "FF10196"),
    ] {
        let text = refusal(namespace.publish_datatype(datatype(body.clone()), None).await);
        assert!(text.starts_with(code), "{body}: {text}");
    }
    network.members[1]
        .until("the datatype is known", |store| async move {
            store.read(NAMESPACE).datatype("widget", "1").await.unwrap().is_some()
        })
        .await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_that_publish_one_datatype_agree_on_the_first() {
    let network = Network::registered(2).await;
    network.ledger.hold();
    let body = |kind: &str| datatype(json!({ "name": "bill", "version": "1", "value": { "type": kind } }));
    let (one, two) = (network.members[0].namespace(), network.members[1].namespace());
    let race = async {
        let waiting = futures::future::join(
            one.publish_datatype(body("object"), Some(DEADLINE)),
            two.publish_datatype(body("string"), Some(DEADLINE)),
        );
        let release = async {
            network.members[1].until("both are on their way", |_| async { network.ledger.pins().len() >= 6 }).await;
            network.ledger.release();
        };
        futures::future::join(waiting, release).await.0
    };
    let (first, second) = race.await;
    let refused = match (&first, &second) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        both => panic!("one of them is rejected: {both:?}"),
    };
    assert_eq!((refused.code(), refused.kind()), ("FF10269", Kind::Conflict));
    assert!(refused.to_string().contains("FF10407"), "{refused}");
    network.stop().await;
}
