//! Calls, estimates and what they say when they fail, checked against this chain and against anvil.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};

use alloy::sol_types::{SolError, SolValue};
use serde_json::{Value, json};

use crate::chains::for_each_chain;
use crate::contracts::{Ledger, data, deploy, firefly_bytecode, ledger_bytecode, pin_batch, word};
use crate::rpc::{Client, block, from_value};

for_each_chain! {
    a_revert_says_why
    a_mined_revert_undoes_everything_but_the_nonce
    an_estimate_is_enough
    contracts_are_deployed_and_read
    calls_see_the_state_of_their_block
    calls_can_pretend
}

async fn a_revert_says_why(client: Client) {
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(1)).await;
    let cases: [(Bytes, &str, Vec<u8>); 4] = [
        (
            data(&Ledger::failWithReasonCall { why: "closed".to_owned() }),
            "execution reverted: closed",
            alloy::sol_types::Revert { reason: "closed".to_owned() }.abi_encode(),
        ),
        (
            data(&Ledger::failWithErrorCall { why: "late".to_owned(), code: U256::from(7) }),
            "execution reverted",
            Ledger::Refused { why: "late".to_owned(), code: U256::from(7) }.abi_encode(),
        ),
        (
            data(&Ledger::failWithPanicCall { divisor: U256::ZERO }),
            "execution reverted",
            alloy::sol_types::Panic { code: U256::from(0x12) }.abi_encode(),
        ),
        (data(&Ledger::failSilentlyCall {}), "execution reverted", Vec::new()),
    ];
    for (input, message, output) in cases {
        for method in ["eth_call", "eth_estimateGas"] {
            let error = client.error(method, json!([{"from": from, "to": contract, "data": input}, "latest"])).await;
            assert_eq!(error.code, 3, "{method} {error:?}");
            assert!(error.message.starts_with(message), "{method} {error:?}");
            assert_eq!(error.data, Some(json!(Bytes::from(output.clone()))), "{method}");
        }
    }
}

async fn a_mined_revert_undoes_everything_but_the_nonce(client: Client) {
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(1)).await;
    let fail = data(&Ledger::failWithReasonCall { why: "closed".to_owned() });
    let receipt = client.send(json!({"from": from, "to": contract, "data": fail, "gas": "0x186a0"})).await;
    assert_eq!((&receipt["status"], &receipt["logs"]), (&json!("0x0"), &json!([])), "{receipt}");
    assert_eq!(client.nonce(from, "latest").await, 2);
    let burn = data(&Ledger::burnCall {});
    let receipt = client.send(json!({"from": from, "to": contract, "data": burn, "gas": "0x186a0"})).await;
    assert_eq!((&receipt["status"], &receipt["gasUsed"]), (&json!("0x0"), &json!("0x186a0")), "{receipt}");
    let writes: Bytes =
        client.call("eth_call", json!([{"to": contract, "data": data(&Ledger::writesCall {})}, "latest"])).await;
    assert_eq!(U256::abi_decode(&writes).unwrap(), U256::ZERO);
}

async fn an_estimate_is_enough(client: Client) {
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(1)).await;
    let firefly = deploy(&client, from, &firefly_bytecode()).await;
    let estimate = async |request: &Value| client.call::<U256>("eth_estimateGas", json!([request])).await;
    let transfer = json!({"from": from, "to": Address::repeat_byte(0x33), "value": "0x1"});
    assert_eq!(estimate(&transfer).await, U256::from(21_000));
    let pinned = pin_batch(5, 3);
    let nested =
        (pinned.uuids, pinned.batchHash, pinned.payloadRef.clone(), pinned.contexts.clone()).abi_encode_params();
    let requests = [
        json!({"from": from, "data": ledger_bytecode(3)}),
        json!({"from": from, "to": contract, "data": data(&Ledger::putCall { key: U256::from(1), value: U256::from(1) })}),
        // Sets a slot back to zero, which is refunded at the end but costs at first.
        json!({"from": from, "to": contract, "data": data(&Ledger::putCall { key: U256::from(1), value: U256::ZERO })}),
        json!({"from": from, "to": contract, "data": data(&Ledger::putManyCall { from: U256::from(9), count: U256::from(20) })}),
        json!({"from": from, "to": firefly, "data": data(&pin_batch(5, 200))}),
        json!({"from": from, "to": contract, "data": data(&Ledger::putAndPinCall {
            key: U256::from(2), value: U256::from(2), network: firefly, data: nested.into(),
        })}),
    ];
    for mut request in requests {
        let gas = estimate(&request).await;
        request["gas"] = json!(gas);
        let receipt = client.send(request).await;
        assert_eq!(receipt["status"], "0x1", "{gas} {receipt}");
        let used: U256 = from_value(receipt["gasUsed"].clone());
        assert!(gas <= used * U256::from(3) / U256::from(2), "{gas} for {used}");
    }
    let endless = json!([{"from": from, "to": contract, "data": data(&Ledger::burnCall {})}]);
    let error = client.error("eth_estimateGas", endless).await;
    assert!(error.message.to_lowercase().contains("gas"), "{error:?}");
}

