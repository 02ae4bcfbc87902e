//! What every Ethereum node does with blocks and transactions, checked against this chain and against anvil.
//!
//! A check gets a fresh chain with the well-known accounts, a base fee of 0 and a block per transaction. It knows the
//! chain by its URL alone. `calls`, `events` and `subscriptions` are checks of the same kind.

use alloy::consensus::{Transaction as _, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy, proofs};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip2930::{AccessList, AccessListItem};
use alloy::eips::eip7702::Authorization;
use alloy::primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, keccak256};
use alloy::rpc::types::{Block, FeeHistory, Transaction, TransactionReceipt};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolEvent;
use serde_json::{Value, json};

use crate::chains::for_each_chain;
use crate::contracts::{Firefly, data, deploy, firefly_bytecode, pin_batch};
use crate::rpc::{Client, block, from_value, sign};

for_each_chain! {
    a_fresh_chain_introduces_itself
    hashes_and_roots_can_be_recomputed
    a_transfer_moves_ether
    every_kind_of_transaction_is_taken
    an_account_without_ether_can_send_for_nothing
    nonces_are_kept_in_order
    what_cannot_be_mined_is_refused
    accounts_sign_messages
    fees_have_a_history
    batches_are_answered_in_order
    nonsense_is_refused
    blocks_are_made_on_request
}

fn transfer(nonce: u64, price: u128, signer: &PrivateKeySigner) -> Bytes {
    transfer_of(0, nonce, price, signer)
}

fn transfer_of(value: u64, nonce: u64, price: u128, signer: &PrivateKeySigner) -> Bytes {
    let tx = TxEip1559 {
        chain_id: 31337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: price,
        max_priority_fee_per_gas: price,
        to: TxKind::Call(Address::repeat_byte(0x22)),
        value: U256::from(value),
        ..TxEip1559::default()
    };
    sign(tx, signer)
}

async fn a_fresh_chain_introduces_itself(client: Client) {
    assert_eq!(client.call::<Value>("eth_chainId", json!([])).await, "0x7a69");
    assert_eq!(client.call::<Value>("net_version", json!([])).await, "31337");
    assert_eq!(client.call::<Value>("net_listening", json!([])).await, true);
    assert_eq!(client.call::<Value>("eth_syncing", json!([])).await, false);
    assert!(!client.call::<String>("web3_clientVersion", json!([])).await.is_empty());
    assert_eq!(client.block_number().await, 0);
    let accounts = client.accounts().await;
    assert_eq!(accounts.len(), 10);
    assert_eq!(accounts[0], address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    let balance: U256 = client.call("eth_getBalance", json!([accounts[9], "latest"])).await;
    assert_eq!(balance, U256::from(10_000) * U256::from(10).pow(U256::from(18)));
    for tag in ["latest", "earliest", "safe", "finalized", "0x0"] {
        assert_eq!(block(&client, tag, false).await.header.number, 0, "{tag}");
    }
    assert_eq!(client.call::<Value>("eth_getBlockByNumber", json!(["0x1", false])).await, Value::Null);
    assert_eq!(client.call::<Value>("eth_getBlockByHash", json!([B256::ZERO, false])).await, Value::Null);
    assert_eq!(client.call::<Value>("eth_getTransactionByHash", json!([B256::ZERO])).await, Value::Null);
    assert_eq!(client.call::<Value>("eth_getTransactionReceipt", json!([B256::ZERO])).await, Value::Null);
}

async fn hashes_and_roots_can_be_recomputed(client: Client) {
    let [from, to] = client.accounts().await[..2].try_into().unwrap();
    let contract = deploy(&client, from, &firefly_bytecode()).await;
    for seed in 0..3 {
        client.send(json!({"from": from, "to": contract, "data": data(&pin_batch(seed, 2))})).await;
        client.send(json!({"from": to, "to": from, "value": "0x5"})).await;
    }
    let head = client.block_number().await;
    let mut parent = block(&client, "0x0", true).await;
    for number in 1..=head {
        let found = block(&client, &format!("{number:#x}"), true).await;
        assert_eq!(found.header.hash, found.header.inner.hash_slow());
        assert_eq!(found.header.parent_hash, parent.header.hash);
        assert!(found.header.timestamp >= parent.header.timestamp);
        let transactions: Vec<TxEnvelope> =
            found.transactions.as_transactions().unwrap().iter().map(|tx| tx.inner.inner().clone()).collect();
        assert_eq!(found.header.transactions_root, proofs::calculate_transaction_root(&transactions));
        for tx in &transactions {
            assert_eq!(*tx.tx_hash(), keccak256(tx.encoded_2718()));
        }
        let receipts: Vec<TransactionReceipt> =
            client.call("eth_getBlockReceipts", json!([format!("{number:#x}")])).await;
        let envelopes: Vec<_> = receipts.into_iter().map(|receipt| receipt.inner.into_primitives_receipt()).collect();
        assert_eq!(found.header.receipts_root, proofs::calculate_receipt_root(&envelopes));
        let by_hash: Block = client.call("eth_getBlockByHash", json!([found.header.hash, true])).await;
        assert_eq!(by_hash, found);
        parent = found;
    }
}

async fn a_transfer_moves_ether(client: Client) {
    let from = client.accounts().await[0];
    let to = Address::repeat_byte(0x77);
    let receipt: TransactionReceipt = from_value(client.send(json!({"from": from, "to": to, "value": "0x64"})).await);
    assert!(receipt.status());
    assert_eq!((receipt.from, receipt.to, receipt.contract_address), (from, Some(to), None));
    assert_eq!((receipt.gas_used, receipt.block_number, receipt.transaction_index), (21_000, Some(1), Some(0)));
    assert_eq!(client.call::<U256>("eth_getBalance", json!([to, "latest"])).await, U256::from(100));
    assert_eq!(client.nonce(from, "latest").await, 1);
    let hash = receipt.transaction_hash;
    let found: Transaction = client.call("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((found.inner.signer(), found.value(), found.block_number), (from, U256::from(100), Some(1)));
    let at: Transaction = client.call("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x0"])).await;
    assert_eq!(at, found);
    let at: Transaction = client.call("eth_getTransactionByBlockHashAndIndex", json!([found.block_hash, "0x0"])).await;
    assert_eq!(at, found);
    let none: Value = client.call("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x1"])).await;
    assert_eq!(none, Value::Null);
    assert_eq!(client.call::<Value>("eth_getBlockTransactionCountByNumber", json!(["0x1"])).await, "0x1");
    assert_eq!(client.call::<Value>("eth_getBlockTransactionCountByHash", json!([found.block_hash])).await, "0x1");
    assert_eq!(block(&client, "latest", false).await.transactions.as_hashes(), Some([hash].as_slice()));
}

