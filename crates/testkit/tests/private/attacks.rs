//! A peer with a valid certificate that lies about everything else.

use photinus_engine::aggregation::equivocation::Equivocation;
use photinus_model::{
    Hash, Time, Uuid,
    batch::{self, Batch},
    data::DatatypeRef,
    group::Group,
    message::{State, TxType, Type},
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

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_told_to_their_members_alone() {
    let (network, group) = pair().await;
    let door = network.fabric.receiver(&peer(0)).unwrap();
    let question = serde_json::json!({ "question": "group", "hash": group }).to_string();
    let answer = door.answer(&route(1, 0), question.clone().into()).await.expect("a member may ask");
    let told: Group = serde_json::from_slice(&answer).unwrap();
    assert_eq!((told.identity_hash(), told.local_namespace.as_str()), (group, ""));
    let unknown = serde_json::json!({ "question": "group", "hash": Hash::of("none") }).to_string();
    for (from, question) in [(2, question), (1, unknown)] {
        let answer = door.answer(&route(from, 0), question.into()).await;
        assert!(matches!(answer, Err(Refusal::Never(_))), "{from}: {answer:?}");
    }
    network.stop().await;
}

/// A message without a pin that takes the id of one that waits for its pin is a message of its own.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_without_a_pin_confirms_what_has_one() {
    let network = registered(3).await;
    let group = confirmed(&network.members[0], message(&[0, 1, 2], "first", 1)).await.header.group.unwrap();
    let [member, author, liar] = &network.members[..] else { panic!("three members") };
    until_final(liar, &[]).await;
    let truth = Forgery::new(1, group);
    let mut forged = Forgery { id: truth.id, ..Forgery::new(2, group) };
    forged.tx_type = TxType::Unpinned;
    let (truth, forged) = (truth.batch(author, "true").await, forged.batch(liar, "forged").await);
    inject(&network, 1, 0, &truth).await.expect("it is taken");
    inject(&network, 2, 0, &forged).await.expect("it is a message of its own");
    let state = async |batch: &Batch| {
        let message = &batch.payload.messages[0];
        let found = member.store.read(NAMESPACE).message_with_hash(message.header.id, message.hash.unwrap()).await;
        found.unwrap().unwrap().state.unwrap()
    };
    assert_eq!((state(&truth).await, state(&forged).await), (State::Pending, State::Confirmed));
    network.ledger.inject(log(&truth));
    let wanted = truth.payload.messages[0].clone();
    member
        .until("the true one is decided", |store| {
            let (id, hash) = (wanted.header.id, wanted.hash.unwrap());
            async move {
                let found = store.read(NAMESPACE).message_with_hash(id, hash).await.unwrap().unwrap();
                found.state == Some(State::Confirmed)
            }
        })
        .await;
    assert_eq!(state(&forged).await, State::Confirmed);
    network.stop().await;
}

/// Two payloads under one hash differ where the hash does not look.
#[tokio::test(flavor = "multi_thread")]
async fn two_payloads_under_one_hash_are_told_and_decide_nothing() {
    let (network, group) = pair().await;
    let [member, author, _] = &network.members[..] else { panic!("three members") };
    let one = Forgery::new(1, group).batch(author, "one").await;
    let mut other = one.clone();
    other.payload.data[0].datatype = Some(DatatypeRef { name: "strict".into(), version: "1".into() });
    other.payload.messages[0].pins = vec!["something:else".into()];
    assert_eq!(batch::Manifest::of(other.id, &other.payload).text().hash(), one.hash);
    for batch in [&one, &one, &other, &other, &one] {
        inject(&network, 1, 0, batch).await.expect("its hash is right");
    }
    let id = one.payload.messages[0].header.id;
    let why = member.namespace().why(id).await.unwrap().unwrap();
    let [found] = &why.equivocations[..] else { panic!("one finding: {why:?}") };
    assert_eq!((found.kind.as_str(), &found.differs[..]), ("payload", &["pins".to_owned(), "datatype".to_owned()][..]));
    assert_eq!(found.author, "did:firefly:org/org_1");
    assert_eq!((found.one.hash, found.other.hash), (one.hash, one.hash));
    assert_ne!(found.one.digest, found.other.digest);
    assert_eq!(found.other.from.as_deref(), Some(peer(1).0.as_str()));
    let shown = member.namespace().blocked_topics(10).await.unwrap();
    assert_eq!(shown.iter().filter_map(|topic| topic.equivocation.as_ref()).collect::<Vec<_>>(), [found]);
    assert_eq!(member.namespace().vitals().aggregation.alarms.len(), 1);
    network.ledger.inject(log(&one));
    until_final(member, &[id]).await;
    assert_eq!(decisions_on(member, "t").await, all_confirmed(&[id]));
    network.stop().await;
}

/// An author that pins two messages under one value is told of, whichever payload comes first, and also when the first is decided.
#[tokio::test(flavor = "multi_thread")]
async fn two_messages_under_one_value_are_told_and_the_lower_one_counts() {
    let (network, group) = pair().await;
    let [member, author, _] = &network.members[..] else { panic!("three members") };
    for (topic_nonce, late) in [(0, false), (1, true)] {
        let make = || Forgery { nonce: topic_nonce, ..Forgery::new(1, group) };
        let one = make().batch(author, "one").await;
        let other = make().batch(author, "other").await;
        let first = one.payload.messages[0].header.id;
        if late {
            inject(&network, 1, 0, &one).await.expect("it is taken");
            network.ledger.inject(log(&one));
            until_final(member, &[first]).await;
        }
        inject(&network, 1, 0, &other).await.expect("it is taken");
        if !late {
            inject(&network, 1, 0, &one).await.expect("it is taken");
            network.ledger.hold();
            network.ledger.inject(log(&one));
        }
        network.ledger.inject(log(&other));
        network.ledger.release();
        until_final(member, &[first]).await;
        let namespace = member.namespace().clone();
        let second = other.payload.messages[0].header.id;
        member
            .until("it is told", |_| async {
                let why = namespace.why(second).await.unwrap().unwrap();
                why.equivocations.len() == 1 && why.equivocations[0].kind == "value"
            })
            .await;
        let told = member.namespace().why(first).await.unwrap().unwrap().equivocations;
        let messages = |found: &Equivocation| [found.one.message.unwrap(), found.other.message.unwrap()];
        assert_eq!(messages(&told[0]), [first, second]);
        let decided = decisions_on(member, "t").await;
        assert_eq!(decided.last(), all_confirmed(&[first]).last(), "the lower one, and nothing else");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_says_in_a_members_name_is_not_handed_on_by_that_member() {
    let (network, group) = pair().await;
    let forged = Forgery::new(0, group).batch(&network.members[0], "planted").await;
    let stranger = Route { from: photinus_ports::peers::PeerId("nobody/node_x".into()), to: peer(0) };
    network
        .fabric
        .inject(stranger, wire::wrap(None, &forged))
        .await
        .expect("it is kept: its node may be registered yet");
    let question = serde_json::json!({ "question": "batch", "id": forged.id, "hash": forged.hash }).to_string();
    let answer = network.fabric.receiver(&peer(0)).unwrap().answer(&route(1, 0), question.into()).await;
    assert!(matches!(answer, Err(Refusal::Never(_))), "its node would vouch for it: {answer:?}");
    network.stop().await;
}
