//! Organisations, nodes and custom identities, as all members come to know them.

use photinus_engine::identity::{Input, ResolveInput, UpdateInput};
use photinus_model::{JsonText, identity::Type, verifier};
use photinus_testkit::network::{DEADLINE, Member, NAMESPACE, Network, key, spare_key};
use serde_json::json;

use crate::inputs::{confirmed, input, message, refusal};

fn claim(body: serde_json::Value) -> Input {
    serde_json::from_str(&body.to_string()).unwrap()
}

async fn until_known(member: &Member, did: &str) {
    member
        .until("an identity is known", |store| {
            let did = did.to_owned();
            async move { store.read(NAMESPACE).identity_by_did(&did).await.unwrap().is_some() }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_is_seen_by_everybody() {
    let network = Network::start(2).await;
    let before = network.members[0].namespace().multiparty_status().await.unwrap();
    assert_eq!((before.org.status, before.node.status), ("unregistered", "unregistered"));
    let missing = network.members[0].namespace().register_node(None).await;
    assert!(refusal(missing).starts_with("FF10277"));
    let (org, node) = network.members[0].register().await;
    assert_eq!((org.did.as_str(), org.kind, org.parent), ("did:firefly:org/org_0", Type::Org, None));
    assert_eq!((node.did.as_str(), node.kind, node.parent), ("did:firefly:node/node_0", Type::Node, Some(org.id)));
    assert_eq!(node.profile.unwrap().to_string(), r#"{"cert":"","endpoint":"https://peer_0","id":"peer_0/node_0"}"#);
    for member in &network.members {
        until_known(member, &node.did).await;
        let read = member.store.read(NAMESPACE);
        let known = read.identity_by_did(&org.did).await.unwrap().unwrap();
        assert_eq!((known.id, known.namespace.as_str(), known.messages.claim), (org.id, NAMESPACE, org.messages.claim));
        let owner = read.verifier(verifier::Type::EthereumAddress, &key(0)).await.unwrap().unwrap();
        assert_eq!(owner.identity, Some(org.id));
        let peer = read.verifier(verifier::Type::DxPeerId, "peer_0/node_0").await.unwrap().unwrap();
        assert_eq!(peer.identity, Some(node.id));
    }
    let status = network.members[0].namespace().status().await.unwrap();
    assert_eq!((status.org.id, status.node.id), (Some(org.id), Some(node.id)));
    assert_eq!(status.org.verifiers[0].value, key(0));
    let after = network.members[0].namespace().multiparty_status().await.unwrap();
    assert_eq!((after.org.status, after.node.status), ("registered", "registered"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_on_its_way_is_shown() {
    let network = Network::start(1).await;
    network.ledger.hold();
    let sent = network.members[0].namespace().register_organization(None).await.unwrap();
    assert_eq!((sent.namespace.as_str(), sent.created), ("", None));
    let status = network.members[0].namespace().multiparty_status().await.unwrap();
    assert_eq!(status.org.status, "registering");
    assert_eq!(status.org.pending_registration_message_id, sent.messages.claim);
    network.ledger.release();
    until_known(&network.members[0], &sent.did).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_speaks_with_its_own_key() {
    let network = Network::registered(2).await;
    let namespace = network.members[0].namespace();
    let org = namespace.identity("org_0").await.unwrap();
    let body = json!({ "name": "clerk", "parent": org.id, "key": spare_key(0), "profile": { "b": 1, "a": 2 } });
    let child = namespace.claim(claim(body), Some(DEADLINE)).await.unwrap();
    assert_eq!((child.did.as_str(), child.kind), ("did:firefly:clerk", Type::Custom));
    assert!(child.messages.claim.is_some() && child.messages.verification.is_some());
    assert_eq!(child.profile.unwrap().to_string(), r#"{"a":2,"b":1}"#);
    until_known(&network.members[1], "did:firefly:clerk").await;
    for header in [json!({ "author": "did:firefly:clerk" }), json!({ "key": spare_key(0) })] {
        let message =
            confirmed(&network.members[0], input(json!({ "header": header, "data": [{ "value": 1 }] }))).await;
        assert_eq!((message.header.author.as_str(), message.header.key), ("did:firefly:clerk", spare_key(0)));
    }
    let document = namespace.did_document_of(child.id).await.unwrap();
    assert_eq!(document.verification_method[0].blockchain_account, Some(spare_key(0)));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_replace_the_profile_and_keep_its_id() {
    let network = Network::registered(2).await;
    let namespace = network.members[0].namespace();
    let node = namespace.identity("did:firefly:node/node_0").await.unwrap();
    let update = UpdateInput {
        description: Some("quay".into()),
        profile: Some(JsonText::parse(r#"{"endpoint":"https://new"}"#).unwrap()),
    };
    let updated = namespace.update_identity(node.id, update, Some(DEADLINE)).await.unwrap();
    let profile = r#"{"endpoint":"https://new","id":"peer_0/node_0"}"#;
    assert_eq!((updated.description.as_str(), updated.profile.unwrap().as_str()), ("quay", profile));
    assert!(updated.messages.update.is_some());
    let by_did = namespace.identity(&node.did).await.unwrap();
    assert_eq!(by_did.profile.as_ref().unwrap().as_str(), profile);
    let other = network.members[1].namespace();
    let foreign = UpdateInput { profile: Some(JsonText::parse("{}").unwrap()), ..UpdateInput::default() };
    assert!(refusal(other.update_identity(node.id, foreign, None).await).starts_with("FF10206"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_claim_is_said_at_once() {
    let network = Network::registered(2).await;
    let namespace = network.members[0].namespace();
    let spare = spare_key(0);
    for (body, code) in [
        (json!({ "name": "x" }), "FF00124"),
        (json!({ "name": "x", "type": "robot", "parent": "org_0" }), "FF00126"),
        (json!({ "name": "x", "parent": "did:firefly:node/node_0", "key": spare }), "FF10365"),
        (json!({ "name": "x", "parent": "org_0" }), "FF10352"),
        (json!({ "name": "x", "parent": "org_0", "key": "nonsense" }), "FF10141"),
        (json!({ "name": "x", "parent": "org_0", "key": "0x000000000000000000000000000000000000dead" }), "FF10111"),
        (json!({ "name": "x", "parent": "nobody", "key": spare }), "FF10214"),
        (json!({ "name": "x", "parent": "did:firefly:nobody", "key": spare }), "FF10214"),
        (json!({ "name": "x", "parent": "did:web:nobody", "key": spare }), "FF10349"),
        (json!({ "name": "bad name", "parent": "org_0", "key": spare }), "FF00140"),
        (json!({ "name": "x", "parent": "org_0", "key": key(0) }), "FF10407"),
        (json!({ "name": "x", "parent": "org_0", "key": spare, "profile": 5 }), "FF00140"),
        (json!({ "name": "x", "parent": "org_0", "key": spare, "description": "d".repeat(4097) }), "FF00135"),
        (json!({ "name": "org_0", "type": "org", "key": spare }), "FF10407"),
        (json!({ "name": "other", "type": "org" }), "FF10354"),
    ] {
        let text = refusal(namespace.claim(claim(body.clone()), None).await);
        assert!(text.starts_with(code), "{body}: {text}");
    }
    assert!(refusal(namespace.register_organization(None).await).starts_with("FF10407"));
    assert!(refusal(namespace.register_node(None).await).starts_with("FF10407"));
    let nobody = namespace.update_identity(photinus_model::Uuid::nil(), UpdateInput::default(), None).await;
    assert!(refusal(nobody).starts_with("FF10143"));
    let org = namespace.identity("org_0").await.unwrap();
    assert!(refusal(namespace.update_identity(org.id, UpdateInput::default(), None).await).starts_with("FF10480"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_brought_into_their_normal_form() {
    let network = Network::start(1).await;
    let namespace = network.members[0].namespace();
    let resolve =
        |kind: Option<&str>, value: &str| ResolveInput { kind: kind.map(str::to_owned), value: Some(value.to_owned()) };
    let found = namespace.resolve_verifier(resolve(None, "976EA74026E726554DB657FA54763ABD0C3A0AA9")).await.unwrap();
    assert_eq!(found.value, "0x976ea74026e726554db657fa54763abd0c3a0aa9");
    let wrong = namespace.resolve_verifier(resolve(Some("dx_peer_id"), "x")).await;
    assert!(refusal(wrong).starts_with("FF10428"));
    assert!(refusal(namespace.resolve_verifier(resolve(None, "zz")).await).starts_with("FF10141"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_before_registration_are_refused_with_the_way_out() {
    let network = Network::start(1).await;
    let text = refusal(network.members[0].namespace().broadcast(message("t", 1), None).await);
    assert!(text.starts_with("FF10206") && text.contains("FF10277") && text.contains("organizations/self"), "{text}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authors_and_keys_are_resolved_alike_however_they_are_named() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let org = member.namespace().identity("org_0").await.unwrap();
    let upper = key(0).to_uppercase().replace("0X", "0x");
    let by_id = format!("did:firefly:org/{}", org.id);
    for header in [
        json!({}),
        json!({ "author": "org_0" }),
        json!({ "author": org.did }),
        json!({ "author": by_id }),
        json!({ "key": key(0) }),
        json!({ "key": upper }),
        json!({ "key": key(0), "author": "org_0" }),
        json!({ "key": upper, "author": by_id }),
    ] {
        let body = json!({ "header": header, "data": [{ "value": 1 }] });
        let sent = member.namespace().broadcast(input(body), None).await.unwrap();
        assert_eq!((&sent.header.author, &sent.header.key), (&org.did, &key(0)), "{header}");
    }
    let node = json!({ "header": { "author": "did:firefly:node/node_0" }, "data": [{ "value": 1 }] });
    let text = refusal(member.namespace().broadcast(input(node), None).await);
    assert!(text.contains("FF10353"), "{text}");
    network.stop().await;
}
