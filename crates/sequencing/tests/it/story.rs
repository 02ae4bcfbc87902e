//! Random histories of a network: honest members, strangers who copy and forge, and payloads that never arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use photinus_model::Hash;
use photinus_sequencing::facts::content::{Content, Group, Kind, Message};
use photinus_sequencing::facts::definition::{Base, IdentityKind};
use photinus_sequencing::facts::{BatchKey, Event, Fact, Pos, Release, Source, TokenRecord};
use photinus_sequencing::text::{Did, Signer};
use proptest::prelude::*;

use crate::network::{Network, base, child, context, did_topic, group, key, masked, named_topic, org};

pub(crate) const KEYS: [&str; 7] = ["a", "b", "c", "d", "e", "x", "y"];
const TOPICS: [&str; 3] = ["t0", "t1", "t2"];
const NAMES: [&str; 2] = ["widget", "gadget"];

/// The identities of a history. Some share a DID, an id or a key with another one.
fn identity(which: usize) -> (Base, Did, &'static str) {
    let node = |name, id, parent| base(IdentityKind::Node, name, id, Some(parent));
    let (identity, owner, key) = match which % 10 {
        0 => (org("a", 1), None, "a"),
        1 => (org("b", 2), None, "b"),
        2 => (child("c", 3, 1), None, "c"),
        3 => (child("d", 4, 2), None, "d"),
        4 => (node("n", 5, 1), Some("a"), "a"),
        5 => (node("m", 6, 2), Some("b"), "b"),
        6 => (base(IdentityKind::Custom, "e", 7, Some(3)), None, "e"),
        7 => (org("a", 8), None, "x"),
        8 => (org("f", 1), None, "a"),
        _ => (child("c", 3, 2), None, "c"),
    };
    let author = owner.map_or_else(|| identity.did.clone(), |owner| org(owner, 0).did);
    (identity, author, key)
}

/// Which key signs: mostly the right one.
type Hand = Option<usize>;

#[derive(Debug, Clone)]
pub(crate) enum Extra {
    Nothing,
    Typed(usize),
    Blob(u8),
    Token,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Claim { who: usize, hand: Hand, astray: bool },
    Verify { claim: usize, by: Option<usize>, altered: Option<usize> },
    Update { who: usize, by: Option<usize> },
    Broadcast { by: usize, hand: Hand, topics: Vec<(u8, Extra)> },
    Datatype { by: usize, name: usize, astray: bool },
    Interface { by: usize, id: u8, name: usize },
    Api { by: usize, id: u8, name: usize },
    Private { by: usize },
    Junk { hand: usize, at: usize },
    Masked { hand: usize, at: usize },
    Copy { of: usize, hand: usize, how: u8 },
    Secret { by: usize, hand: Hand, group: usize, topics: u8, skip: bool, kind: u8, source: usize },
    Shadow { of: usize, hand: usize, how: u8 },
    Again { of: usize },
}

fn hand() -> impl Strategy<Value = Hand> {
    prop_oneof![6 => Just(None), 1 => (0..KEYS.len()).prop_map(Some)]
}

fn seldom() -> impl Strategy<Value = bool> {
    (0..6_u8).prop_map(|n| n == 0)
}

fn maybe(max: usize) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![5 => Just(None), 1 => (0..max).prop_map(Some)]
}

