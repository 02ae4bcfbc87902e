//! What is pinned for a group, as one of its members must see it: each author's lane by itself, or, where the network chose so,
//! all lanes of a topic in one order.

use std::collections::{BTreeMap, BTreeSet};

use photinus_model::{
    Hash, Uuid,
    batch::Batch,
    message::{Message, Type},
    pin,
};

use photinus_ports::blockchain::Position;

use super::{Verdict, keys::Status, open::Open};
use crate::{
    check::view::is_private,
    facts::{BatchKey, Event, Facts},
    member::did,
};

/// One author's messages on one topic of one group.
type Lane = (Hash, String, String);

/// What a member decides in private.
pub(crate) struct Private<'a> {
    facts: &'a Facts,
    open: &'a Open<'a>,
    /// Payloads that the member has and may believe.
    usable: BTreeSet<BatchKey>,
    /// Where each masked value stands, lowest first.
    values: BTreeMap<Hash, Vec<(&'a Event, usize)>>,
    next: BTreeMap<Lane, u64>,
    /// Whether there is one order across authors.
    across: bool,
    /// Where the last message of each lane stood.
    after: BTreeMap<Lane, Position>,
    decided: BTreeSet<(Uuid, Hash)>,
    /// Messages of each lane in the order of their verdicts.
    pub(crate) lanes: BTreeMap<Lane, Vec<(Uuid, Verdict)>>,
    /// The same of each topic of a group.
    pub(crate) topics: BTreeMap<(Hash, String), Vec<(Uuid, Verdict)>>,
}

/// A message in the batch of an event, with the index of its first value.
#[derive(Clone, Copy)]
struct Slice<'a> {
    event: &'a Event,
    batch: &'a Batch,
    message: &'a Message,
    first: usize,
}

impl<'a> Private<'a> {
    /// Decides everything that this member can decide.
    pub(crate) fn decide(facts: &'a Facts, open: &'a Open<'a>, member: usize, across: bool) -> Self {
        let mut values: BTreeMap<Hash, Vec<(&Event, usize)>> = BTreeMap::new();
        for event in facts.events.iter().filter(|event| event.payload_ref.is_empty()) {
            for (index, value) in event.values.iter().enumerate() {
                values.entry(*value).or_default().push((event, index));
            }
        }
        let usable = usable(facts, open, member);
        let (next, after, decided, lanes, topics) = Default::default();
        let mut private = Self { facts, open, usable, values, next, across, after, decided, lanes, topics };
        let known = private.known_lanes();
        while known.iter().any(|lane| private.advance(lane)) {}
        private
    }

    /// The lanes of all groups and topics that usable content tells of.
    fn known_lanes(&self) -> BTreeSet<Lane> {
        let mut lanes = BTreeSet::new();
        for message in self.usable.iter().filter_map(|key| self.facts.contents.get(key)).flat_map(messages) {
            let Some(group) = message.header.group else { continue };
            for author in self.facts.groups.get(&group).into_iter().flatten() {
                for topic in &message.header.topics {
                    lanes.insert((group, topic.clone(), author.clone()));
                }
            }
        }
        lanes
    }

    fn value(lane: &Lane, nonce: u64) -> Hash {
        pin::private_pin(&lane.1, lane.0, &lane.2, nonce)
    }

    fn next_of(&self, lane: &Lane) -> u64 {
        self.next.get(lane).copied().unwrap_or(0)
    }

    /// Decides the message that has the next slot of a lane, if one has and can be decided.
    fn advance(&mut self, lane: &Lane) -> bool {
        let Some(slice) = self.winner(lane, self.next_of(lane)) else { return false };
        let key = (slice.message.header.id, slice.message.hash.unwrap_or_else(|| Hash::of("")));
        if self.decided.contains(&key) {
            *self.next.entry(lane.clone()).or_default() += 1;
            return true;
        }
        let Some((slots, complete)) = self.slots(&slice) else { return false };
        let place = slots
            .iter()
            .filter_map(|lane| self.after.get(lane))
            .max()
            .map_or(slice.event.pos, |after| slice.event.pos.max(*after));
        if self.across && self.is_behind(&slots, place) {
            return false;
        }
        let Some(verdict) = self.judge(&slice, complete) else { return false };
        self.decided.insert(key);
        if let Some(verdict) = verdict {
            for topic in &slice.message.header.topics {
                self.topics.entry((lane.0, topic.clone())).or_default().push((slice.message.header.id, verdict));
                let lane = (lane.0, topic.clone(), lane.2.clone());
                self.lanes.entry(lane).or_default().push((slice.message.header.id, verdict));
            }
        }
        for lane in slots {
            self.after.insert(lane.clone(), place);
            *self.next.entry(lane).or_default() += 1;
        }
        true
    }

