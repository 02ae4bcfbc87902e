//! What other nodes sent ahead of what it belongs to: batches whose pin is not on the ledger yet, files that no message names yet.
//!
//! A note of each is written in the commit that takes it, and struck out in the commit that takes its pin, or its message: both
//! ride along with what is written anyway. Memory holds the notes by sender, so that the door can say what is too much without a
//! read. What is too old is thrown away (module `expiry`); of a batch its name is kept for a while, so that a pin that
//! comes after all has the content asked for again.
//!
//! Deliberately not here: content that is pinned and that nobody can use yet, which is part of the ledger's order.

pub(super) mod expiry;
mod turn;

use std::collections::BTreeMap;

use photinus_model::{Hash, Time, Uuid};
use photinus_sequencing::facts::BatchKey;
use photinus_store::Change;
use serde::{Deserialize, Serialize};

use crate::{core::Core, options, space};

/// Something that came early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// A batch.
    Batch(BatchKey),
    /// The file of a data element.
    File {
        /// Id of the data.
        data: Uuid,
        /// Hash of the file.
        hash: Hash,
    },
}

impl Item {
    fn entry(&self) -> (u8, Vec<u8>) {
        let (space, id, hash) = match self {
            Self::Batch(batch) => (space::EARLY, batch.id, batch.hash),
            Self::File { data, hash } => (space::EARLY_FILES, *data, *hash),
        };
        (space, [id.as_bytes().as_slice(), hash.as_bytes()].concat())
    }

    fn read(space: u8, key: &[u8]) -> Option<Self> {
        let (id, hash) = key.split_at_checked(16)?;
        let (id, hash) = (Uuid::from_slice(id).ok()?, Hash::from(<[u8; 32]>::try_from(hash).ok()?));
        Some(if space == space::EARLY { Self::Batch(BatchKey { id, hash }) } else { Self::File { data: id, hash } })
    }

    pub(super) fn remember(&self, note: &Note) -> Result<Change, serde_json::Error> {
        let (space, key) = self.entry();
        Ok(Change::PutKv { space, key, value: serde_json::to_vec(note)? })
    }

    pub(super) fn forget(&self) -> Change {
        let (space, key) = self.entry();
        Change::DeleteKv { space, key }
    }
}

/// What is written down of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The node that sent it.
    pub(super) peer: String,
    /// How large it is, about.
    pub(super) bytes: u64,
    /// When it came, or when it was thrown away.
    pub(super) since: Time,
    /// The group of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<Hash>,
    /// The author of a batch.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) author: String,
    /// Whether it was thrown away, and only its name is left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gone: bool,
    /// Whether it never was here, and another node told of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) told: bool,
}

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: usize,
    /// How many bytes.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn take(&mut self, bytes: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn has_room(self, bytes: u64, most: Self) -> bool {
        self.count < most.count && self.bytes.saturating_add(bytes) <= most.bytes
    }
}

/// What is held for the time being, of all nodes or of one, and what was thrown away since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Early {
    /// Batches without a pin.
    pub batches: Sum,
    /// Files without a message.
    pub files: Sum,
    /// Batches and files that were thrown away because nothing came for them.
    pub expired: u64,
    /// Batches of which only the name is left.
    gone: usize,
}

impl Early {
    fn count(&mut self, item: &Item, note: &Note, change: fn(&mut Sum, u64)) {
        match item {
            Item::Batch(_) if note.gone => {
                let mut gone = Sum { count: self.gone, bytes: 0 };
                change(&mut gone, 0);
                self.gone = gone.count;
            }
            Item::Batch(_) => change(&mut self.batches, note.bytes),
            Item::File { .. } => change(&mut self.files, note.bytes),
        }
    }
}

/// The notes in memory.
#[derive(Default)]
pub(super) struct Book {
    notes: BTreeMap<Item, Note>,
    peers: BTreeMap<String, Early>,
    expired: u64,
}

impl Book {
    pub(super) fn get(&self, item: &Item) -> Option<Note> {
        self.notes.get(item).cloned()
    }

    /// Takes what a commit has written.
    pub(super) fn take(&mut self, changes: BTreeMap<Item, Option<Note>>) {
        for (item, note) in changes {
            self.set(item, note);
        }
    }

    fn set(&mut self, item: Item, note: Option<Note>) {
        if let Some(before) = self.notes.remove(&item)
            && let Some(sums) = self.peers.get_mut(&before.peer)
        {
            sums.count(&item, &before, Sum::take);
            if *sums == Early::default() {
                self.peers.remove(&before.peer);
            }
        }
        let Some(note) = note else { return };
        self.peers.entry(note.peer.clone()).or_default().count(&item, &note, Sum::add);
        self.notes.insert(item, note);
    }

