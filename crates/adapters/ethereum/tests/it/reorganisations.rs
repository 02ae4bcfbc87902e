//! A chain that takes blocks back.

use photinus_ethereum::Options;
use photinus_ports::blockchain::{Blockchain, FirstEvent};
use serde_json::json;

use crate::{
    anvil::Anvil,
    engine::until,
    network::{KEY, options},
    rig::Rig,
};

#[tokio::test]
async fn what_a_reorganisation_removes_is_taken_back_and_sent_again() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    for number in 0..5 {
        let operations = rig.submit_all([number]).await;
        rig.engine.sink.all_succeed(&operations).await;
    }
    rig.sees(0..5).await;
    anvil.reorganise(3).await;
    rig.engine.sink.until("logs are taken back", |seen| !seen.retractions.is_empty()).await;
    rig.sees(0..5).await;
    assert_eq!(rig.adapter.counters().unmined, 3);
    assert_eq!(rig.adapter.counters().submitted, 5);
    assert_eq!(anvil.nonce(KEY, false).await, 5);
    assert!(rig.adapter.health() == photinus_ports::health::Health::Up);
}

#[tokio::test]
async fn a_reorganisation_is_noticed_by_polling_too() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), None)).await;
    // The pins may share a block, and the contract is to stay.
    anvil.mine(3).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    let operations = rig.submit_all(0..4).await;
    rig.engine.sink.all_succeed(&operations).await;
    rig.sees(0..4).await;
    anvil.reorganise(2).await;
    rig.engine.sink.until("logs are taken back", |seen| !seen.retractions.is_empty()).await;
    rig.sees(0..4).await;
    assert_eq!(anvil.nonce(KEY, false).await, 4);
}

#[tokio::test]
async fn a_chain_that_is_set_back_is_noticed() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    let before = rig.submit_all(0..2).await;
    rig.engine.sink.all_succeed(&before).await;
    rig.sees(0..2).await;
    let snapshot = anvil.call("evm_snapshot", json!([])).await;
    let after = rig.submit_all(2..5).await;
    rig.engine.sink.all_succeed(&after).await;
    rig.sees(0..5).await;
    assert_eq!(anvil.call("evm_revert", json!([snapshot])).await, json!(true));
    // The transactions are sent again, and the blocks that they make are others.
    rig.engine.sink.until("logs are taken back", |seen| !seen.retractions.is_empty()).await;
    rig.sees(0..5).await;
    assert_eq!(anvil.nonce(KEY, false).await, 5);
}

#[tokio::test]
async fn a_reorganisation_while_the_node_was_down_is_noticed_at_its_start() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let stream = rig.listen(FirstEvent::Oldest, None).await;
    for number in 0..5 {
        let operations = rig.submit_all([number]).await;
        rig.engine.sink.all_succeed(&operations).await;
    }
    rig.sees(0..5).await;
    until("the fates are noted", || async { rig.engine.journal.count("done/") == 5 }).await;
    stream.stop().await;
    let cursor = rig.engine.sink.seen.lock().cursor.clone();
    let Rig { adapter, engine, location, options } = rig;
    adapter.stop().await;
    anvil.reorganise(2).await;
    let rig = Rig::on(options, location, engine).await;
    let _stream = rig.listen(FirstEvent::Oldest, cursor).await;
    rig.engine.sink.until("logs are taken back", |seen| !seen.retractions.is_empty()).await;
    // Operations that were reported before the restart are on the ledger again, too.
    rig.sees(0..5).await;
    assert_eq!(anvil.nonce(KEY, false).await, 5);
}

#[tokio::test]
async fn confirmations_spare_the_engine_small_reorganisations() {
    let anvil = Anvil::start();
    let careful = Options { confirmations: 3, ..options(&anvil.url(), Some(&anvil.ws_url())) };
    let rig = Rig::new(careful).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    let operations = rig.submit_all([0]).await;
    until("it is mined", || async { anvil.nonce(KEY, false).await == 1 }).await;
    anvil.mine(2).await;
    let head = anvil.block_number().await;
    until("the head is known", || async { rig.adapter.counters().head == head }).await;
    assert!(rig.engine.sink.seen.lock().receipts.is_empty(), "two blocks on top are not enough");
    // The block with the pin goes, the pin is mined again, and nobody was told yet.
    anvil.reorganise(3).await;
    until("it is mined again", || async { anvil.nonce(KEY, false).await == 1 }).await;
    assert!(rig.engine.sink.seen.lock().receipts.is_empty());
    assert!(rig.engine.sink.seen.lock().logs.is_empty());
    anvil.mine(3).await;
    rig.engine.sink.all_succeed(&operations).await;
    rig.sees([0]).await;
    let seen = rig.engine.sink.seen.lock();
    assert!(seen.retractions.is_empty());
    assert_eq!(seen.receipts[&operations[0]].len(), 1);
}
