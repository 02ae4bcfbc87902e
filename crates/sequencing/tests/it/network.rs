//! Builds what happens on a ledger: batches, the events that pin them, and who says what.

use std::sync::Arc;

use photinus_model::{Hash, Uuid};
use photinus_sequencing::facts::content::{Content, Data, Datatype, Group, Kind, Message};
use photinus_sequencing::facts::definition::{Base, Claim, Definition, IdentityKind};
use photinus_sequencing::facts::{BatchKey, DataKey, Event, Fact, MessageKey, Pos, Source, TokenRecord};
use photinus_sequencing::text::{Did, Signer};

pub(crate) fn key(name: &str) -> Signer {
    Signer::from(format!("0x{name}"))
}

pub(crate) fn org_did(name: &str) -> Did {
    Did::from(format!("did:firefly:org/{name}"))
}

pub(crate) fn did_topic(did: &Did) -> String {
    Hash::of(did.as_str()).to_string()
}

pub(crate) fn named_topic(kind: &str, name: &str) -> String {
    Hash::of(format!("{kind}{name}")).to_string()
}

pub(crate) fn context(topic: &str) -> Hash {
    Hash::of(topic)
}

pub(crate) fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// The base of an identity. Its id is made from `id`, so that two identities can share one.
pub(crate) fn base(kind: IdentityKind, name: &str, id: u128, parent: Option<u128>) -> Base {
    let did = match kind {
        IdentityKind::Org => org_did(name),
        IdentityKind::Node => Did::from(format!("did:firefly:node/{name}")),
        IdentityKind::Custom => Did::from(format!("did:firefly:{name}")),
    };
    Base { id: uuid(id), did, kind, parent: parent.map(uuid), name: name.to_owned() }
}

pub(crate) fn org(name: &str, id: u128) -> Base {
    base(IdentityKind::Org, name, id, None)
}

pub(crate) fn child(name: &str, id: u128, parent: u128) -> Base {
    base(IdentityKind::Org, name, id, Some(parent))
}

