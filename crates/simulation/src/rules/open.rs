//! What is pinned for everybody.

use std::collections::{BTreeMap, BTreeSet};

use photinus_model::{
    Hash, Uuid,
    batch::Batch,
    data::Data,
    definition,
    definition::received::{self, Payload},
    identity::Type as IdentityType,
    message::{Message, Type},
    tag,
};

use super::{
    Place, Verdict,
    keys::{Base, Known, Status},
};
use crate::{
    check::view::is_private,
    facts::{Event, Facts},
    world::NAMESPACE,
};

/// A message at one of its anchors.
#[derive(Clone)]
struct Anchor<'a> {
    event: &'a Event,
    batch: &'a Batch,
    message: &'a Message,
    place: Place,
}

impl Anchor<'_> {
    /// The places of all its values.
    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let (pos, first) = self.place;
        (first..first + self.message.header.topics.len()).map(move |index| (pos, index))
    }
}

/// A message by id and hash.
pub(crate) type MessageKey = (Uuid, Hash);

/// A message that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) place: Place,
    pub(crate) verdict: Verdict,
}

struct Claimed {
    base: Base,
    key: String,
    place: Place,
}

enum Change {
    Nothing,
    Refuse,
    Exists(Known),
    Claimed(Base),
    Named(String),
}

type Ruling = Option<(Verdict, Change)>;

/// All facts and what was decided so far.
pub(crate) struct Open<'a> {
    facts: &'a Facts,
    anchors: Vec<Anchor<'a>>,
    pub(crate) decided: BTreeMap<MessageKey, Decided>,
    pub(crate) identities: Vec<Known>,
    refused: Vec<(String, Place)>,
    claims: Vec<Claimed>,
    names: BTreeMap<String, Place>,
    /// The lowest value that keeps each context closed, as things stand.
    heads: BTreeMap<Hash, Place>,
}

fn reject(code: &'static str) -> Ruling {
    Some((Verdict::Rejected(code), Change::Nothing))
}

fn confirm(change: Change) -> Ruling {
    Some((Verdict::Confirmed, change))
}

fn key(message: &Message) -> MessageKey {
    (message.header.id, message.hash.unwrap_or_else(|| Hash::of("")))
}

fn is_claim(message: &Message) -> bool {
    message.header.kind == Type::Definition && message.header.tag == tag::IDENTITY_CLAIM
}

impl<'a> Open<'a> {
    /// Decides everything that can be decided.
    pub(crate) fn decide(facts: &'a Facts) -> Self {
        let mut open = Self {
            facts,
            anchors: anchors(facts),
            decided: BTreeMap::new(),
            identities: Vec::new(),
            refused: Vec::new(),
            claims: Vec::new(),
            names: BTreeMap::new(),
            heads: BTreeMap::new(),
        };
        loop {
            open.heads = open.heads();
            if !open.decide_one() {
                return open;
            }
        }
    }

    /// The messages that were decided in each topic, in their order.
    pub(crate) fn topics(&self) -> BTreeMap<String, Vec<(Uuid, Verdict)>> {
        let mut topics: BTreeMap<String, Vec<(Place, Uuid, Verdict)>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for anchor in &self.anchors {
            let Some(decided) = self.decided.get(&key(anchor.message)) else { continue };
            if seen.insert(key(anchor.message)) {
                for topic in &anchor.message.header.topics {
                    let entry = (decided.place, anchor.message.header.id, decided.verdict);
                    topics.entry(topic.clone()).or_default().push(entry);
                }
            }
        }
        let sorted = |(topic, mut list): (String, Vec<(Place, Uuid, Verdict)>)| {
            list.sort_by_key(|(place, ..)| *place);
            (topic, list.into_iter().map(|(_, id, verdict)| (id, verdict)).collect())
        };
        topics.into_iter().map(sorted).collect()
    }

    fn decide_one(&mut self) -> bool {
        let mut seen = BTreeSet::new();
        for anchor in &self.anchors {
            let message = key(anchor.message);
            // The lowest anchor alone is the message's place.
            if !seen.insert(message) || self.decided.contains_key(&message) {
                continue;
            }
            let topics = &anchor.message.header.topics;
            let waits = topics.iter().any(|topic| self.is_below(topic, anchor.place));
            if waits {
                continue;
            }
            if let Some((verdict, change)) = self.judge(anchor) {
                let anchor = anchor.clone();
                self.apply(&anchor, change);
                self.decided.insert(message, Decided { place: anchor.place, verdict });
                return true;
            }
        }
        false
    }