    /// Whether something of another author stands lower on one of these topics, or may come to.
    fn is_behind(&self, slots: &[Lane], place: Position) -> bool {
        slots.iter().any(|(group, topic, author)| {
            let others = self.facts.groups.get(group).into_iter().flatten().filter(|other| *other != author);
            let mut others = others.map(|other| (*group, topic.clone(), other.clone()));
            others
                .any(|lane| self.stands(&lane, self.next_of(&lane), &mut BTreeSet::new()).is_some_and(|at| at < place))
        })
    }

    /// The lowest position at which the message of a slot can come to stand. None: above all that is there.
    fn stands(&self, lane: &Lane, nonce: u64, seen: &mut BTreeSet<(Lane, u64)>) -> Option<Position> {
        const LOWEST: Position = Position { block: 0, transaction: 0, log: 0 };
        if !seen.insert((lane.clone(), nonce)) {
            return Some(LOWEST);
        }
        let behind = self.behind(lane, nonce, seen)?;
        let Some(slice) = self.winner(lane, nonce) else {
            return self.lowest_claim(lane, nonce).map(|claim| claim.max(behind));
        };
        let mut place = behind.max(slice.event.pos);
        for (offset, topic) in slice.message.header.topics.iter().enumerate() {
            let other = (lane.0, topic.clone(), lane.2.clone());
            let value = slice.event.values.get(slice.first + offset);
            let next = self.next_of(&other);
            let found = (next..next + 64).find(|nonce| Some(&Self::value(&other, *nonce)) == value);
            let Some(own) = found.filter(|_| other != *lane) else { continue };
            let won = self.winner(&other, own);
            let same = |won: &Slice<'_>| won.event.pos == slice.event.pos && won.first == slice.first;
            if won.as_ref().is_some_and(same) && !self.is_contested(&other, own) {
                place = place.max(self.behind(&other, own, seen)?);
            }
        }
        Some(place)
    }

    /// Where that stands which comes before a slot in its lane.
    fn behind(&self, lane: &Lane, nonce: u64, seen: &mut BTreeSet<(Lane, u64)>) -> Option<Position> {
        if nonce > self.next_of(lane) {
            return self.stands(lane, nonce - 1, seen);
        }
        Some(self.after.get(lane).copied().unwrap_or(Position { block: 0, transaction: 0, log: 0 }))
    }

    /// The slots that a message has, all of them the next of their lanes, and whether it has one on each of its topics. None
    /// when one of them is not next yet.
    fn slots(&self, slice: &Slice<'a>) -> Option<(Vec<Lane>, bool)> {
        let header = &slice.message.header;
        let (mut slots, mut complete) = (Vec::new(), true);
        for (offset, topic) in header.topics.iter().enumerate() {
            let lane = (header.group?, topic.clone(), header.author.clone());
            let value = slice.event.values.get(slice.first + offset).copied();
            let next = self.next_of(&lane);
            let nonce = value.and_then(|value| (0..next + 4_096).find(|nonce| Self::value(&lane, *nonce) == value));
            match nonce {
                Some(nonce) if nonce > next => return None,
                Some(nonce) if nonce == next => {
                    let won = self.winner(&lane, nonce).is_some_and(|winner| {
                        winner.event.pos == slice.event.pos && winner.message.header.id == header.id
                    });
                    if won { slots.push(lane) } else { complete = false }
                }
                _ => complete = false,
            }
        }
        Some((slots, complete))
    }

