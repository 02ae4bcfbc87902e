//! How fetches are written down: one row for each in the order of its turn, and one by which it is found.
//!
//! Everything is in the rows of the turn; the others are there for those who ask what is done about a content.

use photinus_model::{Hash, Time, Uuid};
use photinus_sequencing::facts::Pos;
use photinus_store::Change;

use crate::space;

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A batch, by its id and hash.
    Batch,
    /// A blob, by the id of its data and its hash.
    Blob,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Batch => 1,
            Self::Blob => 2,
        }
    }

    fn read(byte: u8) -> Option<Self> {
        [Self::Batch, Self::Blob].into_iter().find(|kind| kind.byte() == byte)
    }
}

/// Rows of fetches in the order of their turns.
const WAITING: u8 = 3;
/// Rows of fetches that brought what this version cannot use.
const REFUSED: u8 = 4;
/// The row with the secret that spreads sources over lanes.
pub(super) const SECRET: &[u8] = &[0];

/// Bytes of a row's key that say whose turn it is.
const TURN: usize = 2 + 16 + 8;

/// When it is whose turn: by source, and in a source by the place on the ledger or by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::aggregation) struct Turn([u8; TURN]);

/// Sources share a lane only by chance: which, nobody outside can know.
pub(super) type Lane = u16;

/// Lanes at most. They bound what is remembered of sources, of which anybody can make any number.
const LANES: u16 = 1024;

/// The lane of a source.
fn lane(secret: &[u8], kind: Kind, source: &str) -> Lane {
    let hash = Hash::concat(&[secret, &[kind.byte()], source.as_bytes()]);
    u16::from_be_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]) % LANES
}

impl Turn {
    /// The turn of the content of an event.
    pub(super) fn of_event(secret: &[u8], signer: &str, pos: Pos, payload_ref: &str) -> Self {
        let mut order = [0; 16];
        order[..8].copy_from_slice(&pos.block.to_be_bytes());
        order[8..12].copy_from_slice(&pos.tx.to_be_bytes());
        order[12..].copy_from_slice(&pos.log.to_be_bytes());
        Self::new(lane(secret, Kind::Batch, signer), order, payload_ref)
    }

    /// The turn of a blob of an author, noticed now.
    pub(super) fn of_blob(secret: &[u8], author: &str, now: Time, payload_ref: &str) -> Self {
        let mut order = [0; 16];
        order[..8].copy_from_slice(&now.as_unix_nanos().to_be_bytes());
        Self::new(lane(secret, Kind::Blob, author), order, payload_ref)
    }

    /// The turn of what an earlier version wrote down: before anything else.
    pub(super) fn first(secret: &[u8], kind: Kind, payload_ref: &str) -> Self {
        Self::new(lane(secret, kind, ""), [0; 16], payload_ref)
    }

    fn new(lane: Lane, order: [u8; 16], payload_ref: &str) -> Self {
        let mut bytes = [0; TURN];
        bytes[..2].copy_from_slice(&lane.to_be_bytes());
        bytes[2..18].copy_from_slice(&order);
        bytes[18..].copy_from_slice(&Hash::of(payload_ref).as_bytes()[..8]);
        Self(bytes)
    }

    pub(super) fn lane(self) -> Lane {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }
}

/// A fetch as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::aggregation) struct Row {
    pub(super) turn: Turn,
    pub(super) kind: Kind,
    /// Of the batch, or of the data.
    pub(super) id: Uuid,
    pub(super) hash: Hash,
    pub(super) operation: Uuid,
    pub(super) payload_ref: String,
}

impl Row {
    /// What tells it from all others.
    pub(super) fn key(&self) -> Vec<u8> {
        [&self.turn.0, [self.kind.byte()].as_slice(), self.id.as_bytes(), self.hash.as_bytes()].concat()
    }

    fn found_by(&self) -> Vec<u8> {
        [prefix(self.kind, self.id, self.hash).as_slice(), &self.turn.0].concat()
    }

    fn value(&self) -> Vec<u8> {
        [self.operation.as_bytes(), self.payload_ref.as_bytes()].concat()
    }

    /// Writes it down.
    pub(super) fn remember(&self) -> [Change; 2] {
        [put(under(WAITING, &self.key()), self.value()), put(self.found_by(), self.operation.as_bytes().to_vec())]
    }

    /// Strikes it out.
    pub(super) fn forget(&self) -> [Change; 2] {
        [delete(under(WAITING, &self.key())), delete(self.found_by())]
    }

    /// Puts it aside: this version cannot use what it brought.
    pub(super) fn refuse(&self, version: &str) -> [Change; 2] {
        let version = &version.as_bytes()[..version.len().min(usize::from(u8::MAX))];
        let length = u8::try_from(version.len()).unwrap_or(u8::MAX);
        let value = [&[length], version, self.value().as_slice()].concat();
        [delete(under(WAITING, &self.key())), put(under(REFUSED, &self.key()), value)]
    }

