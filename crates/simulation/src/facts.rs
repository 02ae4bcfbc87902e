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
    world::{NAMESPACE, exchange::Delivered},
};

/// Largest text that is read.
const LIMIT: usize = 8 << 20;

/// A batch by what the ledger commits to.
pub(crate) type BatchKey = (Uuid, Hash);

/// A pin on the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) pos: Position,
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
    /// The organisation whose node delivered it; none when it was asked for.
    pub(crate) from: Option<String>,
}

/// The facts.
#[derive(Default)]
pub(crate) struct Facts {
    /// In the order of the ledger.
    pub(crate) events: Vec<Event>,
    pub(crate) contents: BTreeMap<BatchKey, Batch>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) groups: Groups,
}

impl Facts {
    pub(crate) fn gather(shared: &Shared) -> Self {
        let mut facts = Self::default();
        for (pos, pin) in shared.ledger.logs_from(1) {
            let (Ok(id), hash) = (Uuid::from_slice(&pin.uuids[16..]), Hash::from(pin.batch_hash)) else { continue };
            let Ok(tx) = Uuid::from_slice(&pin.uuids[..16]) else { continue };
            if tx.is_nil() && pin.contexts.is_empty() {
                continue;
            }
            facts.events.push(Event {
                pos,
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
        facts
    }

    fn arrive(&mut self, delivered: &Delivered) {
        let Ok(text) = std::str::from_utf8(&delivered.payload) else { return };
        let Ok(Some(wrapper)) = wire::parse_wrapper(text, LIMIT) else { return };
        if let Some(batch) = self.learn(Some(wrapper.batch), None) {
            let from = (!delivered.asked).then(|| owner(&delivered.from.0)).flatten();
            if delivered.asked || from.is_some() {
                self.arrivals.push(Arrival { to: delivered.to, batch, from });
            }
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
