//! Facts that make no sense: the machine decides, waits or ignores, but it never fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use photinus_model::Hash;
use photinus_sequencing::decision::Code;
use photinus_sequencing::facts::content::{Content, Data, Datatype, Group, Kind, Message};
use photinus_sequencing::facts::definition::{Base, Claim, Definition, IdentityKind};
use photinus_sequencing::facts::{Action, BatchKey, DataKey, Event, Fact, MessageKey, Order, Pos, Source, TokenRecord};
use proptest::prelude::*;

use crate::member::Member;
use crate::network::{did_topic, named_topic, uuid};

fn few() -> BoxedStrategy<u8> {
    (0..4_u8).boxed()
}

fn pos() -> BoxedStrategy<Pos> {
    let edge = prop_oneof![8 => 0..12_u64, 1 => Just(u64::MAX)];
    (edge, prop_oneof![Just(0), Just(u32::MAX)], 0..2_u32).prop_map(|(block, tx, log)| Pos { block, tx, log }).boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        Just(""),
        Just("t"),
        Just("did:firefly:org/a"),
        Just("a"),
        Just("firefly:terminate"),
        Just("ff_gap_fill")
    ]
    .prop_map(str::to_owned)
    .boxed()
}

fn topic() -> BoxedStrategy<String> {
    prop_oneof![
        text(),
        text().prop_map(|did| did_topic(&did.as_str().into())),
        text().prop_map(|name| named_topic("datatype", &name)),
        text().prop_map(|name| named_topic("ffi", &name)),
        text().prop_map(|name| named_topic("contractapi", &name)),
        text().prop_map(|name| named_topic("tokenpool", &name)),
    ]
    .boxed()
}

fn hash() -> BoxedStrategy<Hash> {
    prop_oneof![few().prop_map(|n| Hash::of([n])), topic().prop_map(Hash::of)].boxed()
}

fn message_key() -> BoxedStrategy<MessageKey> {
    (few(), few()).prop_map(|(id, hash)| MessageKey { id: uuid(id.into()), hash: Hash::of([hash]) }).boxed()
}

fn base() -> BoxedStrategy<Base> {
    let kind = prop_oneof![Just(IdentityKind::Org), Just(IdentityKind::Node), Just(IdentityKind::Custom)];
    (few(), text(), kind, proptest::option::of(few()), text())
        .prop_map(|(id, did, kind, parent, name)| Base {
            id: uuid(id.into()),
            did: did.into(),
            kind,
            parent: parent.map(|id| uuid(id.into())),
            name,
        })
        .boxed()
}

fn definition() -> BoxedStrategy<Definition> {
    let claim = || (base(), proptest::option::of(text())).prop_map(|(identity, peer)| Claim { identity, peer });
    prop_oneof![
        claim().prop_map(Definition::Claim),
        (claim(), text()).prop_map(|(claim, owner)| Definition::LegacyNode { claim, owner: owner.into() }),
        (message_key(), base()).prop_map(|(claim, identity)| Definition::Verification { claim, identity }),
        base().prop_map(|identity| Definition::Update { identity }),
        (few(), text(), text()).prop_map(|(id, name, version)| Definition::Datatype {
            id: uuid(id.into()),
            datatype: Datatype { name, version },
        }),
        (few(), text(), text()).prop_map(|(id, network_name, version)| Definition::Interface {
            id: uuid(id.into()),
            network_name,
            version,
        }),
        (few(), text(), proptest::option::of(few())).prop_map(|(id, network_name, interface)| Definition::Api {
            id: uuid(id.into()),
            network_name,
            interface: interface.map(|id| uuid(id.into())),
        }),
        (few(), text(), text()).prop_map(|(id, network_name, connector)| Definition::Pool {
            id: uuid(id.into()),
            network_name,
            connector,
            tx: None,
        }),
        Just(Definition::Malformed(Code::Payload)),
        Just(Definition::UnknownTag),
    ]
    .boxed()
}

fn kind() -> BoxedStrategy<Kind> {
    prop_oneof![
        Just(Kind::Broadcast),
        Just(Kind::Definition),
        Just(Kind::Definition),
        Just(Kind::TransferBroadcast),
        Just(Kind::Private),
        Just(Kind::GroupInit),
        Just(Kind::Other),
    ]
    .boxed()
}

fn data() -> BoxedStrategy<Data> {
    let datatype = proptest::option::of((text(), text()).prop_map(|(name, version)| Datatype { name, version }));
    (few(), any::<bool>(), datatype, proptest::option::of(hash()))
        .prop_map(|(id, has_value, datatype, blob)| Data {
            key: DataKey { id: uuid(id.into()), hash: Hash::of([id]) },
            has_value,
            datatype,
            blob,
        })
        .boxed()
}

