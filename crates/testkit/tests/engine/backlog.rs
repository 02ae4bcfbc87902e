//! A member that is given more than the network takes refuses the rest, loses nothing, and goes on by itself.

use photinus_engine::Kind;
use photinus_testkit::network::Network;

use crate::inputs::{decisions_on, message, sent, until_final};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_until_there_is_room() {
    let mut network = Network::registered(2).await;
    network.members[0].stop().await;
    network.members[0].options.limits.backlog = 5;
    network.members[0].start().await;
    network.ledger.hold();
    let sender = &network.members[0];
    let mut accepted = Vec::new();
    for number in 0..5 {
        accepted.push(sent(sender, message("busy", number)).await);
    }
    for number in 5..8 {
        let refused = sender.namespace().broadcast(message("busy", number), None).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (Kind::Overloaded, "FF00166"), "{refused}");
    }
    let backlog = sender.namespace().status().await.unwrap().backlog;
    assert_eq!((backlog.messages, backlog.max_messages, backlog.refused), (5, 5, 3));
    network.ledger.release();
    let namespace = sender.namespace().clone();
    sender
        .until("there is room", move |_| {
            let namespace = namespace.clone();
            async move { namespace.vitals().backlog.messages == 0 }
        })
        .await;
    accepted.push(sent(sender, message("busy", 8)).await);
    for member in &network.members {
        until_final(member, &accepted).await;
        let decided: Vec<_> = decisions_on(member, "busy").await.into_iter().map(|(_, id)| id).collect();
        assert_eq!(decided, accepted, "what was refused was not stored");
    }
    network.stop().await;
}
