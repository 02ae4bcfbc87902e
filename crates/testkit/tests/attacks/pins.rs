//! Logs that were copied, cut, altered, repeated or made up.

use photinus_model::{Hash, Uuid, message::Input};
use photinus_ports::blockchain::PinEvent;
use photinus_testkit::network::{DEADLINE, NAMESPACE, Network, key};
use serde_json::{Value, json};

use crate::{
    aftermath::{confirmed, held_up, honest, rejected, settle, survived, waits},
    forge::{STRANGER, batch, broadcast, junk, log, org, publish, send},
};

fn stolen(pin: &PinEvent) -> PinEvent {
    PinEvent { signer: STRANGER.into(), ..pin.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeating_a_log_changes_nothing() {
    let mut network = Network::registered(3).await;
    let first = honest(&network, 0, "bills").await;
    settle(&network, std::slice::from_ref(&first)).await;
    let pin = network.ledger.pins().pop().unwrap();
    network.ledger.inject(pin.clone());
    network.ledger.inject(stolen(&pin));
    network.ledger.inject(PinEvent { signer: key(1), ..pin });
    let behind = honest(&network, 1, "bills").await;
    survived(&mut network, &[first, behind]).await;
    network.stop().await;
}

/// Publishes a real message of the first member whose own pin is not mined, and answers the log that would pin it.
async fn intercept(network: &Network, topic: &str) -> (Uuid, Hash, PinEvent) {
    network.ledger.fail_submissions(Some("the sender's node is slow"));
    let body = json!({ "header": { "topics": [topic] }, "data": [{ "value": "mine" }] });
    let input: Input = serde_json::from_str(&body.to_string()).unwrap();
    let message = network.members[0].namespace().broadcast(input, None).await.unwrap();
    let id = message.header.id;
    let find = || {
        network.storage.references().into_iter().find_map(|reference| {
            let text = network.storage.content(&reference)?;
            let batch: Value = serde_json::from_slice(&text).ok()?;
            let of = batch["payload"]["messages"][0]["header"]["id"].as_str()? == id.to_string();
            of.then_some((reference, batch))
        })
    };
    network.members[0].until("the upload", |_| async { find().is_some() }).await;
    let (payload_ref, batch) = find().unwrap();
    let uuid = |text: &Value| text.as_str().unwrap().parse::<Uuid>().unwrap();
    let mut pin = junk(&[topic], &payload_ref);
    pin.uuids[..16].copy_from_slice(uuid(&batch["payload"]["tx"]["id"]).as_bytes());
    pin.uuids[16..].copy_from_slice(uuid(&batch["id"]).as_bytes());
    pin.batch_hash = *batch["hash"].as_str().unwrap().parse::<Hash>().unwrap().as_bytes();
    (id, message.hash.unwrap(), pin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_copy_that_is_mined_first_spoils_the_message_for_everybody() {
    let mut network = Network::registered(3).await;
    let (id, hash, pin) = intercept(&network, "bills").await;
    network.ledger.inject(pin);
    network.ledger.fail_submissions(None);
    for member in &network.members {
        member
            .until("the verdict", |store| async move {
                let message = store.read(NAMESPACE).message_with_hash(id, hash).await.unwrap();
                message.is_some_and(|message| message.reject_reason.starts_with("FF10452"))
            })
            .await;
    }
    let behind = honest(&network, 0, "bills").await;
    survived(&mut network, &[behind]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_hears_that_its_message_was_spoilt() {
    let network = Network::registered(2).await;
    network.ledger.fail_submissions(Some("slow"));
    let body = json!({ "header": { "topics": ["t"] }, "data": [{ "value": 1 }] });
    let input: Input = serde_json::from_str(&body.to_string()).unwrap();
    let before = network.storage.references();
    let namespace = network.members[0].namespace();
    let spoil = async {
        let new = || network.storage.references().into_iter().find(|reference| !before.contains(reference));
        network.members[0].until("the upload", |_| async { new().is_some() }).await;
        let reference = new().unwrap();
        let text = network.storage.content(&reference).unwrap();
        let batch: Value = serde_json::from_slice(&text).unwrap();
        let mut pin = junk(&["t"], &reference);
        pin.uuids[16..].copy_from_slice(batch["id"].as_str().unwrap().parse::<Uuid>().unwrap().as_bytes());
        pin.batch_hash = *batch["hash"].as_str().unwrap().parse::<Hash>().unwrap().as_bytes();
        network.ledger.inject(pin);
        network.ledger.fail_submissions(None);
    };
    let (answer, ()) = futures::future::join(namespace.broadcast(input, Some(DEADLINE)), spoil).await;
    assert_eq!(answer.unwrap_err().code(), "FF10269");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_are_not_whole_order_nothing() {
    let mut network = Network::registered(3).await;
    let letter = broadcast(&org(0), &["one", "two"], "mine");
    let pin = publish(&network, &org(0), &[&letter]);
    let altered = |contexts: Vec<Hash>| PinEvent { contexts, ..stolen(&pin) };
    let [one, two] = pin.contexts[..] else { panic!("two topics") };
    network.ledger.inject(altered(vec![one]));
    network.ledger.inject(altered(vec![two, one]));
    network.ledger.inject(altered(vec![one, Hash::of("nothing")]));
    network.ledger.inject(altered(vec![Hash::of("nothing"), two, two, two]));
    network.ledger.inject(pin.clone());
    network.ledger.inject(altered(vec![one]));
    network.ledger.inject(altered(vec![two, one, one]));
    let behind = [honest(&network, 1, "one").await, honest(&network, 2, "two").await];
    survived(&mut network, &[&[confirmed(&letter)], &behind[..]].concat()).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_hash_holds_up_its_topics_only() {
    let mut network = Network::registered(3).await;
    let (on, off) = (broadcast(&org(0), &["closed"], 1), broadcast(&org(0), &["open"], 2));
    let (true_on, true_off) = (publish(&network, &org(0), &[&on]), publish(&network, &org(0), &[&off]));
    let wrong = *Hash::of("wrong").as_bytes();
    network.ledger.inject(PinEvent { batch_hash: wrong, ..stolen(&true_on) });
    network.ledger.inject(PinEvent { batch_hash: wrong, contexts: vec![Hash::of("unrelated")], ..stolen(&true_off) });
    network.ledger.inject(true_on);
    network.ledger.inject(true_off);
    held_up(&network, "closed", "content").await;
    waits(&network, &confirmed(&on), "earlier").await;
    held_up(&network, "unrelated", "content").await;
    let behind = honest(&network, 0, "open").await;
    survived(&mut network, &[confirmed(&off), behind]).await;
    held_up(&network, "closed", "content").await;
    waits(&network, &confirmed(&on), "earlier").await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_content_holds_up_its_topics_only() {
    let mut network = Network::registered(3).await;
    for reference in ["QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4", "not a reference", "../../etc/passwd", "\u{0}"]
    {
        network.ledger.inject(junk(&["closed", "shut"], reference));
    }
    let both = broadcast(&org(0), &["shut", "open"], 1);
    send(&network, &org(0), &[&both]);
    let stuck = honest(&network, 0, "closed").await;
    let wait = held_up(&network, "closed", "content").await;
    waits(&network, &stuck, "earlier").await;
    waits(&network, &confirmed(&both), "earlier").await;
    for member in &network.members {
        let missing = member.namespace().missing_contents(10).await.unwrap();
        assert_eq!((missing.len(), missing[0].position), (4, wait.position));
        assert_eq!(member.namespace().missing_contents(2).await.unwrap(), missing[..2]);
    }
    survived(&mut network, &[]).await;
    held_up(&network, "closed", "content").await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_log_with_the_value_of_a_topic_orders_nothing() {
    let mut network = Network::registered(3).await;
    network.ledger.inject(junk(&["bills"], ""));
    let letter = broadcast(&org(0), &["bills"], 1);
    let pin = publish(&network, &org(0), &[&letter]);
    network.ledger.inject(PinEvent { payload_ref: String::new(), ..stolen(&pin) });
    network.ledger.inject(pin);
    let behind = honest(&network, 1, "bills").await;
    survived(&mut network, &[confirmed(&letter), behind]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_odd_sizes_and_ids() {
    let mut network = Network::registered(3).await;
    let many: Vec<_> = (0..5_000).map(|number: u32| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    network.ledger.inject(junk(&many, "QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4"));
    network.ledger.inject(PinEvent { contexts: vec![Hash::of("same"); 3_000], ..junk(&[], "gone") });
    network.ledger.inject(PinEvent { uuids: [0; 32], ..junk(&["zero"], "gone") });
    network.ledger.inject(junk(&[], "gone"));
    network.ledger.inject(junk(&[], ""));
    let letter = broadcast(&org(0), &["bills"], 1);
    let mut pin = publish(&network, &org(0), &[&letter]);
    // The author itself pins far more than its batch has.
    pin.contexts.extend((0..4_000_u32).map(|number| Hash::of(number.to_be_bytes())));
    network.ledger.inject(pin);
    held_up(&network, "4999", "content").await;
    let fates = [confirmed(&letter), honest(&network, 0, "bills").await];
    survived(&mut network, &fates).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_of_strangers_are_ignored() {
    let mut network = Network::registered(3).await;
    for action in ["firefly:terminate", "firefly:nonsense", "firefly:", "", "terminate"] {
        for payload_ref in ["", "QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4"] {
            network.ledger.inject(PinEvent { action: action.into(), ..junk(&[], payload_ref) });
        }
    }
    survived(&mut network, &[]).await;
    for member in &network.members {
        let contracts = member.namespace().multiparty_status().await.unwrap().contracts;
        assert!(contracts.terminated.is_empty(), "{contracts:?}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_in_two_batches_counts_once() {
    let mut network = Network::registered(3).await;
    let (letter, other) = (broadcast(&org(0), &["bills"], 1), broadcast(&org(0), &["bills"], 2));
    send(&network, &org(0), &[&letter]);
    send(&network, &org(0), &[&other, &letter]);
    // A third batch, in which a stranger pins what is decided.
    let again = batch(&org(0), &[&letter]);
    let payload_ref = network.storage.publish(again.to_text());
    network.ledger.inject(log(&again, STRANGER, &payload_ref));
    let fates = [confirmed(&letter), confirmed(&other), honest(&network, 0, "bills").await];
    survived(&mut network, &fates).await;
    let unknown = broadcast(&org(0), &["bills"], 3);
    let pin = publish(&network, &org(0), &[&unknown]);
    network.ledger.inject(stolen(&pin));
    send(&network, &org(0), &[&unknown]);
    survived(&mut network, &[rejected(&unknown, "FF10452")]).await;
    network.stop().await;
}
