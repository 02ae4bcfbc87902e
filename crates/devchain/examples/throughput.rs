//! Measures how many batch pins a second a chain on disk takes, as the members of a network send them: signed, over HTTP,
//! many in flight. `cargo run --release -p photinus-devchain --example throughput`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure ends the measurement, and printing is its purpose"
)]

use std::time::Instant;

use alloy::consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718 as _;
use alloy::primitives::{Address, Bytes, TxKind, U256, keccak256};
use alloy::signers::SignerSync as _;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::SolCall as _;
use futures::StreamExt as _;
use photinus_devchain::{Chain, Options};
use serde_json::{Value, json};

sol! {
    function pinBatch(bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts);
}

fn sign(signer: &PrivateKeySigner, nonce: u64, to: TxKind, input: Bytes) -> Bytes {
    let tx = TxEip1559 { chain_id: 31337, nonce, gas_limit: 1_000_000, to, input, ..TxEip1559::default() };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

async fn call(http: &reqwest::Client, url: &str, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let request = http.post(url).header("content-type", "application/json").body(body);
    let text = request.send().await.unwrap().text().await.unwrap();
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    assert!(answer.get("error").is_none(), "{text}");
    answer["result"].take()
}

#[tokio::main]
async fn main() {
    let artifact: Value = serde_json::from_str(include_str!("../../../contracts/artifacts/Firefly.json")).unwrap();
    let code: Bytes = serde_json::from_value(artifact["bytecode"].clone()).unwrap();
    let http = reqwest::Client::new();
    for (contexts, in_flight, count) in [(1, 1, 500), (1, 100, 5_000), (20, 100, 5_000), (200, 100, 2_000)] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { port: 0, data_dir: Some(directory.path().to_owned()), ..Options::default() };
        let chain = Chain::start(options).await.unwrap();
        let url = chain.url();
        let deployer = PrivateKeySigner::random();
        call(&http, &url, "eth_sendRawTransaction", json!([sign(&deployer, 0, TxKind::Create, code.clone())])).await;
        let contract: Address = deployer.address().create(0);
        // Signed ahead, so that the chain's work is measured and not the clients'. Ten members, a key each.
        let signers: Vec<_> = (0..10).map(|_| PrivateKeySigner::random()).collect();
        let pins: Vec<Bytes> = (0..count)
            .map(|index| {
                let word = |part: u64| keccak256(U256::from(index * 1000 + part).to_be_bytes::<32>());
                let contexts = (2..contexts + 2).map(word).collect();
                let call = pinBatchCall {
                    uuids: word(0),
                    batchHash: word(1),
                    payloadRef: "QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4".to_owned(),
                    contexts,
                };
                let signer = &signers[index as usize % signers.len()];
                sign(signer, index / 10, TxKind::Call(contract), call.abi_encode().into())
            })
            .collect();
        let begun = Instant::now();
        futures::stream::iter(pins)
            .map(|pin| {
                let (http, url) = (&http, &url);
                async move { call(http, url, "eth_sendRawTransaction", json!([pin])).await }
            })
            .buffer_unordered(in_flight)
            .for_each(async |_| ())
            .await;
        let elapsed = begun.elapsed();
        let blocks = call(&http, &url, "eth_blockNumber", json!([])).await;
        println!(
            "{contexts:>3} contexts, {in_flight:>3} in flight: {:>6.0} pins/s, {count} pins in {blocks} blocks",
            count as f64 / elapsed.as_secs_f64(),
        );
        chain.stop().await;
    }
}
