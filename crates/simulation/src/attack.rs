//! What liars do to a network: strangers without identity, and a registered organisation that writes what it likes.

mod private;

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{Hash, message::Type, pin::onchain, tag, wire};
use photinus_ports::blockchain::PinEvent;
use serde_json::json;

use crate::{
    forge::{self, Letter, Speaker},
    member::{Shared, did, key},
    random::Random,
    world::{exchange::peer, ledger::Sent},
};

/// A key that nobody registers.
const STRANGER: &str = "0x00000000000000000000000000000000000bad01";
/// The key of the organisation that lies.
const MALLORY: &str = "0x00000000000000000000000000000000000bad02";
/// A key that pins nothing.
const BYSTANDER: &str = "0x00000000000000000000000000000000000bad03";
/// The key of an organisation that registers itself to end the contract.
const BRUTUS: &str = "0x00000000000000000000000000000000000bad04";
/// Topics that applications use.
const TOPICS: [&str; 3] = ["bills", "letters", "papers"];

/// How many tricks there are.
pub(crate) const TRICKS: usize = 21;
/// The trick that waits for private batches, and gets in front of them.
pub(crate) const AMBUSH: usize = 17;
/// The trick that speaks privately in the name of others.
pub(crate) const MIMICRY: usize = 18;

/// One party's tricks.
pub(crate) struct Attack<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) random: Random,
    pub(crate) members: usize,
}

fn mallory() -> Speaker {
    Speaker { author: "did:firefly:org/mallory".into(), key: MALLORY.into() }
}

