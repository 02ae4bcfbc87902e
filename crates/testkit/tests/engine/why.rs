//! What members tell of messages that wait.

use photinus_model::{Hash, message::State};
use photinus_testkit::network::{NAMESPACE, Network};

use crate::inputs::{confirmed, message, sent, until_final};

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_waits_ends_at_what_is_missing() {
    let network = Network::registered(2).await;
    let (sender, receiver) = (&network.members[0], &network.members[1]);
    let known = confirmed(sender, message("bills", 0)).await.header.id;
    until_final(receiver, &[known]).await;
    receiver.storage.withhold_all();
    let before = network.storage.references();
    let lost = confirmed(sender, message("bills", 1)).await.header.id;
    for reference in network.storage.references().iter().filter(|reference| !before.contains(reference)) {
        receiver.storage.withhold(reference);
    }
    let waiting = confirmed(sender, message("bills", 2)).await.header.id;
    // Only the first stays away.
    receiver.storage.release_most();
    receiver
        .until("the second message to arrive", async |store| {
            store.read(NAMESPACE).message(waiting).await.unwrap().is_some()
        })
        .await;
    let why = receiver.namespace().why(waiting).await.unwrap().unwrap();
    let kinds: Vec<_> = why.waits_for.iter().map(|cause| cause.kind).collect();
    assert_eq!((why.state, kinds), (Some(State::Pending), vec!["earlier", "content"]), "{why:?}");
    let missing = &why.waits_for[1];
    assert_eq!(missing.from.as_deref(), Some("did:firefly:org/org_0"));
    assert!(missing.since.is_some() && missing.tried.len() == 1 && why.summary.contains("content"), "{why:?}");
    let blocked = receiver.namespace().blocked_topics(10).await.unwrap();
    assert_eq!(blocked.len(), 1, "{blocked:?}");
    assert_eq!((blocked[0].topic.as_deref(), blocked[0].undecided), (Some("bills"), 2));
    assert_eq!(blocked[0].context, Hash::of("bills"));
    assert_eq!(blocked[0].waits_for.as_ref().map(|cause| cause.kind), Some("content"));
    assert!(receiver.namespace().why(lost).await.unwrap().is_none(), "its content was never here");
    receiver.storage.release_all();
    until_final(receiver, &[lost, waiting]).await;
    let why = receiver.namespace().why(waiting).await.unwrap().unwrap();
    assert_eq!((why.summary.as_str(), why.waits_for.len()), ("it is confirmed", 0));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_does_not_take_says_so() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    network.ledger.fail_submissions(Some("out of order"));
    let id = sent(member, message("bills", 1)).await;
    let told = |state| async move {
        let why = member.namespace().why(id).await.unwrap().unwrap();
        (why.state == Some(state)).then_some(why)
    };
    member.until("the message to be in a batch", async |_| told(State::Sent).await.is_some()).await;
    let why = told(State::Sent).await.unwrap();
    assert_eq!(why.waits_for[0].kind, "ledger", "{why:?}");
    assert_eq!(why.waits_for[0].tried.len(), 2, "{why:?}");
    // Behind a batch that cannot be sent.
    let next = sent(member, message("bills", 2)).await;
    member
        .until("the next one to tell of the error", async |_| {
            let why = member.namespace().why(next).await.unwrap().unwrap();
            why.waits_for.first().is_some_and(|cause| cause.reason.contains("out of order"))
        })
        .await;
    network.ledger.fail_submissions(None);
    until_final(member, &[id, next]).await;
    network.stop().await;
}
