//! When blocks are made, and what shares one.

use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy::rpc::types::{Block, TransactionReceipt};
use alloy::signers::local::PrivateKeySigner;
use futures::future::join_all;
use photinus_devchain::{Mining, Options};
use serde_json::{Value, json};

use crate::chains::{client, start};
use crate::contracts::{Ledger, data, deploy, ledger_bytecode};
use crate::rpc::{Client, DEADLINE, Socket, sign};

fn raw(signer: &PrivateKeySigner, nonce: u64, gas_limit: u64, to: Address, input: Bytes) -> Bytes {
    let tx = TxEip1559 { chain_id: 31337, nonce, gas_limit, to: TxKind::Call(to), input, ..TxEip1559::default() };
    sign(tx, signer)
}

async fn submit(client: &Client, raw: Bytes) -> B256 {
    client.call("eth_sendRawTransaction", json!([raw])).await
}

#[tokio::test]
async fn a_sent_transaction_is_in_a_block_when_the_answer_comes() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    let signer = PrivateKeySigner::random();
    for nonce in 0..5 {
        let hash = submit(&client, raw(&signer, nonce, 21_000, Address::ZERO, Bytes::new())).await;
        let receipt: Option<TransactionReceipt> = client.call("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt.unwrap().block_number, Some(nonce + 1));
    }
    chain.stop().await;
}

#[tokio::test]
async fn transactions_in_flight_are_all_mined_once_and_in_order_of_nonce() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    let signers: Vec<_> = (0..4).map(|_| PrivateKeySigner::random()).collect();
    let sent = join_all((0..200_u64).map(|index| {
        let signer = &signers[(index % 4) as usize];
        // Each sender's nonces arrive in reverse, so that most have to wait for an earlier one.
        let nonce = 49 - index / 4;
        submit(&client, raw(signer, nonce, 21_000, Address::ZERO, Bytes::new()))
    }))
    .await;
    let mut places = Vec::new();
    for hash in &sent {
        let receipt: TransactionReceipt = serde_json::from_value(client.receipt(*hash).await).unwrap();
        places.push((receipt.block_number.unwrap(), receipt.transaction_index.unwrap()));
    }
    for sender in 0..4 {
        let of_sender: Vec<_> = places.iter().skip(sender).step_by(4).collect();
        assert!(of_sender.is_sorted_by(|later, earlier| later > earlier), "{of_sender:?}");
    }
    let mut distinct = places.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 200);
    chain.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_into_a_block_comes_in_the_next() {
    let chain = start(Options { block_gas_limit: 1_000_000, ..Options::default() }).await;
    let client = client(&chain);
    client.call::<Value>("evm_setAutomine", json!([false])).await;
    let signer = PrivateKeySigner::random();
    let small = PrivateKeySigner::random();
    for nonce in 0..3 {
        submit(&client, raw(&signer, nonce, 600_000, Address::ZERO, Bytes::new())).await;
    }
    submit(&client, raw(&small, 0, 21_000, Address::ZERO, Bytes::new())).await;
    let mut senders = Vec::new();
    for number in 1..=3 {
        client.call::<Value>("evm_mine", json!([])).await;
        let block: Block = client.call("eth_getBlockByNumber", json!([format!("{number:#x}"), true])).await;
        senders.push(block.transactions.txns().map(|tx| tx.inner.signer()).collect::<Vec<_>>());
    }
    // A limit of 600 000 fits as long as 400 000 are used at most, whatever limits were asked for before.
    assert_eq!(senders, [vec![signer.address(); 3].into_iter().chain([small.address()]).collect(), vec![], vec![]]);
    // Endless loops use what they are given: now only one fits.
    let contract = deploy_quietly(&client).await;
    for nonce in 3..5 {
        submit(&client, raw(&signer, nonce, 600_000, contract, data(&Ledger::burnCall {}))).await;
    }
    submit(&client, raw(&small, 1, 21_000, Address::ZERO, Bytes::new())).await;
    let mut made = Vec::new();
    for _ in 0..2 {
        client.call::<Value>("evm_mine", json!([])).await;
        let block: Block = client.call("eth_getBlockByNumber", json!(["latest", true])).await;
        made.push(block.transactions.txns().map(|tx| tx.inner.signer()).collect::<Vec<_>>());
    }
    assert_eq!(made, [vec![signer.address(), small.address()], vec![signer.address()]]);
    chain.stop().await;
}

async fn deploy_quietly(client: &Client) -> Address {
    client.call::<Value>("evm_setAutomine", json!([true])).await;
    let from = client.accounts().await[0];
    let contract = deploy(client, from, &ledger_bytecode(0)).await;
    client.call::<Value>("evm_setAutomine", json!([false])).await;
    contract
}

#[tokio::test]
async fn blocks_come_at_the_chosen_pace() {
    let begun = std::time::Instant::now();
    let chain = start(Options { mining: Mining::Interval { millis: 50 }, ..Options::default() }).await;
    let client = client(&chain);
    let mut socket = Socket::connect(&client.ws_url).await;
    socket.call("eth_subscribe", json!(["newHeads"])).await;
    for _ in 0..5 {
        let (_, head) = socket.notification().await;
        let number: U64 = serde_json::from_value(head["number"].clone()).unwrap();
        // Late blocks are the machine's affair; early ones would be a mistake.
        assert!(begun.elapsed() >= Duration::from_millis(50) * number.to::<u32>(), "{number} {:?}", begun.elapsed());
        assert_eq!(head["transactionsRoot"], json!(alloy::consensus::constants::EMPTY_ROOT_HASH));
    }
    let signer = PrivateKeySigner::random();
    let hashes =
        join_all((0..10).map(|nonce| submit(&client, raw(&signer, nonce, 21_000, Address::ZERO, Bytes::new())))).await;
    for hash in hashes {
        client.receipt(hash).await;
    }
    chain.stop().await;
}

#[tokio::test]
async fn one_sender_cannot_spend_the_same_ether_twice_in_a_block() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    client.call::<Value>("evm_setAutomine", json!([false])).await;
    let signer = PrivateKeySigner::random();
    let from = client.accounts().await[0];
    let wei = U256::from(1000);
    let fund = json!({"from": from, "to": signer.address(), "value": wei, "gas": "0x5208"});
    client.call::<B256>("eth_sendTransaction", json!([fund])).await;
    client.call::<Value>("evm_mine", json!([])).await;
    let mut hashes = Vec::new();
    for nonce in 0..2 {
        let tx = TxEip1559 {
            chain_id: 31337,
            nonce,
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(6)),
            value: wei,
            ..TxEip1559::default()
        };
        hashes.push(submit(&client, sign(tx, &signer)).await);
    }
    client.call::<Value>("evm_mine", json!([])).await;
    assert!(client.call::<Value>("eth_getTransactionReceipt", json!([hashes[0]])).await.is_object());
    assert!(client.call::<Value>("eth_getTransactionByHash", json!([hashes[1]])).await.is_null());
    assert_eq!(client.nonce(signer.address(), "pending").await, 1);
    chain.stop().await;
}

#[tokio::test]
async fn stopping_answers_those_who_wait_and_frees_the_port() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    let port = chain.address().port();
    client.call::<Value>("evm_setAutomine", json!([false])).await;
    let socket = Socket::connect(&client.ws_url).await;
    let stopping = tokio::time::timeout(DEADLINE, chain.stop());
    stopping.await.expect("stops although a client is connected");
    socket.closed().await;
    let again = photinus_devchain::Chain::start(Options { port, ..Options::default() }).await.unwrap();
    again.stop().await;
}
