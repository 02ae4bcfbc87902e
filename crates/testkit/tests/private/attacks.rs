//! A peer with a valid certificate that lies about everything else.

use photinus_model::{
    Hash, Time, Uuid,
    batch::{self, Batch},
    group::Group,
    message::{TxType, Type},
    wire,
};
use photinus_ports::exchange::{Refusal, Route};
use photinus_testkit::network::{NAMESPACE, Network, peer};

use crate::{
    forgery::{Forgery, inject, log, node, route},
    inputs::{all_confirmed, confirmed, decisions_on, message, registered, unpinned, until_final},
};

/// Says no for good, with these words, and nothing was stored.
async fn refused(network: &Network, from: usize, batch: &Batch, words: &str) {
    let member = &network.members[0];
    match inject(network, from, 0, batch).await {
        Err(Refusal::Never(reason)) => assert!(reason.contains(words), "{reason}"),
        other => panic!("{words}: {other:?}"),
    }
    assert!(member.store.read(NAMESPACE).batch(batch.id).await.unwrap().is_none());
    for message in &batch.payload.messages {
        assert!(member.store.read(NAMESPACE).message(message.header.id).await.unwrap().is_none());
    }
    let recorded = member.namespace().status().await.unwrap().exchange.refused;
    let recorded = recorded.last().expect("it is recorded");
    assert_eq!(recorded.peer, peer(from).0);
    assert!(recorded.reason.contains(words), "{recorded:?}");
}

