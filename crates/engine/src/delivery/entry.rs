//! What is owed to a peer, as it is written down.

use bytes::Bytes;
use photinus_model::{Hash, Time, Uuid};
use photinus_store::Change;
use serde::{Deserialize, Serialize};

use crate::space;

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// A batch of this node.
    Batch {
        /// Its id.
        id: Uuid,
        /// Its hash, that of the manifest that the receiver acknowledges.
        hash: Hash,
    },
    /// A file.
    Blob {
        /// The data that it belongs to.
        data: Uuid,
        /// Its hash.
        hash: Hash,
    },
}

impl What {
    /// The lane in which it waits.
    pub(super) fn lane(&self) -> u8 {
        match self {
            Self::Batch { .. } => MESSAGES,
            Self::Blob { .. } => BLOBS,
        }
    }
}

pub(super) const MESSAGES: u8 = 0;
pub(super) const BLOBS: u8 = 1;

/// A delivery to one node.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The node.
    pub(crate) node: Uuid,
    /// The operation that applications see.
    pub(crate) operation: Uuid,
    /// What is delivered.
    pub(crate) what: What,
    /// Where it stands in the peer's queue.
    pub(crate) place: u64,
    /// When it was written down.
    pub(crate) since: Time,
    /// The wrapper of a batch, if it is in memory anyway.
    pub(crate) payload: Option<Bytes>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    operation: Uuid,
    what: What,
    since: Time,
}

/// The first bytes of the keys of a lane.
pub(super) fn prefix(node: Uuid, lane: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(25);
    key.extend_from_slice(node.as_bytes());
    key.push(lane);
    key
}

/// Node, lane and place of a key.
pub(super) fn parts(key: &[u8]) -> Option<(Uuid, u8, u64)> {
    let node = Uuid::from_slice(key.get(..16)?).ok()?;
    let place = u64::from_be_bytes(key.get(17..)?.try_into().ok()?);
    Some((node, *key.get(16)?, place))
}

impl Delivery {
    fn key(&self) -> Vec<u8> {
        let mut key = prefix(self.node, self.what.lane());
        key.extend_from_slice(&self.place.to_be_bytes());
        key
    }

    /// Writes it down.
    pub(crate) fn remember(&self) -> Result<Change, serde_json::Error> {
        let note = Note { operation: self.operation, what: self.what.clone(), since: self.since };
        Ok(Change::PutKv { space: space::OUTBOX, key: self.key(), value: serde_json::to_vec(&note)? })
    }

    /// Strikes it out.
    pub(super) fn forget(&self) -> Change {
        Change::DeleteKv { space: space::OUTBOX, key: self.key() }
    }

    /// Reads it back.
    pub(super) fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let (node, _, place) = parts(key)?;
        let Note { operation, what, since } = serde_json::from_slice(value).ok()?;
        Some(Self { node, operation, what, place, since, payload: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_back_in_order() {
        let delivery = |place| Delivery {
            node: Uuid::from_u128(7),
            operation: Uuid::from_u128(8),
            what: What::Blob { data: Uuid::from_u128(9), hash: Hash::of("x") },
            place,
            since: Time::from_unix_nanos(5),
            payload: None,
        };
        let Ok(Change::PutKv { key, value, .. }) = delivery(3).remember() else { panic!("an entry") };
        let read = Delivery::read(&key, &value).unwrap();
        assert_eq!((read.node, read.operation, read.place), (Uuid::from_u128(7), Uuid::from_u128(8), 3));
        assert_eq!((&read.what, read.since), (&delivery(3).what, Time::from_unix_nanos(5)));
        assert!(delivery(256).key() > key && key.starts_with(&prefix(Uuid::from_u128(7), BLOBS)));
        assert!(Delivery::read(&key[..20], &value).is_none());
    }
}