    /// Gives it a turn again after it was put aside.
    pub(super) fn restore(&self) -> [Change; 2] {
        [delete(under(REFUSED, &self.key())), put(under(WAITING, &self.key()), self.value())]
    }

    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let (turn, rest) = key.split_first_chunk::<TURN>()?;
        let (kind, rest) = rest.split_first()?;
        let (id, hash) = rest.split_first_chunk::<16>()?;
        let (operation, payload_ref) = value.split_first_chunk::<16>()?;
        Some(Self {
            turn: Turn(*turn),
            kind: Kind::read(*kind)?,
            id: Uuid::from_bytes(*id),
            hash: Hash::from(<[u8; 32]>::try_from(hash).ok()?),
            operation: Uuid::from_bytes(*operation),
            payload_ref: String::from_utf8(payload_ref.to_vec()).ok()?,
        })
    }
}

/// A row that waits for its turn, by its key and value in the store.
pub(super) fn waiting(key: &[u8], value: &[u8]) -> Option<Row> {
    Row::read(key.strip_prefix(&[WAITING])?, value)
}

/// A row that was put aside, and the version that did.
pub(super) fn refused(key: &[u8], value: &[u8]) -> Option<(Row, String)> {
    let (length, rest) = value.split_first()?;
    let (version, value) = rest.split_at_checked(usize::from(*length))?;
    Some((Row::read(key.strip_prefix(&[REFUSED])?, value)?, String::from_utf8(version.to_vec()).ok()?))
}

/// The keys of all rows that wait, or of those of a lane.
pub(super) fn all_waiting(lane: Option<Lane>) -> Vec<u8> {
    let mut key = vec![WAITING];
    key.extend(lane.into_iter().flat_map(u16::to_be_bytes));
    key
}

/// The keys of all rows that were put aside.
pub(super) fn all_refused() -> Vec<u8> {
    vec![REFUSED]
}

/// The key of a row in the store.
pub(super) fn stored(key: &[u8]) -> Vec<u8> {
    under(WAITING, key)
}

/// What the keys begin with by which the fetches of a content are found. Anybody can name a content under a reference that
/// leads nowhere, so there may be several.
pub(super) fn prefix(kind: Kind, id: Uuid, hash: Hash) -> Vec<u8> {
    [[kind.byte()].as_slice(), id.as_bytes(), hash.as_bytes()].concat()
}

/// A fetch as version 0.1.0 wrote it down before there were turns: what it fetches, by its key.
pub(super) fn before_turns(key: &[u8]) -> Option<(Kind, Uuid, Hash)> {
    let (kind, rest) = key.split_first()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let (hash, reference) = rest.split_first_chunk::<32>()?;
    (reference.len() == 32).then_some(())?;
    Some((Kind::read(*kind)?, Uuid::from_bytes(*id), Hash::from(*hash)))
}

fn under(kind: u8, key: &[u8]) -> Vec<u8> {
    [&[kind], key].concat()
}

pub(super) fn put(key: Vec<u8>, value: Vec<u8>) -> Change {
    Change::PutKv { space: space::FETCHES, key, value }
}

pub(super) fn delete(key: Vec<u8>) -> Change {
    Change::DeleteKv { space: space::FETCHES, key }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(signer: &str, block: u64) -> Row {
        let pos = Pos { block, tx: 1, log: 2 };
        Row {
            turn: Turn::of_event(b"secret", signer, pos, "Qm"),
            kind: Kind::Batch,
            id: Uuid::from_u128(7),
            hash: Hash::of("x"),
            operation: Uuid::from_u128(9),
            payload_ref: "Qm".to_owned(),
        }
    }

    fn written(change: &Change) -> (&[u8], &[u8]) {
        match change {
            Change::PutKv { key, value, .. } => (key, value),
            other => panic!("{other:?} writes nothing"),
        }
    }

    #[test]
    fn rows_are_read_back() {
        let row = row("0x01", 5);
        let [turn, found] = row.remember();
        let (key, value) = written(&turn);
        assert_eq!(waiting(key, value), Some(row.clone()));
        assert!(key.starts_with(&all_waiting(Some(row.turn.lane()))));
        assert!(written(&found).0.starts_with(&prefix(Kind::Batch, row.id, row.hash)));
        let [_, aside] = row.refuse("0.1.0");
        let (key, value) = written(&aside);
        assert_eq!(refused(key, value), Some((row.clone(), "0.1.0".to_owned())));
        for length in 0..key.len() {
            assert_eq!(waiting(&key[..length], value), None);
            assert_eq!(refused(&key[..length], value), None);
        }
        assert_eq!(refused(key, &[200, 1]), None);
    }

    #[test]
    fn a_source_is_served_in_the_order_of_the_ledger() {
        assert!(row("0x01", 255).key() < row("0x01", 256).key());
        assert_eq!(row("0x01", 1).turn.lane(), row("0x01", 2).turn.lane());
        let lanes: std::collections::HashSet<_> =
            (0..100).map(|number| row(&format!("0x{number}"), 1).turn.lane()).collect();
        assert!(lanes.len() > 80, "sources are spread");
        let now = Time::from_unix_nanos(1);
        assert_ne!(Turn::of_blob(b"s", "0x01", now, "a"), Turn::of_blob(b"s", "0x01", now, "b"));
    }

    #[test]
    fn what_an_earlier_version_wrote_is_understood() {
        let old = [prefix(Kind::Blob, Uuid::from_u128(7), Hash::of("x")), Hash::of("ref").as_bytes().to_vec()].concat();
        assert_eq!(before_turns(&old), Some((Kind::Blob, Uuid::from_u128(7), Hash::of("x"))));
        assert_eq!(before_turns(&row("0x01", 5).found_by()), None, "what is found by its content now is no such row");
    }
}
