//! A block that anybody has heard of outlives the process.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, B256, TxKind, U256};
use alloy::rpc::types::{Block, TransactionReceipt};
use alloy::signers::local::PrivateKeySigner;
use futures::future::join_all;
use parking_lot::Mutex;
use photinus_devchain::Options;
use serde_json::{Value, json};

use crate::chains::{client, start};
use crate::contracts::{Ledger, data, deploy, firefly_bytecode, ledger_bytecode, pin_batch};
use crate::rpc::{Client, Socket, sign};

/// Names the directory for the test below when it is run as a process of its own.
const CHILD_DIRECTORY: &str = "PHOTINUS_TEST_CHAIN_DIRECTORY";

fn stored(directory: &Path) -> Options {
    Options { data_dir: Some(directory.to_owned()), ..Options::default() }
}

/// Not a test: the chain that other tests kill. It says where it listens and runs until its input ends.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "other tests run it, as a process of its own"]
async fn a_chain_to_kill() {
    let directory = std::env::var_os(CHILD_DIRECTORY).expect("only another test runs this one");
    let chain = start(stored(Path::new(&directory))).await;
    // Not by `println`, which the test harness captures.
    writeln!(std::io::stdout(), "\nserving {}", chain.address()).unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    chain.stop().await;
}

/// The chain above in its own process.
struct Process {
    child: Child,
    client: Client,
}

impl Process {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::a_chain_to_kill", "--ignored", "--nocapture"])
            .env(CHILD_DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .find_map(|line| line.unwrap().strip_prefix("serving ").map(str::to_owned))
            .expect("the chain says where it listens");
        Self { child, client: Client::new(format!("http://{address}"), format!("ws://{address}")) }
    }

    /// Ends the process at once, as `kill -9` does.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What clients were told before the process died.
#[derive(Clone, Default)]
struct Told {
    sent: Vec<B256>,
    heads: Vec<(u64, B256)>,
}

async fn send_until_it_breaks(client: Client, contract: Address, told: Arc<Mutex<Told>>, count: Arc<AtomicUsize>) {
    let signer = PrivateKeySigner::random();
    let http = reqwest::Client::new();
    for nonce in 0.. {
        let tx = TxEip1559 {
            chain_id: 31337,
            nonce,
            gas_limit: 500_000,
            to: TxKind::Call(contract),
            input: data(&pin_batch(nonce, 1 + nonce as usize % 20)),
            ..TxEip1559::default()
        };
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [sign(tx, &signer)]});
        let request = http.post(&client.url).header("content-type", "application/json").body(body.to_string());
        let Ok(response) = request.send().await else { return };
        let Ok(text) = response.text().await else { return };
        let answer: Value = serde_json::from_str(&text).unwrap();
        told.lock().sent.push(serde_json::from_value(answer["result"].clone()).unwrap());
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn listen_until_it_breaks(url: String, told: Arc<Mutex<Told>>) {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]});
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let value: Value = serde_json::from_str(&text).unwrap();
        if let Ok(head) = serde_json::from_value::<alloy::rpc::types::Header>(value["params"]["result"].clone()) {
            told.lock().heads.push((head.number, head.hash));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_told_is_lost_when_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Told::default()));
    let mut contract = None;
    for round in 0..4 {
        let process = Process::start(directory.path());
        let client = process.client.clone();
        let contract = match contract {
            Some(contract) => contract,
            None => {
                let from = client.accounts().await[0];
                *contract.insert(deploy(&client, from, &firefly_bytecode()).await)
            }
        };
        // What the last round was told is there.
        let so_far = told.lock().clone();
        verify(&client, &so_far).await;
        let count = Arc::new(AtomicUsize::new(0));
        let mut tasks = vec![tokio::spawn(listen_until_it_breaks(client.ws_url.clone(), Arc::clone(&told)))];
        for _ in 0..8 {
            let task = send_until_it_breaks(client.clone(), contract, Arc::clone(&told), Arc::clone(&count));
            tasks.push(tokio::spawn(task));
        }
        // Somewhere in the middle of the work, at another place each time.
        while count.load(Ordering::Relaxed) < 40 + 37 * round && tasks.iter().skip(1).any(|task| !task.is_finished()) {
            tokio::task::yield_now().await;
        }
        process.kill();
        for task in join_all(tasks).await {
            task.unwrap();
        }
    }
    let chain = start(stored(directory.path())).await;
    let client = client(&chain);
    let told = told.lock().clone();
    assert!(told.sent.len() > 200 && !told.heads.is_empty(), "{} {}", told.sent.len(), told.heads.len());
    verify(&client, &told).await;
    // The chain goes on where it was, and every block follows from the one before.
    let from = client.accounts().await[0];
    client.send(json!({"from": from, "to": Address::ZERO})).await;
    let mut parent = B256::ZERO;
    for number in 0..=client.block_number().await {
        let block: Block = client.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
        assert_eq!((block.header.parent_hash, block.header.inner.hash_slow()), (parent, block.header.hash));
        parent = block.header.hash;
    }
    chain.stop().await;
}

async fn verify(client: &Client, told: &Told) {
    for hash in &told.sent {
        let receipt: Option<TransactionReceipt> = client.call("eth_getTransactionReceipt", json!([hash])).await;
        assert!(receipt.unwrap_or_else(|| panic!("{hash} is lost")).status());
    }
    for (number, hash) in &told.heads {
        let block: Block = client.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
        assert_eq!(block.header.hash, *hash, "block {number} is another one");
    }
}

#[tokio::test]
async fn a_stopped_chain_goes_on_as_if_it_had_not_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let chain = start(stored(directory.path())).await;
    let [from, to] = [chain.accounts()[0].address, chain.accounts()[1].address];
    let before = client(&chain);
    let contract = deploy(&before, from, &ledger_bytecode(5)).await;
    let put = json!({"from": from, "to": contract, "data": data(&Ledger::putCall { key: U256::from(1), value: U256::from(7) })});
    let stored_receipt = before.send(put.clone()).await;
    before.send(json!({"from": from, "to": to, "value": "0x3e8"})).await;
    let head: Value = before.call("eth_getBlockByNumber", json!(["latest", true])).await;
    let logs: Value = before.call("eth_getLogs", json!([{"fromBlock": "0x0"}])).await;
    let balance: U256 = before.call("eth_getBalance", json!([to, "latest"])).await;
    chain.stop().await;

    let chain = start(stored(directory.path())).await;
    let after = client(&chain);
    assert_eq!(after.call::<Value>("eth_getBlockByNumber", json!(["latest", true])).await, head);
    assert_eq!(after.call::<Value>("eth_getLogs", json!([{"fromBlock": "0x0"}])).await, logs);
    assert_eq!(
        after.call::<Value>("eth_getTransactionReceipt", json!([stored_receipt["transactionHash"]])).await,
        stored_receipt
    );
    assert_eq!(after.call::<U256>("eth_getBalance", json!([to, "latest"])).await, balance);
    assert_eq!(after.nonce(from, "latest").await, 3);
    let old = after.error("eth_getBalance", json!([to, "0x1"])).await;
    assert!(old.message.contains("is not available"), "{old:?}");
    // A subscription that starts now does not repeat what was before.
    let mut socket = Socket::connect(&after.ws_url).await;
    socket.call("eth_subscribe", json!(["logs", {"address": contract}])).await;
    after.send(put).await;
    let (_, log) = socket.notification().await;
    assert_eq!(log["blockNumber"], "0x4");
    chain.stop().await;
}
