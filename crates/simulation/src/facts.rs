//! Everything that could be known about a network, gathered from its outside: the ledger, shared storage, and what went over
//! the wires. The models recompute from it what members must have decided.

use std::collections::{BTreeMap, BTreeSet};

use photinus_model::{
    Hash, Uuid,
    batch::Batch,
    definition::received::{self, Payload},
    tag, wire,
};
use photinus_ports::blockchain::Position;

use crate::{
    check::shared::Groups,
    member::{Shared, did},
    rules::open::Open,
    world::{NAMESPACE, exchange::Delivered, ledger::Mined},
};

/// The action that ends a contract.
const TERMINATE: &str = "firefly:terminate";

/// Largest text that is read.
const LIMIT: usize = 8 << 20;

/// A batch by what the ledger commits to.
pub(crate) type BatchKey = (Uuid, Hash);

/// A pin on the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) pos: Position,
    contract: usize,
    pub(crate) batch: BatchKey,
    pub(crate) signer: String,
    pub(crate) payload_ref: String,
    pub(crate) values: Vec<Hash>,
}

/// How a payload of a private batch came to a member.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) to: usize,
    pub(crate) batch: BatchKey,
    /// The organisation whose node delivered it.
    pub(crate) from: String,
    /// It was asked for.
    pub(crate) asked: bool,
    /// A liar sent it with the certificate of the organisation's node.
    pub(crate) planted: bool,
}

/// The facts.
#[derive(Clone, Default)]
pub(crate) struct Facts {
    /// Where the first contract ended.
    pub(crate) end: Option<Position>,
    /// In the order of the ledger.
    pub(crate) events: Vec<Event>,
    pub(crate) contents: BTreeMap<BatchKey, Batch>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) groups: Groups,
}

impl Facts {
    pub(crate) fn gather(shared: &Shared) -> Self {
        let mut facts = Self::default();
        let mut ends = Vec::new();
        for Mined { place: pos, contract, pin } in shared.ledger.logs_from(1) {
            if pin.action == TERMINATE {
                if contract == 0 {
                    ends.push((pos, pin.signer));
                }
                continue;
            }
            let (Ok(id), hash) = (Uuid::from_slice(&pin.uuids[16..]), Hash::from(pin.batch_hash)) else { continue };
            let Ok(tx) = Uuid::from_slice(&pin.uuids[..16]) else { continue };
            if tx.is_nil() && pin.contexts.is_empty() {
                continue;
            }
            facts.events.push(Event {
                pos,
                contract,
                batch: (id, hash),
                signer: pin.signer,
                payload_ref: pin.payload_ref,
                values: pin.contexts,
            });
        }
        let stored = shared.storage.contents();
        for event in facts.events.clone().iter().filter(|event| !event.payload_ref.is_empty()) {
            let text = stored.get(&event.payload_ref).and_then(|bytes| std::str::from_utf8(bytes).ok());
            let batch = text.and_then(|text| wire::parse_batch(text, wire::MAX_TEXT).ok());
            facts.learn(batch, Some(event.batch));
        }
        for delivered in shared.wires.delivered() {
            facts.arrive(&delivered);
        }
        facts.cut(&ends);
        facts
    }

    /// Leaves out what does not count: the first contract ends with the lowest action by an organisation without parent, as of
    /// its place, and from there on the next one counts.
    fn cut(&mut self, ends: &[(Position, String)]) {
        let all = std::mem::take(&mut self.events);
        self.events = all.iter().filter(|event| event.contract == 0).cloned().collect();
        for (end, signer) in ends {
            let mut before = self.clone();
            before.events.retain(|event| event.pos < *end);
            if Open::decide(&before).is_root(signer, (*end, 0)) {
                self.end = Some(*end);
                self.events = all;
                self.events.retain(|event| if event.contract == 0 { event.pos < *end } else { event.pos > *end });
                return;
            }
        }
    }

    /// Whether a liar gave a message to a member in the name of its author's node, and nobody else did.
    pub(crate) fn was_planted(&self, member: usize, message: Uuid) -> bool {
        let has = |batch: &BatchKey| {
            let batch = self.contents.get(batch);
            batch.is_some_and(|batch| batch.payload.messages.iter().any(|one| one.header.id == message))
        };
        let mut came = self.arrivals.iter().filter(|arrival| arrival.to == member && has(&arrival.batch)).peekable();
        came.peek().is_some() && came.all(|arrival| arrival.planted)
    }

    fn arrive(&mut self, delivered: &Delivered) {
        let Ok(text) = std::str::from_utf8(&delivered.payload) else { return };
        let Ok(Some(wrapper)) = wire::parse_wrapper(text, LIMIT) else { return };
        // Whoever has a node's certificate may lack what that node writes into its batches. What was refused for that is believed
        // by nobody.
        if let Some(batch) = self.learn(Some(wrapper.batch), None)
            && let Some(from) = owner(&delivered.from.0)
            && !delivered.refused
        {
            let Delivered { to, asked, planted, .. } = *delivered;
            self.arrivals.push(Arrival { to, batch, from, asked, planted });
        }
    }

    /// Takes in a payload if it is what it says, and what was asked for.
    fn learn(&mut self, batch: Option<wire::Batch>, wanted: Option<BatchKey>) -> Option<BatchKey> {
        let accepted = wire::accept(batch?, wanted.map(|(_, hash)| hash), NAMESPACE).ok()?;
        let key = (accepted.batch.id, accepted.batch.hash);
        if wanted.is_some_and(|wanted| wanted != key) {
            return None;
        }
        for group in groups_in(&accepted.batch) {
            let members = group.members.iter().map(|member| member.identity.clone()).collect::<BTreeSet<_>>();
            self.groups.insert(group.identity_hash(), members);
        }
        self.contents.entry(key).or_insert(accepted.batch);
        Some(key)
    }
}

fn groups_in(batch: &Batch) -> Vec<photinus_model::group::Group> {
    let tells = batch.payload.messages.iter().filter(|message| message.header.tag == tag::DEFINE_GROUP);
    let data = tells.flat_map(|message| &message.data);
    let value = |wanted: &photinus_model::message::DataRef| {
        let found = batch.payload.data.iter().find(|data| data.id == wanted.id && data.hash == Some(wanted.hash))?;
        match received::parse(tag::DEFINE_GROUP, found.value.as_ref()) {
            Payload::Group(group) if group.validate().is_ok() => Some(group),
            _ => None,
        }
    };
    data.filter_map(value).collect()
}

/// The organisation behind a node of the data exchange.
fn owner(peer: &str) -> Option<String> {
    let number = peer.strip_prefix("peer_")?.split('/').next()?;
    number.parse().ok().map(did)
}
