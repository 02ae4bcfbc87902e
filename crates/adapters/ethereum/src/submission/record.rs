//! What the journal holds of a submitted operation, so that it survives a crash at any moment.
//!
//! Two kinds of entries, each under its own prefix followed by the operation's id: `sent/` is written before a transaction is
//! handed to the chain for the first time, and again before it is replaced; `done/` once its fate was reported. A value is a
//! format number and then the fields in the order below, in postcard's encoding.

use alloy::primitives::{Address, B256, Bytes};
use photinus_model::Time;
use photinus_ports::{OperationRef, journal::Entry};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// Prefix of the entries of signed transactions.
pub(crate) const SENT: &[u8] = b"sent/";
/// Prefix of the entries of reported fates.
pub(crate) const DONE: &[u8] = b"done/";

/// The only format so far.
const FORMAT: u8 = 1;

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    from: [u8; 20],
    nonce: u64,
    hash: [u8; 32],
    raw: Vec<u8>,
    earlier: Vec<[u8; 32]>,
    created: i64,
    sent: i64,
}

/// The fields of [`Sent`] in the types that the rest of the crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) from: Address,
    pub(crate) nonce: u64,
    pub(crate) hash: B256,
    /// The transaction as the chain takes it.
    pub(crate) raw: Bytes,
    /// Hashes of the transactions that this one replaces; one of them may be mined instead.
    pub(crate) earlier: Vec<B256>,
    /// When the operation was submitted.
    pub(crate) created: Time,
    /// When this transaction was signed, just before it was sent.
    pub(crate) sent: Time,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Why it failed; nothing when it succeeded.
    pub(crate) error: Option<String>,
    /// Its transaction, when one was mined.
    pub(crate) mined: Option<Mined>,
}

/// Where a transaction was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mined {
    pub(crate) transaction: [u8; 32],
    pub(crate) block: u64,
    pub(crate) block_hash: [u8; 32],
    pub(crate) index: u64,
    pub(crate) gas_used: u64,
    pub(crate) success: bool,
}

impl Mined {
    /// The text that FireFly calls the `protocolId` of a transaction.
    pub(crate) fn protocol_id(&self) -> String {
        format!("{:012}/{:06}", self.block, self.index)
    }
}

impl From<&Signed> for Sent {
    fn from(signed: &Signed) -> Self {
        Self {
            from: signed.from.into(),
            nonce: signed.nonce,
            hash: signed.hash.0,
            raw: signed.raw.to_vec(),
            earlier: signed.earlier.iter().map(|hash| hash.0).collect(),
            created: signed.created.as_unix_nanos(),
            sent: signed.sent.as_unix_nanos(),
        }
    }
}

impl From<Sent> for Signed {
    fn from(sent: Sent) -> Self {
        Self {
            from: sent.from.into(),
            nonce: sent.nonce,
            hash: sent.hash.into(),
            raw: sent.raw.into(),
            earlier: sent.earlier.into_iter().map(B256::from).collect(),
            created: Time::from_unix_nanos(sent.created),
            sent: Time::from_unix_nanos(sent.sent),
        }
    }
}

/// An entry that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("journal entry of operation {id}: {reason}")]
pub(crate) struct Damaged {
    id: String,
    reason: String,
}

/// The entry of a signed transaction.
pub(crate) fn sent(operation: &OperationRef, signed: &Signed) -> Result<Entry, Damaged> {
    Ok((key(SENT, operation.id), Some(encode(operation, &Sent::from(signed))?)))
}

/// The entry of a reported fate.
pub(crate) fn done(operation: &OperationRef, done: &Done) -> Result<Entry, Damaged> {
    Ok((key(DONE, operation.id), Some(encode(operation, done)?)))
}

/// The entries that forget an operation.
pub(crate) fn forget(operation: &OperationRef) -> [Entry; 2] {
    [(key(SENT, operation.id), None), (key(DONE, operation.id), None)]
}

/// Reads the id in an entry's key.
pub(crate) fn id(prefix: &[u8], key: &[u8]) -> Option<Uuid> {
    key.strip_prefix(prefix).and_then(|id| Uuid::from_slice(id).ok())
}

/// The key of an entry.
pub(crate) fn key(prefix: &[u8], id: Uuid) -> Vec<u8> {
    [prefix, id.as_bytes()].concat()
}

/// Reads an entry's value.
pub(crate) fn decode<T: DeserializeOwned>(id: Uuid, value: &[u8]) -> Result<T, Damaged> {
    let damaged = |reason: String| Damaged { id: id.to_string(), reason };
    match value.split_first() {
        Some((&FORMAT, fields)) => postcard::from_bytes(fields).map_err(|error| damaged(error.to_string())),
        Some((format, _)) => Err(damaged(format!("format {format} is not known to this version"))),
        None => Err(damaged("empty".to_owned())),
    }
}

fn encode<T: Serialize>(operation: &OperationRef, value: &T) -> Result<Vec<u8>, Damaged> {
    postcard::to_extend(value, vec![FORMAT])
        .map_err(|error| Damaged { id: operation.id.to_string(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn operation() -> OperationRef {
        OperationRef { namespace: "ns1".to_owned(), id: Uuid::from_u128(7) }
    }

    proptest! {
        #[test]
        fn a_signed_transaction_is_read_back(nonce: u64, raw: Vec<u8>, earlier: Vec<[u8; 32]>, created: i64) {
            let signed = Signed {
                from: Address::from([3; 20]),
                nonce,
                hash: B256::from([5; 32]),
                raw: raw.into(),
                earlier: earlier.into_iter().map(B256::from).collect(),
                created: Time::from_unix_nanos(created),
                sent: Time::from_unix_nanos(0),
            };
            let (key, value) = sent(&operation(), &signed).unwrap();
            let found = id(SENT, &key).unwrap();
            prop_assert_eq!(found, operation().id);
            prop_assert_eq!(Signed::from(decode::<Sent>(found, &value.unwrap()).unwrap()), signed);
        }

        #[test]
        fn reading_never_panics(value: Vec<u8>) {
            let _ = decode::<Sent>(Uuid::nil(), &value);
            let _ = decode::<Done>(Uuid::nil(), &value);
        }
    }

    #[test]
    fn the_format_does_not_change_unnoticed() {
        let mined =
            Mined { transaction: [1; 32], block: 300, block_hash: [2; 32], index: 4, gas_used: 5, success: true };
        let (_, value) = done(&operation(), &Done { error: Some("no".to_owned()), mined: Some(mined) }).unwrap();
        let expected =
            [vec![1, 1, 2, b'n', b'o', 1], vec![1; 32], vec![0xac, 0x02], vec![2; 32], vec![4, 5, 1]].concat();
        assert_eq!(value.unwrap(), expected);
        assert_eq!(mined.protocol_id(), "000000000300/000004");
    }
}
