//! Events over WebSocket, from this chain and from anvil.

use alloy::primitives::{B256, U256};
use alloy::rpc::types::{Header, Log};
use alloy::sol_types::SolEvent;
use serde_json::{Value, json};

use crate::chains::for_each_chain;
use crate::contracts::{Ledger, data, deploy, ledger_bytecode, word};
use crate::rpc::{Client, Socket};

for_each_chain! {
    requests_are_answered_over_websocket
    new_heads_are_reported_without_a_gap
    logs_are_reported_in_order
    transactions_are_reported_when_they_arrive
    a_cancelled_subscription_is_silent
}

async fn requests_are_answered_over_websocket(client: Client) {
    let mut socket = Socket::connect(&client.ws_url).await;
    assert_eq!(socket.call("eth_chainId", json!([])).await, "0x7a69");
    let error = socket.request("no_such_method", json!([])).await;
    assert!(error["error"]["code"].is_i64(), "{error}");
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"},
        {"jsonrpc": "2.0", "id": 2, "method": "net_version"},
    ]);
    socket.send_text(batch.to_string()).await;
    let answers = socket.answer().await;
    assert_eq!((&answers[0]["id"], &answers[1]["result"]), (&json!(1), &json!("31337")));
    socket.send_text("{".to_owned()).await;
    assert!(socket.answer().await["error"]["code"].is_i64());
}

async fn new_heads_are_reported_without_a_gap(client: Client) {
    let [from, to] = client.accounts().await[..2].try_into().unwrap();
    client.send(json!({"from": from, "to": to})).await;
    let mut socket = Socket::connect(&client.ws_url).await;
    let id = socket.call("eth_subscribe", json!(["newHeads"])).await;
    for _ in 0..20 {
        client.send(json!({"from": from, "to": to})).await;
    }
    let mut parent: Option<Header> = None;
    for number in 2..=21 {
        let (subscription, head) = socket.notification().await;
        assert_eq!(subscription, id);
        let head: Header = serde_json::from_value(head).unwrap();
        assert_eq!((head.number, head.inner.hash_slow()), (number, head.hash));
        assert!(parent.is_none_or(|parent| parent.hash == head.parent_hash));
        parent = Some(head);
    }
}

async fn logs_are_reported_in_order(client: Client) {
    let from = client.accounts().await[0];
    let one = deploy(&client, from, &ledger_bytecode(0)).await;
    let two = deploy(&client, from, &ledger_bytecode(0)).await;
    let mut socket = Socket::connect(&client.ws_url).await;
    let all_of_one = socket.call("eth_subscribe", json!(["logs", {"address": one}])).await;
    let third_key = socket.call("eth_subscribe", json!(["logs", {"topics": [null, null, word(3)]}])).await;
    for contract in [one, two] {
        let call = Ledger::putManyCall { from: U256::from(1), count: U256::from(4) };
        client.send(json!({"from": from, "to": contract, "data": data(&call)})).await;
    }
    let mut seen: Vec<(Value, u64, u64)> = Vec::new();
    for _ in 0..6 {
        let (subscription, log) = socket.notification().await;
        let log: Log = serde_json::from_value(log).unwrap();
        let event = Ledger::Stored::decode_log(&log.inner).unwrap();
        assert!(!log.removed);
        seen.push((subscription, log.block_number.unwrap(), event.key.to()));
    }
    let of =
        |id: &Value| seen.iter().filter(|(by, ..)| by == id).map(|(_, block, key)| (*block, *key)).collect::<Vec<_>>();
    assert_eq!(of(&all_of_one), [(3, 1), (3, 2), (3, 3), (3, 4)]);
    assert_eq!(of(&third_key), [(3, 3), (4, 3)]);
    assert!(socket.drain().await.is_empty());
}

async fn transactions_are_reported_when_they_arrive(client: Client) {
    let [from, to] = client.accounts().await[..2].try_into().unwrap();
    client.call::<Value>("evm_setAutomine", json!([false])).await;
    let mut socket = Socket::connect(&client.ws_url).await;
    let id = socket.call("eth_subscribe", json!(["newPendingTransactions"])).await;
    let transfer = json!({"from": from, "to": to, "gas": "0x5208"});
    let hash: B256 = client.call("eth_sendTransaction", json!([transfer])).await;
    assert_eq!(socket.notification().await, (id, json!(hash)));
}

async fn a_cancelled_subscription_is_silent(client: Client) {
    let [from, to] = client.accounts().await[..2].try_into().unwrap();
    let mut socket = Socket::connect(&client.ws_url).await;
    let first = socket.call("eth_subscribe", json!(["newHeads"])).await;
    let second = socket.call("eth_subscribe", json!(["newHeads"])).await;
    assert_ne!(first, second);
    assert_eq!(socket.call("eth_unsubscribe", json!([first])).await, true);
    client.send(json!({"from": from, "to": to})).await;
    let (subscription, _) = socket.notification().await;
    assert_eq!(subscription, second);
    assert!(socket.drain().await.is_empty());
    assert!(socket.request("eth_subscribe", json!(["no_such_kind"])).await.get("error").is_some());
}
