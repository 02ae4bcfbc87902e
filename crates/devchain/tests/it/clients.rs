//! The libraries that people use: alloy from Rust, ethers.js from Node.

use std::process::Stdio;
use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{B256, U256};
use alloy::providers::{Provider, ProviderBuilder, WsConnect};
use alloy::rpc::types::{BlockNumberOrTag, Filter};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use futures::StreamExt;
use photinus_devchain::Options;

use crate::anvil::packages;
use crate::chains::start;
use crate::contracts::{firefly_bytecode, word};

sol! {
    #[sol(rpc)]
    interface Network {
        event BatchPin(address author, uint256 timestamp, string action, bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts);
        function pinBatch(bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts) external;
        function networkVersion() external pure returns (uint8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alloy_deploys_pins_and_listens() {
    tokio::time::timeout(Duration::from_secs(60), deploy_pin_and_listen()).await.expect("in time");
}

async fn deploy_pin_and_listen() {
    let chain = start(Options::default()).await;
    let signer = PrivateKeySigner::from_bytes(&chain.accounts()[1].private_key).unwrap();
    let author = signer.address();
    let wallet = EthereumWallet::from(signer);
    let over_http = ProviderBuilder::new().wallet(wallet.clone()).connect_http(chain.url().parse().unwrap());
    let over_ws = ProviderBuilder::new().wallet(wallet).connect_ws(WsConnect::new(chain.ws_url())).await.unwrap();

    let deployment = alloy::rpc::types::TransactionRequest::default();
    let deployment = alloy::network::TransactionBuilder::with_deploy_code(deployment, firefly_bytecode());
    let receipt = over_http.send_transaction(deployment).await.unwrap().get_receipt().await.unwrap();
    let address = receipt.contract_address.unwrap();
    assert_eq!(Network::new(address, &over_http).networkVersion().call().await.unwrap(), 2);

    let mut heads = over_ws.subscribe_blocks().await.unwrap().into_stream();
    let filter = Filter::new()
        .address(address)
        .event_signature(<Network::BatchPin as alloy::sol_types::SolEvent>::SIGNATURE_HASH);
    let mut logs = over_ws.subscribe_logs(&filter).await.unwrap().into_stream();
    let network = Network::new(address, &over_ws);
    for seed in 0..5_u64 {
        let pin = network.pinBatch(word(seed), word(seed + 1), String::new(), vec![word(seed + 2)]);
        let receipt = pin.send().await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status());
        let log = logs.next().await.unwrap().log_decode::<Network::BatchPin>().unwrap();
        assert_eq!(
            (log.inner.author, log.inner.uuids, log.transaction_hash),
            (author, word(seed), Some(receipt.transaction_hash))
        );
        assert_eq!(Some(heads.next().await.unwrap().number), receipt.block_number);
    }
    let found = over_http.get_logs(&filter.from_block(BlockNumberOrTag::Earliest)).await.unwrap();
    assert_eq!(found.len(), 5);
    let block = over_http.get_block_by_number(BlockNumberOrTag::Latest).full().await.unwrap().unwrap();
    assert_eq!(block.transactions.len(), 1);
    assert_eq!(over_http.get_transaction_count(author).await.unwrap(), 6);
    assert!(over_http.get_fee_history(3, BlockNumberOrTag::Latest, &[50.0]).await.unwrap().reward.is_some());
    assert_eq!(over_http.get_storage_at(address, U256::ZERO).await.unwrap(), U256::ZERO);
    assert!(over_http.get_transaction_receipt(B256::ZERO).await.unwrap().is_none());
    drop((over_http, over_ws));
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ethers_deploys_pins_and_listens() {
    let chain = start(Options::default()).await;
    let script = packages().join("ethers-check.mjs");
    assert!(packages().join("node_modules/ethers").exists(), "ethers is missing: run `npm ci` in tests/npm");
    let output = tokio::process::Command::new("node")
        .arg(script)
        .args([chain.url(), chain.ws_url()])
        .arg(chain.accounts()[2].private_key.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), output).await.expect("in time").unwrap();
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{failed}");
    assert!(told.ends_with("all checks passed\n"), "{told}");
    chain.stop().await;
}
