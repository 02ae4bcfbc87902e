//! What every chain must show, whichever way new blocks arrive.

use photinus_devchain::{Chain, Options as ChainOptions};
use photinus_ethereum::{Options, contract};
use photinus_ports::{
    blockchain::{Blockchain, FirstEvent, Outcome},
    health::Health,
};
use serde_json::json;

use crate::{
    anvil::Anvil,
    engine::until,
    network::{DEPLOYER, KEY, number_of, operation, options, pin},
    rig::{Rig, place},
};

/// Pins submitted at once.
const MANY: u64 = 150;

/// Checks the guarantees of the port on a fresh chain.
async fn suite(options: Options) {
    let pushed = u64::from(options.ws_url.is_some());
    let rig = Rig::new(options).await;
    let adapter = &rig.adapter;

    until("the chain is reached", || async { adapter.health() == Health::Up && adapter.counters().pushed == pushed })
        .await;
    assert_eq!(adapter.plugin_type(), "ethereum");
    assert_eq!(adapter.network_version(&rig.location).await.unwrap(), 2);
    let version = adapter.network_version(&place("0x00000000000000000000000000000000000000aa")).await;
    assert!(version.unwrap_err().to_string().contains("no multiparty contract"));

    let stream = rig.listen(FirstEvent::Oldest, None).await;
    let operations = rig.submit_all(0..MANY).await;
    rig.engine.sink.all_succeed(&operations).await;
    rig.sees(0..MANY).await;

    // What came back is what went out.
    for log in &rig.engine.sink.seen.lock().logs {
        let sent = pin(number_of(&log.pin));
        assert_eq!(log.pin.signer, KEY);
        assert_eq!(log.pin.action, "firefly:batch_pin");
        assert_eq!(&log.pin.uuids[..16], sent.transaction.as_bytes());
        assert_eq!(&log.pin.uuids[16..], sent.batch.as_bytes());
        assert_eq!(&log.pin.batch_hash, sent.batch_hash.as_bytes());
        assert_eq!(log.pin.payload_ref, sent.payload_ref);
        assert_eq!(log.pin.contexts, sent.contexts);
        assert_eq!(log.info["subId"], stream.id());
    }

    // Receipts and logs tell of the same transactions.
    for operation in &operations {
        let fate = rig.engine.sink.fate(operation).await;
        let hash = fate.transaction_hash.unwrap();
        let seen = rig.engine.sink.seen.lock();
        let log = seen.logs.iter().find(|log| log.transaction_hash == hash).expect("its log");
        let protocol_id = format!("{:012}/{:06}", log.position.block, log.position.transaction);
        assert_eq!(fate.output["protocolId"], protocol_id);
        assert_eq!(fate.output["headers"]["requestId"], operation.to_string());
    }

    // Submitting again sends nothing, and reports again.
    let counted = adapter.counters();
    assert_eq!(counted.submitted, MANY);
    assert_eq!(counted.sent, MANY);
    assert!(counted.journal_groups < MANY, "submissions that wait together are journalled together");
    let told = rig.engine.sink.seen.lock().receipts[&operations[0]].len();
    rig.submit_all(0..MANY).await;
    rig.engine.sink.until("reported again", |seen| seen.receipts[&operations[0]].len() > told).await;
    assert_eq!(adapter.counters().submitted, MANY);

    let action = operation(10_000);
    adapter.submit_network_action(&action, DEPLOYER, "terminate", "", &rig.location).await.unwrap();
    assert_eq!(rig.engine.sink.fate(&action).await.outcome, Outcome::Succeeded);
    rig.engine
        .sink
        .until("the action is streamed", |seen| {
            seen.logs.last().is_some_and(|log| log.pin.action == "firefly:terminate" && log.pin.contexts.is_empty())
        })
        .await;

    let status = adapter.operation_status(&operations[3]).await.unwrap().unwrap();
    assert_eq!(status["status"], "Succeeded");
    assert_eq!(status["from"], KEY);
    let input = format!("0x{}", hex::encode(contract::pin_batch(&pin(3))));
    assert_eq!(status["transactionData"], json!(input));
    assert_eq!(adapter.operation_status(&operation(99_999)).await.unwrap(), None);

    // Nothing comes after the end.
    stream.stop().await;
    let deliveries = rig.engine.sink.seen.lock().deliveries;
    rig.submit_all([20_000]).await;
    rig.engine.sink.fate(&operation(20_000)).await;
    assert_eq!(rig.engine.sink.seen.lock().deliveries, deliveries);

    // And from a cursor, only what came since.
    let cursor = rig.engine.sink.seen.lock().cursor.clone();
    let before = rig.engine.sink.seen.lock().logs.len();
    let _stream = rig.listen(FirstEvent::Oldest, cursor).await;
    rig.engine.sink.until("the stream goes on", |seen| seen.logs.len() == before + 1).await;
    rig.adapter.stop().await;
}

#[tokio::test]
async fn anvil_with_blocks_pushed() {
    let anvil = Anvil::start();
    suite(options(&anvil.url(), Some(&anvil.ws_url()))).await;
}

#[tokio::test]
async fn anvil_with_blocks_polled() {
    let anvil = Anvil::start();
    suite(options(&anvil.url(), None)).await;
}

#[tokio::test]
async fn anvil_with_blocks_at_intervals() {
    let anvil = Anvil::with(&["--block-time", "1"]);
    suite(options(&anvil.url(), Some(&anvil.ws_url()))).await;
}

#[tokio::test]
async fn a_service_that_takes_no_batches() {
    let anvil = Anvil::start();
    suite(Options { max_rpc_batch: 1, ..options(&anvil.url(), Some(&anvil.ws_url())) }).await;
}

async fn devchain() -> photinus_devchain::Handle {
    Chain::start(ChainOptions { port: 0, ..ChainOptions::default() }).await.unwrap()
}

#[tokio::test]
async fn devchain_with_blocks_pushed() {
    let chain = devchain().await;
    suite(options(&chain.url(), Some(&chain.ws_url()))).await;
    chain.stop().await;
}

#[tokio::test]
async fn devchain_with_blocks_polled() {
    let chain = devchain().await;
    suite(options(&chain.url(), None)).await;
    chain.stop().await;
}
