//! Crashes, lost transactions, and others who use the same key.

use std::sync::atomic::Ordering;

use photinus_ethereum::Options;
use photinus_ports::blockchain::{Blockchain, Error, FirstEvent};

use crate::{
    anvil::Anvil,
    engine::{Engine, until},
    network::{KEY, operation, options},
    rig::Rig,
};

#[tokio::test]
async fn what_was_accepted_is_reported_after_a_crash() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    anvil.automine(false).await;
    let operations = rig.submit_all(0..20).await;
    until("all wait to be mined", || async { anvil.nonce(KEY, true).await == 20 }).await;
    let rig = rig.restarted().await;
    // Resubmitting after the crash is what an engine does that has not seen the answer.
    rig.submit_all(0..20).await;
    anvil.mine(1).await;
    rig.engine.sink.all_succeed(&operations).await;
    assert_eq!(anvil.nonce(KEY, true).await, 20, "each operation has one transaction");
    assert_eq!(rig.adapter.counters().submitted, 0);

    // It was noted that they are finished: after another restart nothing is in flight.
    until("the fates are noted", || async { rig.engine.journal.count("done/") == 20 }).await;
    let rig = rig.restarted().await;
    assert_eq!(rig.adapter.counters().in_flight, 0);
    anvil.automine(true).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    rig.submit_all([30]).await;
    rig.sees((0..20).chain([30])).await;
}

#[tokio::test]
async fn a_crash_before_sending_loses_nothing() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    anvil.automine(false).await;
    let operations = rig.submit_all(0..5).await;
    until("all wait to be mined", || async { anvil.nonce(KEY, true).await == 5 }).await;
    let Rig { adapter, engine, location, options } = rig;
    adapter.stop().await;
    drop(adapter);
    // As if the process had died between the journal and the network.
    anvil.call("anvil_dropAllTransactions", serde_json::json!([])).await;
    anvil.automine(true).await;
    let rig = Rig::on(options, location, engine).await;
    rig.engine.sink.all_succeed(&operations).await;
    assert_eq!(anvil.nonce(KEY, true).await, 5);
}

#[tokio::test]
async fn transactions_that_the_chain_loses_are_sent_again() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    anvil.automine(false).await;
    let operations = rig.submit_all(0..6).await;
    until("all wait to be mined", || async { anvil.waiting().await.len() == 6 }).await;
    // One from the middle, so that those after it have a gap before them.
    let lost = rig.adapter.operation_status(&operations[2]).await.unwrap().unwrap()["transactionHash"].clone();
    anvil.call("anvil_dropTransaction", serde_json::json!([lost])).await;
    until("it is back", || async { anvil.waiting().await.len() == 6 && anvil.nonce(KEY, true).await == 6 }).await;
    assert!(rig.adapter.counters().resent >= 1);
    anvil.mine(1).await;
    rig.engine.sink.all_succeed(&operations).await;
    assert_eq!(anvil.nonce(KEY, false).await, 6);
}

#[tokio::test]
async fn somebody_else_with_the_same_key_is_no_lasting_harm() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    let mut all = rig.submit_all(0..3).await;
    rig.engine.sink.all_succeed(&all).await;
    for round in 0..3 {
        // The adapter does not know that its next nonces are gone.
        anvil.foreign(KEY).await;
        anvil.foreign(KEY).await;
        let numbers = 10 * (round + 1)..10 * (round + 1) + 5;
        let operations = rig.submit_all(numbers).await;
        rig.engine.sink.all_succeed(&operations).await;
        all.extend(operations);
    }
    rig.sees((0..3).chain(10..15).chain(20..25).chain(30..35)).await;
    assert!(rig.adapter.counters().renumbered >= 3);
    assert_eq!(anvil.nonce(KEY, false).await, 3 + 3 * (2 + 5), "and no operation has a second transaction");
}

