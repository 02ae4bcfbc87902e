//! Definitions that are wrong, and definitions of what belongs to others.

use photinus_model::{
    JsonText, Uuid,
    definition::{datatype_topic, identity_topic},
    tag,
};
use photinus_testkit::network::{NAMESPACE, Network};
use serde_json::{Value, json};

use crate::{
    aftermath::{Fate, confirmed, honest, rejected, survived},
    forge::{Letter, STRANGER, Speaker, definition, ghost, org, send},
};

fn org_claim(id: Uuid, name: &str) -> Value {
    json!({ "identity": {
        "id": id, "did": format!("did:firefly:org/{name}"), "type": "org", "namespace": "", "name": name,
    } })
}

fn node_claim(name: &str, parent: Uuid, peer: &str) -> Value {
    json!({ "identity": {
        "id": Uuid::new_v4(), "did": format!("did:firefly:node/{name}"), "type": "node", "parent": parent,
        "namespace": "", "name": name, "profile": { "id": peer },
    } })
}

fn datatype(id: Uuid, name: &str, version: &str, schema: &str) -> Value {
    let schema = JsonText::parse(schema).unwrap();
    json!({
        "id": id, "validator": "json", "name": name, "version": version, "hash": schema.hash(),
        "value": serde_json::from_str::<Value>(schema.as_str()).unwrap(),
    })
}

fn claim(speaker: &Speaker, did: &str, value: &Value) -> Letter {
    definition(speaker, tag::IDENTITY_CLAIM, &identity_topic(did), value)
}

async fn id_of(network: &Network, did: &str) -> Uuid {
    network.members[0].store.read(NAMESPACE).identity_by_did(did).await.unwrap().unwrap().id
}