impl Attack<'_> {
    /// Does one thing of the catalogue.
    pub(crate) fn perform(&mut self, which: usize) {
        self.shared.world.note("liar", format_args!("trick {which}"));
        match which {
            0 => self.junk(),
            1 => self.copy(|_, _| {}),
            2 => self.copy(|log, _| log.batch_hash = *Hash::of("another").as_bytes()),
            3 => self.copy(|log, random| {
                let index = random.below(log.contexts.len());
                if let Some(value) = log.contexts.get_mut(index) {
                    *value = Hash::of(random.pick(&TOPICS));
                }
            }),
            4 => self.copy(|log, _| {
                log.contexts.pop();
            }),
            5 => self.copy(|log, random| {
                for value in &mut log.contexts {
                    *value = Hash::of(random.next().to_be_bytes());
                }
            }),
            6 => self.copy(|log, random| log.uuids[16..].copy_from_slice(forge::uuid(random).as_bytes())),
            7 => self.copy(|log, _| {
                let masked = log.payload_ref.is_empty();
                log.payload_ref = if masked { "QmNobodyHasThis".to_owned() } else { String::new() };
                // Of what its signer says later, those who have the payload in private know more than others.
                log.signer = STRANGER.to_owned();
            }),
            8 => self.claim(),
            9 => self.broadcast(),
            10 => self.private_in_the_open(),
            11 => self.definition(),
            12 => self.malformed(),
            13 => self.whisper(),
            14 => self.crooked(),
            15 => self.again(),
            AMBUSH => self.ambush(),
            MIMICRY => self.mimicry(),
            19 => self.terminate(BYSTANDER),
            20 => self.usurp(),
            _ => self.foreign_author(),
        }
    }

    fn send(&mut self, log: PinEvent) {
        let contract = self.shared.ledger.latest();
        self.shared.ledger.send(Sent { operation: None, key: log.signer.clone(), contract, logs: vec![log] });
    }

    /// Publishes letters in one batch. Answers the log that pins it.
    fn publish(&mut self, from: &Speaker, letters: &[Letter]) -> PinEvent {
        self.publish_late(from, letters, 300)
    }

    /// As [`Attack::publish`]: each member gets it later with this chance in a thousand.
    fn publish_late(&mut self, from: &Speaker, letters: &[Letter], late: u32) -> PinEvent {
        let batch = forge::batch(&mut self.random, from, letters);
        let text = if self.random.chance(300) { forge::odd(&batch) } else { Bytes::from(batch.to_text()) };
        let payload_ref = self.shared.storage.put(text);
        for member in 0..self.members {
            if self.random.chance(late) {
                // It comes later.
                self.shared.storage.hide(member, &payload_ref);
            }
        }
        forge::log(&batch, &from.key, &payload_ref)
    }

    fn post(&mut self, from: &Speaker, letters: &[Letter]) {
        let log = self.publish(from, letters);
        self.send(log);
    }

    /// A pin of something that is nowhere, or is no batch. Members' own topics are seldom hit: they would be closed for good.
    fn junk(&mut self) {
        let payload_ref = match self.random.below(3) {
            0 => "QmNobodyHasThis".to_owned(),
            1 => self.shared.storage.put(Bytes::from_static(b"{\"not\":\"a batch\"}")),
            _ => self.shared.storage.put(Bytes::from_static(b"\xff\xfe not even text")),
        };
        let count = *self.random.pick(&[1, 1, 1, 200]);
        let topic = if self.random.chance(300) { *self.random.pick(&TOPICS) } else { "nobody" };
        let mut uuids = [0; 32];
        uuids[..16].copy_from_slice(forge::uuid(&mut self.random).as_bytes());
        uuids[16..].copy_from_slice(forge::uuid(&mut self.random).as_bytes());
        let action = *self.random.pick(&[onchain::ACTION_BATCH_PIN, onchain::ACTION_BATCH_PIN, "firefly:nonsense"]);
        let batch_hash = *Hash::of(self.random.next().to_be_bytes()).as_bytes();
        self.send(PinEvent {
            signer: STRANGER.into(),
            action: action.to_owned(),
            uuids,
            batch_hash,
            payload_ref,
            contexts: (0..count)
                .map(|n| if n == 0 { Hash::of(topic) } else { Hash::of(format!("{topic} {n}")) })
                .collect(),
        });
    }

    /// Pins what somebody else pins, with a change: before it is mined, if something waits for that, or after.
    fn copy(&mut self, change: impl Fn(&mut PinEvent, &mut Random)) {
        let waiting = self.shared.ledger.pool();
        let mined: Vec<_> =
            self.shared.ledger.logs_from(1).into_iter().map(|mined| (mined.contract, mined.pin)).collect();
        let all = |sent: Sent| sent.logs.into_iter().map(move |log| (sent.contract, log));
        let waiting: Vec<(usize, PinEvent)> = waiting.into_iter().flat_map(all).collect();
        let mut from = if waiting.is_empty() || self.random.chance(200) { mined } else { waiting };
        // An action by one who has pinned what nobody has, or whose claim stands behind that, keeps members from the ledger until
        // somebody gives that up.
        from.retain(|(_, log)| log.action == onchain::ACTION_BATCH_PIN && log.signer != BRUTUS);
        if from.is_empty() {
            return;
        }
        let (contract, mut log) = self.random.pick(&from).clone();
        log.signer = self.random.pick(&[STRANGER, MALLORY]).to_string();
        change(&mut log, &mut self.random);
        let sent = Sent { operation: None, key: log.signer.clone(), contract, logs: vec![log] };
        // In front of everything that waits.
        self.shared.ledger.send_first(sent);
    }

    /// Registers an organisation; or claims that of another, or on a topic that is none of its own.
    fn claim(&mut self) {
        let (from, named) = match self.random.below(4) {
            0 => (Speaker { author: did(0), key: MALLORY.into() }, "org_0"),
            _ => (mallory(), "mallory"),
        };
        let value = json!({ "identity": {
            "id": forge::uuid(&mut self.random), "did": from.author, "type": "org", "namespace": "", "name": named,
        }});
        let own = photinus_model::definition::identity_topic(&from.author);
        let topic = if self.random.chance(200) { "papers".to_owned() } else { own };
        let data = forge::data(&mut self.random, &value, None);
        let id = forge::uuid(&mut self.random);
        let letter = forge::letter(id, &from, Type::Definition, tag::IDENTITY_CLAIM, &[&topic], vec![data]);
        self.post(&from, &[letter]);
    }

    /// Ends the first contract, or tries to.
    fn terminate(&mut self, key: &str) {
        let pin = PinEvent {
            signer: key.to_owned(),
            action: "firefly:terminate".to_owned(),
            uuids: [0; 32],
            batch_hash: [0; 32],
            payload_ref: String::new(),
            contexts: Vec::new(),
        };
        self.shared.ledger.send(Sent { operation: None, key: key.to_owned(), contract: 0, logs: vec![pin] });
    }

    /// Registers an organisation, of which some hear late, and ends the first contract in its name.
    fn usurp(&mut self) {
        let from = Speaker { author: "did:firefly:org/brutus".into(), key: BRUTUS.into() };
        let value = json!({ "identity": {
            "id": forge::uuid(&mut self.random), "did": from.author, "type": "org", "namespace": "", "name": "brutus",
        }});
        let topic = photinus_model::definition::identity_topic(&from.author);
        let data = forge::data(&mut self.random, &value, None);
        let id = forge::uuid(&mut self.random);
        let letter = forge::letter(id, &from, Type::Definition, tag::IDENTITY_CLAIM, &[&topic], vec![data]);
        self.post(&from, &[letter]);
        self.terminate(BRUTUS);
    }

    /// A broadcast by the registered liar, sometimes under an id that is known.
    fn broadcast(&mut self) {
        let id = self.known_id();
        let typed = self.random.chance(300).then_some("widget");
        let value = if self.random.chance(500) { json!({ "size": 1 }) } else { json!({ "size": "wrong" }) };
        let data = forge::data(&mut self.random, &value, typed);
        let topic = *self.random.pick(&TOPICS);
        let letter = forge::letter(id, &mallory(), Type::Broadcast, "", &[topic], vec![data]);
        self.post(&mallory(), &[letter]);
    }

    /// A new id, or that of a message that was seen before.
    fn known_id(&mut self) -> photinus_model::Uuid {
        let contents = self.shared.storage.contents();
        let texts: Vec<&str> = contents.values().filter_map(|bytes| std::str::from_utf8(bytes).ok()).collect();
        if !texts.is_empty() && self.random.chance(300) {
            let text = *self.random.pick(&texts);
            let batch = wire::parse_batch(text, wire::MAX_TEXT).ok();
            let batch = batch.and_then(|batch| wire::accept(batch, None, crate::world::NAMESPACE).ok());
            if let Some(message) = batch.and_then(|accepted| accepted.batch.payload.messages.first().cloned()) {
                return message.header.id;
            }
        }
        forge::uuid(&mut self.random)
    }

    /// A message of a private kind, published for everybody, in the name of a member.
    fn private_in_the_open(&mut self) {
        let from = Speaker { author: did(0), key: self.random.pick(&[STRANGER, MALLORY]).to_string() };
        let data = forge::data(&mut self.random, &json!("believe me"), None);
        let (id, topic) = (forge::uuid(&mut self.random), *self.random.pick(&TOPICS));
        self.post(&from, &[forge::letter(id, &from, Type::Private, "", &[topic], vec![data])]);
    }

    /// A datatype under a name that others use.
    fn definition(&mut self) {
        let schema = r#"{"type":"object","properties":{"size":{"type":"number"}},"required":["size"]}"#;
        let hash = photinus_model::JsonText::parse(schema).map(|text| text.hash().to_string()).unwrap_or_default();
        let schema: serde_json::Value = serde_json::from_str(schema).unwrap_or_default();
        let value = json!({
            "id": forge::uuid(&mut self.random), "validator": "json", "name": "widget", "version": "1",
            "hash": hash, "value": schema,
        });
        let astray = self.random.chance(300);
        let topic = if astray { "letters".to_owned() } else { photinus_model::definition::datatype_topic("widget") };
        let data = forge::data(&mut self.random, &value, None);
        let id = forge::uuid(&mut self.random);
        let letter = forge::letter(id, &mallory(), Type::Definition, tag::DEFINE_DATATYPE, &[&topic], vec![data]);
        self.post(&mallory(), &[letter]);
    }

    /// A definition that cannot be read.
    fn malformed(&mut self) {
        let values = [json!({}), json!({ "identity": null }), json!([]), json!({ "identity": { "id": 7 } })];
        let value = self.random.pick(&values).clone();
        let data = forge::data(&mut self.random, &value, None);
        let (id, topic) = (forge::uuid(&mut self.random), *self.random.pick(&TOPICS));
        let what = *self.random.pick(&[tag::IDENTITY_CLAIM, tag::DEFINE_DATATYPE, "ff_nonsense"]);
        self.post(&mallory(), &[forge::letter(id, &mallory(), Type::Definition, what, &[topic], vec![data])]);
    }

    /// Gives a member, from a peer, what another peer gave somebody, what was altered, or what is nothing.
    fn whisper(&mut self) {
        let delivered = self.shared.wires.delivered();
        let from = peer(self.random.below(self.members));
        let to = peer(self.random.below(self.members));
        let payload = match self.random.below(4) {
            0 => Bytes::from_static(b"{\"batch\":{}}"),
            1 => Bytes::from_static(b"\x00\xff"),
            _ if delivered.is_empty() => return,
            _ => self.random.pick(&delivered).payload.clone(),
        };
        let wires = Arc::clone(&self.shared.wires);
        tokio::spawn(async move {
            // Whether it is refused is the receiver's business.
            let _ignored = wires.inject(&from, &to, payload).await;
        });
    }

    /// More values than messages, or fewer, or in another order.
    fn crooked(&mut self) {
        let mut letters = Vec::new();
        for topic in TOPICS.into_iter().take(2 + self.random.below(2)) {
            let data = forge::data(&mut self.random, &json!(topic), None);
            let id = forge::uuid(&mut self.random);
            letters.push(forge::letter(id, &mallory(), Type::Broadcast, "", &[topic], vec![data]));
        }
        let mut log = self.publish(&mallory(), &letters);
        match self.random.below(4) {
            0 => log.contexts.push(Hash::of("bills")),
            1 => drop(log.contexts.pop()),
            _ => log.contexts.reverse(),
        }
        self.send(log);
    }

    /// The liar's message once more: in two batches, one after the other, of which the first often comes later.
    fn again(&mut self) {
        let id = forge::uuid(&mut self.random);
        let data = forge::data(&mut self.random, &json!("twice"), None);
        let topic = *self.random.pick(&TOPICS);
        for late in [700, 0] {
            let letter = forge::letter(id, &mallory(), Type::Broadcast, "", &[topic], vec![data.clone()]);
            let log = self.publish_late(&mallory(), &[letter], late);
            self.send(log);
        }
    }

    /// A broadcast in the name of a member, by the key of another, or with that member's key in its header.
    fn foreign_author(&mut self) {
        let named = if self.random.chance(500) { key(0) } else { MALLORY.to_owned() };
        let from = Speaker { author: did(0), key: named };
        let data = forge::data(&mut self.random, &json!("I am you"), None);
        let (id, topic) = (forge::uuid(&mut self.random), *self.random.pick(&TOPICS));
        let mut log = self.publish(&from, &[forge::letter(id, &from, Type::Broadcast, "", &[topic], vec![data])]);
        log.signer = MALLORY.to_owned();
        self.send(log);
    }
}