fn extra() -> impl Strategy<Value = Extra> {
    prop_oneof![
        6 => Just(Extra::Nothing),
        2 => (0..NAMES.len()).prop_map(Extra::Typed),
        1 => (0..2_u8).prop_map(Extra::Blob),
        1 => Just(Extra::Token),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..10_usize, hand(), seldom()).prop_map(|(who, hand, astray)| Op::Claim { who, hand, astray }),
        3 => (any::<usize>(), maybe(8), maybe(10)).prop_map(|(claim, by, altered)| Op::Verify { claim, by, altered }),
        1 => (0..10_usize, maybe(8)).prop_map(|(who, by)| Op::Update { who, by }),
        8 => (0..10_usize, hand(), proptest::collection::vec((1..8_u8, extra()), 1..3))
            .prop_map(|(by, hand, topics)| Op::Broadcast { by, hand, topics }),
        2 => (0..8_usize, 0..2_usize, seldom()).prop_map(|(by, name, astray)| Op::Datatype { by, name, astray }),
        1 => (0..2_usize, 0..2_u8, 0..2_usize).prop_map(|(by, id, name)| Op::Interface { by, id, name }),
        1 => (0..2_usize, 0..2_u8, 0..2_usize).prop_map(|(by, id, name)| Op::Api { by, id, name }),
        1 => (0..8_usize).prop_map(|by| Op::Private { by }),
        2 => (0..KEYS.len(), any::<usize>()).prop_map(|(hand, at)| Op::Junk { hand, at }),
        1 => (0..KEYS.len(), any::<usize>()).prop_map(|(hand, at)| Op::Masked { hand, at }),
        2 => (any::<usize>(), 0..KEYS.len(), 0..4_u8).prop_map(|(of, hand, how)| Op::Copy { of, hand, how }),
        1 => any::<usize>().prop_map(|of| Op::Again { of }),
    ]
}

/// Operations of those who talk in private.
fn secret() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..4_usize, hand(), 0..2_usize, 1..4_u8, seldom(), 0..8_u8, 0..6_usize).prop_map(
            |(by, hand, group, topics, skip, kind, source)| Op::Secret { by, hand, group, topics, skip, kind, source }),
        2 => (any::<usize>(), 0..KEYS.len(), 0..4_u8).prop_map(|(of, hand, how)| Op::Shadow { of, hand, how }),
        4 => op(),
    ]
}

/// Operations of which most are private.
pub(crate) fn secrets(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let claim = |who| Op::Claim { who, hand: None, astray: false };
    proptest::collection::vec(secret(), 1..most)
        .prop_map(move |rest| [claim(0), claim(1)].into_iter().chain(rest).collect())
}

/// Some operations, mostly after the two root organisations have registered.
pub(crate) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    (any::<bool>(), any::<bool>(), proptest::collection::vec(op(), 1..most)).prop_map(|(a, b, rest)| {
        let claim = |who| Op::Claim { who, hand: None, astray: false };
        let first = [a.then(|| claim(0)), b.then(|| claim(1))];
        first.into_iter().flatten().chain(rest).collect()
    })
}

/// What operations come to: the ledger, and everything else that can arrive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Story {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) contents: Vec<Arc<Content>>,
    /// Who delivers each of them.
    pub(crate) sources: Vec<Source>,
    /// Blobs and token records.
    pub(crate) others: Vec<Fact>,
    /// Positions of pins without payload by keys that no identity uses.
    pub(crate) junk: Vec<usize>,
    /// Votes to release events, each behind the event with this index.
    pub(crate) votes: Vec<(usize, Release)>,
}

struct Writer {
    net: Network,
    story: Story,
    claims: Vec<(Message, Base)>,
    nonces: BTreeMap<Hash, u64>,
    /// The masked values of each content that has some.
    masked: BTreeMap<usize, Vec<Hash>>,
}

pub(crate) fn write(ops: &[Op]) -> Story {
    write_on(Network::new(), ops)
}

/// A history that happens on this network.
pub(crate) fn write_on(net: Network, ops: &[Op]) -> Story {
    let (nonces, masked) = Default::default();
    let mut writer = Writer { net, story: Story::default(), claims: Vec::new(), nonces, masked };
    for op in ops {
        writer.write(op);
    }
    writer.story
}

