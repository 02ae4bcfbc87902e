//! Giving up what will never come, and those who would give up what is not theirs.

use std::time::Duration;

use photinus_engine::{Kind, aggregation::release::Wanted};
use photinus_model::{
    blockchain_event::BlockchainEvent,
    event,
    message::{Input, State},
};
use photinus_ports::blockchain::PinEvent;
use photinus_query::Query;
use photinus_testkit::network::{Member, NAMESPACE, Network, key};
use serde_json::json;

use crate::{
    aftermath::{confirmed, held_up, honest, settle, survived, waits},
    forge::{STRANGER, batch, broadcast, junk, log, org, send},
};

fn vote(signer: &str, position: &str) -> PinEvent {
    PinEvent {
        signer: signer.into(),
        action: "firefly:release".into(),
        uuids: [0; 32],
        batch_hash: [0; 32],
        payload_ref: position.into(),
        contexts: Vec::new(),
    }
}

fn wanted(position: &str) -> Wanted {
    Wanted { position: position.to_owned(), for_others: false }
}

/// Events that tell of something given up together.
async fn told(member: &Member) -> Vec<event::Event> {
    let events = member.events_after(-1).await;
    events.into_iter().filter(|event| event.topic == "photinus_released").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_half_of_the_organisations_release_what_a_stranger_pinned() {
    let mut network = Network::registered(3).await;
    network.ledger.inject(junk(&["closed"], "nowhere"));
    let stuck = honest(&network, 2, "closed").await;
    let position = held_up(&network, "closed", "content").await.position.protocol_id();
    // Who is nobody has no vote, nor has one organisation two.
    network.ledger.inject(vote(STRANGER, &position));
    let first = network.members[0].namespace().release(&wanted(&position)).await.unwrap();
    assert_eq!((first.undecided, first.owner, first.electorate), (1, None, Some(3)));
    network.ledger.inject(vote(&key(0), &position));
    let open = honest(&network, 1, "open").await;
    settle(&network, std::slice::from_ref(&open)).await;
    held_up(&network, "closed", "content").await;
    waits(&network, &stuck, "earlier").await;
    let second = network.members[1].namespace().release(&wanted(&position)).await.unwrap();
    assert_eq!(second.votes, ["did:firefly:org/org_0"]);
    settle(&network, std::slice::from_ref(&stuck)).await;
    for member in &network.members {
        let events = told(member).await;
        assert_eq!(events.len(), 1, "member {}: {events:?}", member.index);
        let record =
            member.store.read(NAMESPACE).blockchain_event(events[0].reference.unwrap()).await.unwrap().unwrap();
        assert_eq!(record.protocol_id, position);
        let blocked = member.namespace().blocked_topics(10).await.unwrap();
        assert!(blocked.is_empty(), "member {}: {blocked:?}", member.index);
        let refused = member.namespace().release(&wanted(&position)).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::NotFound);
    }
    survived(&mut network, &[stuck, open]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_not_decided_when_it_comes_after_all() {
    let mut network = Network::registered(2).await;
    let late = broadcast(&org(0), &["bills"], "late");
    let content = batch(&org(0), &[&late]);
    let reference = network.storage.publish(content.to_text());
    network.members.iter().for_each(|member| member.storage.withhold(&reference));
    network.ledger.inject(log(&content, &key(0), &reference));
    let position = held_up(&network, "bills", "content").await.position.protocol_id();
    let after = broadcast(&org(1), &["bills"], "after");
    send(&network, &org(1), &[&after]);
    waits(&network, &confirmed(&after), "earlier").await;
    // Its own organisation needs nobody else.
    let told = network.members[0].namespace().release(&wanted(&position)).await.unwrap();
    assert_eq!(told.owner.as_deref(), Some("did:firefly:org/org_0"));
    settle(&network, &[confirmed(&after)]).await;
    network.members.iter().for_each(|member| member.storage.release(&reference));
    for member in &network.members {
        let id = late.id();
        member
            .until("the late content is there", |store| async move {
                store.read(NAMESPACE).message(id).await.unwrap().is_some()
            })
            .await;
        let why = member.namespace().why(id).await.unwrap().unwrap();
        assert_eq!(why.waits_for.len(), 1, "{why:?}");
        assert_eq!(why.waits_for[0].kind, "released", "{why:?}");
    }
    survived(&mut network, &[confirmed(&after)]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_or_nowhere_is_not_released() {
    let mut network = Network::registered(2).await;
    let first = honest(&network, 0, "bills").await;
    settle(&network, std::slice::from_ref(&first)).await;
    let namespace = network.members[0].namespace();
    let records =
        network.members[0].store.read(NAMESPACE).find::<BlockchainEvent>(&Query::first(100)).await.unwrap().items;
    let decided = records.into_iter().map(|record| record.protocol_id).max().unwrap();
    for position in [decided.as_str(), "999999999999/000000/000000", "000000000000/000000/000000"] {
        assert_eq!(namespace.release(&wanted(position)).await.unwrap_err().kind(), Kind::NotFound, "{position}");
        assert_eq!(namespace.abandon(&wanted(position)).await.unwrap_err().kind(), Kind::NotFound, "{position}");
        // Whoever writes to the ledger by other means gets no further.
        network.ledger.inject(vote(&key(0), position));
        network.ledger.inject(vote(&key(1), position));
    }
    for nonsense in ["", "1/2", "a/b/c", "-1/0/0"] {
        assert_eq!(namespace.release(&wanted(nonsense)).await.unwrap_err().kind(), Kind::BadInput, "{nonsense}");
        network.ledger.inject(vote(&key(0), nonsense));
    }
    let behind = honest(&network, 1, "bills").await;
    survived(&mut network, &[first, behind]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gives_up_alone() {
    let network = Network::registered(2).await;
    network.ledger.inject(junk(&["closed"], "nowhere"));
    let stuck = honest(&network, 0, "closed").await;
    let position = held_up(&network, "closed", "content").await.position.protocol_id();
    network.members[0].namespace().abandon(&wanted(&position)).await.unwrap();
    let (id, member) = (stuck.id(), &network.members[0]);
    member
        .until("it goes on", |store| async move {
            let found = store.read(NAMESPACE).message(id).await.unwrap().unwrap();
            found.state.is_some_and(photinus_model::message::State::is_final)
        })
        .await;
    let events = member.events_after(-1).await;
    assert_eq!(events.iter().filter(|event| event.topic == "photinus_abandoned").count(), 1);
    let other = network.members[1].namespace().why_topic("closed").await.unwrap();
    assert_eq!(other.map(|wait| wait.kind), Some("content"));
    network.stop().await;
}

/// A stranger pins a private batch openly, with a payload that is nowhere: who has it is not held up, everybody else is.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_vote_for_those_who_wait_for_its_batch() {
    let network = Network::registered(3).await;
    let body = json!({ "header": { "topics": ["ours"] }, "data": [{ "value": "private" }],
        "group": { "members": [{ "identity": "org_0" }, { "identity": "org_1" }] } });
    let input: Input = serde_json::from_str(&body.to_string()).unwrap();
    let private = network.members[0].namespace().send_private(input, Some(Duration::from_secs(30))).await.unwrap();
    let read = network.members[0].store.read(NAMESPACE);
    let batch = read.batch(private.batch.unwrap()).await.unwrap().unwrap();
    let mut pin = junk(&["closed"], "nowhere");
    pin.uuids[16..].copy_from_slice(batch.id.as_bytes());
    pin.batch_hash = *batch.hash.unwrap().as_bytes();
    network.ledger.inject(pin);
    let stuck = honest(&network, 2, "closed").await;
    let outsider = &network.members[2];
    outsider
        .until("the topic to wait", |_| async { outsider.namespace().why_topic("closed").await.unwrap().is_some() })
        .await;
    let position = outsider.namespace().why_topic("closed").await.unwrap().unwrap().position.protocol_id();
    for member in &network.members[..2] {
        let (id, hash) = (stuck.id(), stuck.hash());
        member
            .until("it is not held up", |store| async move {
                let found = store.read(NAMESPACE).message_with_hash(id, hash).await.unwrap();
                found.is_some_and(|message| message.state.is_some_and(State::is_final))
            })
            .await;
        let refused = member.namespace().release(&wanted(&position)).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::NotFound);
        let vote = Wanted { for_others: true, ..wanted(&position) };
        assert_eq!(member.namespace().release(&vote).await.unwrap().undecided, 0);
    }
    settle(&network, &[stuck]).await;
    network.stop().await;
}