/// A group of the first two of three members.
pub(crate) async fn pair() -> (Network, Hash) {
    let network = registered(3).await;
    let group = confirmed(&network.members[0], message(&[0, 1], "first", 1)).await.header.group.unwrap();
    (network, group)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_another_organisation() {
    let (network, group) = pair().await;
    let member = &network.members[0];
    let mut forged = Forgery::new(1, group);
    forged.node = 2;
    refused(&network, 2, &forged.batch(member, "as another author").await, "does not send for the author").await;
    let honest = Forgery::new(1, group);
    refused(&network, 2, &honest.batch(member, "as another node").await, "assembled it, but").await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_to_a_group_that_it_is_not_in() {
    let (network, group) = pair().await;
    let member = &network.members[0];
    refused(&network, 2, &Forgery::new(2, group).batch(member, "pinned").await, "is not a member of group").await;
    let mut quick = Forgery::new(2, group);
    quick.tx_type = TxType::Unpinned;
    refused(&network, 2, &quick.batch(member, "unpinned").await, "is not a member of group").await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_pin_pretends_nothing() {
    let (network, group) = pair().await;
    let member = &network.members[0];
    let mut quick = Forgery::new(1, group);
    quick.tx_type = TxType::Unpinned;
    quick.kind = Type::Broadcast;
    refused(&network, 1, &quick.batch(member, "a broadcast").await, "none that may come without a pin").await;
    let mut pretending = Forgery::new(1, group).batch(member, "a pinned one").await;
    pretending.payload.tx.kind = TxType::Unpinned;
    let manifest = batch::Manifest::of(pretending.id, &pretending.payload);
    pretending.hash = manifest.text().hash();
    refused(&network, 1, &pretending, "none that may come without a pin").await;
    // A group that the sender is not in, told by the sender itself.
    let strangers = vec![
        photinus_model::group::Member { identity: "did:firefly:org/org_0".into(), node: Some(node(member, 0).await) },
        photinus_model::group::Member { identity: "did:firefly:org/org_2".into(), node: Some(node(member, 2).await) },
    ];
    let told = Group::new(NAMESPACE, "made-up", strangers, Time::from_unix_nanos(1)).unwrap();
    let mut quick = Forgery::new(1, told.hash.unwrap());
    quick.tx_type = TxType::Unpinned;
    let batch = quick.batch(member, "to a group of others").await;
    match network.fabric.inject(route(1, 0), wire::wrap(Some(&told), &batch)).await {
        Err(Refusal::Never(reason)) => assert!(reason.contains("is not a member of group"), "{reason}"),
        other => panic!("{other:?}"),
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_changes_nothing() {
    let network = registered(3).await;
    let [sender, reader, _] = &network.members[..] else { panic!("three members") };
    let pinned = confirmed(sender, message(&[0, 1], "t", 1)).await.header.id;
    let quick = confirmed(sender, unpinned(&[0, 1], "t", 2)).await.header.id;
    until_final(reader, &[pinned, quick]).await;
    let before = decisions_on(reader, "t").await;
    for (_, bytes) in network.fabric.messages_to(&peer(1)) {
        network.fabric.inject(route(0, 1), bytes.clone()).await.expect("the sender is told that it is there");
        // Whoever copied it cannot make more of it, wherever it is sent.
        for to in [0, 1] {
            let answer = network.fabric.inject(route(2, to), bytes.clone()).await;
            assert!(matches!(answer, Err(Refusal::Never(_))), "{answer:?}");
        }
    }
    confirmed(sender, message(&[0, 1], "after", 3)).await;
    assert_eq!(decisions_on(reader, "t").await, before);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_payloads_for_one_pin_the_pinned_one_counts() {
    let (network, group) = pair().await;
    let [_, author, _] = &network.members[..] else { panic!("three members") };
    let one = Forgery::new(1, group);
    let other = Forgery { batch: one.batch, ..Forgery::new(1, group) };
    let (one, other) = (one.batch(author, "one").await, other.batch(author, "other").await);
    for batch in [&other, &one] {
        inject(&network, 1, 0, batch).await.expect("each is content of its own");
    }
    network.ledger.inject(log(&one));
    let id = one.payload.messages[0].header.id;
    until_final(&network.members[0], &[id]).await;
    assert_eq!(decisions_on(&network.members[0], "t").await, all_confirmed(&[id]));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_batch_is_refused() {
    let (network, _) = pair().await;
    for bytes in [&b"\xff\xfe"[..], b"", b"{}", b"[1]", b"{\"batch\":7}", b"{\"batch\":null}"] {
        let answer = network.fabric.inject(route(1, 0), bytes).await;
        assert!(matches!(answer, Err(Refusal::Never(_))), "{bytes:?}: {answer:?}");
    }
    let elsewhere = network.fabric.inject(route(1, 0), &br#"{"batch":{"namespace":"other"}}"#[..]).await;
    assert_eq!(elsewhere, Err(Refusal::NotMine));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_have_one_kind_of_path_a_sender_and_a_size() {
    let (network, _) = pair().await;
    let door = network.fabric.receiver(&peer(0)).unwrap();
    let data = Uuid::from_u128(7);
    let admit = async |from: usize, path: String, size: u64| door.admit_blob(&route(from, 0), &path, size).await;
    assert_eq!(admit(1, format!("{NAMESPACE}/{data}"), 10).await, Ok(()));
    for path in [
        format!("{NAMESPACE}/../{data}"),
        format!("{NAMESPACE}/{data}/more"),
        format!("{NAMESPACE}/{}", data.to_string().to_uppercase().replace('0', "A")),
        format!("{NAMESPACE}/"),
        NAMESPACE.to_owned(),
        String::new(),
    ] {
        assert!(matches!(admit(1, path.clone(), 10).await, Err(Refusal::Never(_))), "{path}");
    }
    assert_eq!(admit(1, format!("other/{data}"), 10).await, Err(Refusal::NotMine));
    assert!(matches!(admit(1, format!("{NAMESPACE}/{data}"), u64::MAX).await, Err(Refusal::Never(_))));
    let stranger = Route { from: photinus_ports::peers::PeerId("nobody/node_x".into()), to: peer(0) };
    let answer = door.admit_blob(&stranger, &format!("{NAMESPACE}/{data}"), 10).await;
    assert!(matches!(answer, Err(Refusal::Later(_))), "{answer:?}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_are_given_to_members_of_their_group_alone() {
    let (network, group) = pair().await;
    let [_, reader, _] = &network.members[..] else { panic!("three members") };
    let sent = confirmed(&network.members[0], message(&[0, 1], "t", 1)).await;
    until_final(reader, &[sent.header.id]).await;
    let record = reader.store.read(NAMESPACE).batch(sent.batch.unwrap()).await.unwrap().unwrap();
    assert_eq!(record.group, Some(group));
    let question = serde_json::json!({ "question": "batch", "id": record.id, "hash": record.hash }).to_string();
    let door = network.fabric.receiver(&peer(1)).unwrap();
    let answer = door.answer(&route(0, 1), question.clone().into()).await.expect("a member may ask");
    let wrapper = wire::parse_wrapper(std::str::from_utf8(&answer).unwrap(), 1 << 20).unwrap().unwrap();
    wire::accept(wrapper.batch, record.hash, NAMESPACE).expect("it is what the ledger has");
    for (from, question) in [(2, question), (0, "{}".to_owned()), (0, "\u{0}".to_owned())] {
        let answer = door.answer(&route(from, 1), question.into()).await;
        assert!(matches!(answer, Err(Refusal::Never(_))), "{from}: {answer:?}");
    }
    network.stop().await;
}
