//! The same rules a second time, slowly: no events in order, no waiting and waking, only the whole set of facts, from
//! which whatever can be decided is decided, in an order that a number picks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use photinus_model::{Hash, Uuid};
use photinus_sequencing::decision::{Code, Verdict};
use photinus_sequencing::facts::content::{Content, Kind, Message};
use photinus_sequencing::facts::definition::{Base, Claim, Definition, IdentityKind};
use photinus_sequencing::facts::{BatchKey, Event, Fact, MessageKey, Place};
use photinus_sequencing::text::{Did, Signer};

use crate::network::{context, did_topic, named_topic};

/// All facts of a member.
#[derive(Default)]
pub(crate) struct Oracle {
    events: Vec<Arc<Event>>,
    contents: BTreeMap<BatchKey, Arc<Content>>,
    blobs: BTreeSet<Hash>,
    tokens: BTreeSet<MessageKey>,
    pinned: Vec<Pinned>,
    decided: BTreeMap<MessageKey, (Place, Verdict)>,
    identities: Vec<Known>,
    refused: Vec<(Signer, Place)>,
    claims: Vec<Claimed>,
    verifications: Vec<Verified>,
    names: BTreeMap<String, Place>,
    interfaces: Vec<(Uuid, Place)>,
    /// The lowest open value of every context, as things stand.
    heads: BTreeMap<Hash, Place>,
}

/// A message at one of its anchors.
#[derive(Clone)]
struct Pinned {
    event: Arc<Event>,
    content: Arc<Content>,
    message: Message,
    place: Place,
}

struct Known {
    base: Base,
    key: Signer,
    author: Did,
    peer: Option<String>,
    place: Place,
}

struct Claimed {
    message: MessageKey,
    base: Base,
    key: Signer,
    place: Place,
}

struct Verified {
    claim: MessageKey,
    base: Base,
    author: Did,
    place: Place,
}

enum Change {
    Nothing,
    Refuse(Signer),
    Exists(Known),
    Claimed(Claimed),
    ClaimedAndExists(Claimed, Known),
    Verified(Verified),
    Named(String),
    Interface(String, Uuid),
}

enum Status {
    Of(Did),
    Wait,
    Refused,
    Nobody(Option<Did>),
}

type Ruling = Option<(Verdict, Change)>;

fn reject(code: Code) -> Ruling {
    Some((Verdict::Rejected(code), Change::Nothing))
}

fn confirm(change: Change) -> Ruling {
    Some((Verdict::Confirmed, change))
}