    fn heads(&self) -> BTreeMap<Hash, Place> {
        let undecided = self.anchors.iter().filter(|anchor| !self.decided.contains_key(&key(anchor.message)));
        let owned: BTreeSet<Place> = undecided.flat_map(Anchor::places).collect();
        let mut heads: BTreeMap<Hash, Place> = BTreeMap::new();
        for event in self.facts.events.iter().filter(|event| !event.payload_ref.is_empty()) {
            // Nobody knows what a value is, or it belongs to a message without verdict.
            let unknown = !self.facts.contents.contains_key(&event.batch);
            for (index, value) in event.values.iter().enumerate() {
                let place = (event.pos, index);
                if unknown || owned.contains(&place) {
                    let head = heads.entry(*value).or_insert(place);
                    *head = place.min(*head);
                }
            }
        }
        heads
    }

    /// Whether a lower value keeps a topic closed.
    fn is_below(&self, topic: &str, at: Place) -> bool {
        self.heads.get(&Hash::of(topic)).is_some_and(|lowest| *lowest < at)
    }

    /// What is known of a key as of a place.
    pub(crate) fn status(&self, signer: &str, at: Place) -> Status {
        let is_owner = |known: &&Known| known.key == signer && known.base.kind != IdentityType::Node;
        let owner = self.identities.iter().find(is_owner);
        if let Some(owner) = owner.filter(|owner| owner.place < at) {
            return Status::Of(owner.base.did.clone());
        }
        let unknown = self.facts.events.iter().any(|event| {
            event.signer == signer
                && !event.payload_ref.is_empty()
                && !event.values.is_empty()
                && (event.pos, 0) < at
                && !self.facts.contents.contains_key(&event.batch)
        });
        let claiming = self.anchors.iter().any(|anchor| {
            let undecided = !self.decided.contains_key(&key(anchor.message));
            anchor.event.signer == signer && anchor.place < at && undecided && is_claim(anchor.message)
        });
        let verifiable = self.claims.iter().any(|claim| {
            let exists = self.identities.iter().any(|known| known.base.did == claim.base.did && known.key == signer);
            let topic = definition::identity_topic(&claim.base.did);
            claim.key == signer && claim.place < at && !exists && self.is_below(&topic, at)
        });
        if unknown || claiming || verifiable {
            return Status::Wait;
        }
        if self.refused.iter().any(|(refused, since)| refused == signer && *since < at) {
            return Status::Refused;
        }
        Status::Nobody(owner.map(|owner| owner.base.did.clone()))
    }

    /// Whether a key belongs to an organisation without parent, as of a place.
    pub(crate) fn is_root(&self, signer: &str, at: Place) -> bool {
        let Status::Of(did) = self.status(signer, at) else { return false };
        self.identities.iter().any(|known| known.base.did == did && known.base.parent.is_none())
    }

    fn judge(&self, anchor: &Anchor<'_>) -> Ruling {
        let (batch, message) = (anchor.batch, anchor.message);
        if batch.key != anchor.event.signer {
            return reject("FF10452");
        }
        if batch.author.is_empty() {
            return reject("FF10453");
        }
        let claims = is_claim(message);
        match self.status(&batch.key, anchor.place) {
            Status::Wait => return None,
            Status::Of(did) if did != batch.author => return reject("FF10453"),
            Status::Nobody(Some(did)) if did != batch.author && !claims => return reject("FF10453"),
            Status::Nobody(None) if !claims => return None,
            Status::Refused if !claims => return reject("FF10453"),
            _ => {}
        }
        if message.header.kind == Type::Definition { self.define(anchor) } else { self.typed(anchor) }
    }

    /// Data of a message against the datatypes that it names.
    fn typed(&self, anchor: &Anchor<'_>) -> Ruling {
        for data in data_of(anchor) {
            let Some(datatype) = data.datatype.as_ref().filter(|datatype| !datatype.name.is_empty()) else { continue };
            let name = format!("{} {}", datatype.name, datatype.version);
            if self.names.get(&name).is_none_or(|since| *since >= anchor.place) {
                let may_come = self.is_below(&definition::datatype_topic(&datatype.name), anchor.place);
                return if may_come { None } else { reject("FF10195") };
            }
            if !conforms(data) {
                return reject("FF10198");
            }
        }
        confirm(Change::Nothing)
    }

    fn define(&self, anchor: &Anchor<'_>) -> Ruling {
        match read(anchor) {
            Payload::Claim(identity) => match base(&identity.base, &identity.profile.description) {
                Some(base) => self.claim(anchor, base, peer(&identity)),
                None => reject(""),
            },
            Payload::Datatype(datatype) => {
                let name = format!("{} {}", datatype.name, datatype.version);
                let hash = datatype.value.as_ref().map(photinus_model::JsonText::hash);
                if datatype.value.is_none() || hash != datatype.hash {
                    return reject("");
                }
                if anchor.message.header.topics != [definition::datatype_topic(&datatype.name)]
                    || self.names.contains_key(&name)
                {
                    return reject("");
                }
                confirm(Change::Named(name))
            }
            // Nothing else is sent in a simulation but what cannot be read.
            _ => reject(""),
        }
    }

