//! Members that fall over at any moment lose nothing that they accepted, confirm nothing twice, and keep each author's order.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use photinus_model::{Uuid, event, message::Message, operation};
use photinus_query::{Condition, Query, collection};
use photinus_store::{Change, ChangeSet, Store, change};
use photinus_testkit::network::{DEADLINE, NAMESPACE, Network, peer};
use rand::{Rng, SeedableRng, rngs::StdRng};

use photinus_engine::options::PrivateOrder;

use crate::inputs::{
    all_confirmed, confirmed, decisions_on, message, registered, sent, until_final, until_nothing_is_owed, values_on,
};
use crate::places::{self, Database, Place};

everywhere!(
    what_is_owed_to_a_member_that_is_away_survives_a_crash_of_the_sender,
    a_batch_that_was_delivered_and_not_pinned_is_pinned_unchanged_after_a_crash,
    a_receiver_that_was_down_catches_up_in_order,
    a_payload_that_never_comes_is_a_wait_with_a_reason,
);

/// Sends until the given moment, then falls over wherever it stands. Returns what was accepted.
async fn send_and_crash(network: &mut Network, victim: usize, from: u64, moment: Duration) -> Vec<Uuid> {
    let mut accepted = Vec::new();
    let namespace = network.members[victim].namespace().clone();
    let sending = async {
        for number in from.. {
            if let Ok(message) = namespace.send_private(message(&[0, 1, 2], "crash", number), None).await {
                accepted.push(message.header.id);
            }
        }
    };
    // The deadline is the crash itself, at a moment that the test draws.
    let _ = tokio::time::timeout(moment, sending).await;
    drop(namespace);
    network.members[victim].crash().await;
    accepted
}