/// Identities and datatypes of all members are the same, read by their names.
async fn same_definitions(network: &Network, dids: &[&str], datatypes: &[(&str, &str)]) {
    let mut all = Vec::new();
    for member in &network.members {
        let read = member.store.read(NAMESPACE);
        let mut found = Vec::new();
        for did in dids {
            let identity = read.identity_by_did(did).await.unwrap();
            let verifiers = match &identity {
                Some(identity) => read.verifiers_of(identity.id).await.unwrap(),
                None => Vec::new(),
            };
            let verifiers: Vec<_> = verifiers.into_iter().map(|verifier| verifier.value).collect();
            found.push(format!(
                "{did}: {:?} {verifiers:?}",
                identity.map(|found| (found.id, found.parent, found.messages.claim))
            ));
        }
        for (name, version) in datatypes {
            let datatype = read.datatype(name, version).await.unwrap();
            found.push(format!("{name} {version}: {:?}", datatype.map(|found| (found.id, found.hash, found.message))));
        }
        all.push(found);
    }
    assert!(all.iter().all(|found| *found == all[0]), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_claims() {
    let mut network = Network::registered(3).await;
    let did = ghost().author;
    let base = org_claim(Uuid::new_v4(), "ghost");
    let with = |member: &str, value: Value| {
        let mut claim = base.clone();
        claim["identity"][member] = value;
        claim
    };
    let mut fates = Vec::new();
    for (value, code) in [
        (json!({ "identity": null }), "FF10400"),
        (json!({}), "FF10400"),
        (json!([]), "FF10400"),
        (json!("claim"), "FF10400"),
        (json!(7), "FF10400"),
        (json!({ "identity": [] }), "FF10400"),
        (json!({ "identity": {} }), "FF10403"),
        (with("id", Value::Null), "FF10403"),
        (with("id", json!("nonsense")), "FF10400"),
        (with("type", json!("robot")), "FF10403"),
        (with("type", Value::Null), "FF10403"),
        (with("name", json!("other")), "FF10403"),
        (with("name", json!("bad name")), "FF10403"),
        (with("did", json!("did:firefly:org/org_0")), "FF10403"),
        (with("did", json!("did:web:ghost")), "FF10403"),
        (with("description", json!("d".repeat(5_000))), "FF10403"),
    ] {
        let letter = claim(&ghost(), &did, &value);
        send(&network, &ghost(), &[&letter]);
        fates.push(rejected(&letter, code));
    }
    for tag in ["ff_nonsense", ""] {
        let letter = definition(&org(0), tag, "nonsense", &json!({}));
        send(&network, &org(0), &[&letter]);
        fates.push(rejected(&letter, "the tag"));
    }
    let empty = Letter { data: Vec::new(), ..claim(&org(0), &did, &base) }.seal();
    send(&network, &org(0), &[&empty]);
    fates.push(rejected(&empty, "FF10400"));
    let good = claim(&ghost(), &did, &base);
    send(&network, &ghost(), &[&good]);
    fates.push(confirmed(&good));
    survived(&mut network, &fates).await;
    same_definitions(&network, &[&did, &org(0).author], &[]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_others_cannot_be_claimed() {
    let mut network = Network::registered(3).await;
    let (mine, theirs) = (id_of(&network, &org(0).author).await, id_of(&network, &org(1).author).await);
    let stranger = |author: &str| Speaker { author: author.into(), key: STRANGER.into() };
    let mut fates: Vec<Fate> = Vec::new();
    let mut attack = |speaker: Speaker, letter: Letter, code: Option<&'static str>| {
        send(&network, &speaker, &[&letter]);
        fates.push(code.map_or_else(|| confirmed(&letter), |code| rejected(&letter, code)));
    };
    // The root organisation of a member, with the stranger's key: same identity, then another one.
    for id in [theirs, Uuid::new_v4()] {
        let speaker = stranger(&org(1).author);
        attack(speaker.clone(), claim(&speaker, &org(1).author, &org_claim(id, "org_1")), Some("FF10407"));
    }
    // The member's own claim again changes nothing.
    attack(org(1), claim(&org(1), &org(1).author, &org_claim(theirs, "org_1")), None);
    // A second organisation for a key that has one.
    let second = Speaker { author: "did:firefly:org/second".into(), ..org(0) };
    attack(second.clone(), claim(&second, &second.author, &org_claim(Uuid::new_v4(), "second")), Some("FF10453"));
    // A node for somebody else's organisation, and a node in place of somebody else's.
    let node = |name: &str| format!("did:firefly:node/{name}");
    attack(org(0), claim(&org(0), &node("spy"), &node_claim("spy", theirs, "peer_0/spy")), Some("FF10402"));
    attack(org(0), claim(&org(0), &node("node_1"), &node_claim("node_1", mine, "peer_0/spy")), Some("FF10407"));
    let forged = Speaker { author: org(1).author, key: org(0).key };
    attack(forged.clone(), claim(&forged, &node("spy"), &node_claim("spy", theirs, "peer_0/spy")), Some("FF10453"));
    // A node's peer id that another node has: the node exists, the peer id stays where it is.
    attack(org(0), claim(&org(0), &node("twin"), &node_claim("twin", mine, "peer_1/node_1")), None);
    // A DID of the stranger's own, on the topic of somebody else.
    let letter =
        definition(&ghost(), tag::IDENTITY_CLAIM, &identity_topic(&org(2).author), &org_claim(Uuid::new_v4(), "ghost"));
    attack(ghost(), letter, Some("the topic"));
    // An identity that takes the id of another one is told apart by its DID.
    let clone =
        Speaker { author: "did:firefly:org/clone".into(), key: "0x00000000000000000000000000000000000bad02".into() };
    attack(clone.clone(), claim(&clone, &clone.author, &org_claim(theirs, "clone")), None);
    // Updates of identities of others.
    let base = json!({ "id": theirs, "did": org(1).author, "type": "org", "namespace": "", "name": "org_1" });
    let update = json!({ "identity": base, "updates": { "description": "taken over" } });
    attack(
        org(0),
        definition(&org(0), tag::IDENTITY_UPDATE, &identity_topic(&org(1).author), &update),
        Some("FF10409"),
    );
    let behind = honest(&network, 1, "bills").await;
    fates.push(behind);
    survived(&mut network, &fates).await;
    let dids = [&org(0).author, &org(1).author, &org(2).author, "did:firefly:node/node_1", "did:firefly:node/spy"];
    same_definitions(&network, &dids, &[]).await;
    same_definitions(&network, &["did:firefly:node/twin", &clone.author, &ghost().author], &[]).await;
    assert_eq!(id_of(&network, &org(1).author).await, theirs);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_topic_does_not_win_a_race() {
    let mut network = Network::registered(3).await;
    let victim =
        Speaker { author: "did:firefly:org/victim".into(), key: "0x0000000000000000000000000000000000000c0d".into() };
    let thief = Speaker { author: victim.author.clone(), key: STRANGER.into() };
    let stolen = definition(&thief, tag::IDENTITY_CLAIM, "anything", &org_claim(Uuid::new_v4(), "victim"));
    let own = claim(&victim, &victim.author, &org_claim(Uuid::new_v4(), "victim"));
    send(&network, &thief, &[&stolen]);
    send(&network, &victim, &[&own]);
    survived(&mut network, &[rejected(&stolen, "the topic"), confirmed(&own)]).await;
    same_definitions(&network, &[&victim.author], &[]).await;
    let registered = network.members[2].store.read(NAMESPACE).identity_by_did(&victim.author).await.unwrap().unwrap();
    assert_eq!(registered.messages.claim, Some(own.id()));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datatypes() {
    let mut network = Network::registered(3).await;
    let define = |name: &str, value: &Value| definition(&org(0), tag::DEFINE_DATATYPE, &datatype_topic(name), value);
    let (id, object) = (Uuid::new_v4(), r#"{"type":"object"}"#);
    let good = datatype(id, "bill", "1", object);
    let with = |member: &str, value: Value| {
        let mut changed = datatype(Uuid::new_v4(), "bill", "9", object);
        changed[member] = value;
        changed
    };
    let nested = format!("{}{}", r#"{"not":"#.repeat(100), "{}".to_owned() + &"}".repeat(100));
    let mut fates = Vec::new();
    for (letter, code) in [
        (define("bill", &good), None),
        (define("bill", &good), Some("FF10407")),
        (define("bill", &datatype(Uuid::new_v4(), "bill", "1", r#"{"type":"string"}"#)), Some("FF10407")),
        (define("bill", &datatype(id, "bill", "2", object)), None),
        (define("other", &datatype(id, "other", "1", object)), None),
        (define("bill", &datatype(Uuid::new_v4(), "bill", "3", r#"{"type":"nonsense"}"#)), Some("FF10406")),
        (define("bill", &datatype(Uuid::new_v4(), "bill", "3", r#"{"pattern":"("}"#)), Some("FF10406")),
        (define("bill", &datatype(Uuid::new_v4(), "bill", "3", r#"{"properties":7}"#)), Some("FF10406")),
        (define("bill", &datatype(Uuid::new_v4(), "bill", "4", &nested)), None),
        (define("bill", &with("id", Value::Null)), Some("FF10403")),
        (define("bill", &with("hash", Value::Null)), Some("FF10403")),
        (define("bill", &with("value", Value::Null)), Some("FF10403")),
        (define("bill", &with("validator", json!("magic"))), Some("FF10403")),
        (define("bill", &with("version", json!("bad version"))), Some("FF10403")),
        (define("bill", &with("name", json!(["bill"]))), Some("FF10400")),
        (define("bill", &datatype(Uuid::new_v4(), "purse", "1", object)), Some("the topic")),
        (
            definition(&org(0), tag::DEFINE_DATATYPE, "default", &datatype(Uuid::new_v4(), "bill", "5", object)),
            Some("the topic"),
        ),
        (definition(&org(0), "ff_nonsense", "nonsense", &json!({})), Some("the tag")),
        (definition(&org(0), tag::DEFINE_FFI, "ffi", &json!({ "id": null })), Some("FF10403")),
    ] {
        send(&network, &org(0), &[&letter]);
        fates.push(code.map_or_else(|| confirmed(&letter), |code| rejected(&letter, code)));
    }
    survived(&mut network, &fates).await;
    same_definitions(&network, &[], &[("bill", "1"), ("bill", "2"), ("bill", "4"), ("other", "1"), ("purse", "1")])
        .await;
    let known = network.members[1].store.read(NAMESPACE).datatype("bill", "1").await.unwrap().unwrap();
    assert_eq!((known.id, known.message), (Some(id), Some(fates[0].id())));
    network.stop().await;
}
