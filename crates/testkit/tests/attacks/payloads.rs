//! Contents of shared storage that are broken, swapped, or not there for everybody.

use photinus_model::{Hash, Uuid, batch::Batch};
use photinus_ports::blockchain::PinEvent;
use photinus_testkit::network::{Network, key};
use serde_json::{Value, json};

use crate::{
    aftermath::{confirmed, held_up, honest, settle, survived},
    forge::{STRANGER, batch, broadcast, junk, log, org, publish},
};

/// Batches whose log is right and whose text is not.
fn broken() -> Vec<(&'static str, Batch, String)> {
    let spoil = |name: &'static str, change: &dyn Fn(&mut Value)| {
        let batch = batch(&org(0), &[&broadcast(&org(0), &[name], name)]);
        let mut text: Value = serde_json::from_str(&batch.to_text()).unwrap();
        change(&mut text);
        (name, batch, text.to_string())
    };
    let set = |pointer: &'static str, value: Value| {
        move |text: &mut Value| *text.pointer_mut(pointer).unwrap() = value.clone()
    };
    let message = "/payload/messages/0";
    vec![
        spoil("null-id", &set("/id", Value::Null)),
        spoil("empty-id", &set("/id", json!(""))),
        spoil("other-id", &set("/id", json!(Uuid::from_u128(1)))),
        spoil("null-tx", &set("/payload/tx/id", Value::Null)),
        spoil("other-tx", &set("/payload/tx/id", json!(Uuid::from_u128(1)))),
        spoil("odd-tx", &set("/payload/tx/type", json!("token_pool"))),
        spoil("null-hash", &set("/hash", Value::Null)),
        spoil("other-hash", &set("/hash", json!(Hash::of("other")))),
        spoil("namespace", &set("/namespace", json!("another"))),
        spoil("no-namespace", &set("/namespace", Value::Null)),
        spoil("null-payload", &set("/payload", Value::Null)),
        spoil("text-payload", &set("/payload", json!("x"))),
        spoil("null-messages", &set("/payload/messages", Value::Null)),
        spoil("no-messages", &set("/payload/messages", json!([]))),
        spoil("null-message", &set(message, Value::Null)),
        spoil("number-message", &set(message, json!(1))),
        spoil("empty-message", &set(message, json!({}))),
        spoil("null-header", &set("/payload/messages/0/header", Value::Null)),
        spoil("null-message-id", &set("/payload/messages/0/header/id", Value::Null)),
        spoil("null-topics", &set("/payload/messages/0/header/topics", Value::Null)),
        spoil("number-topics", &set("/payload/messages/0/header/topics", json!([1, null]))),
        spoil("other-author", &set("/author", json!("did:firefly:org/org_1"))),
        spoil("other-key", &set("/key", json!(key(1)))),
        spoil("null-refs", &set("/payload/messages/0/data/0", Value::Null)),
        spoil("no-refs", &set("/payload/messages/0/data", json!([]))),
        spoil("null-data", &set("/payload/data", Value::Null)),
        spoil("null-element", &set("/payload/data/0", Value::Null)),
        spoil("null-data-id", &set("/payload/data/0/id", Value::Null)),
        spoil("other-value", &set("/payload/data/0/value", json!("swapped"))),
        spoil("null-data-hash", &set("/payload/data/0/hash", Value::Null)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_contents_hold_up_their_topics_only() {
    let mut network = Network::registered(3).await;
    let raw: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("words", b"not json".to_vec()),
        ("null", b"null".to_vec()),
        ("list", b"[]".to_vec()),
        ("object", b"{}".to_vec()),
        ("binary", vec![0xff, 0xfe, 0x00, 0x80]),
        ("surrogate", br#"{"id":"\ud800"}"#.to_vec()),
        ("open", br#"{"payload":{"messages":["#.to_vec()),
        ("deep-list", "[".repeat(400_000).into_bytes()),
        ("deep-object", r#"{"payload":"#.repeat(100_000).into_bytes()),
        ("balanced", format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)).into_bytes()),
        ("huge", vec![b' '; 5 << 20]),
        ("number", [b"{\"id\":1e".as_slice(), &[b'9'; 100_000], b"}"].concat()),
    ];
    let mut topics = Vec::new();
    for (topic, bytes) in raw {
        let reference = network.storage.publish(bytes);
        network.ledger.inject(junk(&[topic], &reference));
        topics.push(topic);
    }
    for (topic, batch, text) in broken() {
        let reference = network.storage.publish(text);
        network.ledger.inject(log(&batch, &key(0), &reference));
        topics.push(topic);
    }
    for topic in &topics {
        held_up(&network, topic, "content").await;
    }
    for member in &network.members {
        member
            .until("all contents to be refused", |_| async {
                member.namespace().vitals().aggregation.refused_contents == topics.len() as u64
            })
            .await;
    }
    let member = &mut network.members[0];
    member.crash().await;
    member.storage.withhold_all();
    member.start().await;
    let refused = member.namespace().vitals().aggregation.refused_contents;
    assert_eq!(refused, topics.len() as u64, "what was refused is not fetched again");
    member.storage.release_most();
    survived(&mut network, &[]).await;
    for topic in &topics {
        held_up(&network, topic, "content").await;
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_storage_swapped_is_fetched_again() {
    let mut network = Network::registered(3).await;
    let letters = ["words", "other", "bulk"].map(|topic| broadcast(&org(0), &[topic], topic));
    let pins = letters.each_ref().map(|letter| publish(&network, &org(0), &[letter]));
    let good = pins.each_ref().map(|pin| network.storage.content(&pin.payload_ref).unwrap());
    let stranger = batch(&org(1), &[&broadcast(&org(1), &["other"], "swapped")]).to_text();
    network.storage.corrupt(&pins[0].payload_ref, "not json");
    network.storage.corrupt(&pins[1].payload_ref, stranger);
    network.storage.corrupt(&pins[2].payload_ref, vec![b'x'; 100_000]);
    for pin in &pins {
        network.ledger.inject(pin.clone());
    }
    for topic in ["words", "other", "bulk"] {
        held_up(&network, topic, "content").await;
    }
    let flows = honest(&network, 1, "flows").await;
    settle(&network, &[flows]).await;
    for (pin, content) in pins.iter().zip(good) {
        network.storage.corrupt(&pin.payload_ref, content);
    }
    let fates = letters.each_ref().map(confirmed);
    survived(&mut network, &fates).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_get_a_content_at_other_times_agree() {
    let mut network = Network::registered(3).await;
    let (first, second) = (broadcast(&org(0), &["bills"], 1), broadcast(&org(1), &["bills"], 2));
    let (one, two) = (publish(&network, &org(0), &[&first]), publish(&network, &org(1), &[&second]));
    network.members[1].storage.withhold(&one.payload_ref);
    network.members[2].storage.withhold(&two.payload_ref);
    network.ledger.inject(one);
    network.ledger.inject(two);
    let third = honest(&network, 0, "bills").await;
    network.members[1]
        .until("the topic to wait", |_| async {
            let wait = network.members[1].namespace().why_topic("bills").await.unwrap();
            wait.is_some_and(|wait| wait.kind == "content")
        })
        .await;
    let flows = honest(&network, 2, "flows").await;
    settle(&network, &[flows]).await;
    // One of them starts again while it waits.
    network.members[1].crash().await;
    network.members[1].start().await;
    network.members[1].storage.release_all();
    network.members[2].storage.release_all();
    survived(&mut network, &[confirmed(&first), confirmed(&second), third]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_under_another_reference_is_the_same_content() {
    let mut network = Network::registered(3).await;
    let letter = broadcast(&org(0), &["bills"], 1);
    let pin = publish(&network, &org(0), &[&letter]);
    // The author's own first log names a reference that leads nowhere; its second one does not.
    network
        .ledger
        .inject(PinEvent { payload_ref: "QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4".into(), ..pin.clone() });
    held_up(&network, "bills", "content").await;
    network.ledger.inject(pin.clone());
    let fates = [confirmed(&letter)];
    survived(&mut network, &fates).await;
    network.ledger.inject(PinEvent { payload_ref: "junk".into(), signer: STRANGER.into(), ..pin });
    let behind = honest(&network, 0, "bills").await;
    survived(&mut network, &[confirmed(&letter), behind]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_nothing_does_not_hide_a_content() {
    let mut network = Network::registered(3).await;
    let letter = broadcast(&org(0), &["bills"], 1);
    let pin = publish(&network, &org(0), &[&letter]);
    // A stranger names the true batch, on a topic of its own, under a reference of its own, which is broken.
    let reference = network.storage.publish("broken");
    let foreign = PinEvent {
        payload_ref: reference,
        signer: STRANGER.into(),
        contexts: vec![Hash::of("unrelated")],
        ..pin.clone()
    };
    network.ledger.inject(foreign);
    held_up(&network, "unrelated", "content").await;
    network.ledger.inject(pin);
    let fates = [confirmed(&letter), honest(&network, 0, "unrelated").await];
    survived(&mut network, &fates).await;
    waits_for_nothing(&network, &["bills", "unrelated"]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_reference_does_not_replace_the_true_one() {
    let mut network = Network::registered(3).await;
    let letter = broadcast(&org(0), &["bills"], 1);
    let pin = publish(&network, &org(0), &[&letter]);
    for member in &network.members {
        member.storage.withhold(&pin.payload_ref);
    }
    network.ledger.inject(pin.clone());
    let false_ref = "QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4";
    let unrelated = vec![Hash::of("unrelated")];
    network.ledger.inject(PinEvent {
        payload_ref: false_ref.into(),
        signer: STRANGER.into(),
        contexts: unrelated,
        ..pin
    });
    held_up(&network, "bills", "content").await;
    held_up(&network, "unrelated", "content").await;
    // What is to be fetched is known from the store alone.
    for member in &mut network.members {
        member.crash().await;
        member.start().await;
        member.storage.release_all();
    }
    survived(&mut network, &[confirmed(&letter)]).await;
    waits_for_nothing(&network, &["bills", "unrelated"]).await;
    network.stop().await;
}

async fn waits_for_nothing(network: &Network, topics: &[&str]) {
    for member in &network.members {
        for topic in topics {
            assert_eq!(member.namespace().why_topic(topic).await.unwrap(), None, "member {}", member.index);
        }
    }
}
