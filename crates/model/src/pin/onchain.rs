//! The event that the multiparty contract emits, decoded by a ledger adapter, and what it means.
//!
//! Deliberately not here: the encoding of any particular ledger.

use uuid::Uuid;

use crate::{Hash, transaction};

/// The beginning of texts that are actions and not names of namespaces.
pub const ACTION_PREFIX: &str = "firefly:";
/// What version 2 of the contract writes for an ordinary batch.
pub const ACTION_BATCH_PIN: &str = "firefly:batch_pin";
/// What version 2 of the contract writes for a batch pinned by another contract.
pub const ACTION_CONTRACT_INVOKE_PIN: &str = "firefly:contract_invoke_pin";
/// The action that ends the use of a contract.
pub const ACTION_TERMINATE: &str = "firefly:terminate";

/// The version of the multiparty contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// One contract for many namespaces; the third field is the network's name of the namespace.
    V1,
    /// One contract for one namespace; the third field is an action.
    V2,
}

/// One `BatchPin` event, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPin {
    /// The account that signed the ledger transaction, in the ledger's normal form (Ethereum: lower case with `0x`).
    pub signer: String,
    /// The ledger's time, in seconds since 1970.
    pub timestamp: u64,
    /// The third field: an action, or the namespace.
    pub action: String,
    /// Transaction and batch, see [`uuids`].
    pub uuids: Hash,
    /// The batch's hash.
    pub batch_hash: Hash,
    /// The reference of the payload in shared storage; empty for private batches.
    pub payload_ref: String,
    /// The pins.
    pub contexts: Vec<Hash>,
}

/// Joins transaction and batch as the ledger carries them.
#[must_use]
pub fn uuids(tx: Uuid, batch: Uuid) -> Hash {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(tx.as_bytes());
    bytes[16..].copy_from_slice(batch.as_bytes());
    Hash(bytes)
}

/// Takes transaction and batch apart.
#[must_use]
pub fn split_uuids(uuids: &Hash) -> (Uuid, Uuid) {
    let joined = uuids.as_bytes();
    let half = |at: usize| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&joined[at..at + 16]);
        Uuid::from_bytes(bytes)
    };
    (half(0), half(16))
}

/// What an event means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// An action on the network, without its prefix.
    Action {
        /// The action, for example `terminate`.
        name: &'a str,
        /// What the caller passed beside it.
        payload: &'a str,
    },
    /// A batch.
    Batch {
        /// The network's name of the namespace, in version 1.
        namespace: Option<&'a str>,
        /// `batch_pin` or `contract_invoke_pin`.
        tx_type: transaction::Type,
        /// The transaction.
        tx: Uuid,
        /// The batch.
        batch: Uuid,
        /// The reference of the payload; `None` means that the pins are masked.
        payload_ref: Option<&'a str>,
    },
}

impl BatchPin {
    /// What the event means under a version of the contract.
    #[must_use]
    pub fn meaning(&self, version: Version) -> Meaning<'_> {
        if let (true, Some(name)) = (self.contexts.is_empty(), self.action.strip_prefix(ACTION_PREFIX)) {
            return Meaning::Action { name, payload: &self.payload_ref };
        }
        let (tx, batch) = split_uuids(&self.uuids);
        let tx_type = match version {
            Version::V2 if self.action == ACTION_CONTRACT_INVOKE_PIN => transaction::Type::ContractInvokePin,
            _ => transaction::Type::BatchPin,
        };
        Meaning::Batch {
            namespace: (version == Version::V1).then_some(self.action.as_str()),
            tx_type,
            tx,
            batch,
            payload_ref: (!self.payload_ref.is_empty()).then_some(self.payload_ref.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, contexts: Vec<Hash>) -> BatchPin {
        BatchPin {
            signer: "0x0".into(),
            timestamp: 1,
            action: action.into(),
            uuids: uuids(Uuid::from_u128(1), Uuid::from_u128(2)),
            batch_hash: Hash::default(),
            payload_ref: String::new(),
            contexts,
        }
    }

    #[test]
    fn actions_have_no_contexts() {
        let action = event(ACTION_TERMINATE, vec![]);
        assert_eq!(action.meaning(Version::V2), Meaning::Action { name: "terminate", payload: "" });
        let batch = event(ACTION_TERMINATE, vec![Hash::default()]);
        assert!(matches!(batch.meaning(Version::V2), Meaning::Batch { namespace: None, payload_ref: None, .. }));
    }

    #[test]
    fn version_1_names_the_namespace() {
        let event = event("ns1", vec![Hash::default()]);
        let Meaning::Batch { namespace, tx, batch, tx_type, .. } = event.meaning(Version::V1) else { panic!("batch") };
        assert_eq!((namespace, tx.as_u128(), batch.as_u128()), (Some("ns1"), 1, 2));
        assert_eq!(tx_type, transaction::Type::BatchPin);
    }

    #[test]
    fn custom_pins_are_named_by_version_2() {
        let event = event(ACTION_CONTRACT_INVOKE_PIN, vec![Hash::default()]);
        let of = |version| match event.meaning(version) {
            Meaning::Batch { tx_type, .. } => tx_type,
            Meaning::Action { .. } => panic!("batch"),
        };
        assert_eq!(of(Version::V2), transaction::Type::ContractInvokePin);
        assert_eq!(of(Version::V1), transaction::Type::BatchPin);
    }
}
