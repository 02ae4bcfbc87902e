//! The multiparty contract: its compiled form, and the encoding of the calls that members make to it.
//!
//! Version 2 contracts order one network each. Version 1 contracts carry the name of the network in every call and know
//! neither `networkAction` nor `networkVersion`.

use alloy::{
    primitives::{B256, Bytes, hex},
    sol,
    sol_types::SolCall,
};
use photinus_model::Hash;
use photinus_ports::blockchain::BatchPin;
use serde_json::Value;

sol! {
    /// What version 2 contracts offer to the outside.
    interface Version2 {
        function pinBatch(bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts) external;
        function networkAction(string action, string payload) external;
        function networkVersion() external pure returns (uint8);
    }

    /// What version 1 contracts offer to the outside.
    interface Version1 {
        function pinBatch(string namespace, bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts)
            external;
    }
}

/// The compiled contract as `contracts/build.mjs` writes it.
const ARTIFACT: &str = include_str!("../../../../contracts/artifacts/Firefly.json");

/// The committed artefact is not of the expected form.
#[derive(Debug, thiserror::Error)]
#[error("the compiled contract is unusable: {0}")]
pub struct Unusable(&'static str);

fn artifact() -> Result<Value, Unusable> {
    serde_json::from_str(ARTIFACT).map_err(|_| Unusable("not JSON"))
}

/// The contract's ABI: a JSON array.
///
/// # Errors
/// When the artefact that was compiled in is damaged.
pub fn abi() -> Result<Value, Unusable> {
    artifact()?.get("abi").filter(|abi| abi.is_array()).cloned().ok_or(Unusable("no abi"))
}

/// What a deployment sends: the contract's creation code, which takes no arguments.
///
/// # Errors
/// When the artefact that was compiled in is damaged.
pub fn bytecode() -> Result<Bytes, Unusable> {
    let artifact = artifact()?;
    let digits = artifact.get("bytecode").and_then(Value::as_str).ok_or(Unusable("no bytecode"))?;
    let code = hex::decode(digits).map_err(|_| Unusable("bytecode is not hexadecimal"))?;
    if code.is_empty() {
        return Err(Unusable("bytecode is empty"));
    }
    Ok(code.into())
}

/// Call data of a batch pin for a version 2 contract.
#[must_use]
pub fn pin_batch(pin: &BatchPin) -> Bytes {
    Version2::pinBatchCall {
        uuids: uuids(pin),
        batchHash: word(&pin.batch_hash),
        payloadRef: pin.payload_ref.clone(),
        contexts: pin.contexts.iter().map(word).collect(),
    }
    .abi_encode()
    .into()
}

/// Call data of a batch pin for a version 1 contract, which is told the name of the network.
#[must_use]
pub fn pin_batch_of_network(network: &str, pin: &BatchPin) -> Bytes {
    Version1::pinBatchCall {
        namespace: network.to_owned(),
        uuids: uuids(pin),
        batchHash: word(&pin.batch_hash),
        payloadRef: pin.payload_ref.clone(),
        contexts: pin.contexts.iter().map(word).collect(),
    }
    .abi_encode()
    .into()
}

/// Call data of a network action, `action` being what the ledger will say, such as `firefly:terminate`.
#[must_use]
pub fn network_action(version: u8, action: &str, payload: &str) -> Bytes {
    let action = action.to_owned();
    if version == 1 {
        Version1::pinBatchCall {
            namespace: action,
            uuids: B256::ZERO,
            batchHash: B256::ZERO,
            payloadRef: payload.to_owned(),
            contexts: Vec::new(),
        }
        .abi_encode()
        .into()
    } else {
        Version2::networkActionCall { action, payload: payload.to_owned() }.abi_encode().into()
    }
}

/// Call data of the question for a contract's version.
pub(crate) fn version_query() -> Bytes {
    Version2::networkVersionCall {}.abi_encode().into()
}

/// The answer to [`version_query`], when it is one.
pub(crate) fn version_answer(data: &[u8]) -> Option<u8> {
    Version2::networkVersionCall::abi_decode_returns_validate(data).ok()
}

fn word(hash: &Hash) -> B256 {
    B256::from(*hash.as_bytes())
}

fn uuids(pin: &BatchPin) -> B256 {
    let mut both = [0_u8; 32];
    both[..16].copy_from_slice(pin.transaction.as_bytes());
    both[16..].copy_from_slice(pin.batch.as_bytes());
    B256::from(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_contract_is_of_the_expected_form() {
        let abi = abi().unwrap();
        let names: Vec<_> = abi.as_array().unwrap().iter().filter_map(|entry| entry["name"].as_str()).collect();
        for name in ["BatchPin", "pinBatch", "pinBatchData", "networkAction", "networkVersion"] {
            assert!(names.contains(&name), "{name} is missing");
        }
        assert!(bytecode().unwrap().len() > 100);
    }

    #[test]
    fn selectors_are_those_of_the_deployed_contracts() {
        assert_eq!(hex::encode(Version2::pinBatchCall::SELECTOR), "48ce1dcc");
        assert_ne!(Version1::pinBatchCall::SELECTOR, Version2::pinBatchCall::SELECTOR);
        let word = |last: u8| {
            let mut word = [0_u8; 32];
            word[31] = last;
            word
        };
        assert_eq!(version_answer(&word(2)), Some(2));
        assert_eq!(version_answer(&[]), None);
        assert_eq!(version_answer(&[0xff; 32]), None);
    }
}
