//! The compiled contracts of the project, as the tests use them.

use alloy::primitives::{Address, B256, Bytes, FixedBytes, U256};
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use serde_json::{Value, json};

use crate::rpc::Client;

sol! {
    /// The interface as members on any software know it, not as the compiler printed it.
    interface Firefly {
        event BatchPin(address author, uint256 timestamp, string action, bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts);
        function pinBatch(bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts) external;
        function pinBatchData(bytes data) external;
        function networkAction(string action, string payload) external;
        function networkVersion() external pure returns (uint8);
    }

    interface Ledger {
        error Refused(string why, uint256 code);
        event Stored(address indexed by, uint256 indexed key, uint256 value);
        function put(uint256 key, uint256 value) external;
        function get(uint256 key) external view returns (uint256);
        function writes() external view returns (uint256);
        function putMany(uint256 from, uint256 count) external;
        function fund() external payable;
        function putAndPin(uint256 key, uint256 value, address network, bytes data) external;
        function failWithReason(string why) external;
        function failWithError(string why, uint256 code) external;
        function failWithPanic(uint256 divisor) external view returns (uint256);
        function failSilently() external pure;
        function burn() external;
    }
}

fn bytecode(artifact: &str) -> Bytes {
    let artifact: Value = serde_json::from_str(artifact).unwrap();
    serde_json::from_value(artifact["bytecode"].clone()).unwrap()
}

pub(crate) fn firefly_bytecode() -> Bytes {
    bytecode(include_str!("../../../../contracts/artifacts/Firefly.json"))
}

/// The creation code of the test contract whose slot 0 starts at `initial`.
pub(crate) fn ledger_bytecode(initial: u64) -> Bytes {
    let code = bytecode(include_str!("../../../../contracts/test/artifacts/Ledger.json"));
    [code.as_ref(), &U256::from(initial).abi_encode()].concat().into()
}

/// Deploys with a development account.
pub(crate) async fn deploy(client: &Client, from: Address, code: &Bytes) -> Address {
    let receipt = client.send(json!({"from": from, "data": code})).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    serde_json::from_value(receipt["contractAddress"].clone()).unwrap()
}

pub(crate) fn pin_batch(seed: u64, contexts: usize) -> Firefly::pinBatchCall {
    Firefly::pinBatchCall {
        uuids: word(seed),
        batchHash: word(seed + 1),
        payloadRef: format!("Qm{seed}"),
        contexts: (0..contexts as u64).map(|context| word(seed + 2 + context)).collect(),
    }
}

pub(crate) fn word(value: u64) -> FixedBytes<32> {
    B256::from(U256::from(value))
}

/// Call data as hexadecimal text.
pub(crate) fn data(call: &impl SolCall) -> Bytes {
    call.abi_encode().into()
}

#[test]
fn the_committed_artifacts_are_what_the_sources_compile_to() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    assert!(directory.join("node_modules/solc").exists(), "solc is missing: run `npm ci` in contracts");
    let output =
        std::process::Command::new("node").args(["build.mjs", "--check"]).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
