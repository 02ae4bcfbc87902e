//! What is paid: chains with and without base fees, free gas, and transactions that are stuck.

use photinus_ethereum::{
    Options,
    options::{FeeMode, Fees},
};
use photinus_ports::blockchain::{Blockchain, FirstEvent};
use serde_json::json;

use crate::{
    anvil::Anvil,
    engine::until,
    network::{KEY, millis, options},
    rig::Rig,
};

fn eager(mode: FeeMode) -> Fees {
    Fees { mode, replace_after: millis(100), replace_after_blocks: 1, refresh: millis(50), ..Fees::default() }
}

#[tokio::test]
async fn a_stuck_transaction_is_replaced() {
    let anvil = Anvil::start();
    let rig = Rig::new(Options { fees: eager(FeeMode::Auto), ..options(&anvil.url(), Some(&anvil.ws_url())) }).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    anvil.automine(false).await;
    let operations = rig.submit_all(0..3).await;
    until("all wait to be mined", || async { anvil.waiting().await.len() == 3 }).await;
    let before = rig.adapter.operation_status(&operations[0]).await.unwrap().unwrap();
    // Blocks become a thousand times as expensive, and leave the transactions behind.
    anvil.call("anvil_setNextBlockBaseFeePerGas", json!(["0xe8d4a51000"])).await;
    anvil.mine(2).await;
    assert_eq!(anvil.nonce(KEY, false).await, 0);
    let mined = async {
        while anvil.nonce(KEY, false).await < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            anvil.mine(1).await;
        }
    };
    tokio::time::timeout(crate::engine::DEADLINE, mined).await.expect("they are mined at a higher price");
    rig.engine.sink.all_succeed(&operations).await;
    rig.sees(0..3).await;
    assert!(rig.adapter.counters().replaced >= 1);
    let after = rig.adapter.operation_status(&operations[0]).await.unwrap().unwrap();
    assert_ne!(before["transactionHash"], after["transactionHash"]);
    assert_eq!(before["nonce"], after["nonce"]);
}

#[tokio::test]
async fn a_chain_without_base_fees() {
    let anvil = Anvil::with(&["--hardfork", "berlin"]);
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let operations = rig.submit_all(0..3).await;
    rig.engine.sink.all_succeed(&operations).await;
    let status = rig.adapter.operation_status(&operations[0]).await.unwrap().unwrap();
    assert!(status["gasPrice"].is_string(), "{status}");
}

#[tokio::test]
async fn legacy_prices_on_a_chain_with_base_fees() {
    let anvil = Anvil::start();
    let rig = Rig::new(Options { fees: eager(FeeMode::Legacy), ..options(&anvil.url(), None) }).await;
    let operations = rig.submit_all(0..3).await;
    rig.engine.sink.all_succeed(&operations).await;
    let status = rig.adapter.operation_status(&operations[0]).await.unwrap().unwrap();
    assert!(status["gasPrice"].is_string(), "{status}");
}

#[tokio::test]
async fn accounts_without_anything_on_a_chain_where_gas_is_free() {
    let anvil = Anvil::with(&["--gas-price", "0", "--base-fee", "0", "--balance", "0"]);
    let rig = Rig::new(Options { fees: eager(FeeMode::Zero), ..options(&anvil.url(), Some(&anvil.ws_url())) }).await;
    let operations = rig.submit_all(0..3).await;
    rig.engine.sink.all_succeed(&operations).await;
    let status = rig.adapter.operation_status(&operations[0]).await.unwrap().unwrap();
    assert_eq!(status["gasPrice"], "0");
}

#[tokio::test]
async fn an_account_that_cannot_pay_goes_on_when_it_can() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    anvil.call("anvil_setBalance", json!([KEY, "0x0"])).await;
    let operations = rig.submit_all(0..3).await;
    until("the trouble is told", || async {
        let status = rig.adapter.operation_status(&operations[0]).await.unwrap().unwrap();
        status["errorMessage"].as_str().is_some_and(|text| text.to_lowercase().contains("insufficient funds"))
    })
    .await;
    anvil.call("anvil_setBalance", json!([KEY, "0xde0b6b3a7640000"])).await;
    rig.engine.sink.all_succeed(&operations).await;
    assert_eq!(anvil.nonce(KEY, false).await, 3);
}