impl Writer {
    fn write(&mut self, op: &Op) {
        match op {
            Op::Claim { who, hand, astray } => {
                let (identity, author, own) = identity(*who);
                let peer = match identity.name.as_str() {
                    "n" => Some("peer-n"),
                    "m" => Some("peer"),
                    _ => None,
                };
                let mut message = self.net.claim(&identity, peer);
                if *astray {
                    message.topics = vec![TOPICS[0].to_owned()];
                }
                self.claims.push((message.clone(), identity));
                self.send(&author, own, *hand, vec![message]);
            }
            Op::Verify { claim, by, altered } => {
                if self.claims.is_empty() {
                    return;
                }
                let (claim, named) = self.claims[claim % self.claims.len()].clone();
                let named = altered.map_or(named, |which| identity(which).0);
                let parent = if named.parent == Some(crate::network::uuid(3)) { 2 } else { 0 };
                let parent = if named.parent == Some(crate::network::uuid(2)) { 1 } else { parent };
                let (_, author, own) = identity(by.unwrap_or(parent));
                let message = self.net.verification(&claim, &named);
                self.send(&author, own, None, vec![message]);
            }
            Op::Update { who, by } => {
                let (identity_, author, own) = identity(*who);
                let (author, own) = by.map_or((author, own), |by| (identity(by).1, identity(by).2));
                let message = self.net.update(&identity_);
                self.send(&author, own, None, vec![message]);
            }
            Op::Broadcast { by, hand, topics } => {
                let (_, author, own) = identity(*by);
                let messages = topics.iter().map(|(mask, extra)| self.broadcast(*mask, extra)).collect();
                self.send(&author, own, *hand, messages);
            }
            Op::Datatype { by, name, astray } => {
                let (_, author, own) = identity(*by);
                let mut message = self.net.datatype(NAMES[*name], "1");
                if *astray {
                    message.topics = vec![TOPICS[1].to_owned()];
                }
                self.send(&author, own, None, vec![message]);
            }
            Op::Interface { by, id, name } => {
                let (_, author, own) = identity(*by);
                let message = self.net.interface(u128::from(*id) + 50, NAMES[*name], "1");
                self.send(&author, own, None, vec![message]);
            }
            Op::Api { by, id, name } => {
                let (_, author, own) = identity(*by);
                let message = self.net.api(NAMES[*name], u128::from(*id) + 50);
                self.send(&author, own, None, vec![message]);
            }
            Op::Private { by } => {
                let (_, author, own) = identity(*by);
                let message = self.net.message(Kind::Private, &[TOPICS[0]]);
                self.send(&author, own, None, vec![message]);
            }
            Op::Junk { hand, at } => {
                let topic = some_topic(*at);
                let event = self.net.lost(&key(KEYS[*hand]), &[&topic]);
                if matches!(KEYS[*hand], "y") {
                    self.story.junk.push(self.story.events.len());
                }
                self.story.events.push(event);
            }
            Op::Masked { hand, at } => {
                let mut event = Event::clone(&self.net.lost(&key(KEYS[*hand]), &[&some_topic(*at)]));
                event.payload_ref.clear();
                self.story.events.push(Arc::new(event));
            }
            Op::Copy { of, hand, how } => self.copy(*of, &key(KEYS[*hand]), *how),
            Op::Secret { by, hand, group, topics, skip, kind, source } => {
                let message = self.secret(*group, *topics, *kind);
                let (_, author, own) = identity([0, 1, 2, 6][*by]);
                let signer = key(hand.map_or(own, |hand| KEYS[hand]));
                let content = self.net.batch(&author, &signer, vec![message.clone()]);
                let group = &groups()[*group];
                let mut values = Vec::new();
                for topic in &message.topics {
                    let nonce = self.nonces.entry(masked(group, topic, &author, u64::MAX)).or_default();
                    values.push(masked(group, topic, &author, *nonce + u64::from(*skip)));
                    *nonce += 1 - u64::from(*skip);
                }
                self.masked.insert(self.story.contents.len(), values.clone());
                self.story.events.push(self.net.pin_masked(&content, &signer, values));
                self.story.contents.push(content);
                // Two keys that nobody has registered on one slot: members may pick different winners. So nobody holds
                // such content.
                let registered = matches!(hand.map(|hand| KEYS[hand]), None | Some("a" | "b"));
                self.story.sources.push(match source {
                    _ if !registered => Source::Storage,
                    0 => Source::Repair,
                    1 => Source::Peer("peer-n".to_owned()),
                    _ => Source::Own,
                });
            }
            Op::Shadow { of, hand, how } => self.shadow(*of, &key(KEYS[*hand]), *how),
            Op::Again { of } => {
                if self.story.contents.is_empty() {
                    return;
                }
                let old = Arc::clone(&self.story.contents[of % self.story.contents.len()]);
                let content = self.net.batch(&old.author, &old.key, old.messages.clone());
                self.publish(content, &old.key);
            }
        }
    }

