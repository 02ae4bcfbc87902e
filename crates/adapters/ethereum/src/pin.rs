//! From a raw log to what a member records of it.
//!
//! The names of the fields, their order and their text forms are those of FireFly's EVM connector, so that the output and
//! the info of a blockchain event read the same whichever software recorded it.

use alloy::{
    primitives::{Address, B256, LogData, b256, hex},
    sol,
    sol_types::SolEvent,
};
use photinus_model::{Hash, Time};
use photinus_ports::blockchain::{Location, Log, PinEvent, Position};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{keys, rpc};

sol! {
    /// The one event of multiparty contracts. Version 2 contracts call the third field `action`; applications see the
    /// older name for both.
    event BatchPin(
        address author,
        uint256 timestamp,
        string namespace,
        bytes32 uuids,
        bytes32 batchHash,
        string payloadRef,
        bytes32[] contexts
    );
}

/// Name of the event.
pub(crate) const NAME: &str = "BatchPin";
/// Name and argument types of the event.
const SIGNATURE: &str = BatchPin::SIGNATURE;
/// First topic of every log of the event.
pub(crate) const TOPIC: B256 = b256!("0x805721bc246bccc732581be0c0aa2dd8f7ec93e97ba4b307be84428c98b0a12f");

/// Why a log is not a batch pin that anybody could act on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the log is not of the contract and event that were asked for")]
    Foreign,
    #[error("the event's data cannot be decoded")]
    Data,
    #[error("the log's place does not fit a ledger position")]
    Place,
    #[error("the block's time is out of range")]
    Time,
}

/// What all logs of one stream have in common.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    address: Address,
    chain_id: u64,
    listener: Uuid,
    listener_name: String,
    stream: Uuid,
}

impl Source {
    /// Describes the stream of one namespace from one contract. Its ids follow from its arguments, so that they are the
    /// same after every start.
    pub(crate) fn new(namespace: &str, version: u8, address: Address, chain_id: u64) -> Self {
        let location = keys::normal(&address);
        // Half of the address' first eight characters as text, which is what the names of existing networks hold.
        let place = hex::encode(&location.as_bytes()[..8]);
        let listener_name =
            if version == 1 { format!("{NAME}_{place}") } else { format!("{namespace}_{NAME}_{place}") };
        Self {
            address,
            chain_id,
            listener: stable_id(&["listener", namespace, &location, &chain_id.to_string()]),
            stream: stable_id(&["stream", namespace]),
            listener_name,
        }
    }

    /// Id that applications see as the subscription.
    pub(crate) fn listener(&self) -> Uuid {
        self.listener
    }

    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// Decodes a log of a block that was mined at `seconds` since the epoch.
    pub(crate) fn decode(&self, log: &rpc::Log, seconds: u64) -> Result<Log, Malformed> {
        if log.address != self.address || log.topics.first() != Some(&TOPIC) {
            return Err(Malformed::Foreign);
        }
        let data = LogData::new_unchecked(log.topics.clone(), log.data.clone());
        let event = BatchPin::decode_log_data(&data).map_err(|_| Malformed::Data)?;
        let narrow = |wide: u64| u32::try_from(wide).map_err(|_| Malformed::Place);
        let position = Position {
            block: log.block_number,
            transaction: narrow(log.transaction_index)?,
            log: narrow(log.log_index)?,
        };
        let timestamp = i64::try_from(seconds)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000_000_000))
            .map(Time::from_unix_nanos)
            .ok_or(Malformed::Time)?;
        Ok(Log {
            position,
            name: NAME.to_owned(),
            transaction_hash: hex0x(log.transaction_hash),
            timestamp,
            output: output(&event),
            info: self.info(log, timestamp),
            pin: PinEvent {
                signer: keys::normal(&event.author),
                action: event.namespace,
                uuids: event.uuids.0,
                batch_hash: event.batchHash.0,
                payload_ref: event.payloadRef,
                contexts: event.contexts.iter().map(|context| Hash::from(context.0)).collect(),
            },
        })
    }

    fn info(&self, log: &rpc::Log, timestamp: Time) -> Map<String, Value> {
        let topics: Vec<Value> = log.topics.iter().map(|topic| hex0x(topic).into()).collect();
        let listener = self.listener.to_string();
        map([
            ("address", keys::normal(&log.address).into()),
            ("blockHash", hex0x(log.block_hash).into()),
            ("blockNumber", log.block_number.to_string().into()),
            ("chainId", self.chain_id.to_string().into()),
            ("listenerId", listener.clone().into()),
            ("listenerName", self.listener_name.clone().into()),
            ("listenerType", "events".into()),
            ("logIndex", log.log_index.to_string().into()),
            ("removed", false.into()),
            ("signature", SIGNATURE.into()),
            ("streamId", self.stream.to_string().into()),
            ("subId", listener.into()),
            ("timestamp", timestamp.to_string().into()),
            ("topics", topics.into()),
            ("transactionHash", hex0x(log.transaction_hash).into()),
            ("transactionIndex", log.transaction_index.to_string().into()),
        ])
    }
}

