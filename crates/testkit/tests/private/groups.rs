//! Who is in a group, and who may say so.

use photinus_model::operation;
use photinus_testkit::network::NAMESPACE;
use serde_json::json;

use crate::inputs::{confirmed, input, message, refusal, registered, sent, until_final};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_members_are_the_same_group_however_they_are_named() {
    let network = registered(2).await;
    let sender = &network.members[0];
    let node = sender.store.read(NAMESPACE).identity_by_did("did:firefly:org/org_1").await.unwrap().unwrap();
    let first = confirmed(sender, message(&[0, 1], "t", 1)).await.header.group.unwrap();
    for members in [
        json!([{ "identity": "org_1" }]),
        json!([{ "identity": "did:firefly:org/org_1" }, { "identity": "org_0" }]),
        json!([{ "identity": format!("did:firefly:org/{}", node.id) }]),
        json!([{ "identity": "org_1", "node": "did:firefly:node/node_1" }]),
    ] {
        let body = json!({ "group": { "members": members }, "data": [{ "value": 1 }] });
        assert_eq!(confirmed(sender, input(&body)).await.header.group, Some(first), "{body}");
    }
    let by_hash = json!({ "header": { "group": first }, "data": [{ "value": 1 }] });
    assert_eq!(confirmed(sender, input(&by_hash)).await.header.group, Some(first));
    let named = json!({ "group": { "name": "other", "members": [{ "identity": "org_1" }] }, "data": [{ "value": 1 }] });
    let named = confirmed(sender, input(&named)).await.header.group.unwrap();
    assert_ne!(named, first);
    let group = sender.store.read(NAMESPACE).group(named).await.unwrap().unwrap();
    assert_eq!((group.name.as_str(), group.members.len()), ("other", 2));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_created_once_whoever_hurries() {
    let network = registered(2).await;
    let mut sending = Vec::new();
    for number in 0..20 {
        let namespace = network.members[0].namespace().clone();
        sending.push(tokio::spawn(async move { namespace.send_private(message(&[0, 1], "t", number), None).await }));
    }
    let mut ids = Vec::new();
    for sending in sending {
        ids.push(sending.await.unwrap().unwrap().header.id);
    }
    for member in &network.members {
        until_final(member, &ids).await;
    }
    let created = network.members[0].store.read(NAMESPACE);
    let field = photinus_query::collection::MESSAGES.field("type").unwrap();
    let query = photinus_query::Query::filtered(photinus_query::Condition::text(field, "groupinit"));
    let found = created.find::<photinus_model::message::Message>(&query).await.unwrap().items;
    assert_eq!(found.len(), 1);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_members_may_create_the_same_group() {
    let network = registered(2).await;
    let mut ids = Vec::new();
    for member in &network.members {
        ids.push(sent(member, message(&[0, 1], "t", member.index)).await);
    }
    for member in &network.members {
        until_final(member, &ids).await;
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_group_is_refused() {
    let network = registered(2).await;
    let refused =
        async |body: serde_json::Value| refusal(network.members[0].namespace().send_private(input(&body), None).await);
    let with = |members: serde_json::Value| json!({ "group": { "members": members }, "data": [{ "value": 1 }] });
    for (body, code) in [
        (json!({ "data": [{ "value": 1 }] }), "FF00115"),
        (with(json!([])), "FF00115"),
        (with(json!([{ "identity": "nobody" }])), "FF10277"),
        (with(json!([{ "identity": "org_1" }, { "identity": "org_1" }])), "FF00118"),
        (with(json!([{ "node": "did:firefly:node/node_1" }])), "FF00116"),
        (with(json!([{ "identity": "org_1", "node": "node_1" }])), "FF10224"),
        (with(json!([{ "identity": "did:firefly:node/node_1" }])), "FF10224"),
        (with(json!([{ "identity": "org_1", "node": "did:firefly:node/node_0" }])), "FF10422"),
        (json!({ "header": { "group": "0".repeat(64) }, "data": [{ "value": 1 }] }), "FF10226"),
        (
            json!({ "group": { "name": "bad name", "members": [{ "identity": "org_1" }] }, "data": [{ "value": 1 }] }),
            "FF00140",
        ),
        (json!({ "header": { "txtype": "token_pool" }, "group": { "members": [{ "identity": "org_1" }] } }), "FF00130"),
    ] {
        let text = refused(body.clone()).await;
        assert!(text.starts_with(code), "{body}: {text}");
    }
    assert!(crate::inputs::operations(&network.members[0], operation::Type::DataExchangeSendBatch).await.is_empty());
    network.stop().await;
}