/// A ledger under construction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    next_id: u128,
    next_block: u64,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self::after(1_000_000, 1)
    }

    /// A network whose next id and next block come after these.
    pub(crate) fn after(next_id: u128, next_block: u64) -> Self {
        Self { next_id, next_block }
    }

    pub(crate) fn fresh(&mut self) -> u128 {
        self.next_id += 1;
        self.next_id
    }

    /// A message on these topics.
    pub(crate) fn message(&mut self, kind: Kind, topics: &[&str]) -> Message {
        let n = self.fresh();
        Message {
            key: MessageKey { id: uuid(n), hash: Hash::of(format!("message {n}")) },
            kind,
            group: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            tag: String::new(),
            cid: None,
            token: None,
            data: Vec::new(),
            definition: None,
            defines_group: None,
        }
    }

    pub(crate) fn data(&mut self) -> Data {
        let n = self.fresh();
        Data {
            key: DataKey { id: uuid(n), hash: Hash::of(format!("data {n}")) },
            has_value: true,
            datatype: None,
            blob: None,
        }
    }

    pub(crate) fn broadcast(&mut self, topics: &[&str]) -> Message {
        self.message(Kind::Broadcast, topics)
    }

    /// A broadcast with a value of a datatype.
    pub(crate) fn typed(&mut self, topics: &[&str], name: &str, version: &str) -> Message {
        let mut message = self.broadcast(topics);
        let mut data = self.data();
        data.datatype = Some(Datatype { name: name.to_owned(), version: version.to_owned() });
        message.data.push(data);
        message
    }

    pub(crate) fn with_blob(&mut self, topics: &[&str], blob: Hash) -> Message {
        let mut message = self.broadcast(topics);
        let mut data = self.data();
        data.blob = Some(blob);
        message.data.push(data);
        message
    }

    pub(crate) fn with_token(&mut self, topics: &[&str], record: TokenRecord) -> Message {
        let mut message = self.broadcast(topics);
        message.token = Some(record);
        message
    }

    pub(crate) fn definition(&mut self, topic: &str, definition: Definition) -> Message {
        let mut message = self.message(Kind::Definition, &[topic]);
        message.data.push(self.data());
        message.definition = Some(definition);
        message
    }

    pub(crate) fn claim(&mut self, identity: &Base, peer: Option<&str>) -> Message {
        let claim = Claim { identity: identity.clone(), peer: peer.map(str::to_owned) };
        self.definition(&did_topic(&identity.did), Definition::Claim(claim))
    }

    pub(crate) fn verification(&mut self, claim: &Message, identity: &Base) -> Message {
        let definition = Definition::Verification { claim: claim.key, identity: identity.clone() };
        self.definition(&did_topic(&identity.did), definition)
    }

    pub(crate) fn update(&mut self, identity: &Base) -> Message {
        self.definition(&did_topic(&identity.did), Definition::Update { identity: identity.clone() })
    }

    pub(crate) fn datatype(&mut self, name: &str, version: &str) -> Message {
        let datatype = Datatype { name: name.to_owned(), version: version.to_owned() };
        let id = uuid(self.fresh());
        self.definition(&named_topic("datatype", name), Definition::Datatype { id, datatype })
    }

    pub(crate) fn interface(&mut self, id: u128, name: &str, version: &str) -> Message {
        let definition =
            Definition::Interface { id: uuid(id), network_name: name.to_owned(), version: version.to_owned() };
        self.definition(&named_topic("ffi", name), definition)
    }

    pub(crate) fn api(&mut self, name: &str, interface: u128) -> Message {
        let id = uuid(self.fresh());
        let definition = Definition::Api { id, network_name: name.to_owned(), interface: Some(uuid(interface)) };
        self.definition(&named_topic("contractapi", name), definition)
    }

    pub(crate) fn pool(&mut self, id: u128, name: &str, connector: &str) -> Message {
        let definition = Definition::Pool {
            id: uuid(id),
            network_name: name.to_owned(),
            connector: connector.to_owned(),
            tx: Some(uuid(id + 1)),
        };
        self.definition(&named_topic("tokenpool", name), definition)
    }

    /// A batch of messages.
    pub(crate) fn batch(&mut self, author: &Did, key: &Signer, messages: Vec<Message>) -> Arc<Content> {
        let n = self.fresh();
        Arc::new(Content {
            batch: BatchKey { id: uuid(n), hash: Hash::of(format!("batch {n}")) },
            tx: uuid(self.fresh()),
            author: author.clone(),
            key: key.clone(),
            messages,
        })
    }

    /// The next position on the ledger.
    pub(crate) fn pos(&mut self) -> Pos {
        self.next_block += 1;
        Pos { block: self.next_block, tx: 0, log: 0 }
    }

    /// The event by which `signer` pins a batch with the values that it should have.
    pub(crate) fn pin(&mut self, content: &Content, signer: &Signer) -> Arc<Event> {
        let values = content.messages.iter().flat_map(|message| &message.topics).map(|topic| context(topic)).collect();
        self.pin_values(content.batch, signer, values)
    }

    pub(crate) fn pin_values(&mut self, batch: BatchKey, signer: &Signer, values: Vec<Hash>) -> Arc<Event> {
        Arc::new(Event {
            pos: self.pos(),
            contract: 0,
            tx: batch.id,
            batch,
            payload_ref: "Qm".to_owned(),
            signer: signer.clone(),
            values,
        })
    }

    /// A batch that nobody will ever see, pinned on these topics.
    pub(crate) fn lost(&mut self, signer: &Signer, topics: &[&str]) -> Arc<Event> {
        let n = self.fresh();
        let batch = BatchKey { id: uuid(n), hash: Hash::of("lost") };
        self.pin_values(batch, signer, topics.iter().map(|topic| context(topic)).collect())
    }

    /// The facts of one message in a batch of its own, pinned by the key that it names: content, then event.
    pub(crate) fn send(&mut self, author: &Did, signer: &Signer, message: &Message) -> [Fact; 2] {
        let content = self.batch(author, signer, vec![message.clone()]);
        let event = self.pin(&content, signer);
        [stored(&content), Fact::Pinned(event)]
    }

    /// The facts by which an organisation without a parent registers, under the key of the same name.
    pub(crate) fn register(&mut self, name: &str, id: u128) -> [Fact; 2] {
        let claim = self.claim(&org(name, id), None);
        self.send(&org_did(name), &key(name), &claim)
    }
}

/// A group of organisations.
pub(crate) fn group(name: &str, members: &[&str]) -> Group {
    let members = members.iter().map(|member| org_did(member)).collect();
    Group { hash: Hash::of(format!("group {name}")), members }
}

/// The masked value of a slot.
pub(crate) fn masked(group: &Group, topic: &str, author: &Did, nonce: u64) -> Hash {
    let author = author.as_str().as_bytes();
    Hash::concat(&[topic.as_bytes(), group.hash.as_bytes(), author, &nonce.to_be_bytes()])
}

impl Network {
    /// A private message to a group.
    pub(crate) fn secret(&mut self, group: &Group, topics: &[&str]) -> Message {
        let mut message = self.message(Kind::Private, topics);
        message.group = Some(group.hash);
        message
    }

    /// The message that tells of a group.
    pub(crate) fn group_init(&mut self, group: &Group) -> Message {
        let mut message = self.message(Kind::GroupInit, &[&group.hash.to_string()]);
        message.tag = "ff_define_group".to_owned();
        message.group = Some(group.hash);
        message.data.push(self.data());
        message.defines_group = Some(group.clone());
        message
    }

    /// The event by which `signer` pins a private batch under these values.
    pub(crate) fn pin_masked(&mut self, content: &Content, signer: &Signer, values: Vec<Hash>) -> Arc<Event> {
        let event = self.pin_values(content.batch, signer, values);
        Arc::new(Event { payload_ref: String::new(), ..Event::clone(&event) })
    }
}

/// The fact that a batch was read from shared storage.
pub(crate) fn stored(content: &Arc<Content>) -> Fact {
    Fact::Content(Arc::clone(content), Source::Storage)
}