    /// The claim that has a slot: the lowest that is not ruled out and whose content is usable, unless a lower one by the
    /// same signer may still turn out to be it.
    fn winner(&self, lane: &Lane, nonce: u64) -> Option<Slice<'a>> {
        let mut unknown: BTreeSet<&str> = BTreeSet::new();
        for (event, slice) in self.claims(lane, nonce) {
            match slice {
                Some(slice) => return (!unknown.contains(event.signer.as_str())).then_some(slice),
                None => {
                    unknown.insert(&event.signer);
                }
            }
        }
        None
    }

    /// Whether it is not certain yet that nobody else comes to have a slot.
    fn is_contested(&self, lane: &Lane, nonce: u64) -> bool {
        self.claims(lane, nonce).iter().take_while(|(_, slice)| slice.is_none()).count() > 0
    }

    /// The lowest claim on a slot that is not ruled out.
    fn lowest_claim(&self, lane: &Lane, nonce: u64) -> Option<Position> {
        self.claims(lane, nonce).first().map(|(event, _)| event.pos)
    }

    /// The claims on a slot that are not ruled out, lowest first, with what they pin if that is here and may be believed.
    fn claims(&self, lane: &Lane, nonce: u64) -> Vec<(&'a Event, Option<Slice<'a>>)> {
        let mut claims = Vec::new();
        for (event, index) in self.values.get(&Self::value(lane, nonce)).into_iter().flatten() {
            let owner = self.open.status(&event.signer, (event.pos, *index));
            if matches!(owner, Status::Of(did) if did != lane.2) {
                continue;
            }
            let Some(batch) = self.facts.contents.get(&event.batch).filter(|_| self.usable.contains(&event.batch))
            else {
                claims.push((*event, None));
                continue;
            };
            let Some(slice) = slice(event, batch, *index) else { continue };
            let header = &slice.message.header;
            let topic = header.topics.get(index - slice.first);
            let belongs = header.group == Some(lane.0) && topic == Some(&lane.1) && header.author == lane.2;
            if belongs && event.signer == header.key {
                claims.push((*event, Some(slice)));
            }
        }
        claims
    }

    /// The verdict; none inside when a message uses its slots and is never decided here. None: it has to wait.
    fn judge(&self, slice: &Slice<'a>, complete: bool) -> Option<Option<Verdict>> {
        let header = &slice.message.header;
        if !is_private(&header.kind) {
            return Some(None);
        }
        // Whoever pinned any of its values first, whatever those are.
        let first = self.facts.events.iter().find(|event| {
            event.payload_ref.is_empty() && event.batch == slice.event.batch && event.values.len() > slice.first
        });
        if first.is_none_or(|event| event.signer != header.key) {
            return Some(Some(Verdict::Rejected("FF10452")));
        }
        if !complete {
            return Some(Some(Verdict::Rejected("")));
        }
        match self.open.status(&slice.batch.key, (slice.event.pos, slice.first)) {
            Status::Wait => None,
            Status::Of(did) if did != slice.batch.author => Some(Some(Verdict::Rejected("FF10453"))),
            Status::Nobody(_) | Status::Refused if !matches!(header.kind, Type::Private | Type::GroupInit) => None,
            _ => Some(Some(Verdict::Confirmed)),
        }
    }
}

fn messages(batch: &Batch) -> impl Iterator<Item = &Message> {
    batch.payload.messages.iter()
}

/// The message that owns this value of an event.
fn slice<'a>(event: &'a Event, batch: &'a Batch, index: usize) -> Option<Slice<'a>> {
    let mut first = 0;
    for message in messages(batch) {
        let end = first + message.header.topics.len();
        if (first..end).contains(&index) {
            return Some(Slice { event, batch, message, first });
        }
        first = end;
    }
    None
}

/// What a member has and may believe: what it sealed, what the author's node delivered, and what anybody served if its key
/// belongs to its author.
fn usable(facts: &Facts, open: &Open<'_>, member: usize) -> BTreeSet<BatchKey> {
    let mut usable = BTreeSet::new();
    let own = did(member);
    for arrival in &facts.arrivals {
        let Some(batch) = facts.contents.get(&arrival.batch) else { continue };
        let sealed_here = batch.author == own && arrival.from == own;
        let owned = |known: &super::keys::Known| known.key == batch.key && known.base.did == batch.author;
        let believable = arrival.from == batch.author || (arrival.asked && open.identities.iter().any(owned));
        if sealed_here || (arrival.to == member && believable) {
            usable.insert(arrival.batch);
        }
    }
    usable
}
