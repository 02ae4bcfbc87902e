//! Payloads that were lost on their way, and are served by whoever has them.

use std::time::Duration;

use photinus_testkit::network::{Network, peer};

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
