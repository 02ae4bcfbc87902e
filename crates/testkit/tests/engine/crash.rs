//! Members that fall over at any moment lose nothing that they accepted, and confirm nothing twice.

use std::{collections::HashSet, time::Duration};

use photinus_model::{
    Uuid, event,
    message::Message,
    operation::{self, Operation},
};
use photinus_query::{Filter, Query};
use photinus_store::{Change, ChangeSet};
use photinus_testkit::network::{DEADLINE, NAMESPACE, Network};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::inputs::{decisions_on, message, sent, until_final};

/// Sends until the given moment, then falls over wherever it stands. Returns what was accepted.
async fn send_and_crash(network: &mut Network, victim: usize, moment: Duration) -> Vec<Uuid> {
    let mut accepted = Vec::new();
    let namespace = network.members[victim].namespace().clone();
    let sending = async {
        for number in 0.. {
            if let Ok(message) = namespace.broadcast(message("crash", number), None).await {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_crashes_at_random_loses_nothing() {
    let mut network = Network::registered(3).await;
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut accepted = Vec::new();
    for _ in 0..12 {
        let victim = random.random_range(0..3);
        let moment = Duration::from_micros(random.random_range(200..60_000));
        accepted.extend(send_and_crash(&mut network, victim, moment).await);
        network.members[victim].start().await;
    }
    for member in &network.members {
        until_final(member, &accepted).await;
    }
    check_alike(&network, &accepted, seed).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_crashes_at_random_ends_with_the_same_order() {
    let mut network = Network::registered(3).await;
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut accepted = Vec::new();
    for round in 0..10 {
        for number in 0..20 {
            accepted.push(sent(&network.members[round % 2], message("crash", number)).await);
        }
        tokio::time::timeout(Duration::from_micros(random.random_range(0..20_000)), std::future::pending::<()>())
            .await
            .expect_err("only time passes");
        network.members[2].crash().await;
        network.members[2].start().await;
    }
    for member in &network.members {
        until_final(member, &accepted).await;
    }
    check_alike(&network, &accepted, seed).await;
    network.stop().await;
}

/// Every accepted message is confirmed exactly once on every member, in one order.
async fn check_alike(network: &Network, accepted: &[Uuid], seed: u64) {
    // A crash can leave messages that were stored and not answered: they are sent too.
    let mut sent: HashSet<Uuid> = accepted.iter().copied().collect();
    for member in &network.members {
        let everything =
            member.store.read(NAMESPACE).find::<Message>(&Query::filtered(Filter::everything())).await.unwrap();
        let of_topic = everything.items.into_iter().filter(|message| message.header.topics == ["crash"]);
        sent.extend(of_topic.map(|message| message.header.id));
    }
    let sent: Vec<_> = sent.into_iter().collect();
    for member in &network.members {
        until_final(member, &sent).await;
    }
    let first = decisions_on(&network.members[0], "crash").await;
    let told: HashSet<_> = first.iter().map(|(_, id)| *id).collect();
    assert_eq!(told.len(), first.len(), "seed {seed}: something was told twice");
    assert_eq!(told.len(), sent.len(), "seed {seed}: something was lost");
    assert!(first.iter().all(|(kind, _)| *kind == event::Type::MessageConfirmed), "seed {seed}");
    for member in &network.members[1..] {
        let other = decisions_on(member, "crash").await;
        let differs = first.iter().zip(&other).position(|(one, other)| one != other);
        let lengths = (first.len(), other.len());
        assert!(first == other, "seed {seed}: member {} differs at {differs:?} of {lengths:?}", member.index);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_batch_is_sent_unchanged_after_a_crash() {
    let mut network = Network::registered(2).await;
    network.ledger.fail_submissions(Some("no connection"));
    let id = sent(&network.members[0], message("t", "once")).await;
    let member = &network.members[0];
    member
        .until("the batch is sealed and uploaded", |store| {
            let references = network.storage.references().len();
            async move {
                let message = store.read(NAMESPACE).message(id).await.unwrap().unwrap();
                message.batch.is_some() && references >= 5
            }
        })
        .await;
    let sealed = member.store.read(NAMESPACE).message(id).await.unwrap().unwrap();
    let before: HashSet<_> = network.storage.references().into_iter().collect();
    network.members[0].crash().await;
    network.ledger.fail_submissions(None);
    network.members[0].start().await;
    until_final(&network.members[1], &[id]).await;
    let after: HashSet<_> = network.storage.references().into_iter().collect();
    assert_eq!(before, after, "the batch has the same text, byte for byte");
    let confirmed = network.members[1].store.read(NAMESPACE).message(id).await.unwrap().unwrap();
    assert_eq!((confirmed.batch, confirmed.tx_id), (sealed.batch, sealed.tx_id));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_starts_and_takes_messages_while_the_ledger_is_away() {
    let mut network = Network::registered(2).await;
    network.ledger.fail_submissions(Some("no connection"));
    network.members[0].stop().await;
    network.members[0].start().await;
    let id = sent(&network.members[0], message("t", "patience")).await;
    let status = network.members[0].namespace().multiparty_status().await.unwrap();
    assert_eq!(status.contracts.active.status, "unknown");
    network.ledger.fail_submissions(None);
    for member in &network.members {
        until_final(member, &[id]).await;
    }
    let member = &network.members[0];
    member
        .until("the ledger is read again", |_| async {
            member.namespace().multiparty_status().await.unwrap().contracts.active.status == "synced"
        })
        .await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_stops_although_its_ledger_does_not_let_go() {
    let mut network = Network::registered(2).await;
    let member = &mut network.members[0];
    member.stop().await;
    member.options.stop_timeout = Duration::from_millis(100);
    member.start().await;
    let id = sent(member, message("t", "last words")).await;
    member.chain.cling();
    tokio::time::timeout(DEADLINE, member.stop()).await.unwrap();
    until_final(&network.members[1], &[id]).await;
    network.members.remove(1).stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_callers_give_up_are_sent_all_the_same() {
    let network = Network::registered(2).await;
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let namespace = network.members[0].namespace();
    let requests = (0..300).map(|number| {
        let patience = Duration::from_micros(random.random_range(0..4_000));
        // Whether it is answered in time is what this test leaves to chance.
        async move { drop(tokio::time::timeout(patience, namespace.broadcast(message("crash", number), None)).await) }
    });
    futures::future::join_all(requests).await;
    let last = sent(&network.members[0], message("crash", "last")).await;
    check_alike(&network, &[last], seed).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_end_was_not_written_down_ends_after_the_next_start() {
    let mut network = Network::registered(1).await;
    let id = sent(&network.members[0], message("t", "once")).await;
    until_final(&network.members[0], &[id]).await;
    let member = &mut network.members[0];
    member
        .until("the upload and the pin have ended", |store| async move {
            store.read(NAMESPACE).unfinished_operations().await.unwrap().is_empty()
        })
        .await;
    let batch = member.store.read(NAMESPACE).message(id).await.unwrap().unwrap().batch.unwrap();
    let tx = member.store.read(NAMESPACE).batch(batch).await.unwrap().unwrap().tx.id.unwrap();
    let operations = member.store.read(NAMESPACE).operations_of(tx).await.unwrap();
    let upload =
        operations.iter().find(|operation| operation.kind == operation::Type::SharedStorageUploadBatch).unwrap();
    let open = Operation { id: Uuid::from_u128(7), status: operation::Status::Pending, output: None, ..upload.clone() };
    let mut changes = ChangeSet::new(NAMESPACE);
    changes.push(Change::InsertOperation(open.clone()));
    member.store.submit(changes).await.unwrap();
    member.crash().await;
    member.start().await;
    member
        .until("it has ended", |store| async move {
            let found = store.read(NAMESPACE).operation(open.id).await.unwrap().unwrap();
            found.status == operation::Status::Succeeded && found.output.is_some()
        })
        .await;
    network.stop().await;
}