async fn every_kind_of_transaction_is_taken(client: Client) {
    let signer = PrivateKeySigner::random();
    let to = TxKind::Call(Address::repeat_byte(0x11));
    let chain_id = 31337;
    let access_list = AccessList(vec![AccessListItem { address: Address::ZERO, storage_keys: vec![B256::ZERO] }]);
    let authorization = Authorization { chain_id: U256::from(chain_id), address: Address::repeat_byte(9), nonce: 5 };
    let authority = signer.sign_hash_sync(&authorization.signature_hash()).unwrap();
    let gas_limit = 100_000;
    let transactions = [
        sign(TxLegacy { chain_id: Some(chain_id), nonce: 0, gas_limit, to, ..TxLegacy::default() }, &signer),
        sign(TxLegacy { chain_id: None, nonce: 1, gas_limit, to, ..TxLegacy::default() }, &signer),
        sign(
            TxEip2930 { chain_id, nonce: 2, gas_limit, to, access_list: access_list.clone(), ..TxEip2930::default() },
            &signer,
        ),
        sign(TxEip1559 { chain_id, nonce: 3, gas_limit, to, access_list, ..TxEip1559::default() }, &signer),
        sign(
            TxEip7702 {
                chain_id,
                nonce: 4,
                gas_limit,
                to: Address::repeat_byte(0x11),
                authorization_list: vec![authorization.into_signed(authority)],
                ..TxEip7702::default()
            },
            &signer,
        ),
    ];
    for (raw, kind) in transactions.iter().zip(["0x0", "0x0", "0x1", "0x2", "0x4"]) {
        let receipt = client.send_raw(raw).await;
        assert_eq!((&receipt["status"], &receipt["type"]), (&json!("0x1"), &json!(kind)), "{receipt}");
        assert_eq!(receipt["transactionHash"], json!(keccak256(raw)));
        let found: Transaction = client.call("eth_getTransactionByHash", json!([keccak256(raw)])).await;
        assert_eq!(Bytes::from(found.inner.inner().encoded_2718()), *raw);
    }
    // The last one made the account a delegate, which is why its nonce has moved twice.
    assert_eq!(client.nonce(signer.address(), "latest").await, 6);
    let code: Bytes = client.call("eth_getCode", json!([signer.address(), "latest"])).await;
    assert_eq!(code.as_ref(), [&[0xef, 0x01, 0x00], [9; 20].as_slice()].concat());
}