    fn broadcast(&mut self, mask: u8, extra: &Extra) -> Message {
        let topics: Vec<_> = (0..3).filter(|n| mask & (1 << n) != 0).map(|n| TOPICS[n]).collect();
        match extra {
            Extra::Nothing => self.net.broadcast(&topics),
            Extra::Typed(name) => self.net.typed(&topics, NAMES[*name], "1"),
            Extra::Blob(n) => {
                let blob = Hash::of([*n]);
                self.story.others.push(Fact::BlobHeld(blob));
                self.net.with_blob(&topics, blob)
            }
            Extra::Token => {
                let message = self.net.with_token(&topics, TokenRecord::Transfer);
                self.story.others.push(Fact::TokenSeen(TokenRecord::Transfer, message.key));
                message
            }
        }
    }

    fn send(&mut self, author: &Did, own: &str, hand: Hand, messages: Vec<Message>) {
        let signer = key(hand.map_or(own, |hand| KEYS[hand]));
        let content = self.net.batch(author, &signer, messages);
        self.publish(content, &signer);
    }

    fn publish(&mut self, content: Arc<Content>, signer: &Signer) {
        let event = self.net.pin(&content, signer);
        self.story.events.push(event);
        self.story.contents.push(content);
        self.story.sources.push(Source::Storage);
    }

    /// A message for a group: a plain one mostly, the one that tells of it, one that replaces another, or a definition.
    fn secret(&mut self, which: usize, mask: u8, kind: u8) -> Message {
        let group = &groups()[which];
        let topics: Vec<_> = (0..2).filter(|n| mask & (1 << n) != 0).map(|n| TOPICS[n]).collect();
        match kind {
            0 | 1 => self.net.group_init(group),
            2 => {
                let mut message = self.net.secret(group, &topics);
                message.tag = "ff_gap_fill".to_owned();
                message.cid = self.story.contents.last().map(|content| content.messages[0].key.id);
                message
            }
            3 => {
                let mut message = self.net.datatype(NAMES[0], "1");
                message.group = Some(group.hash);
                message.topics = vec![TOPICS[0].to_owned()];
                message
            }
            _ => self.net.secret(group, &topics),
        }
    }

    /// Pins a private batch again: fully, in part, altered, or under another hash.
    fn shadow(&mut self, of: usize, signer: &Signer, how: u8) {
        let Some((index, values)) = self.masked.iter().nth(of % self.masked.len().max(1)) else { return };
        let (content, mut values) = (Arc::clone(&self.story.contents[*index]), values.clone());
        match how {
            1 => {
                values.pop();
            }
            2 => values[0] = Hash::of("altered"),
            _ => {}
        }
        let mut event = Event::clone(&self.net.pin_masked(&content, signer, values));
        if how == 3 {
            event.batch.hash = Hash::of("another");
        }
        self.story.events.push(Arc::new(event));
    }

    /// Pins a batch again: fully, in part, altered, or under another hash.
    fn copy(&mut self, of: usize, signer: &Signer, how: u8) {
        if self.story.contents.is_empty() {
            return;
        }
        let content = Arc::clone(&self.story.contents[of % self.story.contents.len()]);
        let mut event = Event::clone(&self.net.pin(&content, signer));
        match how {
            0 => {}
            1 => {
                event.values.pop();
            }
            2 => event.values[0] = context(TOPICS[2]),
            _ => event.batch.hash = Hash::of("another"),
        }
        self.story.events.push(Arc::new(event));
    }
}

fn groups() -> [Group; 2] {
    [group("one", &["a", "b", "c"]), group("two", &["a", "b"])]
}