#[tokio::test]
async fn a_nonce_taken_while_waiting_is_given_up() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    anvil.automine(false).await;
    let operations = rig.submit_all(0..3).await;
    until("all wait to be mined", || async { anvil.waiting().await.len() == 3 }).await;
    let mut first = serde_json::Value::Null;
    for operation in &operations {
        let status = rig.adapter.operation_status(operation).await.unwrap().unwrap();
        if status["nonce"] == "0" {
            first = status["transactionHash"].clone();
        }
    }
    // Somebody's transaction takes the place of the first one, and pays more.
    let foreign = serde_json::json!([{
        "from": KEY, "to": KEY, "value": "0x1", "nonce": "0x0",
        "maxFeePerGas": "0x2540be4000", "maxPriorityFeePerGas": "0x2540be4000",
    }]);
    anvil.call("eth_sendTransaction", foreign).await;
    until("it took the place", || async { !anvil.waiting().await.iter().any(|hash| hash.to_string() == first) }).await;
    anvil.automine(true).await;
    anvil.mine(1).await;
    rig.engine.sink.all_succeed(&operations).await;
    rig.sees(0..3).await;
    assert_eq!(anvil.nonce(KEY, false).await, 4);
}

#[tokio::test]
async fn a_gap_that_nobody_fills_is_closed() {
    let anvil = Anvil::start();
    let options = options(&anvil.url(), Some(&anvil.ws_url()));
    let first = Rig::new(options.clone()).await;
    anvil.automine(false).await;
    first.submit_all(0..3).await;
    until("all wait to be mined", || async { anvil.waiting().await.len() == 3 }).await;
    let Rig { adapter, location, engine: lost, .. } = first;
    let second = Engine::default();
    adapter.attach("other", second.journal.clone(), second.sink.clone()).await.unwrap();
    // The first namespace goes away for good, and the chain loses its transactions.
    adapter.detach("default").await;
    drop(lost);
    anvil.call("anvil_dropAllTransactions", serde_json::json!([])).await;
    let mut late = operation(7);
    late.namespace = "other".to_owned();
    adapter.submit_batch_pin(&late, KEY, &crate::network::pin(7), &location).await.unwrap();
    anvil.automine(true).await;
    second.sink.all_succeed(&[late]).await;
    assert!(adapter.counters().filled >= 3);
    assert_eq!(anvil.nonce(KEY, false).await, 4);
}

#[tokio::test]
async fn nothing_is_sent_that_is_not_journalled() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), None)).await;
    let before = rig.submit_all([0]).await;
    rig.engine.sink.all_succeed(&before).await;
    rig.engine.journal.broken.store(true, Ordering::SeqCst);
    let refused = rig.submit(1).await.unwrap_err();
    assert!(matches!(&refused, Error::Journal(reason) if reason.contains("disk is full")), "{refused}");
    assert!(refused.is_retryable());
    rig.engine.journal.broken.store(false, Ordering::SeqCst);
    let after = rig.submit_all(1..4).await;
    rig.engine.sink.all_succeed(&after).await;
    assert_eq!(anvil.nonce(KEY, true).await, 4, "the nonce that was not used is not lost");
}

#[tokio::test]
async fn many_more_than_may_be_in_flight_are_all_sent() {
    let anvil = Anvil::start();
    let limited = Options { max_in_flight: 4, ..options(&anvil.url(), Some(&anvil.ws_url())) };
    let rig = Rig::new(limited).await;
    let operations = rig.submit_all(0..60).await;
    rig.engine.sink.all_succeed(&operations).await;
    assert_eq!(anvil.nonce(KEY, false).await, 60);
}

#[tokio::test]
async fn finished_operations_are_forgotten_in_the_end() {
    let anvil = Anvil::start();
    let brief = Options { remembered: 5, reorg_depth: 2, ..options(&anvil.url(), Some(&anvil.ws_url())) };
    let rig = Rig::new(brief).await;
    let operations = rig.submit_all(0..20).await;
    rig.engine.sink.all_succeed(&operations).await;
    anvil.mine(5).await;
    until("the journal is small", || async {
        rig.engine.journal.count("sent/") <= 5 && rig.engine.journal.count("done/") <= 5
    })
    .await;
    let mut remembered = 0;
    for operation in &operations {
        remembered += usize::from(rig.adapter.operation_status(operation).await.unwrap().is_some());
    }
    assert_eq!(remembered, 5);
}
