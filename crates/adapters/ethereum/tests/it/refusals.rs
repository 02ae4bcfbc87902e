//! Calls that the ledger refuses, and requests that never get there.

use std::time::Duration;

use alloy::primitives::{hex, keccak256};
use photinus_ethereum::{Options, contract, options::Gas};
use photinus_ports::blockchain::{Blockchain, Error, KeyIntent, Outcome};
use serde_json::json;

use crate::{
    anvil::Anvil,
    network::{KEY, operation, options, pin},
    rig::{Rig, place},
};

/// Runtime code that answers `networkVersion()` with 2, and to everything else does `other`.
fn code(other: &str) -> String {
    let selector = hex::encode(&keccak256("networkVersion()")[..4]);
    // The answer lies behind 16 bytes of head and the other code.
    let answer = 16 + other.len() / 2;
    // PUSH1 0, CALLDATALOAD, PUSH1 224, SHR, PUSH4 selector, EQ, PUSH2 answer, JUMPI.
    let head = format!("60003560e01c63{selector}1461{answer:04x}57");
    // JUMPDEST, MSTORE(0, 2), RETURN(0, 32).
    format!("0x{head}{other}5b600260005260206000f3")
}

/// Code that reverts with the reason `not a member`.
fn reverting() -> String {
    // PUSH32 value, PUSH1 at, MSTORE.
    let store = |value: String, at: u8| format!("7f{value}60{at:02x}52");
    [
        store(format!("08c379a0{}", "0".repeat(56)), 0),
        store(format!("{:064x}", 32), 4),
        store(format!("{:064x}", 12), 36),
        store(format!("{}{}", hex::encode("not a member"), "0".repeat(40)), 68),
        // REVERT(0, 100).
        "60646000fd".to_owned(),
    ]
    .concat()
}

/// Code that writes 20 storage slots and stops.
fn expensive() -> String {
    let writes: String = (0..20_u8).map(|slot| format!("600160{slot:02x}55")).collect();
    format!("{writes}00")
}

/// Puts code at the place of the contract.
async fn replace(anvil: &Anvil, rig: &Rig, other: &str) {
    anvil.call("anvil_setCode", json!([rig.location.0["address"], code(other)])).await;
}

#[tokio::test]
async fn a_pin_that_would_revert_is_refused_with_its_reason() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    replace(&anvil, &rig, &reverting()).await;
    assert_eq!(rig.adapter.network_version(&rig.location).await.unwrap(), 2);
    let refused = rig.submit(1).await.unwrap_err();
    assert!(matches!(&refused, Error::Rejected(text) if text == "FF23021: EVM reverted: not a member"), "{refused}");
    assert!(!refused.is_retryable());
    assert_eq!(anvil.nonce(KEY, true).await, 0, "nothing was sent");
    assert_eq!(rig.engine.journal.count(""), 0, "nothing was journalled");
}

#[tokio::test]
async fn a_pin_that_reverts_on_the_ledger_fails_with_its_reason() {
    let anvil = Anvil::start();
    let gas = Gas { limit: Some(500_000), ..Gas::default() };
    let rig = Rig::new(Options { gas, ..options(&anvil.url(), Some(&anvil.ws_url())) }).await;
    replace(&anvil, &rig, &reverting()).await;
    let failed = rig.submit(1).await.unwrap();
    let fate = rig.engine.sink.fate(&failed).await;
    assert_eq!(fate.outcome, Outcome::Failed("FF23021: EVM reverted: not a member".to_owned()));
    assert_eq!(fate.output["headers"]["type"], "TransactionFailed");
    assert_eq!(fate.output["errorMessage"], "FF23021: EVM reverted: not a member");
    assert!(fate.output["protocolId"].is_string() && fate.transaction_hash.is_some());
    let status = rig.adapter.operation_status(&failed).await.unwrap().unwrap();
    assert_eq!(status["status"], "Failed");
    // The key is not stuck behind it.
    anvil.call("anvil_setCode", json!([rig.location.0["address"], code("00")])).await;
    let next = rig.submit_all([2]).await;
    rig.engine.sink.all_succeed(&next).await;
}

#[tokio::test]
async fn a_pin_never_fails_for_want_of_gas() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let plain = rig.submit_all(0..3).await;
    rig.engine.sink.all_succeed(&plain).await;
    // The contract starts to do more than any estimate so far could know.
    replace(&anvil, &rig, &expensive()).await;
    let greedy = rig.submit_all([3]).await;
    rig.engine.sink.all_succeed(&greedy).await;
    assert_eq!(anvil.nonce(KEY, false).await, 5, "one transaction ran out of gas and was followed by another");
    replace(&anvil, &rig, &expensive().replace("6001", "6002")).await;
    let estimated = rig.submit_all([4]).await;
    rig.engine.sink.all_succeed(&estimated).await;
    assert_eq!(anvil.nonce(KEY, false).await, 6, "such a contract is asked about every time");
}