/// Members crash at random moments, while one of them is away, slow, forgetful, or gets everything twice.
async fn storm(order: PrivateOrder, database: Database) {
    let mut network = places::network(3, order, database).await;
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut accepted = Vec::new();
    for round in 0..6 {
        let victim = random.random_range(0..3);
        let moment = Duration::from_micros(random.random_range(200..60_000));
        let struck = peer(random.random_range(0..3));
        let fault = random.random_range(0..4);
        network.fabric.faults(&struck, |faults| match fault {
            0 => faults.down = true,
            1 => faults.slow = Duration::from_millis(20),
            2 => faults.cut = 3,
            _ => faults.duplicate = true,
        });
        accepted.extend(send_and_crash(&mut network, victim, round * 1_000, moment).await);
        network.members[victim].start().await;
        network.fabric.faults(&struck, |faults| *faults = Default::default());
    }
    check(&network, &accepted, seed).await;
    if order == PrivateOrder::Ledger {
        let first = decisions_on(&network.members[0], "crash").await;
        for member in &network.members {
            assert_eq!(decisions_on(member, "crash").await, first, "seed {seed}: member {}", member.index);
        }
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_crash_at_random_lose_nothing() {
    storm(PrivateOrder::Author, Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_crash_at_random_lose_nothing_in_one_order() {
    storm(PrivateOrder::Ledger, Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_crash_at_random_lose_nothing_on_postgres() {
    storm(PrivateOrder::Author, Database::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_crash_at_random_lose_nothing_in_one_order_on_postgres() {
    storm(PrivateOrder::Ledger, Database::Postgres).await;
}

/// Every message of the topic is confirmed exactly once on every member, each author's in the order in which they were sent.
async fn check(network: &Network, accepted: &[Uuid], seed: u64) {
    // A crash can leave messages that were stored and not answered: they are sent too.
    let mut ids: HashSet<Uuid> = accepted.iter().copied().collect();
    for member in &network.members {
        let topics = collection::MESSAGES.field("topics").unwrap();
        let query = Query::filtered(Condition::text(topics, "crash"));
        let found = member.store.read(NAMESPACE).find::<Message>(&query).await.unwrap().items;
        ids.extend(found.into_iter().map(|message| message.header.id));
    }
    let ids: Vec<_> = ids.into_iter().collect();
    let mut first: Option<BTreeMap<String, Vec<String>>> = None;
    for member in &network.members {
        until_final(member, &ids).await;
        let decisions = decisions_on(member, "crash").await;
        let told: HashSet<_> = decisions.iter().map(|(_, id)| *id).collect();
        assert_eq!(told.len(), decisions.len(), "seed {seed}: something was told twice at member {}", member.index);
        assert_eq!(told.len(), ids.len(), "seed {seed}: something was lost at member {}", member.index);
        assert!(decisions.iter().all(|(kind, _)| *kind == event::Type::MessageConfirmed), "seed {seed}");
        let values = values_on(member, "crash").await;
        match &first {
            None => first = Some(values),
            Some(first) => assert_eq!(first, &values, "seed {seed}: member {} has another order", member.index),
        }
    }
    for values in first.unwrap().values() {
        let numbers: Vec<u64> = values.iter().map(|value| value.parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "seed {seed}: an author's messages are out of order: {numbers:?}");
    }
    for member in &network.members {
        until_nothing_is_owed(member).await;
    }
}

async fn what_is_owed_to_a_member_that_is_away_survives_a_crash_of_the_sender(place: Place) {
    let mut network = place.network(2).await;
    network.fabric.faults(&peer(1), |faults| faults.down = true);
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(confirmed(&network.members[0], message(&[0, 1], "t", number)).await.header.id);
    }
    network.members[0].crash().await;
    network.members[0].start().await;
    let owed = network.members[0].namespace().status().await.unwrap().exchange;
    assert!(owed.peers.iter().any(|peer| peer.name == "node_1" && peer.behind >= 10), "{owed:?}");
    network.fabric.faults(&peer(1), |faults| faults.down = false);
    until_final(&network.members[1], &ids).await;
    assert_eq!(decisions_on(&network.members[1], "t").await, all_confirmed(&ids));
    until_nothing_is_owed(&network.members[0]).await;
    network.stop().await;
}

async fn a_batch_that_was_delivered_and_not_pinned_is_pinned_unchanged_after_a_crash(place: Place) {
    let mut network = place.network(2).await;
    // The group exists, so that one batch alone is under way.
    confirmed(&network.members[0], message(&[0, 1], "t", 0)).await;
    network.ledger.fail_submissions(Some("no connection"));
    let id = sent(&network.members[0], message(&[0, 1], "t", 1)).await;
    network.members[1]
        .until(
            "the payload is there",
            |store| async move { store.read(NAMESPACE).message(id).await.unwrap().is_some() },
        )
        .await;
    let before = network.members[0].store.read(NAMESPACE).message(id).await.unwrap().unwrap();
    network.members[0].crash().await;
    network.members[1].crash().await;
    network.ledger.fail_submissions(None);
    network.members[1].start().await;
    network.members[0].start().await;
    for member in &network.members {
        until_final(member, &[id]).await;
        let after = member.store.read(NAMESPACE).message(id).await.unwrap().unwrap();
        assert_eq!((after.batch, &after.pins), (before.batch, &before.pins));
    }
    // The next nonce is the next one.
    let next = confirmed(&network.members[0], message(&[0, 1], "t", 2)).await;
    assert!(next.pins[0].ends_with(":0000000000000002"), "{:?}", next.pins);
    network.stop().await;
}

async fn a_receiver_that_was_down_catches_up_in_order(place: Place) {
    let mut network = place.network(2).await;
    network.members[1].crash().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(confirmed(&network.members[0], message(&[0, 1], "t", number)).await.header.id);
    }
    network.members[1].start().await;
    until_final(&network.members[1], &ids).await;
    assert_eq!(decisions_on(&network.members[1], "t").await, all_confirmed(&ids));
    network.stop().await;
}

async fn a_payload_that_never_comes_is_a_wait_with_a_reason(place: Place) {
    let mut network = place.network(2).await;
    network.members[0].stop().await;
    network.members[0].options.delivery.acknowledgement = Duration::ZERO;
    network.members[0].start().await;
    let [sender, reader] = &network.members[..] else { panic!("two members") };
    let first = confirmed(sender, message(&[0, 1], "t", 1)).await;
    until_final(reader, &[first.header.id]).await;
    network.fabric.faults(&peer(1), |faults| faults.down = true);
    confirmed(sender, message(&[0, 1], "t", 2)).await;
    let group = first.header.group.unwrap();
    let why = async {
        loop {
            let wait = reader.namespace().why_lane(group, "t", "did:firefly:org/org_0").await.unwrap();
            if let Some(wait) = wait.filter(|wait| wait.nonce == 1) {
                return wait;
            }
            tokio::task::yield_now().await;
        }
    };
    let wait = tokio::time::timeout(DEADLINE, why).await.expect("the wait has a reason");
    assert_eq!(wait.kind, "content", "{wait:?}");
    network.stop().await;
}

/// The part of the store in which the order of messages is kept.
const ORDER: u8 = 1;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

async fn rows(store: &Store) -> Rows {
    store.kv_range(NAMESPACE, ORDER, &[], None, 100_000).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_content_was_not_taken_before_a_crash_is_taken_from_its_own_rows() {
    let mut network = registered(2).await;
    confirmed(&network.members[0], message(&[0, 1], "t", 0)).await;
    network.members[0].stop().await;
    // Nobody is asked for what this member has itself.
    network.members[0].options.delivery.repair = Duration::from_secs(3_600);
    network.members[0].start().await;
    network.ledger.hold();
    let before = rows(&network.members[0].store).await;
    let pins = network.ledger.pins().len();
    let id = sent(&network.members[0], message(&[0, 1], "t", 1)).await;
    let ledger = Arc::clone(&network.ledger);
    network.members[0]
        .until("the pin is sent", move |_| {
            let sent = ledger.pins().len() > pins;
            async move { sent }
        })
        .await;
    network.members[0]
        .until("the content is taken", |store| {
            let before = before.clone();
            async move { rows(&store).await != before }
        })
        .await;
    network.members[0].crash().await;
    // As if the crash had come between the pin and the commit that takes the content.
    let store = &network.members[0].store;
    let mut changes = ChangeSet::new(NAMESPACE);
    for (key, _) in rows(store).await {
        changes.push(Change::DeleteKv { space: ORDER, key });
    }
    for (key, value) in before {
        changes.push(Change::PutKv { space: ORDER, key, value });
    }
    for operation in store.read(NAMESPACE).unfinished_operations().await.unwrap() {
        changes.push(Change::UpdateOperation(change::Operation {
            id: operation.id,
            status: operation::Status::Succeeded,
            input: None,
            output: None,
            error: String::new(),
            updated: operation.updated,
            retry: None,
        }));
    }
    store.submit(changes).await.unwrap();
    network.members[0].start().await;
    network.ledger.release();
    for member in &network.members {
        until_final(member, &[id]).await;
    }
    network.stop().await;
}
