//! Broadcasts reach every member, in one order.

use std::collections::BTreeSet;

use photinus_model::{event, message::State};
use photinus_testkit::network::{NAMESPACE, Network};

use crate::inputs::{confirmed, decisions, decisions_on, input, message, sent, until_final};

#[tokio::test(flavor = "multi_thread")]
async fn three_members_see_one_order() {
    let network = Network::registered(3).await;
    let topics = ["bills", "cargo", "ports"];
    let mut ids = Vec::new();
    for round in 0..20 {
        for member in &network.members {
            for topic in topics {
                ids.push(sent(member, message(topic, round)).await);
            }
        }
    }
    for member in &network.members {
        until_final(member, &ids).await;
    }
    for topic in topics {
        let first = decisions_on(&network.members[0], topic).await;
        assert_eq!(first.len(), 60, "{topic}");
        assert!(first.iter().all(|(kind, _)| *kind == event::Type::MessageConfirmed));
        for other in &network.members[1..] {
            assert_eq!(decisions_on(other, topic).await, first, "{topic} on member {}", other.index);
        }
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_message_is_complete_and_the_same_everywhere() {
    let network = Network::registered(2).await;
    let body = serde_json::json!({
        "header": { "topics": ["bills", "cargo"], "tag": "bill" },
        "data": [{ "value": { "n": 1.0, "s": "<é>" } }, { "value": "two" }],
        "idempotencyKey": "k1",
    });
    let message = confirmed(&network.members[0], input(body)).await;
    assert_eq!(message.state, Some(State::Confirmed));
    assert!(message.batch.is_some() && message.tx_id.is_some() && message.confirmed.is_some());
    assert_eq!(message.idempotency_key.as_deref(), Some("k1"));
    let id = message.header.id;
    until_final(&network.members[1], &[id]).await;
    let read = network.members[1].store.read(NAMESPACE);
    let copy = read.message(id).await.unwrap().unwrap();
    assert_eq!((&copy.header, copy.hash, &copy.data), (&message.header, message.hash, &message.data));
    assert_eq!(copy.idempotency_key, None);
    let value = read.data(copy.data[0].id).await.unwrap().unwrap().value.unwrap();
    assert_eq!(value.as_str(), r#"{"n":1.0,"s":"\u003cé\u003e"}"#);
    for member in &network.members {
        let events = decisions(member).await;
        let topics: Vec<_> = events.iter().filter(|(_, _, of)| *of == id).map(|(_, topic, _)| topic.as_str()).collect();
        assert_eq!(topics, ["bills", "cargo"]);
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_keeps_the_order_of_its_requests() {
    let network = Network::registered(2).await;
    let mut ids = Vec::new();
    for number in 0..200 {
        ids.push(sent(&network.members[0], message("one", number)).await);
    }
    until_final(&network.members[1], &ids).await;
    let order: Vec<_> = decisions_on(&network.members[1], "one").await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(order, ids);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_joins_late_catches_up() {
    let mut network = Network::start(2).await;
    network.members[1].stop().await;
    network.members[0].register().await;
    let mut ids = Vec::new();
    for number in 0..30 {
        ids.push(sent(&network.members[0], message("early", number)).await);
    }
    until_final(&network.members[0], &ids).await;
    network.members[1].start().await;
    until_final(&network.members[1], &ids).await;
    assert_eq!(decisions_on(&network.members[1], "early").await, decisions_on(&network.members[0], "early").await);
    network.members[1].register().await;
    let reply = sent(&network.members[1], message("early", "late")).await;
    until_final(&network.members[0], &[reply]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_content_delays_its_topic_alone_and_arrives_in_order() {
    let network = Network::registered(2).await;
    let [sender, reader] = &network.members[..] else { unreachable!("two members were started") };
    reader.storage.withhold_all();
    let first = sent(sender, message("held", 1)).await;
    until_final(sender, &[first]).await;
    let second = sent(sender, message("held", 2)).await;
    until_final(sender, &[second]).await;
    let reference = network.ledger.pins().last().unwrap().payload_ref.clone();
    reader.storage.release_all();
    reader.storage.withhold(&reference);
    let third = sent(sender, message("free", 3)).await;
    until_final(reader, &[first, third]).await;
    let held = reader.store.read(NAMESPACE).message(second).await.unwrap();
    assert!(held.is_none_or(|message| !message.state.is_some_and(State::is_final)));
    reader.storage.release(&reference);
    until_final(reader, &[second]).await;
    let order: Vec<_> = decisions_on(reader, "held").await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(order, [first, second]);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_told_twice() {
    let network = Network::registered(2).await;
    let mut ids = BTreeSet::new();
    for number in 0..50 {
        ids.insert(confirmed(&network.members[number % 2], message("t", number)).await.header.id);
    }
    for member in &network.members {
        until_final(member, &ids.iter().copied().collect::<Vec<_>>()).await;
        let told: Vec<_> = decisions_on(member, "t").await;
        assert_eq!(told.len(), ids.len());
        assert_eq!(told.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), ids);
    }
    network.stop().await;
}