async fn an_account_without_ether_can_send_for_nothing(client: Client) {
    let signer = PrivateKeySigner::random();
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &firefly_bytecode()).await;
    let pin = TxEip1559 {
        chain_id: 31337,
        gas_limit: 200_000,
        to: TxKind::Call(contract),
        input: data(&pin_batch(1, 1)),
        ..TxEip1559::default()
    };
    let receipt: TransactionReceipt = from_value(client.send_raw(&sign(pin, &signer)).await);
    assert!(receipt.status());
    let pinned = Firefly::BatchPin::decode_log(&receipt.inner.logs()[0].inner).unwrap();
    assert_eq!(pinned.author, signer.address());
}

async fn nonces_are_kept_in_order(client: Client) {
    let signer = PrivateKeySigner::random();
    let from = client.accounts().await[0];
    let ether = json!({"from": from, "to": signer.address(), "value": "0xde0b6b3a7640000"});
    client.send(ether).await;
    let waiting: B256 = client.call("eth_sendRawTransaction", json!([transfer(2, 100, &signer)])).await;
    let after: B256 = client.call("eth_sendRawTransaction", json!([transfer(3, 100, &signer)])).await;
    assert_eq!(client.call::<Value>("eth_getTransactionReceipt", json!([waiting])).await, Value::Null);
    let pending: Value = client.call("eth_getTransactionByHash", json!([waiting])).await;
    assert_eq!((&pending["blockNumber"], &pending["nonce"]), (&Value::Null, &json!("0x2")));
    assert_eq!(client.nonce(signer.address(), "pending").await, 0);
    // Pays no more than the one that waits.
    let error = client.error("eth_sendRawTransaction", json!([transfer_of(7, 2, 100, &signer)])).await;
    assert!(error.message.contains("underpriced"), "{error:?}");
    let replacement: B256 = client.call("eth_sendRawTransaction", json!([transfer(2, 200, &signer)])).await;
    client.send_raw(&transfer(0, 100, &signer)).await;
    assert_eq!(client.nonce(signer.address(), "pending").await, 1);
    client.send_raw(&transfer(1, 100, &signer)).await;
    client.receipt(replacement).await;
    client.receipt(after).await;
    assert_eq!(client.nonce(signer.address(), "pending").await, 4);
    assert_eq!(client.nonce(signer.address(), "latest").await, 4);
    assert_eq!(client.call::<Value>("eth_getTransactionReceipt", json!([waiting])).await, Value::Null);
    let error = client.error("eth_sendRawTransaction", json!([transfer(1, 300, &signer)])).await;
    assert!(error.message.contains("nonce too low"), "{error:?}");
}

async fn what_cannot_be_mined_is_refused(client: Client) {
    let poor = PrivateKeySigner::random();
    let refusal = async |raw: Bytes| client.error("eth_sendRawTransaction", json!([raw])).await.message.to_lowercase();
    assert!(refusal(transfer(0, 1, &poor)).await.contains("insufficient funds"));
    let good =
        TxEip1559 { chain_id: 31337, gas_limit: 21_000, to: TxKind::Call(Address::ZERO), ..TxEip1559::default() };
    let intrinsic = sign(TxEip1559 { gas_limit: 20_999, ..good.clone() }, &poor);
    assert!(refusal(intrinsic).await.contains("intrinsic gas too low"));
    let block_limit = refusal(sign(TxEip1559 { gas_limit: 30_000_001, ..good.clone() }, &poor)).await;
    assert!(block_limit.contains("gas limit") || block_limit.contains("intrinsic gas too high"), "{block_limit}");
    let other_chain = refusal(sign(TxEip1559 { chain_id: 1, ..good.clone() }, &poor)).await;
    assert!(other_chain.contains("chain id"), "{other_chain}");
    let tip = refusal(sign(TxEip1559 { max_priority_fee_per_gas: 1, ..good.clone() }, &poor)).await;
    assert!(tip.contains("priority fee") || tip.contains("max fee"), "{tip}");
    // A signature that belongs to nobody, and no transaction at all.
    let unsigned = TxEnvelope::from(alloy::consensus::SignableTransaction::into_signed(
        good.clone(),
        Signature::new(U256::ZERO, U256::ZERO, false),
    ));
    refusal(unsigned.encoded_2718().into()).await;
    refusal(Bytes::new()).await;
    refusal(Bytes::from_static(&[0x02, 0xc0])).await;
    assert_eq!(client.block_number().await, 0);
}

