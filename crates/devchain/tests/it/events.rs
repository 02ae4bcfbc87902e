//! The multiparty contract, logs and filters, checked against this chain and against anvil.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::{Log, TransactionReceipt};

use alloy::sol_types::{SolCall, SolEvent, SolValue};
use serde_json::{Value, json};

use crate::chains::for_each_chain;
use crate::contracts::{Firefly, Ledger, data, deploy, firefly_bytecode, ledger_bytecode, pin_batch, word};
use crate::rpc::{Client, block, from_value};

for_each_chain! {
    the_multiparty_contract_pins
    another_contract_pins_for_its_caller
    logs_are_found_by_address_topics_and_range
    filters_report_each_change_once
}

async fn the_multiparty_contract_pins(client: Client) {
    let from = client.accounts().await[3];
    let contract = deploy(&client, from, &firefly_bytecode()).await;
    let version: Bytes = client
        .call("eth_call", json!([{"to": contract, "data": data(&Firefly::networkVersionCall {})}, "latest"]))
        .await;
    assert_eq!(version.as_ref(), U256::from(2).abi_encode());
    assert_eq!(Firefly::pinBatchCall::SELECTOR, [0x48, 0xce, 0x1d, 0xcc]);

    let pinned = async |call: Bytes| {
        let receipt: TransactionReceipt =
            from_value(client.send(json!({"from": from, "to": contract, "data": call})).await);
        let [log] = receipt.inner.logs() else { panic!("{receipt:?}") };
        assert_eq!(log.address(), contract);
        assert_eq!(log.topics(), [Firefly::BatchPin::SIGNATURE_HASH]);
        let timestamp = block(&client, "latest", false).await.header.timestamp;
        let event = Firefly::BatchPin::decode_log(&log.inner).unwrap().data;
        assert_eq!((event.author, event.timestamp), (from, U256::from(timestamp)));
        event
    };
    for contexts in [0, 1, 200] {
        let call = pin_batch(9, contexts);
        let event = pinned(data(&call)).await;
        assert_eq!(event.action, "firefly:batch_pin");
        assert_eq!((event.uuids, event.batchHash), (call.uuids, call.batchHash));
        assert_eq!((event.payloadRef, event.contexts), (call.payloadRef, call.contexts));
    }
    let action = Firefly::networkActionCall { action: "firefly:terminate".to_owned(), payload: "bye".to_owned() };
    let event = pinned(data(&action)).await;
    assert_eq!((event.action.as_str(), event.payloadRef.as_str()), ("firefly:terminate", "bye"));
    assert_eq!((event.uuids, event.batchHash, event.contexts), (B256::ZERO, B256::ZERO, vec![]));
    let call = pin_batch(20, 2);
    let packed = (call.uuids, call.batchHash, call.payloadRef.clone(), call.contexts.clone()).abi_encode_params();
    let event = pinned(data(&Firefly::pinBatchDataCall { data: packed.into() })).await;
    assert_eq!(event.action, "firefly:contract_invoke_pin");
    assert_eq!((event.uuids, event.batchHash), (call.uuids, call.batchHash));
    assert_eq!((event.payloadRef, event.contexts), (call.payloadRef, call.contexts));
    let garbled = data(&Firefly::pinBatchDataCall { data: Bytes::from_static(&[1, 2, 3]) });
    let error = client.error("eth_call", json!([{"from": from, "to": contract, "data": garbled}, "latest"])).await;
    assert_eq!(error.code, 3, "{error:?}");
}

async fn another_contract_pins_for_its_caller(client: Client) {
    let from = client.accounts().await[4];
    let firefly = deploy(&client, from, &firefly_bytecode()).await;
    let ledger = deploy(&client, from, &ledger_bytecode(0)).await;
    let pin = pin_batch(3, 1);
    let packed = (pin.uuids, pin.batchHash, pin.payloadRef, pin.contexts.clone()).abi_encode_params();
    let call =
        Ledger::putAndPinCall { key: U256::from(1), value: U256::from(2), network: firefly, data: packed.into() };
    let receipt: TransactionReceipt =
        from_value(client.send(json!({"from": from, "to": ledger, "data": data(&call)})).await);
    let [stored, pinned] = receipt.inner.logs() else { panic!("{receipt:?}") };
    assert_eq!((stored.address(), stored.log_index), (ledger, Some(0)));
    assert_eq!((pinned.address(), pinned.log_index), (firefly, Some(1)));
    let event = Firefly::BatchPin::decode_log(&pinned.inner).unwrap();
    assert_eq!((event.author, event.contexts.clone()), (from, pin.contexts));
}