/// A topic that matters to somebody.
fn some_topic(at: usize) -> String {
    match at % 8 {
        n @ 0..3 => TOPICS[n].to_owned(),
        3 => named_topic("datatype", NAMES[0]),
        4 => named_topic("ffi", NAMES[0]),
        n => did_topic(&identity(n - 5).0.did),
    }
}

impl Story {
    /// Everything that is not ordered.
    pub(crate) fn unordered(&self) -> Vec<Fact> {
        let contents = self.contents.iter().zip(&self.sources);
        let contents = contents.map(|(content, source)| Fact::Content(Arc::clone(content), source.clone()));
        contents.chain(self.others.iter().cloned()).collect()
    }

    pub(crate) fn ordered(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            facts.push(Fact::Pinned(Arc::clone(event)));
            let votes = self.votes.iter().filter(|(behind, _)| *behind == index);
            facts.extend(votes.map(|(_, vote)| Fact::Release(vote.clone())));
        }
        facts
    }

    /// Has keys vote for events whose content never arrives.
    pub(crate) fn vote(&mut self, votes: &[(u16, usize)], lost: &[bool]) {
        let arrives = |batch: &BatchKey| {
            let mut contents = self.contents.iter().enumerate();
            contents.any(|(index, content)| content.batch == *batch && !lost.get(index).copied().unwrap_or(false))
        };
        let targets: Vec<_> = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| !arrives(&event.batch))
            .map(|(n, event)| (n, event.pos))
            .collect();
        for (log, (at, hand)) in votes.iter().enumerate() {
            let Some((index, target)) = targets.get(usize::from(*at) % targets.len().max(1)) else { return };
            let behind = index + usize::from(*at / 7) % (self.events.len() - index);
            let pos = Pos { tx: 1, log: log as u32, ..self.events[behind].pos };
            let vote = Release { pos, contract: 0, signer: key(KEYS[*hand]), target: *target };
            self.votes.push((behind, vote));
        }
    }

    /// All messages, those in several batches once.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.contents.iter().flat_map(|content| &content.messages)
    }
}

/// When each fact that is not ordered arrives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Delivery {
    /// All before the first event.
    First,
    /// All after the last event.
    Last,
    /// Anywhere, some of them twice.
    Mixed(u64),
}

pub(crate) fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![1 => Just(Delivery::First), 1 => Just(Delivery::Last), 6 => any::<u64>().prop_map(Delivery::Mixed)]
}

/// A generator of numbers that is the same on every machine.
fn scramble(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 40) as usize
}

impl Delivery {
    /// The facts in the order in which they arrive, without those that are lost.
    pub(crate) fn arrange(self, story: &Story, lost: &[bool]) -> Vec<Fact> {
        let ordered = story.ordered();
        let slots = ordered.len() + 1;
        let mut arriving: Vec<Vec<(usize, Fact)>> = vec![Vec::new(); slots];
        let mut seed = if let Self::Mixed(seed) = self { seed } else { 0 };
        for (index, fact) in story.unordered().into_iter().enumerate() {
            if lost.get(index).copied().unwrap_or(false) {
                continue;
            }
            let (at, nth, again) = (scramble(&mut seed), scramble(&mut seed), scramble(&mut seed));
            let slot = match self {
                Self::First => 0,
                Self::Last => slots - 1,
                Self::Mixed(_) => at % slots,
            };
            if again.is_multiple_of(3) {
                arriving[again % slots.max(1)].push((nth / 2, fact.clone()));
            }
            arriving[slot].push((nth, fact));
        }
        let mut facts = Vec::new();
        for (slot, mut arrived) in arriving.into_iter().enumerate() {
            arrived.sort_by_key(|(nth, _)| *nth);
            facts.extend(arrived.into_iter().map(|(_, fact)| fact));
            if let Some(event) = ordered.get(slot) {
                facts.push(event.clone());
                if slot.is_multiple_of(5) {
                    facts.push(event.clone());
                }
            }
        }
        facts
    }
}