fn message() -> BoxedStrategy<Message> {
    let group = proptest::option::of(group());
    let header = (
        kind(),
        proptest::option::of(few().prop_map(|n| Hash::of([n]))),
        text(),
        proptest::option::of(few()),
        any::<bool>(),
    );
    let topics = proptest::collection::vec(topic(), 0..3);
    let data = proptest::collection::vec(data(), 0..3);
    (message_key(), header, topics, data, proptest::option::of(definition()), group)
        .prop_map(|(key, (kind, group, tag, cid, token), topics, data, definition, defines_group)| Message {
            key,
            kind,
            group,
            topics,
            tag,
            cid: cid.map(|id| uuid(id.into())),
            token: token.then_some(TokenRecord::Approval),
            data,
            definition,
            defines_group,
        })
        .boxed()
}

fn group() -> BoxedStrategy<Group> {
    (few(), proptest::collection::vec(text(), 0..3))
        .prop_map(|(hash, members)| Group {
            hash: Hash::of([hash]),
            members: members.into_iter().map(Into::into).collect(),
        })
        .boxed()
}

fn source() -> BoxedStrategy<Source> {
    prop_oneof![Just(Source::Storage), Just(Source::Own), Just(Source::Repair), text().prop_map(Source::Peer)].boxed()
}

fn batch() -> BoxedStrategy<BatchKey> {
    (few(), few()).prop_map(|(id, hash)| BatchKey { id: uuid(id.into()), hash: Hash::of([hash]) }).boxed()
}

fn content() -> BoxedStrategy<Content> {
    (batch(), text(), text(), proptest::collection::vec(message(), 0..4))
        .prop_map(|(batch, author, key, messages)| Content {
            batch,
            tx: uuid(7),
            author: author.into(),
            key: key.into(),
            messages,
        })
        .boxed()
}

/// An event that pins content as it should, or anything else.
fn event(contents: Vec<Content>) -> BoxedStrategy<Event> {
    let values = prop_oneof![
        4 => Just(None),
        1 => proptest::collection::vec(hash(), 0..4).prop_map(Some),
    ];
    (pos(), any::<prop::sample::Index>(), values, text(), 0..2_u32, few())
        .prop_map(move |(pos, which, values, signer, contract, open)| {
            let content = which.get(&contents);
            let open_values = || content.messages.iter().flat_map(|message| &message.topics).map(Hash::of).collect();
            let slot = |message: &Message, topic: &str| {
                let group = message.group.unwrap_or_default();
                let nonce = (pos.block % 3).to_be_bytes();
                Hash::concat(&[topic.as_bytes(), group.as_bytes(), content.author.as_str().as_bytes(), &nonce])
            };
            let masked_values = || {
                let slots = |message| move |topic: &String| slot(message, topic);
                content.messages.iter().flat_map(|message| message.topics.iter().map(slots(message))).collect()
            };
            let proper = || if open == 0 { masked_values() } else { open_values() };
            let named = if open == 3 { signer } else { content.key.to_string() };
            Event {
                pos,
                contract: contract / 2,
                tx: uuid(1),
                batch: content.batch,
                payload_ref: if open == 0 { String::new() } else { "Qm".to_owned() },
                signer: named.into(),
                values: values.unwrap_or_else(proper),
            }
        })
        .boxed()
}

fn facts() -> BoxedStrategy<Vec<Fact>> {
    proptest::collection::vec(content(), 1..6)
        .prop_flat_map(|contents| {
            let some = contents.clone();
            let fact = prop_oneof![
                8 => event(contents).prop_map(|event| Fact::Pinned(Arc::new(event))),
                8 => (any::<prop::sample::Index>(), source()).prop_map(move |(which, source)| {
                    Fact::Content(Arc::new(which.get(&some).clone()), source)
                }),
                3 => group().prop_map(Fact::Group),
                1 => (pos(), text(), text(), 0..2_u32).prop_map(|(pos, signer, action, contract)| {
                    Fact::Action(Action { pos, contract, signer: signer.into(), action })
                }),
                1 => pos().prop_map(Fact::Retracted),
                1 => pos().prop_map(|pos| Fact::Operator(Order::Abandon(pos))),
                1 => hash().prop_map(Fact::BlobHeld),
                1 => message_key().prop_map(|key| Fact::TokenSeen(TokenRecord::Approval, key)),
                1 => few().prop_map(|id| Fact::PoolActive(uuid(id.into()))),
                1 => Just(Fact::Continue),
            ];
            proptest::collection::vec(fact, 1..40)
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariants 3 and 18.
    #[test]
    fn no_fact_breaks_the_machine(facts in facts(), sorted in any::<bool>(), small in 1..50_usize) {
        let mut facts = facts;
        if sorted {
            facts.sort_by_key(|fact| match fact {
                Fact::Pinned(event) => event.pos,
                _ => Pos::default(),
            });
        }
        let mut member = Member::default();
        member.rules.contracts = 2;
        member.rules.connectors.insert("t".to_owned());
        member.rules.decisions_per_step = small;
        member.rules.work_per_step = small;
        for fact in &facts {
            member.take(fact);
            member.rows.evict(20);
        }
        let mut seen = BTreeSet::new();
        for decided in member.decided() {
            prop_assert!(seen.insert(decided.message), "decided twice");
        }
    }
}
