//! One order across the authors of a group, where a network chose it.

use std::time::Duration;

use photinus_engine::{
    aggregation::{Rewind, release::Wanted},
    options::{PrivateOrder, PrivateOrder::Ledger},
};
use photinus_testkit::network::{DEADLINE, NAMESPACE, Network, peer};

use crate::{
    inputs::{all_confirmed, confirmed, decisions_on, message, sent, until_final},
    places::{Database, network},
};

/// Three members who know the group, the third of which waits for the payload of a message that the second has.
async fn without_a_payload() -> (Network, Vec<photinus_model::Uuid>) {
    let mut network = network(3, Ledger, Database::Sqlite).await;
    // Nobody asks for what is missing before the test is over.
    network.members[2].stop().await;
    network.members[2].options.delivery.repair = DEADLINE * 10;
    network.members[2].start().await;
    let first = confirmed(&network.members[0], message(&[0, 1, 2], "t", 1)).await.header.id;
    until_final(&network.members[2], &[first]).await;
    network.fabric.faults(&peer(2), |faults| faults.refuse = Some("lost".into()));
    let lost = confirmed(&network.members[0], message(&[0, 1, 2], "t", 2)).await.header.id;
    until_final(&network.members[1], &[lost]).await;
    network.fabric.faults(&peer(2), |faults| faults.refuse = None);
    let behind = confirmed(&network.members[1], message(&[0, 1, 2], "t", 3)).await.header.id;
    (network, vec![first, lost, behind])
}

async fn until_it_waits(network: &Network, id: photinus_model::Uuid) -> String {
    let waiting = async {
        loop {
            let why = network.members[2].namespace().why(id).await.unwrap();
            if let Some(why) = why.filter(|why| why.waits_for.len() == 2) {
                return why;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let why = tokio::time::timeout(DEADLINE, waiting).await.expect("it says what it waits for");
    let kinds: Vec<_> = why.waits_for.iter().map(|cause| cause.kind).collect();
    assert_eq!(kinds, ["before", "content"], "{why:?}");
    why.waits_for[1].position.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_behind_a_missing_payload_waits_for_it() {
    let (mut network, ids) = without_a_payload().await;
    until_it_waits(&network, ids[2]).await;
    network.members[2].crash().await;
    network.members[2].options.delivery.repair = Duration::from_millis(5);
    network.members[2].start().await;
    for member in &network.members {
        until_final(member, &ids).await;
        assert_eq!(decisions_on(member, "t").await, all_confirmed(&ids), "member {}", member.index);
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_lets_the_others_go_on() {
    let (network, ids) = without_a_payload().await;
    let position = until_it_waits(&network, ids[2]).await;
    let blocked = network.members[2].namespace().blocked_topics(10).await.unwrap();
    let shown = blocked.iter().find(|blocked| blocked.group.is_some()).expect("it is shown");
    assert_eq!(shown.position.as_ref(), Some(&position));
    network.members[2].namespace().abandon(&Wanted { position, for_others: false }).await.unwrap();
    until_final(&network.members[2], &[ids[0], ids[2]]).await;
    assert_eq!(decisions_on(&network.members[2], "t").await, all_confirmed(&[ids[0], ids[2]]));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_is_chosen_once() {
    let mut network = network(1, Ledger, Database::Sqlite).await;
    let member = &mut network.members[0];
    member.stop().await;
    member.options.private_order = PrivateOrder::Author;
    let refused = member.try_start().await.expect_err("it was started with another order").to_string();
    assert!(refused.contains("'author'") && refused.contains("'ledger'"), "{refused}");
    member.options.private_order = Ledger;
    member.start().await;
    sent(member, message(&[0], "t", 1)).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_asked_for_at_once_when_somebody_says_so() {
    let (network, ids) = without_a_payload().await;
    until_it_waits(&network, ids[2]).await;
    let lost = network.members[1].store.read(NAMESPACE).message(ids[1]).await.unwrap().unwrap();
    let here = Rewind { sequence: None, batch: lost.batch };
    network.members[2].namespace().rewind(here).await.expect("its pin is here");
    until_final(&network.members[2], &ids).await;
    assert_eq!(decisions_on(&network.members[2], "t").await, all_confirmed(&ids));
    network.stop().await;
}

/// A member behind FireFly's data exchange serves nobody what was lost; whoever depends on that learns of it beforehand.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_serves_nothing_is_told_of() {
    for (order, told) in [(Ledger, vec!["node_1".to_owned()]), (PrivateOrder::Author, Vec::new())] {
        let mut network = network(3, order, Database::Sqlite).await;
        network.fabric.faults(&peer(1), |faults| faults.transport_only = true);
        let silent = async |network: &Network| -> Vec<String> {
            let status = network.members[0].namespace().status().await.unwrap();
            status.exchange.without_repair.into_iter().map(|node| node.name).collect()
        };
        // It is in no group with this node yet.
        confirmed(&network.members[0], message(&[0, 2], "t", 1)).await;
        assert_eq!(silent(&network).await, Vec::<String>::new());
        let sent = confirmed(&network.members[0], message(&[0, 1, 2], "t", 2)).await.header.id;
        until_silent(&network, &told).await;
        // The groups that are stored count as well.
        network.members[0].crash().await;
        network.members[0].start().await;
        until_silent(&network, &told).await;
        until_final(&network.members[2], &[sent]).await;
        assert_eq!(silent(&network).await, told);
        // It has changed to Photinus.
        network.fabric.faults(&peer(1), |faults| faults.transport_only = false);
        until_silent(&network, &[]).await;
        network.stop().await;
    }
}

async fn until_silent(network: &Network, wanted: &[String]) {
    let found = async {
        loop {
            let status = network.members[0].namespace().status().await.unwrap();
            let names: Vec<_> = status.exchange.without_repair.into_iter().map(|node| node.name).collect();
            if names == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, found).await.expect("the status names them");
}