async fn accounts_sign_messages(client: Client) {
    let account = client.accounts().await[2];
    let message = Bytes::from_static(b"bill of lading");
    let signature: Bytes = client.call("eth_sign", json!([account, message])).await;
    let recovered = Signature::try_from(signature.as_ref()).unwrap().recover_address_from_msg(&message).unwrap();
    assert_eq!(recovered, account);
    assert_eq!(client.call::<Bytes>("personal_sign", json!([message, account])).await, signature);
    client.error("eth_sign", json!([Address::repeat_byte(1), message])).await;
    client.error("eth_sendTransaction", json!([{"from": Address::repeat_byte(1), "to": account}])).await;
}

async fn fees_have_a_history(client: Client) {
    let [from, to] = client.accounts().await[..2].try_into().unwrap();
    for _ in 0..3 {
        client.send(json!({"from": from, "to": to, "maxFeePerGas": "0x9", "maxPriorityFeePerGas": "0x5"})).await;
    }
    let history: FeeHistory = client.call("eth_feeHistory", json!(["0x2", "latest", [0.0, 50.0, 100.0]])).await;
    assert_eq!(history.oldest_block, 2);
    assert_eq!(history.base_fee_per_gas, [0, 0, 0]);
    assert_eq!(history.gas_used_ratio, [21_000.0 / 30_000_000.0; 2]);
    assert_eq!(history.reward, Some(vec![vec![5, 5, 5]; 2]));
    let history: FeeHistory = client.call("eth_feeHistory", json!(["0x64", "latest", []])).await;
    assert_eq!((history.oldest_block, history.gas_used_ratio.len()), (0, 4));
    let receipt: TransactionReceipt = from_value(
        client.send(json!({"from": from, "to": to, "maxFeePerGas": "0x9", "maxPriorityFeePerGas": "0x5"})).await,
    );
    assert_eq!(receipt.effective_gas_price, 5);
}

async fn batches_are_answered_in_order(client: Client) {
    let request = |id: Value, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": []});
    let batch =
        json!([request(json!(3), "eth_chainId"), request(json!("x"), "no_such"), request(json!(1), "net_version")]);
    let (status, text) = client.post(batch.to_string()).await;
    assert_eq!(status, 200);
    let answers: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(answers.len(), 3);
    assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!(3), &json!("0x7a69")));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!("x"), &json!(-32601)));
    assert_eq!((&answers[2]["id"], &answers[2]["result"]), (&json!(1), &json!("31337")));
}

async fn nonsense_is_refused(client: Client) {
    let error = client.error("no_such_method", json!([])).await;
    assert_eq!(error.code, -32601);
    for (method, params) in [
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x12", "latest"])),
        ("eth_getBlockByNumber", json!(["yesterday", false])),
        ("eth_getTransactionReceipt", json!(["0x12"])),
        ("eth_sendRawTransaction", json!(["0xzz"])),
        ("eth_call", json!(["0x00"])),
    ] {
        let error = client.error(method, params).await;
        assert_eq!(error.code, -32602, "{method} {error:?}");
    }
    for body in ["", "{", "[]", "null", r#"{"jsonrpc":"2.0","id":1}"#, "\u{0}"] {
        let (_, text) = client.post(body).await;
        assert!(!text.contains("\"result\""), "{body}: {text}");
    }
}

async fn blocks_are_made_on_request(client: Client) {
    let from = client.accounts().await[0];
    client.call::<Value>("evm_mine", json!([])).await;
    assert_eq!(client.block_number().await, 1);
    client.call::<Value>("evm_setAutomine", json!([false])).await;
    let mut hashes = Vec::new();
    for _ in 0..3 {
        let transfer = json!({"from": from, "to": Address::repeat_byte(5), "value": "0x1", "gas": "0x5208"});
        hashes.push(client.call::<B256>("eth_sendTransaction", json!([transfer])).await);
    }
    assert_eq!(client.nonce(from, "pending").await, 3);
    assert_eq!(client.nonce(from, "latest").await, 0);
    assert_eq!(client.block_number().await, 1);
    client.call::<Value>("evm_mine", json!([])).await;
    let made = block(&client, "latest", false).await;
    assert_eq!((made.header.number, made.transactions.as_hashes()), (2, Some(hashes.as_slice())));
    assert_eq!(made.header.gas_used, 63_000);
    let last: TransactionReceipt = client.call("eth_getTransactionReceipt", json!([hashes[2]])).await;
    assert_eq!((last.gas_used, last.inner.cumulative_gas_used(), last.transaction_index), (21_000, 63_000, Some(2)));
    client.call::<Value>("evm_setAutomine", json!([true])).await;
    client.send(json!({"from": from, "to": Address::repeat_byte(5), "value": "0x1"})).await;
    assert_eq!(client.block_number().await, 3);
}