    fn claim(&self, anchor: &Anchor<'_>, base: Base, peer: Option<String>) -> Ruling {
        let (signer, author) = (&anchor.batch.key, &anchor.batch.author);
        let is_node = base.kind == IdentityType::Node;
        if anchor.message.header.topics != [definition::identity_topic(&base.did)] {
            let change = if is_node { Change::Nothing } else { Change::Refuse };
            return Some((Verdict::Rejected(""), change));
        }
        let is_parent = |known: &&Known| Some(known.base.id) == base.parent && base.may_belong_to(known.base.kind);
        if is_node {
            if !self.identities.iter().any(|known| known.base.did == *author) {
                return None;
            }
            if !self.identities.iter().filter(is_parent).any(|known| known.base.did == *author) {
                return reject("FF10402");
            }
        } else if *author != base.did {
            return reject("FF10402");
        } else if base.parent.is_some() && !self.identities.iter().any(|known| is_parent(&known)) {
            return None;
        }
        if let Some(known) = self.identities.iter().find(|known| known.base.did == base.did) {
            let same = if is_node { known.peer == peer } else { known.key == *signer };
            return if known.base == base && same { confirm(Change::Nothing) } else { reject("FF10407") };
        }
        if is_node || base.parent.is_none() {
            return confirm(Change::Exists(Known { base, key: signer.clone(), peer, place: anchor.place }));
        }
        confirm(Change::Claimed(base))
    }

    fn apply(&mut self, anchor: &Anchor<'_>, change: Change) {
        let (place, signer) = (anchor.place, anchor.batch.key.clone());
        match change {
            Change::Nothing => {}
            Change::Refuse => self.refused.push((signer, place)),
            Change::Exists(known) => self.identities.push(known),
            Change::Claimed(base) => {
                self.claims.push(Claimed { base, key: signer, place });
            }
            Change::Named(name) => {
                self.names.insert(name, place);
            }
        }
    }
}

fn anchors(facts: &Facts) -> Vec<Anchor<'_>> {
    let mut anchors = Vec::new();
    for event in facts.events.iter().filter(|event| !event.payload_ref.is_empty()) {
        let Some(batch) = facts.contents.get(&event.batch) else { continue };
        let mut first = 0;
        for message in &batch.payload.messages {
            let wanted: Vec<Hash> = message.header.topics.iter().map(Hash::of).collect();
            let end = first + wanted.len();
            if !is_private(&message.header.kind) && event.values.get(first..end) == Some(&wanted[..]) {
                anchors.push(Anchor { event, batch, message, place: (event.pos, first) });
            }
            first = end;
        }
    }
    anchors.sort_by_key(|anchor| anchor.place);
    anchors
}

fn data_of<'a>(anchor: &'a Anchor<'_>) -> impl Iterator<Item = &'a Data> {
    let all = &anchor.batch.payload.data;
    let refs = anchor.message.data.iter();
    refs.filter_map(|wanted| all.iter().find(|data| data.id == wanted.id && data.hash == Some(wanted.hash)))
}

/// The definition that a message carries.
fn read(anchor: &Anchor<'_>) -> Payload {
    let mut data = data_of(anchor);
    let only = data.next().filter(|_| anchor.message.data.len() == 1);
    received::parse(&anchor.message.header.tag, only.and_then(|data| data.value.as_ref()))
}

fn base(base: &received::Base, description: &str) -> Option<Base> {
    base.validate(NAMESPACE).ok()?;
    if description.len() > photinus_model::identity::MAX_DESCRIPTION {
        return None;
    }
    let (id, kind) = (base.id?, base.kind()?);
    Some(Base { id, did: base.did.clone(), kind, parent: base.parent, name: base.name.clone() })
}

fn peer(identity: &received::Identity) -> Option<String> {
    let profile: serde_json::Value = serde_json::from_str(identity.profile.profile.as_ref()?.as_str()).ok()?;
    profile.get("id")?.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// The one schema of all datatypes in a simulation: an object with a number.
fn conforms(data: &Data) -> bool {
    let value = data.value.as_ref().and_then(|value| serde_json::from_str::<serde_json::Value>(value.as_str()).ok());
    value.is_some_and(|value| value.get("size").is_some_and(serde_json::Value::is_number))
}
