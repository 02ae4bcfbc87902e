//! How messages become batches, also when there are many and when the ledger is away.

use photinus_testkit::network::{NAMESPACE, Network};
use serde_json::json;

use crate::inputs::{decisions_on, input, message, sent, until_final};

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_message_is_a_batch_and_many_share_one() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let before = network.ledger.pins().len();
    let lone = sent(member, message("t", 0)).await;
    until_final(member, &[lone]).await;
    assert_eq!(network.ledger.pins().len(), before + 1);
    network.ledger.fail_submissions(Some("no connection"));
    let mut ids = Vec::new();
    for number in 0..101 {
        ids.push(sent(member, message("t", number)).await);
    }
    member
        .until("the processor says that it is blocked", |_| {
            let report = member.namespace().batching_status();
            async move { report.processors.iter().any(|processor| processor.status.blocked) }
        })
        .await;
    let report = member.namespace().batching_status();
    let status = &report.processors[0].status;
    assert_eq!(report.processors[0].name, "did:firefly:org/org_0|");
    assert!(status.last_flush_error.as_deref().is_some_and(|error| error.contains("no connection")));
    assert!(status.flushing.is_some() && status.total_errors > 0);
    network.ledger.fail_submissions(None);
    until_final(member, &ids).await;
    // The batch that was on its way when the ledger went, and the rest in one.
    let batches = network.ledger.pins().len() - before - 1;
    assert!(batches <= 3, "{batches} batches for 101 messages");
    let status = &member.namespace().batching_status().processors[0].status;
    assert!(!status.blocked && status.flushing.is_none());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_memory_holds_is_read_from_the_store_once_and_in_order() {
    let mut network = Network::start(1).await;
    let member = &mut network.members[0];
    member.stop().await;
    member.options.batching.queue = 5;
    member.options.batching.page = 7;
    member.options.batching.size = 4;
    member.start().await;
    member.register().await;
    let member = &network.members[0];
    network.ledger.fail_submissions(Some("no connection"));
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(sent(member, message("t", number)).await);
    }
    network.ledger.fail_submissions(None);
    for number in 100..200 {
        ids.push(sent(member, message("t", number)).await);
    }
    until_final(member, &ids).await;
    let order: Vec<_> = decisions_on(member, "t").await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(order, ids);
    assert!(network.ledger.pins().iter().all(|pin| pin.contexts.len() <= 4));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_stay_below_what_readers_accept() {
    let network = Network::registered(2).await;
    let [sender, reader] = &network.members[..] else { unreachable!("two members were started") };
    network.ledger.fail_submissions(Some("no connection"));
    let mut ids = Vec::new();
    for number in 0..30 {
        let value = format!("{number}{}", "<é\"\\".repeat(5_000));
        ids.push(sent(sender, message("big", value)).await);
    }
    let largest = "x".repeat(818_000);
    ids.push(sent(sender, input(json!({ "header": { "topics": ["big"] }, "data": [{ "value": largest }] }))).await);
    network.ledger.fail_submissions(None);
    until_final(sender, &ids).await;
    until_final(reader, &ids).await;
    for reference in network.storage.references() {
        let size = network.storage.content(&reference).unwrap().len();
        assert!(size < 819_200 + 1_024, "{size} bytes");
    }
    assert_eq!(decisions_on(reader, "big").await.len(), ids.len());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_storage_delays_and_loses_nothing() {
    let network = Network::registered(2).await;
    let [sender, reader] = &network.members[..] else { unreachable!("two members were started") };
    sender.storage.fail_uploads(Some("disk full"));
    let id = sent(sender, message("t", 1)).await;
    sender
        .until("the failure is shown", |_| {
            let report = sender.namespace().batching_status();
            async move { report.processors.iter().any(|one| one.status.last_flush_error.is_some()) }
        })
        .await;
    let batch = sender.store.read(NAMESPACE).message(id).await.unwrap().unwrap().batch;
    sender.storage.fail_uploads(None);
    until_final(reader, &[id]).await;
    let after = reader.store.read(NAMESPACE).message(id).await.unwrap().unwrap().batch;
    assert_eq!(batch, after, "the batch is sealed once");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_processor_is_let_go_and_comes_back() {
    let mut network = Network::start(1).await;
    let member = &mut network.members[0];
    member.stop().await;
    member.options.batching.idle = std::time::Duration::from_millis(20);
    member.start().await;
    member.register().await;
    let member = &network.members[0];
    member
        .until("no processor is left", |_| {
            let report = member.namespace().batching_status();
            async move { report.processors.is_empty() }
        })
        .await;
    let id = sent(member, message("t", 1)).await;
    until_final(member, &[id]).await;
    network.stop().await;
}