    fn of(&self, peer: &str) -> Early {
        self.peers.get(peer).copied().unwrap_or_default()
    }

    /// Whether a node may send another batch of this size ahead of its pin.
    pub(super) fn has_room(&self, peer: &str, bytes: u64, most: &options::Early) -> bool {
        self.of(peer).batches.has_room(bytes, Sum { count: most.batches, bytes: most.size })
    }

    /// Whether a node may send another file of this size ahead of its message.
    pub(super) fn has_room_for_file(&self, peer: &str, bytes: u64, most: &options::Early) -> bool {
        self.of(peer).files.has_room(bytes, Sum { count: most.files, bytes: most.files_size })
    }

    /// Batches of a node of which only the name is here.
    pub(super) fn names(&self, peer: &str) -> usize {
        self.of(peer).gone
    }

    /// Whether the name of another batch of a node may be kept.
    pub(super) fn keeps_names(&self, peer: &str, most: &options::Early) -> bool {
        self.names(peer) < most.batches
    }

    /// At most `limit` items that came before a time, or of which only the name is left since before another.
    fn due(&self, came: Time, gone: Time, limit: usize) -> Vec<Item> {
        let due = self.notes.iter().filter(|(_, note)| note.since <= if note.gone { gone } else { came });
        due.map(|(item, _)| *item).take(limit).collect()
    }

    pub(super) fn count_expired(&mut self, number: u64) {
        self.expired += number;
    }

    /// All of it together.
    pub(super) fn totals(&self) -> Early {
        let mut all = Early { expired: self.expired, ..Early::default() };
        for peer in self.peers.values() {
            all.batches = Sum {
                count: all.batches.count + peer.batches.count,
                bytes: all.batches.bytes.saturating_add(peer.batches.bytes),
            };
            all.files = Sum {
                count: all.files.count + peer.files.count,
                bytes: all.files.bytes.saturating_add(peer.files.bytes),
            };
        }
        all
    }
}

/// Reads the notes, as they are written.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn load(core: &Core) -> Result<(), photinus_store::Error> {
    let mut found = Vec::new();
    for space in [space::EARLY, space::EARLY_FILES] {
        let mut from = Vec::new();
        loop {
            let page = core.store.kv_range(core.name(), space, &from, None, 1_000).await?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            let read = |(key, value): &(Vec<u8>, Vec<u8>)| {
                Some((Item::read(space, key)?, serde_json::from_slice::<Note>(value).ok()?))
            };
            found.extend(page.iter().filter_map(read));
        }
    }
    let mut book = core.aggregation.early();
    for (item, note) in found {
        book.set(item, Some(note));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: u128) -> Item {
        Item::Batch(BatchKey { id: Uuid::from_u128(number), hash: Hash::of("") })
    }

    fn note(peer: &str, bytes: u64, since: i64) -> Note {
        let since = Time::from_unix_nanos(since);
        Note { peer: peer.to_owned(), bytes, since, group: None, author: String::new(), gone: false, told: false }
    }

    #[test]
    fn each_node_has_its_own_room() {
        let most = options::Early { batches: 2, size: 10, ..options::Early::default() };
        let mut book = Book::default();
        book.set(batch(1), Some(note("a", 6, 1)));
        assert!(book.has_room("a", 4, &most) && !book.has_room("a", 5, &most));
        book.set(batch(2), Some(note("a", 1, 2)));
        assert!(!book.has_room("a", 0, &most) && book.has_room("b", 10, &most));
        book.set(batch(2), None);
        book.set(batch(2), None);
        assert!(book.has_room("a", 4, &most));
        book.set(batch(1), Some(Note { gone: true, bytes: 0, ..note("a", 0, 3) }));
        assert!(book.has_room("a", 10, &most) && book.keeps_names("a", &most));
        assert_eq!(book.totals().batches, Sum::default());
        book.set(batch(1), None);
        assert!(book.peers.is_empty() && book.notes.is_empty());
    }

    #[test]
    fn what_is_old_is_due() {
        let mut book = Book::default();
        book.set(batch(1), Some(note("a", 1, 5)));
        book.set(batch(2), Some(note("a", 1, 6)));
        book.set(batch(3), Some(Note { gone: true, ..note("a", 0, 5) }));
        let time = Time::from_unix_nanos;
        assert_eq!(book.due(time(5), time(4), 9), [batch(1)]);
        assert_eq!(book.due(time(6), time(5), 2), [batch(1), batch(2)]);
    }

    #[test]
    fn items_are_read_back_from_their_keys() {
        for item in [batch(7), Item::File { data: Uuid::from_u128(1), hash: Hash::of("x") }] {
            let (space, key) = item.entry();
            assert_eq!(Item::read(space, &key), Some(item));
            assert_eq!(Item::read(space, &key[1..]), None);
        }
    }
}