async fn logs_are_found_by_address_topics_and_range(client: Client) {
    let [first, second] = client.accounts().await[..2].try_into().unwrap();
    let one = deploy(&client, first, &ledger_bytecode(0)).await;
    let two = deploy(&client, first, &ledger_bytecode(0)).await;
    let start = client.block_number().await + 1;
    for (from, contract, key) in [(first, one, 1_u64), (second, one, 2), (first, two, 1), (second, two, 3)] {
        let put = data(&Ledger::putCall { key: U256::from(key), value: U256::from(7) });
        client.send(json!({"from": from, "to": contract, "data": put})).await;
    }
    let many = data(&Ledger::putManyCall { from: U256::from(100), count: U256::from(5) });
    client.send(json!({"from": first, "to": one, "data": many})).await;
    let from_block = format!("{start:#x}");
    let find = async |mut filter: Value| {
        filter["fromBlock"] = json!(from_block);
        let logs: Vec<Log> = client.call("eth_getLogs", json!([filter])).await;
        logs.iter()
            .map(|log| {
                let event = Ledger::Stored::decode_log(&log.inner).unwrap();
                (log.block_number.unwrap() - start, log.log_index.unwrap(), event.key.to::<u64>())
            })
            .collect::<Vec<_>>()
    };
    let signature = Ledger::Stored::SIGNATURE_HASH;
    let by = |account: Address| account.into_word();
    assert_eq!(find(json!({})).await.len(), 9);
    assert_eq!(find(json!({"address": two})).await, [(2, 0, 1), (3, 0, 3)]);
    assert_eq!(find(json!({"address": [one, two], "topics": [signature, by(second)]})).await, [(1, 0, 2), (3, 0, 3)]);
    assert_eq!(find(json!({"topics": [null, null, word(1)]})).await, [(0, 0, 1), (2, 0, 1)]);
    assert_eq!(
        find(json!({"topics": [[signature, B256::ZERO], [], [word(2), word(3)]]})).await,
        [(1, 0, 2), (3, 0, 3)]
    );
    assert_eq!(find(json!({"topics": [B256::ZERO]})).await, []);
    assert_eq!(find(json!({"address": Address::ZERO})).await, []);
    let last: Vec<_> = (0..5).map(|index| (4, index, 100 + index)).collect();
    assert_eq!(find(json!({"address": one, "topics": [signature, by(one)]})).await, []);
    assert_eq!(find(json!({"topics": [null, null, (100..105).map(word).collect::<Vec<_>>()]})).await, last);
    assert_eq!(find(json!({"toBlock": format!("{:#x}", start + 1)})).await, [(0, 0, 1), (1, 0, 2)]);
    let third = block(&client, &format!("{:#x}", start + 2), false).await;
    let logs: Vec<Log> = client.call("eth_getLogs", json!([{"blockHash": third.header.hash}])).await;
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].block_hash, Some(third.header.hash));
    assert_eq!(logs[0].transaction_hash, third.transactions.hashes().next());
    // Without a range, only the newest block.
    let logs: Vec<Log> = client.call("eth_getLogs", json!([{"address": one}])).await;
    assert_eq!(logs.len(), 5);
    client.error("eth_getLogs", json!([{"blockHash": B256::ZERO}])).await;
    client.error("eth_getLogs", json!([{"fromBlock": "0x1", "blockHash": third.header.hash}])).await;
}

async fn filters_report_each_change_once(client: Client) {
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(0)).await;
    let logs: Value = client.call("eth_newFilter", json!([{"address": contract, "fromBlock": "0x0"}])).await;
    let blocks: Value = client.call("eth_newBlockFilter", json!([])).await;
    let pending: Value = client.call("eth_newPendingTransactionFilter", json!([])).await;
    let changes = async |filter: &Value| client.call::<Vec<Value>>("eth_getFilterChanges", json!([filter])).await;
    assert_eq!(changes(&blocks).await.len(), 0);
    for key in 1..=2_u64 {
        let put = data(&Ledger::putCall { key: U256::from(key), value: U256::from(7) });
        let receipt = client.send(json!({"from": from, "to": contract, "data": put})).await;
        assert_eq!(changes(&blocks).await, [receipt["blockHash"].clone()]);
        assert_eq!(changes(&pending).await, [receipt["transactionHash"].clone()]);
        let found = changes(&logs).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["transactionHash"], receipt["transactionHash"]);
        assert_eq!((changes(&blocks).await.len(), changes(&logs).await.len()), (0, 0));
    }
    let all: Vec<Value> = client.call("eth_getFilterLogs", json!([logs])).await;
    assert_eq!(all.len(), 2);
    for filter in [&logs, &blocks, &pending] {
        assert!(client.call::<bool>("eth_uninstallFilter", json!([filter])).await);
        assert!(!client.call::<bool>("eth_uninstallFilter", json!([filter])).await);
    }
}