async fn contracts_are_deployed_and_read(client: Client) {
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(11)).await;
    assert_eq!(contract, from.create(0));
    let code: Bytes = client.call("eth_getCode", json!([contract, "latest"])).await;
    let artifact: Value =
        serde_json::from_str(include_str!("../../../../contracts/test/artifacts/Ledger.json")).unwrap();
    assert_eq!(json!(code), artifact["deployedBytecode"]);
    assert_eq!(client.call::<Bytes>("eth_getCode", json!([from, "latest"])).await, Bytes::new());
    let put = data(&Ledger::putCall { key: U256::from(5), value: U256::from(99) });
    client.send(json!({"from": from, "to": contract, "input": put})).await;
    let get = async |key: u64| {
        let input = data(&Ledger::getCall { key: U256::from(key) });
        let output: Bytes = client.call("eth_call", json!([{"to": contract, "input": input}, "latest"])).await;
        U256::abi_decode(&output).unwrap()
    };
    assert_eq!((get(0).await, get(5).await, get(6).await), (U256::from(11), U256::from(99), U256::ZERO));
    let slot = keccak256((U256::from(5), U256::ZERO).abi_encode());
    let stored: B256 = client.call("eth_getStorageAt", json!([contract, slot, "latest"])).await;
    assert_eq!(stored, word(99));
    let writes: B256 = client.call("eth_getStorageAt", json!([contract, "0x1", "latest"])).await;
    assert_eq!(writes, word(1));
    // A call to an address without code succeeds and returns nothing.
    let nothing: Bytes =
        client.call("eth_call", json!([{"to": Address::repeat_byte(1), "input": "0x01020304"}, "latest"])).await;
    assert_eq!(nothing, Bytes::new());
}

async fn calls_see_the_state_of_their_block(client: Client) {
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(0)).await;
    for value in 1..=3_u64 {
        let put = data(&Ledger::putCall { key: U256::ZERO, value: U256::from(value) });
        client.send(json!({"from": from, "to": contract, "data": put})).await;
    }
    for number in 1..=4_u64 {
        let input = data(&Ledger::getCall { key: U256::ZERO });
        let output: Bytes =
            client.call("eth_call", json!([{"to": contract, "data": input}, format!("{number:#x}")])).await;
        assert_eq!(U256::abi_decode(&output).unwrap(), U256::from(number - 1));
        assert_eq!(client.nonce(from, &format!("{number:#x}")).await, number);
    }
    let hash = block(&client, "0x2", false).await.header.hash;
    let output: Bytes = client
        .call(
            "eth_call",
            json!([{"to": contract, "data": data(&Ledger::getCall { key: U256::ZERO })}, {"blockHash": hash}]),
        )
        .await;
    assert_eq!(U256::abi_decode(&output).unwrap(), U256::from(1));
    client.error("eth_call", json!([{"to": contract, "data": "0x"}, "0xffff"])).await;
}

async fn calls_can_pretend(client: Client) {
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(0)).await;
    let writes = json!({"to": contract, "data": data(&Ledger::writesCall {})});
    let slot = format!("{:#x}", word(1));
    let pretend = json!({contract.to_string(): {"stateDiff": {slot: word(41)}}});
    let output: Bytes = client.call("eth_call", json!([writes, "latest", pretend])).await;
    assert_eq!(U256::abi_decode(&output).unwrap(), U256::from(41));
    // Code that returns the caller's balance: the caller has none, but is given some.
    let poor = Address::repeat_byte(0x99);
    let code = "0x333160005260206000f3";
    let pretend =
        json!({Address::repeat_byte(0x98).to_string(): {"code": code}, poor.to_string(): {"balance": "0x1234"}});
    let output: Bytes =
        client.call("eth_call", json!([{"from": poor, "to": Address::repeat_byte(0x98)}, "latest", pretend])).await;
    assert_eq!(U256::abi_decode(&output).unwrap(), U256::from(0x1234));
    // Nothing of it stays.
    let output: Bytes = client.call("eth_call", json!([writes, "latest"])).await;
    assert_eq!(U256::abi_decode(&output).unwrap(), U256::ZERO);
    let broke = client.error("eth_call", json!([{"from": poor, "to": from, "value": "0x1"}, "latest"])).await;
    assert!(broke.message.to_lowercase().contains("insufficient funds"), "{broke:?}");
}