impl Oracle {
    pub(crate) fn new<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let mut oracle = Self::default();
        for fact in facts {
            match fact {
                Fact::Pinned(event) => {
                    if !oracle.events.contains(event) {
                        oracle.events.push(Arc::clone(event));
                    }
                }
                Fact::Content(content, _) => {
                    oracle.contents.insert(content.batch, Arc::clone(content));
                }
                Fact::BlobHeld(hash) => {
                    oracle.blobs.insert(*hash);
                }
                Fact::TokenSeen(_, message) => {
                    oracle.tokens.insert(*message);
                }
                other => panic!("the oracle knows no {other:?}"),
            }
        }
        oracle.events.retain(|event| !event.payload_ref.is_empty() && !event.values.is_empty());
        for event in &oracle.events {
            let Some(content) = oracle.contents.get(&event.batch) else { continue };
            let mut base = 0;
            for message in &content.messages {
                let wanted: Vec<_> = message.topics.iter().map(|topic| context(topic)).collect();
                let end = base + wanted.len();
                if !message.kind.is_private() && event.values.get(base..end) == Some(&wanted[..]) {
                    oracle.pinned.push(Pinned {
                        event: Arc::clone(event),
                        content: Arc::clone(content),
                        message: message.clone(),
                        place: Place { pos: event.pos, index: base as u32 },
                    });
                }
                base = end;
            }
        }
        oracle.pinned.sort_by_key(|pinned| pinned.place);
        oracle
    }

    /// All verdicts. `luck` picks what is decided first of all that can be.
    pub(crate) fn decide(mut self, mut luck: u64) -> BTreeMap<MessageKey, (Place, Verdict)> {
        loop {
            self.find_heads();
            let mut ready = Vec::new();
            let mut seen = BTreeSet::new();
            for pinned in &self.pinned {
                let lowest = seen.insert(pinned.message.key);
                if lowest
                    && !self.decided.contains_key(&pinned.message.key)
                    && self.is_head(pinned)
                    && let Some(ruling) = self.judge(pinned)
                {
                    ready.push((pinned.clone(), ruling));
                }
            }
            if ready.is_empty() {
                return self.decided;
            }
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (pinned, (verdict, change)) = ready.swap_remove((luck >> 33) as usize % ready.len());
            self.apply(pinned.place, change);
            self.decided.insert(pinned.message.key, (pinned.place, verdict));
        }
    }

    fn find_heads(&mut self) {
        self.heads.clear();
        for event in &self.events {
            for (index, value) in event.values.iter().enumerate() {
                if self.is_open(event, index) {
                    let place = Place { pos: event.pos, index: index as u32 };
                    let head = self.heads.entry(*value).or_insert(place);
                    *head = place.min(*head);
                }
            }
        }
    }

    fn is_open(&self, event: &Event, index: usize) -> bool {
        if !self.contents.contains_key(&event.batch) {
            return true;
        }
        self.pinned.iter().any(|pinned| {
            let first = pinned.place.index as usize;
            pinned.event.pos == event.pos
                && (first..first + pinned.message.topics.len()).contains(&index)
                && !self.decided.contains_key(&pinned.message.key)
        })
    }

    fn is_open_below(&self, topic: &str, at: Place) -> bool {
        self.heads.get(&context(topic)).is_some_and(|lowest| *lowest < at)
    }

    fn is_head(&self, pinned: &Pinned) -> bool {
        pinned.message.topics.iter().all(|topic| !self.is_open_below(topic, pinned.place))
    }

    fn claims_identity(message: &Message) -> bool {
        message.kind == Kind::Definition && matches!(message.definition, Some(Definition::Claim(_)))
    }

    fn status(&self, key: &Signer, at: Place) -> Status {
        let owner = self.identities.iter().find(|known| known.key == *key && known.base.kind != IdentityKind::Node);
        if let Some(owner) = owner
            && owner.place < at
        {
            return Status::Of(owner.base.did.clone());
        }
        let unknown = self.events.iter().any(|event| {
            let known = self.contents.contains_key(&event.batch);
            event.signer == *key && Place { pos: event.pos, index: 0 } < at && !known
        });
        let claiming = self.pinned.iter().any(|pinned| {
            let undecided = !self.decided.contains_key(&pinned.message.key);
            pinned.event.signer == *key && pinned.place < at && undecided && Self::claims_identity(&pinned.message)
        });
        let verifiable = self.claims.iter().any(|claim| {
            let exists = self.identities.iter().any(|known| known.base.did == claim.base.did && known.key == *key);
            claim.key == *key && claim.place < at && !exists && self.is_open_below(&did_topic(&claim.base.did), at)
        });
        if unknown || claiming || verifiable {
            return Status::Wait;
        }
        if self.refused.iter().any(|(refused, since)| refused == key && *since < at) {
            return Status::Refused;
        }
        Status::Nobody(owner.map(|owner| owner.base.did.clone()))
    }

    fn judge(&self, pinned: &Pinned) -> Ruling {
        let (content, message) = (&pinned.content, &pinned.message);
        if content.key != pinned.event.signer {
            return reject(Code::Signer);
        }
        if content.author.is_empty() {
            return reject(Code::Author);
        }
        let claims = Self::claims_identity(message);
        match self.status(&content.key, pinned.place) {
            Status::Wait => return None,
            Status::Of(did) | Status::Nobody(Some(did)) if did != content.author && !claims => {
                return reject(Code::Author);
            }
            Status::Of(did) if did != content.author => return reject(Code::Author),
            Status::Nobody(None) if !claims => return None,
            Status::Refused if !claims => return reject(Code::RefusedKey),
            _ => {}
        }
        let blobs = message.data.iter().filter_map(|data| data.blob).all(|blob| self.blobs.contains(&blob));
        if !blobs || (message.token.is_some() && !self.tokens.contains(&message.key)) {
            return None;
        }
        if message.kind == Kind::Definition { self.judge_definition(pinned) } else { self.judge_data(pinned) }
    }

    fn judge_data(&self, pinned: &Pinned) -> Ruling {
        for data in &pinned.message.data {
            let Some(datatype) = &data.datatype else { continue };
            let name = format!("datatype {} {}", datatype.name, datatype.version);
            if self.names.get(&name).is_none_or(|since| *since >= pinned.place) {
                let may_come = self.is_open_below(&named_topic("datatype", &datatype.name), pinned.place);
                return if may_come { None } else { reject(Code::DatatypeUnknown) };
            }
            if !data.key.id.as_u128().is_multiple_of(2) {
                return reject(Code::SchemaInvalid);
            }
        }
        confirm(Change::Nothing)
    }

    fn judge_definition(&self, pinned: &Pinned) -> Ruling {
        let topics = &pinned.message.topics;
        match pinned.message.definition.as_ref().unwrap() {
            Definition::Claim(claim) => self.judge_claim(pinned, claim),
            Definition::Verification { claim, identity } => self.judge_verification(pinned, *claim, identity),
            Definition::Update { identity } => {
                if *topics != [did_topic(&identity.did)] {
                    return reject(Code::Topic);
                }
                let known = self.identities.iter().find(|known| known.base.did == identity.did);
                match known {
                    Some(known) if known.base.id != identity.id => reject(Code::IdentityUnknown),
                    Some(known) if known.author != pinned.content.author => reject(Code::DefinitionAuthor),
                    Some(known) if known.base != *identity => reject(Code::Base),
                    Some(_) => confirm(Change::Nothing),
                    None => reject(Code::IdentityUnknown),
                }
            }
            Definition::Datatype { datatype, .. } => {
                let name = format!("datatype {} {}", datatype.name, datatype.version);
                self.judge_name(topics, &named_topic("datatype", &datatype.name), &name, Change::Named(name.clone()))
            }
            Definition::Interface { id, network_name, version } => {
                let name = format!("ffi {network_name} {version}");
                let change = Change::Interface(name.clone(), *id);
                self.judge_name(topics, &named_topic("ffi", network_name), &name, change)
            }
            Definition::Api { network_name, interface, .. } => {
                let name = format!("api {network_name}");
                let ruling = self.judge_name(
                    topics,
                    &named_topic("contractapi", network_name),
                    &name,
                    Change::Named(name.clone()),
                );
                let Some((Verdict::Confirmed, _)) = ruling else { return ruling };
                let id = interface.unwrap();
                if self.interfaces.iter().any(|(known, since)| *known == id && *since < pinned.place) {
                    return ruling;
                }
                let unknown = self
                    .events
                    .iter()
                    .any(|event| event.pos < pinned.place.pos && !self.contents.contains_key(&event.batch));
                let undecided = self.pinned.iter().any(|other| {
                    let defines =
                        matches!(other.message.definition, Some(Definition::Interface { id: of, .. }) if of == id);
                    defines && other.place < pinned.place && !self.decided.contains_key(&other.message.key)
                });
                if unknown || undecided { None } else { reject(Code::Invalid) }
            }
            other => panic!("the oracle knows no {other:?}"),
        }
    }

    fn judge_name(&self, topics: &[String], topic: &str, name: &str, change: Change) -> Ruling {
        if topics != [topic] {
            return reject(Code::Topic);
        }
        if self.names.contains_key(name) { reject(Code::Exists) } else { confirm(change) }
    }

    fn is_parent(&self, base: &Base, did: Option<&Did>) -> bool {
        self.identities.iter().any(|known| {
            Some(known.base.id) == base.parent
                && did.is_none_or(|did| known.base.did == *did)
                && base.kind.allows_parent(known.base.kind)
        })
    }

    fn judge_claim(&self, pinned: &Pinned, claim: &Claim) -> Ruling {
        let base = &claim.identity;
        let (key, author) = (&pinned.content.key, &pinned.content.author);
        let is_node = base.kind == IdentityKind::Node;
        if pinned.message.topics != [did_topic(&base.did)] {
            let change = if is_node { Change::Nothing } else { Change::Refuse(key.clone()) };
            return Some((Verdict::Rejected(Code::Topic), change));
        }
        if is_node {
            if !self.identities.iter().any(|known| known.base.did == *author) {
                return None;
            }
            if !self.is_parent(base, Some(author)) {
                return reject(Code::ClaimAuthor);
            }
        } else if *author != base.did {
            return reject(Code::ClaimAuthor);
        } else if base.parent.is_some() && !self.is_parent(base, None) {
            return None;
        }
        if let Some(known) = self.identities.iter().find(|known| known.base.did == base.did) {
            let same = if is_node { known.peer == claim.peer } else { known.key == *key };
            return if known.base == *base && same { confirm(Change::Nothing) } else { reject(Code::Exists) };
        }
        let exists = |place| Known {
            base: base.clone(),
            key: key.clone(),
            author: author.clone(),
            peer: claim.peer.clone(),
            place,
        };
        if is_node || base.parent.is_none() {
            return confirm(Change::Exists(exists(pinned.place)));
        }
        let claimed =
            Claimed { message: pinned.message.key, base: base.clone(), key: key.clone(), place: pinned.place };
        let verified = self.verifications.iter().filter(|verified| {
            verified.claim == pinned.message.key
                && verified.base == *base
                && self.is_parent(base, Some(&verified.author))
        });
        match verified.map(|verified| verified.place).min() {
            Some(place) => confirm(Change::ClaimedAndExists(claimed, exists(place.max(pinned.place)))),
            None => confirm(Change::Claimed(claimed)),
        }
    }

    fn judge_verification(&self, pinned: &Pinned, claim: MessageKey, base: &Base) -> Ruling {
        let author = &pinned.content.author;
        if pinned.message.topics != [did_topic(&base.did)] {
            return reject(Code::Topic);
        }
        if base.parent.is_none() {
            return reject(Code::Invalid);
        }
        match self.identities.iter().find(|known| known.base.did == *author) {
            None => return reject(Code::IdentityUnknown),
            Some(known) if Some(known.base.id) != base.parent => return reject(Code::DefinitionAuthor),
            Some(_) => {}
        }
        let of_did = self.claims.iter().filter(|known| known.base.did == base.did);
        let Some(claimed) = of_did.clone().find(|known| known.message == claim) else {
            if of_did.clone().any(|known| known.message.id == claim.id) {
                return reject(Code::ClaimHash);
            }
            let verified = Verified { claim, base: base.clone(), author: author.clone(), place: pinned.place };
            return confirm(Change::Verified(verified));
        };
        if claimed.base != *base {
            return Some((Verdict::Rejected(Code::Base), Change::Refuse(claimed.key.clone())));
        }
        if !self.is_parent(base, Some(author)) {
            return confirm(Change::Nothing);
        }
        match self.status(&claimed.key, pinned.place) {
            Status::Wait => return None,
            Status::Of(did) if did != base.did => return reject(Code::Exists),
            _ => {}
        }
        if let Some(known) = self.identities.iter().find(|known| known.base.did == base.did) {
            let same = known.base == *base && known.key == claimed.key;
            return if same { confirm(Change::Nothing) } else { reject(Code::Exists) };
        }
        confirm(Change::Exists(Known {
            base: base.clone(),
            key: claimed.key.clone(),
            author: base.did.clone(),
            peer: None,
            place: pinned.place.max(claimed.place),
        }))
    }

    fn apply(&mut self, place: Place, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Refuse(key) => self.refused.push((key, place)),
            Change::Exists(known) => self.identities.push(known),
            Change::Claimed(claimed) => self.claims.push(claimed),
            Change::ClaimedAndExists(claimed, known) => {
                self.claims.push(claimed);
                self.identities.push(known);
            }
            Change::Verified(verified) => self.verifications.push(verified),
            Change::Named(name) => {
                self.names.insert(name, place);
            }
            Change::Interface(name, id) => {
                self.names.insert(name, place);
                self.interfaces.push((id, place));
            }
        }
    }
}
