//! Peers that are away, slow, forgetful, or get things in another order.

use std::time::Duration;

use photinus_model::operation;
use photinus_testkit::network::{NAMESPACE, peer};

use crate::{
    inputs::{
        all_confirmed, confirmed, decisions_on, message, operations, registered, sent, unpinned, until_final,
        until_nothing_is_owed,
    },
    places::Place,
};

everywhere!(
    a_member_that_is_away_delays_nobody_and_gets_everything_later,
    a_slow_member_delays_a_pin_for_a_bounded_time,
    payloads_before_their_pins_in_the_wrong_order,
    what_comes_twice_counts_once,
);

async fn a_member_that_is_away_delays_nobody_and_gets_everything_later(place: Place) {
    let network = place.network(3).await;
    let [sender, alive, away] = &network.members[..] else { panic!("three members") };
    network.fabric.faults(&peer(2), |faults| faults.down = true);
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(confirmed(sender, message(&[0, 1, 2], "t", number)).await.header.id);
    }
    until_final(alive, &ids).await;
    let status = sender.namespace().status().await.unwrap().exchange;
    let behind = status.peers.iter().find(|peer| peer.name == "node_2").unwrap();
    assert!(behind.behind > 0 && behind.since.is_some(), "{behind:?}");
    assert!(behind.last_error.as_ref().unwrap().contains("switched off"), "{behind:?}");
    let up_to_date = status.peers.iter().find(|peer| peer.name == "node_1").unwrap();
    assert_eq!((&up_to_date.last_error, up_to_date.behind), (&None, 0));
    let waiting = operations(sender, operation::Type::DataExchangeSendBatch).await;
    let waiting: Vec<_> = waiting.iter().filter(|operation| !operation.status.is_final()).collect();
    assert!(waiting.iter().any(|operation| operation.error.contains("switched off")), "{waiting:?}");
    network.fabric.faults(&peer(2), |faults| faults.down = false);
    until_final(away, &ids).await;
    assert_eq!(decisions_on(away, "t").await, all_confirmed(&ids));
    until_nothing_is_owed(sender).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_memory_cannot_hold_is_read_from_the_store() {
    let mut network = registered(2).await;
    network.members[0].stop().await;
    network.members[0].options.delivery.queue = 2;
    network.members[0].options.delivery.memory = 100;
    network.members[0].start().await;
    let [sender, away] = &network.members[..] else { panic!("two members") };
    network.fabric.faults(&peer(1), |faults| faults.down = true);
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(confirmed(sender, message(&[0, 1], "t", number)).await.header.id);
    }
    network.fabric.faults(&peer(1), |faults| faults.down = false);
    until_final(away, &ids).await;
    assert_eq!(decisions_on(away, "t").await, all_confirmed(&ids));
    until_nothing_is_owed(sender).await;
    network.stop().await;
}

async fn a_slow_member_delays_a_pin_for_a_bounded_time(place: Place) {
    let mut network = place.network(2).await;
    network.members[0].stop().await;
    network.members[0].options.delivery.acknowledgement = Duration::from_millis(20);
    network.members[0].start().await;
    network.fabric.faults(&peer(1), |faults| faults.hold = true);
    let [sender, slow] = &network.members[..] else { panic!("two members") };
    // Confirmed at the sender, although the other member holds nothing yet: the pin is there before the payload.
    let id = confirmed(sender, message(&[0, 1], "t", 1)).await.header.id;
    assert!(slow.store.read(NAMESPACE).message(id).await.unwrap().is_none());
    network.fabric.faults(&peer(1), |faults| faults.hold = false);
    release_all(&network).await;
    until_final(slow, &[id]).await;
    network.stop().await;
}

async fn release_all(network: &photinus_testkit::network::Network) {
    while network.fabric.held(&peer(1)) > 0 {
        network.fabric.release(&peer(1));
        tokio::task::yield_now().await;
    }
}

async fn payloads_before_their_pins_in_the_wrong_order(place: Place) {
    let mut network = place.network(2).await;
    network.members[0].stop().await;
    network.members[0].options.delivery.acknowledgement = Duration::from_millis(5);
    network.members[0].start().await;
    network.fabric.faults(&peer(1), |faults| faults.hold = true);
    let [sender, reader] = &network.members[..] else { panic!("two members") };
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(confirmed(sender, message(&[0, 1], "t", number)).await.header.id);
    }
    // The last one held back is let go first.
    network.fabric.faults(&peer(1), |faults| faults.hold = false);
    release_all(&network).await;
    until_final(reader, &ids).await;
    assert_eq!(decisions_on(reader, "t").await, all_confirmed(&ids));
    network.stop().await;
}

async fn what_comes_twice_counts_once(place: Place) {
    let network = place.network(2).await;
    let [sender, reader] = &network.members[..] else { panic!("two members") };
    network.fabric.faults(&peer(1), |faults| {
        faults.duplicate = true;
        faults.cut = 5;
    });
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(sent(sender, message(&[0, 1], "t", number)).await);
    }
    let mut quick = Vec::new();
    for number in 0..10 {
        quick.push(sent(sender, unpinned(&[0, 1], "u", number)).await);
    }
    until_final(reader, &ids).await;
    until_final(reader, &quick).await;
    until_nothing_is_owed(sender).await;
    assert_eq!(decisions_on(reader, "t").await, all_confirmed(&ids));
    let mut decided = decisions_on(reader, "u").await;
    let mut expected = all_confirmed(&quick);
    decided.sort_by_key(|(_, id)| *id);
    expected.sort_by_key(|(_, id)| *id);
    assert_eq!(decided, expected);
    assert_eq!(reader.namespace().vitals().aggregation.alarms, [] as [String; 0]);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_refuses_is_not_asked_for_ever() {
    let network = registered(2).await;
    let sender = &network.members[0];
    network.fabric.faults(&peer(1), |faults| faults.refuse = Some("not from you".into()));
    confirmed(sender, message(&[0, 1], "t", 1)).await;
    until_nothing_is_owed(sender).await;
    let deliveries = operations(sender, operation::Type::DataExchangeSendBatch).await;
    assert!(deliveries.iter().all(|delivery| delivery.status == operation::Status::Failed), "{deliveries:?}");
    assert!(deliveries[0].error.contains("not from you"));
    // By hand it can be tried once more, and then it arrives.
    network.fabric.faults(&peer(1), |faults| faults.refuse = None);
    let again = sender.namespace().retry_operation(deliveries[0].id).await.unwrap();
    sender
        .until("the repetition succeeds", |store| async move {
            let operation = store.read(NAMESPACE).operation(again.id).await.unwrap().unwrap();
            operation.status == operation::Status::Succeeded
        })
        .await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_only_says_it_has_it() {
    let network = registered(2).await;
    network.fabric.faults(&peer(1), |faults| faults.transport_only = true);
    let id = confirmed(&network.members[0], message(&[0, 1], "t", 1)).await.header.id;
    until_final(&network.members[1], &[id]).await;
    until_nothing_is_owed(&network.members[0]).await;
    network.stop().await;
}
