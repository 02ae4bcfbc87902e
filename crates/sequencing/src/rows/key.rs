//! Keys of rows: bytes whose order is the order in which rows are looked for.
//!
//! The first byte names the table. Fields of fixed size follow as they are, numbers in big-endian order; texts carry
//! their length in front, so that no text can reach into the next field. Where rows are scanned, the place comes last.

use photinus_model::{Hash, Uuid};

use super::tag::Table;
use crate::facts::{BatchKey, MessageKey, Place, Pos, TokenRecord};
use crate::reason::{Lane, Reason};

/// The key of a row, or the bound of a range of keys.
pub type Key = Vec<u8>;

/// A range of keys: from the first, up to and without the second.
pub(crate) type Range = (Key, Key);

/// Puts the fields of a key together.
struct Builder(Key);

impl Builder {
    fn new(table: Table) -> Self {
        let mut key = Key::with_capacity(72);
        key.push(table as u8);
        Self(key)
    }

    fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    fn number(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn hash(mut self, hash: &Hash) -> Self {
        self.0.extend_from_slice(hash.as_bytes());
        self
    }

    fn uuid(mut self, id: &Uuid) -> Self {
        self.0.extend_from_slice(id.as_bytes());
        self
    }

    fn text(mut self, text: &str) -> Self {
        // A text of 4 GiB cannot get here; if it did, its key would only be longer than it says.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn pos(self, pos: Pos) -> Self {
        let mut key = self.0;
        key.extend_from_slice(&pos.block.to_be_bytes());
        key.extend_from_slice(&pos.tx.to_be_bytes());
        key.extend_from_slice(&pos.log.to_be_bytes());
        Self(key)
    }

    fn place(self, place: Place) -> Self {
        self.pos(place.pos).number(place.index)
    }

    fn batch(self, batch: &BatchKey) -> Self {
        self.uuid(&batch.id).hash(&batch.hash)
    }

    fn message(self, message: &MessageKey) -> Self {
        self.uuid(&message.id).hash(&message.hash)
    }

    fn done(self) -> Key {
        self.0
    }

    /// The range of all keys that start with these fields.
    fn range(self) -> Range {
        let end = after_prefix(&self.0);
        (self.0, end)
    }
}

/// The lowest key above every key that starts with `prefix`.
fn after_prefix(prefix: &[u8]) -> Key {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// The lowest key above `key`.
pub(crate) fn successor(key: &[u8]) -> Key {
    let mut next = Key::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// The position at the end of a key that ends with one.
pub(crate) fn trailing_pos(key: &[u8]) -> Option<Pos> {
    let (block, rest) = key.get(key.len().checked_sub(16)?..)?.split_first_chunk::<8>()?;
    let (tx, log) = rest.split_first_chunk::<4>()?;
    Some(Pos {
        block: u64::from_be_bytes(*block),
        tx: u32::from_be_bytes(*tx),
        log: u32::from_be_bytes(log.try_into().ok()?),
    })
}

/// The place at the end of a key that ends with one.
pub(crate) fn trailing_place(key: &[u8]) -> Option<Place> {
    let (rest, index) = key.split_last_chunk::<4>()?;
    Some(Place { pos: trailing_pos(rest)?, index: u32::from_be_bytes(*index) })
}

pub(crate) fn meta() -> Key {
    Builder::new(Table::Meta).done()
}

pub(crate) fn event(pos: Pos) -> Key {
    Builder::new(Table::Event).pos(pos).done()
}

pub(crate) fn events_from(pos: Pos) -> Range {
    (event(pos), after_prefix(&[Table::Event as u8]))
}

pub(crate) fn content(batch: &BatchKey) -> Key {
    Builder::new(Table::Content).batch(batch).done()
}

pub(crate) fn batch(batch: &BatchKey) -> Key {
    Builder::new(Table::Batch).batch(batch).done()
}

pub(crate) fn naming(batch: &BatchKey, pos: Pos) -> Key {
    Builder::new(Table::Naming).batch(batch).pos(pos).done()
}

pub(crate) fn namings(batch: &BatchKey) -> Range {
    Builder::new(Table::Naming).batch(batch).range()
}

pub(crate) fn message(message: &MessageKey) -> Key {
    Builder::new(Table::Message).message(message).done()
}

pub(crate) fn copy(message: &MessageKey, place: Place) -> Key {
    Builder::new(Table::Copy).message(message).place(place).done()
}

pub(crate) fn copies(message: &MessageKey) -> Range {
    Builder::new(Table::Copy).message(message).range()
}

pub(crate) fn open(context: &Hash, place: Place) -> Key {
    Builder::new(Table::Open).hash(context).byte(0).place(place).done()
}

/// The open values of a context. The range goes on over those who wait for it, so that one look at an empty context
/// answers for both.
pub(crate) fn opens(context: &Hash) -> Range {
    Builder::new(Table::Open).hash(context).range()
}

/// Whether a key of [`opens`] is that of an open value.
pub(crate) fn is_open_value(key: &[u8]) -> bool {
    key.first() == Some(&(Table::Open as u8)) && key.get(33) == Some(&0)
}

pub(crate) fn unknown(pos: Pos) -> Key {
    Builder::new(Table::Unknown).pos(pos).done()
}

pub(crate) fn unknowns() -> Range {
    Builder::new(Table::Unknown).range()
}

pub(crate) fn signer(signer: &str) -> Key {
    Builder::new(Table::Signer).text(signer).done()
}

pub(crate) fn history(signer: &str, place: Place) -> Key {
    Builder::new(Table::History).text(signer).place(place).done()
}

pub(crate) fn histories(signer: &str) -> Range {
    Builder::new(Table::History).text(signer).range()
}

pub(crate) fn unverified(signer: &str, did: &str) -> Key {
    Builder::new(Table::Unverified).text(signer).text(did).done()
}

pub(crate) fn unverifieds(signer: &str) -> Range {
    Builder::new(Table::Unverified).text(signer).range()
}

pub(crate) fn identity(did: &str) -> Key {
    Builder::new(Table::Identity).text(did).done()
}

pub(crate) fn identity_id(id: &Uuid, did: &str) -> Key {
    Builder::new(Table::IdentityId).uuid(id).text(did).done()
}

pub(crate) fn identity_ids(id: &Uuid) -> Range {
    Builder::new(Table::IdentityId).uuid(id).range()
}

pub(crate) fn peer(peer: &str) -> Key {
    Builder::new(Table::Peer).text(peer).done()
}

pub(crate) fn claim(did: &str, claim: &MessageKey) -> Key {
    Builder::new(Table::Claim).text(did).message(claim).done()
}

pub(crate) fn claims(did: &str, id: &Uuid) -> Range {
    Builder::new(Table::Claim).text(did).uuid(id).range()
}

pub(crate) fn verification(did: &str, claim: &MessageKey, place: Place) -> Key {
    Builder::new(Table::Verification).text(did).message(claim).place(place).done()
}

pub(crate) fn verifications(did: &str, claim: &MessageKey) -> Range {
    Builder::new(Table::Verification).text(did).message(claim).range()
}

pub(crate) fn datatype(name: &str, version: &str) -> Key {
    Builder::new(Table::Datatype).text(name).text(version).done()
}

pub(crate) fn interface(name: &str, version: &str) -> Key {
    Builder::new(Table::Interface).text(name).text(version).done()
}

pub(crate) fn interface_id(id: &Uuid, place: Place) -> Key {
    Builder::new(Table::InterfaceId).uuid(id).place(place).done()
}

pub(crate) fn interface_ids(id: &Uuid) -> Range {
    Builder::new(Table::InterfaceId).uuid(id).range()
}

pub(crate) fn interface_open(id: &Uuid, place: Place) -> Key {
    Builder::new(Table::InterfaceOpen).uuid(id).place(place).done()
}

pub(crate) fn interfaces_open(id: &Uuid) -> Range {
    Builder::new(Table::InterfaceOpen).uuid(id).range()
}

pub(crate) fn api(name: &str) -> Key {
    Builder::new(Table::Api).text(name).done()
}

pub(crate) fn pool(name: &str) -> Key {
    Builder::new(Table::Pool).text(name).done()
}

pub(crate) fn blob(hash: &Hash) -> Key {
    Builder::new(Table::Blob).hash(hash).done()
}

pub(crate) fn token(record: TokenRecord, message: &MessageKey) -> Key {
    Builder::new(Table::Token).byte(record as u8).message(message).done()
}

pub(crate) fn active_pool(id: &Uuid) -> Key {
    Builder::new(Table::ActivePool).uuid(id).done()
}

pub(crate) fn contract(index: u32) -> Key {
    Builder::new(Table::Contract).number(index).done()
}

pub(crate) fn action(pos: Pos) -> Key {
    Builder::new(Table::Action).pos(pos).done()
}

pub(crate) fn actions_from(pos: Pos) -> Range {
    (action(pos), after_prefix(&[Table::Action as u8]))
}

/// All that is known of a masked value: its slot, then the claims on it.
pub(crate) fn of_value(value: &Hash) -> Range {
    Builder::new(Table::Masked).hash(value).range()
}

pub(crate) fn slot(value: &Hash) -> Key {
    Builder::new(Table::Masked).hash(value).byte(0).done()
}

pub(crate) fn claim_on(value: &Hash, place: Place) -> Key {
    Builder::new(Table::Masked).hash(value).byte(1).place(place).done()
}

pub(crate) fn claims_on(value: &Hash) -> Range {
    Builder::new(Table::Masked).hash(value).byte(1).range()
}

/// Whether a key of [`of_value`] is that of a slot.
pub(crate) fn is_slot(key: &[u8]) -> bool {
    key.first() == Some(&(Table::Masked as u8)) && key.get(33) == Some(&0)
}

pub(crate) fn lane(id: &Hash) -> Key {
    Builder::new(Table::Lane).hash(id).done()
}

pub(crate) fn lanes(group: &Hash, topic: &str) -> Key {
    Builder::new(Table::Lanes).hash(group).text(topic).done()
}

pub(crate) fn group(hash: &Hash) -> Key {
    Builder::new(Table::Group).hash(hash).done()
}

pub(crate) fn delivery(batch: &BatchKey, pos: Pos) -> Key {
    Builder::new(Table::Delivery).batch(batch).pos(pos).done()
}

pub(crate) fn deliveries(batch: &BatchKey) -> Range {
    Builder::new(Table::Delivery).batch(batch).range()
}

pub(crate) fn ballot(pos: Pos) -> Key {
    Builder::new(Table::Ballot).pos(pos).done()
}

pub(crate) fn ballots_from(pos: Pos) -> Range {
    (ballot(pos), after_prefix(&[Table::Ballot as u8]))
}

pub(crate) fn tally(target: Pos, signer: &str) -> Key {
    Builder::new(Table::Tally).pos(target).text(signer).done()
}

pub(crate) fn tallies(target: Pos) -> Range {
    Builder::new(Table::Tally).pos(target).range()
}

pub(crate) fn all_tallies() -> Range {
    Builder::new(Table::Tally).range()
}

pub(crate) fn released(batch: &BatchKey, pos: Pos) -> Key {
    Builder::new(Table::Released).batch(batch).pos(pos).done()
}

pub(crate) fn releases(batch: &BatchKey) -> Range {
    Builder::new(Table::Released).batch(batch).range()
}

/// All identities, by their DID.
pub(crate) fn identities() -> Range {
    Builder::new(Table::Identity).range()
}

/// The history of every key.
pub(crate) fn all_histories() -> Range {
    Builder::new(Table::History).range()
}

/// The list of votes that cannot be counted yet.
pub(crate) fn ballot_list() -> Key {
    Builder::new(Table::Wait).byte(20).done()
}

/// The list of messages behind another author's message whose place may still move up.
pub(crate) fn moving_list() -> Key {
    Builder::new(Table::Wait).byte(19).done()
}

/// The list of content from this peer that is in quarantine.
pub(crate) fn peer_list(peer: &str) -> Key {
    Builder::new(Table::Wait).byte(16).text(peer).done()
}

/// The list of content by this author that is in quarantine.
pub(crate) fn author_list(author: &str) -> Key {
    Builder::new(Table::Wait).byte(17).text(author).done()
}

pub(crate) fn work(number: u32) -> Key {
    Builder::new(Table::Work).number(number).done()
}

/// The list of what waits for this reason, as the prefix of its keys. What is in a list is in the order of places.
pub(crate) fn list(reason: &Reason) -> Key {
    wait_prefix(reason).done()
}

/// The list of what waits for any open event without content below it.
pub(crate) fn unknown_list() -> Key {
    Builder::new(Table::Wait).byte(15).done()
}

/// The item of a list at `place`.
pub(crate) fn in_list(list: &[u8], place: Place) -> Key {
    Builder(list.to_vec()).place(place).done()
}

/// All items of a list.
pub(crate) fn of_list(list: &[u8]) -> Range {
    Builder(list.to_vec()).range()
}

fn wait_prefix(reason: &Reason) -> Builder {
    let wait = |tag: u8| Builder::new(Table::Wait).byte(tag);
    match reason {
        Reason::Content(batch) => wait(1).batch(batch),
        Reason::Provenance(batch) => wait(2).batch(batch),
        Reason::Earlier(context, place) => wait(3).hash(context).place(*place),
        Reason::Slot(lane, nonce) => of_slot(wait(4), lane, *nonce),
        Reason::Before { lane, nonce, .. } => of_slot(wait(18), lane, *nonce),
        Reason::Registration(signer) => wait(5).text(signer.as_str()),
        Reason::SignerHistory(signer) => wait(6).text(signer.as_str()),
        Reason::Parent(id) => wait(7).uuid(id),
        Reason::Owner(did) => wait(8).text(did.as_str()),
        Reason::Group(hash) => wait(9).hash(hash),
        Reason::Below(context, _) => Builder::new(Table::Open).hash(context).byte(1),
        Reason::Interface(id, _) => wait(10).uuid(id),
        Reason::Blob(hash) => wait(11).hash(hash),
        Reason::Transfer(message) => wait(12).message(message),
        Reason::Approval(message) => wait(13).message(message),
        Reason::Pool(id) => wait(14).uuid(id),
    }
}

fn of_slot(prefix: Builder, Lane { group, topic, author }: &Lane, nonce: u64) -> Builder {
    let mut key = prefix.hash(group).text(topic).text(author.as_str()).0;
    key.extend_from_slice(&nonce.to_be_bytes());
    Builder(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(block: u64, index: u32) -> Place {
        Place { pos: Pos { block, tx: 7, log: 1 }, index }
    }

    #[test]
    fn keys_of_a_context_are_in_the_order_of_places() {
        let context = Hash::of("topic1");
        let low = open(&context, place(1, u32::MAX));
        let high = open(&context, place(256, 0));
        let (from, to) = opens(&context);
        assert!(from < low && low < high && high < to);
        let watch = in_list(&list(&Reason::Below(context, place(2, 0))), place(2, 0));
        assert!(high < watch && watch < to);
        assert!(is_open_value(&low) && !is_open_value(&watch));
    }

    #[test]
    fn a_place_is_read_back_from_the_end_of_a_key() {
        let at = place(u64::MAX, 3);
        assert_eq!(trailing_place(&open(&Hash::of("x"), at)), Some(at));
        assert_eq!(trailing_pos(&event(at.pos)), Some(at.pos));
        assert_eq!(trailing_place(&[1, 2, 3]), None);
    }

    #[test]
    fn a_text_cannot_reach_into_the_next_field() {
        assert_ne!(datatype("ab", "c"), datatype("a", "bc"));
        let (from, to) = histories("k");
        let other = history("k\u{0}", place(0, 0));
        assert!(other < from || other >= to);
    }

    #[test]
    fn the_end_of_a_prefix_carries() {
        assert_eq!(after_prefix(&[1, 255, 255]), [2]);
        assert_eq!(after_prefix(&[1, 2]), [1, 3]);
    }
}
