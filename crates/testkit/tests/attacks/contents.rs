//! Contents that are well formed and mean to confuse: ids used twice, values that break their datatype, reserved tags.

use photinus_model::{
    JsonText, Uuid,
    data::{BlobRef, Data},
    definition::{datatype_topic, identity_topic},
    message::{State, Type},
    tag,
};
use photinus_testkit::network::{NAMESPACE, Network};
use serde_json::{Value, json};

use crate::{
    aftermath::{confirmed, held_up, honest, rejected, settle, survived},
    forge::{Letter, broadcast, data, definition, letter, org, send, typed},
};

#[tokio::test(flavor = "multi_thread")]
async fn values_that_break_their_datatype() {
    let mut network = Network::registered(3).await;
    let schema =
        JsonText::parse(r#"{"properties":{"no":{"type":"integer"}},"required":["no"],"type":"object"}"#).unwrap();
    let value: Value = serde_json::from_str(schema.as_str()).unwrap();
    let define = json!({
        "id": Uuid::new_v4(), "validator": "json", "name": "bill", "version": "1", "hash": schema.hash(), "value": value,
    });
    let defined = definition(&org(0), tag::DEFINE_DATATYPE, &datatype_topic("bill"), &define);
    let of = |data: Vec<Data>| letter(&org(0), Type::Broadcast, "", &["bills"], data);
    let early = of(vec![typed(&json!({ "no": 1 }), "bill", "1")]);
    send(&network, &org(0), &[&early]);
    send(&network, &org(0), &[&defined]);
    let mut fates = vec![rejected(&early, "FF10195"), confirmed(&defined)];
    let none = Data { validator: photinus_model::data::Validator::None, ..typed(&json!("any"), "bill", "1") };
    let valueless = Data { value: None, blob: Some(blob()), ..typed(&json!(0), "bill", "1") };
    for (letter, code) in [
        (of(vec![typed(&json!({ "no": 1 }), "bill", "1")]), None),
        (of(vec![typed(&json!({ "no": "1" }), "bill", "1")]), Some("FF10198")),
        (of(vec![typed(&json!({}), "bill", "1")]), Some("FF10198")),
        (of(vec![data(&json!(1)), typed(&json!([]), "bill", "1")]), Some("FF10198")),
        (of(vec![typed(&json!({ "no": 1 }), "bill", "2")]), Some("FF10195")),
        (of(vec![typed(&json!({ "no": 1 }), "nothing", "1")]), Some("FF10195")),
        (of(vec![typed(&json!({ "no": 1 }), "bad name", "")]), Some("FF10195")),
        (of(vec![none]), None),
    ] {
        send(&network, &org(0), &[&letter]);
        fates.push(code.map_or_else(|| confirmed(&letter), |code| rejected(&letter, code)));
    }
    survived(&mut network, &fates).await;
    // A file that nobody has holds up its topic, and no other.
    let letter = letter(&org(0), Type::Broadcast, "", &["files"], vec![valueless]);
    send(&network, &org(0), &[&letter]);
    held_up(&network, "files", "blob").await;
    survived(&mut network, &fates).await;
    network.stop().await;
}

fn blob() -> BlobRef {
    BlobRef {
        hash: Some(photinus_model::Hash::of("nowhere")),
        size: 7,
        name: "../../etc/passwd".into(),
        path: "/".into(),
        public: "QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4".into(),
    }
}

/// Another message or other data under the same id.
fn same_id(letter: &Letter, topic: &str, value: &Value) -> Letter {
    let mut other = broadcast(&org(1), &[topic], value.clone());
    other.message.header.id = letter.id();
    other.seal()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_used_twice_is_two_messages() {
    let mut network = Network::registered(3).await;
    let first = broadcast(&org(0), &["bills"], "first");
    let second = same_id(&first, "bills", &json!("second"));
    let third = same_id(&first, "other", &json!("third"));
    for (speaker, letter) in [(0, &first), (1, &second), (1, &third)] {
        send(&network, &org(speaker), &[letter]);
    }
    // The id of a message that a member itself sent, taken by another member before that one is decided.
    network.ledger.fail_submissions(Some("slow"));
    let own = honest(&network, 0, "own").await;
    let mut taken = broadcast(&org(1), &["own"], "taken");
    taken.message.header.id = own.id();
    let taken = taken.seal();
    send(&network, &org(1), &[&taken]);
    settle(&network, &[confirmed(&taken)]).await;
    network.ledger.fail_submissions(None);
    let fates = [&first, &second, &third, &taken].map(confirmed);
    survived(&mut network, &[&fates[..], &[own]].concat()).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_data_that_is_used_twice_is_two_values() {
    let mut network = Network::registered(3).await;
    let first = broadcast(&org(0), &["bills"], "first");
    let mut second = broadcast(&org(1), &["bills"], "second");
    second.data[0].id = first.data[0].id;
    let second = second.seal();
    send(&network, &org(1), &[&second]);
    send(&network, &org(0), &[&first]);
    survived(&mut network, &[confirmed(&first), confirmed(&second)]).await;
    for member in &network.members {
        for (letter, text) in [(&first, "\"first\""), (&second, "\"second\"")] {
            let data = &letter.message.data[0];
            let stored = member.store.read(NAMESPACE).data_with_hash(data.id, data.hash).await.unwrap().unwrap();
            assert_eq!(stored.value.unwrap().as_str(), text, "member {}", member.index);
        }
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_tags_in_broadcasts_define_nothing() {
    let mut network = Network::registered(3).await;
    let did = "did:firefly:org/sneaky";
    let claim = json!({ "identity": {
        "id": Uuid::new_v4(), "did": did, "type": "org", "namespace": "", "name": "sneaky",
    } });
    let target = honest(&network, 1, "bills").await;
    settle(&network, std::slice::from_ref(&target)).await;
    let mut fates = vec![target.clone()];
    for tag in [
        tag::IDENTITY_CLAIM,
        tag::IDENTITY_UPDATE,
        tag::IDENTITY_VERIFICATION,
        tag::DEFINE_DATATYPE,
        tag::DEFINE_GROUP,
        tag::DEFINE_FFI,
        tag::DEFINE_CONTRACT_API,
        tag::DEFINE_POOL,
        "ff_gap_fill",
    ] {
        for value in [claim.clone(), json!([])] {
            let mut letter = letter(&org(0), Type::Broadcast, tag, &[&identity_topic(did)], vec![data(&value)]);
            letter.message.header.cid = Some(target.id());
            let letter = letter.seal();
            send(&network, &org(0), &[&letter]);
            fates.push(confirmed(&letter));
        }
    }
    survived(&mut network, &fates).await;
    for member in &network.members {
        let read = member.store.read(NAMESPACE);
        assert!(read.identity_by_did(did).await.unwrap().is_none(), "member {}", member.index);
        let untouched = read.message(target.id()).await.unwrap().unwrap();
        assert_eq!(untouched.state, Some(State::Confirmed), "member {}", member.index);
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_messages_on_an_open_log_are_never_shown() {
    let mut network = Network::registered(3).await;
    let stranger = crate::forge::Speaker { author: org(1).author, ..crate::forge::ghost() };
    let mut ids = Vec::new();
    for kind in [Type::Private, Type::GroupInit, Type::TransferPrivate, Type::ApprovalPrivate] {
        let letter = letter(&stranger, kind, "", &["bills"], vec![data(&json!("as somebody else"))]);
        send(&network, &stranger, &[&letter]);
        ids.push((letter.id(), letter.hash()));
    }
    let behind = honest(&network, 1, "bills").await;
    survived(&mut network, &[behind]).await;
    for member in &network.members {
        for (id, hash) in &ids {
            let message = member.store.read(NAMESPACE).message_with_hash(*id, *hash).await.unwrap();
            assert!(message.is_none_or(|message| !message.state.unwrap().is_final()), "member {}", member.index);
        }
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_kinds_and_token_messages() {
    let mut network = Network::registered(3).await;
    let odd = letter(&org(0), Type::Other("novelty".into()), "", &["bills"], vec![data(&json!(1))]);
    send(&network, &org(0), &[&odd]);
    let token = letter(&org(0), Type::TransferBroadcast, "", &["tokens"], vec![data(&json!(1))]);
    send(&network, &org(0), &[&token]);
    let many = letter(&org(0), Type::Broadcast, "", &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], Vec::new());
    send(&network, &org(0), &[&many]);
    held_up(&network, "tokens", "transfer").await;
    let fates = [confirmed(&odd), confirmed(&many), honest(&network, 0, "bills").await];
    survived(&mut network, &fates).await;
    network.stop().await;
}
