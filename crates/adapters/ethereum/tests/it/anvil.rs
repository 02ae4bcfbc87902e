//! An anvil process that ends with its value.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use alloy::{
    primitives::{Address, B256},
    rpc::client::RpcClient,
};
use serde_json::{Value, json};

/// A running chain.
pub(crate) struct Anvil {
    process: Child,
    pub(crate) port: u16,
    rpc: RpcClient,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary that `npm ci` in `tests/npm` installs.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PHOTINUS_ANVIL") {
        return path.into();
    }
    let packages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/npm/node_modules/@foundry-rs");
    let installed = std::fs::read_dir(&packages).into_iter().flatten().flatten().find_map(|package| {
        let binary = package.path().join("bin/anvil");
        (package.file_name() != "anvil" && binary.is_file()).then_some(binary)
    });
    installed.unwrap_or_else(|| {
        panic!("anvil is missing: run `npm ci` in tests/npm, or set PHOTINUS_ANVIL to the path of an anvil binary")
    })
}

impl Anvil {
    /// Starts a chain with one block per transaction.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a chain with more arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::at(0, arguments)
    }

    /// Starts a chain at a port.
    pub(crate) fn at(port: u16, arguments: &[&str]) -> Self {
        let mut process = Command::new(binary())
            .args(["--port", &port.to_string(), "--host", "127.0.0.1"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| line.ok()?.strip_prefix("Listening on 127.0.0.1:")?.parse().ok())
            .expect("anvil says where it listens");
        // It stops when nobody reads what it prints.
        std::thread::spawn(move || lines.for_each(drop));
        let rpc = RpcClient::new_http(format!("http://127.0.0.1:{port}").parse().unwrap());
        Self { process, port, rpc }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn call(&self, method: &'static str, params: Value) -> Value {
        self.rpc.request(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Makes `count` blocks with what waits.
    pub(crate) async fn mine(&self, count: u64) {
        self.call("anvil_mine", json!([format!("{count:#x}")])).await;
    }

    /// Whether a transaction gets a block at once.
    pub(crate) async fn automine(&self, on: bool) {
        self.call("evm_setAutomine", json!([on])).await;
    }

    /// Replaces the newest blocks by empty ones.
    pub(crate) async fn reorganise(&self, depth: u64) {
        self.call("anvil_reorg", json!([depth, []])).await;
    }

    /// Number of transactions of an address, including those that wait if `pending`.
    pub(crate) async fn nonce(&self, address: &str, pending: bool) -> u64 {
        let tag = if pending { "pending" } else { "latest" };
        number(&self.call("eth_getTransactionCount", json!([address, tag])).await)
    }

    pub(crate) async fn block_number(&self) -> u64 {
        number(&self.call("eth_blockNumber", json!([])).await)
    }

    /// Hashes of the transactions that wait.
    pub(crate) async fn waiting(&self) -> Vec<B256> {
        let content = self.call("txpool_content", json!([])).await;
        let mut hashes = Vec::new();
        for group in ["pending", "queued"] {
            for transactions in content[group].as_object().unwrap().values() {
                let of_account = transactions.as_object().unwrap().values();
                hashes.extend(of_account.map(|tx| tx["hash"].as_str().unwrap().parse::<B256>().unwrap()));
            }
        }
        hashes
    }

    /// Somebody else with the same key: an empty transaction, signed by the chain itself.
    pub(crate) async fn foreign(&self, from: &str) {
        let to = Address::repeat_byte(7);
        self.call("eth_sendTransaction", json!([{"from": from, "to": to, "value": "0x1"}])).await;
    }
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}
