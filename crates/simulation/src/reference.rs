//! How a FireFly member aggregates, for honest traffic: it reads the pins of the ledger one at a time, with every payload at
//! hand, decides what it can, marks those pins, and reads again from the start for as long as that changes anything.
//!
//! It knows nothing of anchors, claims or places. What it decides from honest traffic must all the same be what our members
//! decide. What it does with lies, gaps and late payloads is its own affair, and not modelled.

use std::collections::{BTreeMap, BTreeSet};

use photinus_model::{
    Hash, Uuid,
    batch::Batch,
    definition::received::{self, Payload},
    identity::Type as IdentityType,
    message::{Message, Type},
    pin, tag,
};

use crate::{
    check::view::{Context, context, is_private},
    facts::Facts,
    member::did,
};

/// A pin as a member keeps it.
struct Pin<'a> {
    masked: bool,
    hash: Hash,
    signer: &'a str,
    batch: &'a Batch,
    message: &'a Message,
    /// Which of the message's topics it stands for.
    nth: usize,
    dispatched: bool,
}

/// One member's aggregation.
#[derive(Default)]
pub(crate) struct Aggregator<'a> {
    pins: Vec<Pin<'a>>,
    /// The pins that are expected next, by group and topic: of each author, the nonce.
    next: BTreeMap<(Hash, String), BTreeMap<String, u64>>,
    keys: BTreeMap<String, String>,
    /// Ids of identities, by DID.
    identities: BTreeMap<String, Option<Uuid>>,
    datatypes: BTreeSet<(String, String)>,
    /// Messages of each context in the order in which they were confirmed.
    pub(crate) confirmed: BTreeMap<Context, Vec<Uuid>>,
}

impl<'a> Aggregator<'a> {
    /// Aggregates everything that a member is meant to see.
    pub(crate) fn run(facts: &'a Facts, member: usize) -> Self {
        let mut aggregator = Self { pins: pins(facts, member), ..Self::default() };
        loop {
            let mut moved = false;
            for at in 0..aggregator.pins.len() {
                moved |= aggregator.page(facts, at);
            }
            if !moved {
                return aggregator;
            }
        }
    }

    /// A page of one pin. Whether it decided anything.
    fn page(&mut self, facts: &Facts, at: usize) -> bool {
        let (message, batch) = (self.pins[at].message, self.pins[at].batch);
        if self.pins[at].dispatched || self.pins[at].nth != 0 || self.pins[at].signer != message.header.key {
            return false;
        }
        let width = message.header.topics.len();
        let Some(own) = self.pins.get(at..at + width) else { return false };
        let ready = own.iter().enumerate().all(|(nth, pin)| {
            let topic = &message.header.topics[nth];
            if pin.masked { self.expects(facts, message, topic, pin.hash) } else { self.is_first(at, pin.hash) }
        });
        if !ready || !self.speaks(message) || !self.accepts(batch, message) {
            return false;
        }
        let confirmed = self.define(batch, message);
        for (nth, topic) in message.header.topics.iter().enumerate() {
            self.pins[at + nth].dispatched = true;
            if let Some(group) = message.header.group.filter(|_| self.pins[at + nth].masked) {
                let nonces = self.next.entry((group, topic.clone())).or_default();
                *nonces.entry(message.header.author.clone()).or_default() += 1;
            }
            if confirmed {
                self.confirmed.entry(context(message, topic)).or_default().push(message.header.id);
            }
        }
        true
    }

    /// Whether no earlier pin of the context is open.
    fn is_first(&self, at: usize, context: Hash) -> bool {
        !self.pins[..at].iter().any(|pin| !pin.masked && !pin.dispatched && pin.hash == context)
    }

    /// Whether a masked pin is the next one of its author.
    fn expects(&self, facts: &Facts, message: &Message, topic: &str, hash: Hash) -> bool {
        let Some(group) = message.header.group else { return false };
        let author = &message.header.author;
        if !facts.groups.get(&group).is_some_and(|members| members.contains(author)) {
            return false;
        }
        let nonces = self.next.get(&(group, topic.to_owned()));
        let nonce = nonces.and_then(|nonces| nonces.get(author)).copied().unwrap_or(0);
        pin::private_pin(topic, group, author, nonce) == hash
    }

    /// Whether the key is the author's, or needs not be known.
    fn speaks(&self, message: &Message) -> bool {
        let header = &message.header;
        let excused = is_private(&header.kind) || header.tag == tag::IDENTITY_CLAIM;
        self.keys.get(&header.key).map_or(excused, |did| *did == header.author)
    }

    fn accepts(&self, batch: &Batch, message: &Message) -> bool {
        let data = message.data.iter().filter_map(|wanted| batch.payload.data.iter().find(|data| data.id == wanted.id));
        data.filter_map(|data| data.datatype.as_ref())
            .all(|datatype| self.datatypes.contains(&(datatype.name.clone(), datatype.version.clone())))
    }

    /// Takes over what a definition defines. False for one that is rejected.
    fn define(&mut self, batch: &Batch, message: &Message) -> bool {
        if message.header.kind != Type::Definition {
            return true;
        }
        let data = message.data.first().and_then(|wanted| batch.payload.data.iter().find(|data| data.id == wanted.id));
        match received::parse(&message.header.tag, data.and_then(|data| data.value.as_ref())) {
            Payload::Claim(identity) => {
                // Whoever claims a DID once more, after a claim of which nothing was heard, does so with a new id.
                let known = *self.identities.entry(identity.base.did.clone()).or_insert(identity.base.id);
                let accepted = known == identity.base.id;
                if accepted && identity.base.kind() != Some(IdentityType::Node) {
                    self.keys.insert(message.header.key.clone(), identity.base.did);
                }
                accepted
            }
            Payload::Datatype(datatype) => self.datatypes.insert((datatype.name, datatype.version)),
            _ => true,
        }
    }
}

/// The pins of everything that a member is meant to see, in the order of the ledger.
fn pins(facts: &Facts, member: usize) -> Vec<Pin<'_>> {
    let own = did(member);
    let mut pins = Vec::new();
    for event in &facts.events {
        let Some(batch) = facts.contents.get(&event.batch) else { continue };
        let masked = event.payload_ref.is_empty();
        let mut values = event.values.iter();
        for message in &batch.payload.messages {
            let group = message.header.group.and_then(|group| facts.groups.get(&group));
            let mine = !masked || group.is_some_and(|members| members.contains(&own));
            for (nth, hash) in values.by_ref().take(message.header.topics.len()).enumerate() {
                if mine {
                    let (signer, hash, dispatched) = (event.signer.as_str(), *hash, false);
                    pins.push(Pin { masked, hash, signer, batch, message, nth, dispatched });
                }
            }
        }
    }
    pins
}