fn output(event: &BatchPin) -> Map<String, Value> {
    let contexts: Vec<Value> = event.contexts.iter().map(|context| hex0x(context).into()).collect();
    map([
        ("author", keys::normal(&event.author).into()),
        ("batchHash", hex0x(event.batchHash).into()),
        ("contexts", contexts.into()),
        ("namespace", event.namespace.clone().into()),
        ("payloadRef", event.payloadRef.clone().into()),
        ("timestamp", event.timestamp.to_string().into()),
        ("uuids", hex0x(event.uuids).into()),
    ])
}

/// An object with its members in the order given.
pub(crate) fn map<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Lower-case hexadecimal with `0x`.
pub(crate) fn hex0x(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// An id of UUID form that is a digest of its parts.
fn stable_id(parts: &[&str]) -> Uuid {
    let digest = Hash::of(parts.join("\n"));
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Reads a location: an object whose `address` is an address.
pub(crate) fn address_of(location: &Value) -> Result<Address, String> {
    let text = location.get("address").and_then(Value::as_str).ok_or("'address' is missing")?;
    keys::parse_address(text).ok_or_else(|| format!("'{text}' is not an address"))
}

/// The normal form of a location.
pub(crate) fn location(address: &Address) -> Location {
    Location(map([("address", keys::normal(address).into())]))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;
    use photinus_ports::blockchain::BatchPin as Pin;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::contract;

    /// What two members of a FireFly network recorded of their ledger.
    const RECORDED: &str = include_str!("../../../model/testdata/ledger.json");

    fn entries() -> (Address, Vec<Value>) {
        let recorded: Value = serde_json::from_str(RECORDED).unwrap();
        let contract = keys::parse_address(recorded["contract"].as_str().unwrap()).unwrap();
        (contract, recorded["entries"].as_array().unwrap().clone())
    }

    fn raw(entry: &Value) -> rpc::Log {
        serde_json::from_value(entry["log"].clone()).unwrap()
    }

    #[test]
    fn records_every_pin_as_a_firefly_member_did() {
        let (contract, entries) = entries();
        assert_eq!(entries.len(), 15);
        let source = Source::new("default", 2, contract, 31337);
        for entry in entries {
            let log = raw(&entry);
            let decoded = source.decode(&log, log.block_timestamp.unwrap()).unwrap();
            let recorded = &entry["as_recorded_by_a_member"];
            assert_eq!(decoded.name, recorded["name"]);
            assert_eq!(decoded.position.protocol_id(), recorded["protocolId"]);
            assert_eq!(decoded.transaction_hash, recorded["tx"]["blockchainId"]);
            assert_eq!(decoded.timestamp.to_string(), recorded["timestamp"]);
            // Texts, not values: the order of members counts too.
            assert_eq!(serde_json::to_string(&decoded.output).unwrap(), recorded["output"].to_string());
            let mut info = decoded.info.clone();
            for id in ["listenerId", "streamId", "subId"] {
                assert!(Uuid::parse_str(info[id].as_str().unwrap()).is_ok());
                info.insert(id.to_owned(), recorded["info"][id].clone());
            }
            assert_eq!(serde_json::to_string(&info).unwrap(), recorded["info"].to_string());
            assert_eq!(decoded.pin.signer, recorded["output"]["author"]);
            assert_eq!(hex0x(decoded.pin.uuids), recorded["output"]["uuids"]);
            assert_eq!(
                &decoded.pin.uuids[..16],
                Uuid::parse_str(recorded["tx"]["id"].as_str().unwrap()).unwrap().as_bytes()
            );
        }
    }

    #[test]
    fn encodes_every_pin_as_a_firefly_member_did() {
        let (contract, entries) = entries();
        let source = Source::new("default", 2, contract, 31337);
        for entry in entries {
            let decoded = source.decode(&raw(&entry), 0).unwrap().pin;
            let pin = Pin {
                network: String::new(),
                transaction: Uuid::from_slice(&decoded.uuids[..16]).unwrap(),
                batch: Uuid::from_slice(&decoded.uuids[16..]).unwrap(),
                batch_hash: Hash::from(decoded.batch_hash),
                payload_ref: decoded.payload_ref,
                contexts: decoded.contexts,
            };
            assert_eq!(hex0x(contract::pin_batch(&pin)), entry["transaction_input"]);
        }
    }

    #[test]
    fn refuses_what_is_not_a_pin() {
        let (contract, entries) = entries();
        let source = Source::new("default", 2, contract, 31337);
        let good = raw(&entries[0]);
        let mut other = good.clone();
        other.address = Address::ZERO;
        assert_eq!(source.decode(&other, 0), Err(Malformed::Foreign));
        let mut other = good.clone();
        other.topics.clear();
        assert_eq!(source.decode(&other, 0), Err(Malformed::Foreign));
        for length in 0..good.data.len() {
            let mut cut = good.clone();
            cut.data = Bytes::copy_from_slice(&good.data[..length]);
            assert_eq!(source.decode(&cut, 0), Err(Malformed::Data), "{length} bytes");
        }
        let mut far = good.clone();
        far.log_index = u64::from(u32::MAX) + 1;
        assert_eq!(source.decode(&far, 0), Err(Malformed::Place));
        assert_eq!(source.decode(&good, u64::MAX), Err(Malformed::Time));
    }

    #[test]
    fn names_listeners_as_existing_networks_do() {
        let address = keys::parse_address("0x5fbdb2315678afecb367f032d93f642f64180aa3").unwrap();
        let one = Source::new("ns1", 1, address, 1);
        let two = Source::new("ns1", 2, address, 1);
        assert_eq!(one.listener_name, "BatchPin_3078356662646232");
        assert_eq!(two.listener_name, "ns1_BatchPin_3078356662646232");
        assert_eq!(two.listener(), Source::new("ns1", 2, address, 1).listener());
        assert_ne!(two.listener(), Source::new("ns2", 2, address, 1).listener());
    }

    #[test]
    fn normalises_locations() {
        let given = json!({"address": "0x5FbDB2315678afecb367f032d93F642f64180aa3", "more": 1});
        let address = address_of(&given).unwrap();
        assert_eq!(json!(location(&address)), json!({"address": "0x5fbdb2315678afecb367f032d93f642f64180aa3"}));
        for bad in [json!({}), json!(null), json!({"address": 5}), json!({"address": "0x12"}), json!("0x12")] {
            assert!(address_of(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics(data: Vec<u8>, flip in 0..900_usize, bits: u8) {
            let (contract, entries) = entries();
            let source = Source::new("default", 2, contract, 31337);
            let mut log = raw(&entries[0]);
            let mut bytes = log.data.to_vec();
            let length = bytes.len();
            bytes[flip % length] ^= bits;
            log.data = bytes.into();
            let _ = source.decode(&log, 0);
            log.data = data.into();
            let _ = source.decode(&log, 0);
        }
    }
}