#[tokio::test]
async fn the_formula_is_above_what_pins_use() {
    let anvil = Anvil::with(&["--gas-limit", "100000000"]);
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let first = rig.submit_all([0]).await;
    rig.engine.sink.all_succeed(&first).await;
    for (contexts, reference) in [(1, 0), (1, 46), (2, 46), (10, 0), (100, 46), (200, 1_000), (500, 46), (1_000, 4_000)]
    {
        let mut big = pin(0);
        big.contexts = (0..contexts).map(|index: u32| photinus_model::Hash::of(index.to_be_bytes())).collect();
        big.payload_ref = "Q".repeat(reference);
        let input = hex::encode_prefixed(contract::pin_batch(&big));
        let call = json!([{"from": KEY, "to": rig.location.0["address"], "data": input}]);
        let estimate = anvil.call("eth_estimateGas", call).await;
        let estimate = u64::from_str_radix(&estimate.as_str().unwrap()[2..], 16).unwrap();
        // Submitted one after the other, each at most twice as large as the largest before would not be estimated.
        let operation = operation(100 + u64::from(contexts) * 10_000 + reference as u64);
        rig.adapter.submit_batch_pin(&operation, KEY, &big, &rig.location).await.unwrap();
        rig.engine.sink.all_succeed(std::slice::from_ref(&operation)).await;
        let status = rig.adapter.operation_status(&operation).await.unwrap().unwrap();
        let allowed: u64 = status["gas"].as_str().unwrap().parse().unwrap();
        assert!(allowed > estimate, "{contexts} contexts: {allowed} allowed, {estimate} needed");
        assert!(allowed < estimate * 3, "{contexts} contexts: {allowed} allowed, {estimate} needed");
    }
}

#[tokio::test]
async fn bad_keys_and_places_are_refused() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), None)).await;
    let adapter = &rig.adapter;
    rig.submit_all([0]).await;
    let (one, its_pin) = (operation(1), pin(1));
    let submit = |key: &'static str| adapter.submit_batch_pin(&one, key, &its_pin, &rig.location);
    assert!(matches!(submit("").await, Err(Error::MissingKey)));
    assert!(matches!(submit("org_0").await, Err(Error::InvalidKey(_))));
    let stranger = "0x00000000000000000000000000000000000000bb";
    assert!(matches!(submit(stranger).await, Err(Error::UnknownKey(key)) if key == stranger));
    let nowhere = place("0x00000000000000000000000000000000000000aa");
    let answer = adapter.submit_batch_pin(&operation(1), KEY, &pin(1), &nowhere).await;
    assert!(matches!(answer, Err(Error::InvalidLocation(_))), "{answer:?}");
    let mut elsewhere = operation(1);
    elsewhere.namespace = "unknown".to_owned();
    let answer = adapter.submit_batch_pin(&elsewhere, KEY, &pin(1), &rig.location).await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");

    let upper = KEY.to_uppercase().replace("0X", "");
    assert_eq!(adapter.resolve_key(&upper, KeyIntent::Sign).await.unwrap(), KEY);
    assert_eq!(adapter.resolve_key(stranger, KeyIntent::Lookup).await.unwrap(), stranger);
    assert!(matches!(adapter.resolve_key(stranger, KeyIntent::Sign).await, Err(Error::UnknownKey(_))));
    assert!(matches!(adapter.resolve_key("", KeyIntent::Sign).await, Err(Error::MissingKey)));
    assert_eq!(adapter.resolve_key("", KeyIntent::Query).await.unwrap(), "");
    assert!(matches!(adapter.normalize_location(&json!({"address": 1})), Err(Error::InvalidLocation(_))));
}

#[tokio::test]
async fn a_contract_that_does_not_know_its_version_is_of_version_1() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), None)).await;
    let old = "0x00000000000000000000000000000000000000cc";
    // REVERT(0, 0) when asked with a selector alone; otherwise LOG0 of what it was called with.
    let code = "0x36600414601257366000600037366000a0005b60006000fd";
    anvil.call("anvil_setCode", json!([old, code])).await;
    assert_eq!(rig.adapter.network_version(&place(old)).await.unwrap(), 1);
    rig.adapter.submit_batch_pin(&operation(1), KEY, &pin(1), &place(old)).await.unwrap();
    let expected = contract::pin_batch_of_network(&pin(1).network, &pin(1)).to_string();
    let filter = json!([{"address": old, "fromBlock": "0x0"}]);
    let pinned = async {
        loop {
            let logs = anvil.call("eth_getLogs", filter.clone()).await;
            if let Some(log) = logs.get(0) {
                return log["data"].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let pinned = tokio::time::timeout(Duration::from_secs(30), pinned).await.expect("pinned in time");
    assert_eq!(pinned, expected, "such a contract is told the name of the network");
}
