//! Payloads that were lost on their way, and are served by whoever has them.

use std::time::Duration;

use photinus_testkit::network::{DEADLINE, NAMESPACE, Network, peer};

use crate::inputs::{all_confirmed, confirmed, decisions_on, message, registered, until_final};

/// Three members who know the group; the third has missed the payload of a second message, for good.
async fn without_a_payload() -> (Network, Vec<photinus_model::Uuid>) {
    let mut network = registered(3).await;
    network.members[2].stop().await;
    network.members[2].options.delivery.repair = Duration::from_millis(5);
    network.members[2].start().await;
    let first = confirmed(&network.members[0], message(&[0, 1, 2], "t", 1)).await.header.id;
    until_final(&network.members[2], &[first]).await;
    // The sender is told that it is refused, and gives up.
    network.fabric.faults(&peer(2), |faults| faults.refuse = Some("lost".into()));
    let second = confirmed(&network.members[0], message(&[0, 1, 2], "t", 2)).await.header.id;
    until_final(&network.members[1], &[second]).await;
    (network, vec![first, second])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_serves_what_was_lost() {
    let (network, ids) = without_a_payload().await;
    until_final(&network.members[2], &ids).await;
    assert_eq!(decisions_on(&network.members[2], "t").await, all_confirmed(&ids));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_member_serves_it_when_the_author_is_gone() {
    let mut network = registered(3).await;
    let first = confirmed(&network.members[0], message(&[0, 1, 2], "t", 1)).await.header.id;
    until_final(&network.members[2], &[first]).await;
    network.members[2].stop().await;
    network.members[2].options.delivery.repair = Duration::from_millis(5);
    let second = confirmed(&network.members[0], message(&[0, 1, 2], "t", 2)).await.header.id;
    until_final(&network.members[1], &[second]).await;
    network.members[0].crash().await;
    network.members[2].start().await;
    until_final(&network.members[2], &[first, second]).await;
    assert_eq!(decisions_on(&network.members[2], "t").await, all_confirmed(&[first, second]));
    network.stop().await;
}

/// The sender of a group's first message is gone for good before one member had it, and nothing tells that member of the group until
/// another writes to it, on another topic.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_of_a_group_is_missed_when_somebody_else_writes_to_it() {
    let mut network = registered(3).await;
    network.members[2].stop().await;
    network.members[2].options.delivery.repair = Duration::from_millis(5);
    network.members[2].start().await;
    network.fabric.faults(&peer(2), |faults| faults.refuse = Some("lost".into()));
    let first = confirmed(&network.members[0], message(&[0, 1, 2], "t", 1)).await;
    // In a batch of its own, on a topic on which nobody else writes.
    let alone = confirmed(&network.members[0], message(&[0, 1, 2], "v", 1)).await.header.id;
    until_final(&network.members[1], &[first.header.id, alone]).await;
    network.members[0].crash().await;
    network.fabric.faults(&peer(2), |faults| faults.refuse = None);
    let group = first.header.group.unwrap();
    assert!(network.members[2].store.read(NAMESPACE).group(group).await.unwrap().is_none());
    let second = confirmed(&network.members[1], message(&[0, 1, 2], "u", 2)).await.header.id;
    // The member that was asked may fall over, and the one that asks as well.
    network.members[2].crash().await;
    network.members[2].start().await;
    until_final(&network.members[2], &[first.header.id, alone, second]).await;
    assert_eq!(decisions_on(&network.members[2], "t").await, all_confirmed(&[first.header.id]));
    assert_eq!(decisions_on(&network.members[2], "u").await, all_confirmed(&[second]));
    let known = network.members[2].store.read(NAMESPACE).group(group).await.unwrap().expect("the group is known");
    assert_eq!(known.members.len(), 3);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_asked_for_a_payload_is_told() {
    let (mut network, ids) = without_a_payload().await;
    // Nobody has it: those who do are away.
    network.members[2].crash().await;
    for away in [0, 1] {
        network.fabric.faults(&peer(away), |faults| faults.down = true);
    }
    network.members[2].start().await;
    let namespace = network.members[2].namespace().clone();
    let asked = async {
        loop {
            let blocked = namespace.blocked_topics(10).await.unwrap();
            let causes = blocked.into_iter().filter_map(|blocked| blocked.waits_for);
            let asked: Vec<_> =
                causes.flat_map(|cause| cause.tried).filter_map(|tried| Some((tried.asked?, tried.error))).collect();
            if asked.len() == 2 {
                return asked;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let asked = tokio::time::timeout(DEADLINE, asked).await.expect("both were asked");
    for (node, said) in asked {
        assert!(node == "did:firefly:node/node_0" || node == "did:firefly:node/node_1", "{node}");
        assert!(said.contains("switched off"), "{said}");
    }
    for back in [0, 1] {
        network.fabric.faults(&peer(back), |faults| faults.down = false);
    }
    until_final(&network.members[2], &ids).await;
    network.stop().await;
}
