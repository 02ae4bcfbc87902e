//! The same transactions on this chain and on anvil, an implementation by others: what they did must be the same.

use alloy::primitives::{Address, B256, Bytes, Log, U64, U256};
use alloy::rpc::types::{Block, TransactionReceipt};
use alloy::sol_types::{SolEvent, SolValue};
use serde_json::{Value, json};

use crate::chains::Running;
use crate::contracts::{Firefly, Ledger, data, firefly_bytecode, ledger_bytecode, pin_batch};
use crate::rpc::Client;

/// What must not depend on who runs the transactions.
#[derive(Debug, PartialEq)]
struct Effects {
    transaction: B256,
    transactions_root: B256,
    logs: Vec<Log>,
    logs_bloom: alloy::primitives::Bloom,
    gas_used: u64,
    success: bool,
    created: Option<Address>,
    sender_balance: U256,
    sender_nonce: U64,
    code: Bytes,
}

/// A pin carries the time of its block, which is that of the machine: the second word of its data.
fn without_time(mut log: Log) -> Log {
    if log.topics() == [Firefly::BatchPin::SIGNATURE_HASH] {
        let mut data = log.data.data.to_vec();
        data[32..64].fill(0);
        log.data.data = data.into();
    }
    log
}

fn scenario(accounts: &[Address]) -> Vec<Value> {
    let [from, other] = accounts[..2].try_into().unwrap();
    let ledger: Address = from.create(0);
    let firefly: Address = from.create(1);
    let fees = |mut transaction: Value| {
        transaction["gas"] = json!("0x2dc6c0");
        transaction["maxFeePerGas"] = json!("0x7");
        transaction["maxPriorityFeePerGas"] = json!("0x3");
        transaction
    };
    let pinned = pin_batch(70, 5);
    let packed = (pinned.uuids, pinned.batchHash, pinned.payloadRef, pinned.contexts).abi_encode_params();
    let put = |key: u64, value: u64| data(&Ledger::putCall { key: U256::from(key), value: U256::from(value) });
    [
        json!({"from": from, "data": ledger_bytecode(4), "value": "0x10"}),
        json!({"from": from, "data": firefly_bytecode()}),
        json!({"from": from, "to": ledger, "data": put(1, 1)}),
        json!({"from": other, "to": ledger, "data": put(1, 2)}),
        json!({"from": other, "to": ledger, "data": put(1, 0)}),
        json!({"from": from, "to": ledger, "data": data(&Ledger::putManyCall { from: U256::from(5), count: U256::from(30) })}),
        json!({"from": from, "to": ledger, "data": data(&Ledger::fundCall {}), "value": "0x989680"}),
        json!({"from": other, "to": firefly, "data": data(&pin_batch(3, 0))}),
        json!({"from": other, "to": firefly, "data": data(&pin_batch(4, 200))}),
        json!({"from": from, "to": ledger, "data": data(&Ledger::putAndPinCall {
            key: U256::from(1), value: U256::from(2), network: firefly, data: packed.into(),
        })}),
        json!({"from": from, "to": ledger, "data": data(&Ledger::failWithReasonCall { why: "no".to_owned() })}),
        json!({"from": from, "to": ledger, "data": data(&Ledger::failSilentlyCall {})}),
        json!({"from": from, "to": ledger, "data": data(&Ledger::burnCall {})}),
        // Creation code that fails, and creation code that leaves an empty contract.
        json!({"from": from, "data": "0xfe"}),
        json!({"from": from, "data": "0x00"}),
        json!({"from": from, "to": Address::repeat_byte(0x42), "value": "0x1"}),
        // A precompile: SHA-256 of some bytes.
        json!({"from": from, "to": Address::with_last_byte(2), "data": "0x0102030405"}),
    ]
    .into_iter()
    .map(fees)
    .collect()
}

async fn play(client: &Client) -> Vec<Effects> {
    let accounts = client.accounts().await;
    let mut effects = Vec::new();
    for transaction in scenario(&accounts) {
        let sender = transaction["from"].clone();
        let receipt: TransactionReceipt = serde_json::from_value(client.send(transaction).await).unwrap();
        let block: Block = client.call("eth_getBlockByHash", json!([receipt.block_hash, false])).await;
        let touched = receipt.contract_address.or(receipt.to).unwrap();
        effects.push(Effects {
            transaction: receipt.transaction_hash,
            transactions_root: block.header.transactions_root,
            logs: receipt.inner.logs().iter().map(|log| without_time(log.inner.clone())).collect(),
            logs_bloom: block.header.logs_bloom,
            gas_used: receipt.gas_used,
            success: receipt.status(),
            created: receipt.contract_address,
            sender_balance: client.call("eth_getBalance", json!([sender, "latest"])).await,
            sender_nonce: client.call("eth_getTransactionCount", json!([sender, "latest"])).await,
            code: client.call("eth_getCode", json!([touched, "latest"])).await,
        });
    }
    effects
}

#[tokio::test]
async fn this_chain_and_anvil_agree_on_every_effect() {
    let (ours, theirs) = (Running::photinus().await, Running::anvil().await);
    let (ours, theirs) = (play(&ours.client()).await, play(&theirs.client()).await);
    assert_eq!(ours.len(), theirs.len());
    for (index, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
        assert_eq!(ours, theirs, "transaction {index}");
    }
}
