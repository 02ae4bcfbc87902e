//! A recorded network, recomputed event by event.

use photinus_model::{
    Hash, JsonText, Time, batch,
    blockchain_event::BlockchainEvent,
    cid, data, datatype,
    definition::{self, received},
    identity::{self, Identity},
    json,
    message::{self, InlineData, Message},
    pin::{
        self, Pin,
        onchain::{BatchPin, Meaning, Version, split_uuids, uuids},
    },
    tag, transaction, wire,
};
use serde_json::Value;

use crate::{abi::Abi, file, text};

/// One entry of the recording, decoded.
struct Entry {
    json: Value,
    event: BatchPin,
    record: batch::Record,
    messages: Vec<Message>,
    inline: Vec<Vec<InlineData>>,
    pins: Vec<Pin>,
}

fn entries() -> Vec<Entry> {
    let recording = file("ledger.json");
    let entries = recording["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 15);
    entries.iter().map(|json| decode(json.clone())).collect()
}

fn decode(json: Value) -> Entry {
    let log = Abi::new(text(&json["log"], "data"), 0);
    let event = BatchPin {
        signer: format!("0x{}", hex::encode(&log.word(0)[12..])),
        timestamp: log.number(1) as u64,
        action: log.text(2),
        uuids: Hash(log.word(3)),
        batch_hash: Hash(log.word(4)),
        payload_ref: log.text(5),
        contexts: log.words(6).into_iter().map(Hash).collect(),
    };
    let messages = json["messages"].as_array().unwrap();
    let inline = messages.iter().map(|m| serde_json::from_value(m["data"].clone()).unwrap()).collect();
    Entry {
        event,
        record: serde_json::from_value(json["batch"].clone()).unwrap(),
        messages: messages.iter().map(|message| serde_json::from_value(message.clone()).unwrap()).collect(),
        inline,
        pins: serde_json::from_value(json["pins"].clone()).unwrap(),
        json,
    }
}

/// The messages of an entry in the order of its manifest; the recording has them newest first.
fn in_order(entry: &Entry) -> Vec<(Message, Vec<InlineData>)> {
    let manifest = batch::Manifest::parse(entry.record.manifest.as_ref().unwrap()).unwrap();
    let find = |id| entry.messages.iter().position(|message| message.header.id == id).unwrap();
    let order = manifest.messages.iter().map(|m| find(m.id));
    order.map(|at| (entry.messages[at].clone(), entry.inline[at].clone())).collect()
}

#[test]
fn log_and_call_agree_with_the_record() {
    for entry in entries() {
        let event = &entry.event;
        let call = Abi::new(text(&entry.json, "transaction_input"), 4);
        assert!(text(&entry.json, "transaction_input").starts_with("0x48ce1dcc"));
        assert_eq!(call.word(0), event.uuids.0);
        assert_eq!(call.word(1), event.batch_hash.0);
        assert_eq!(call.text(2), event.payload_ref);
        assert_eq!(call.words(3).into_iter().map(Hash).collect::<Vec<_>>(), event.contexts);

        let Meaning::Batch { namespace, tx_type, tx, batch, payload_ref } = event.meaning(Version::V2) else {
            panic!("a batch")
        };
        assert_eq!(namespace, None);
        assert_eq!(payload_ref.is_some(), entry.record.kind == batch::Type::Broadcast);
        assert_eq!((entry.record.id, entry.record.hash), (batch, Some(event.batch_hash)));
        assert_eq!(entry.record.tx, transaction::Ref { kind: tx_type, id: Some(tx) });
        assert_eq!(split_uuids(&uuids(tx, batch)), (tx, batch));

        let recorded = &entry.json["as_recorded_by_a_member"];
        let member: BlockchainEvent = serde_json::from_value(recorded.clone()).unwrap();
        assert_eq!(member.timestamp, Time::from_unix_nanos(event.timestamp as i64 * 1_000_000_000));
        assert_eq!((member.tx.id, &member.tx.kind), (Some(tx), &transaction::Type::BatchPin));
        assert_eq!(json::to_text(&member).unwrap(), recorded.to_string());
    }
}

#[test]
fn records_are_written_as_the_reference_writes_them() {
    for entry in entries() {
        assert_eq!(json::to_text(&entry.record).unwrap(), entry.json["batch"].to_string());
        assert_eq!(json::to_text(&entry.pins).unwrap(), entry.json["pins"].to_string());
        for (at, message) in entry.messages.iter().enumerate() {
            let recorded = &entry.json["messages"][at];
            let inline = message::Inline::new(message.clone(), entry.inline[at].clone());
            let written: Value = serde_json::from_str(&json::to_text(&inline).unwrap()).unwrap();
            assert_eq!(&written, recorded);
        }
    }
}

#[test]
fn hashes_manifests_and_pins() {
    let mut recomputed = 0;
    for entry in entries() {
        let messages = in_order(&entry);
        let mut data = Vec::new();
        for (message, inline) in &messages {
            assert_eq!(message.verify(), Ok(()));
            for element in inline {
                data.push(data::Data {
                    id: element.id.unwrap(),
                    validator: element.validator.clone(),
                    namespace: String::new(),
                    hash: element.hash,
                    created: None,
                    datatype: element.datatype.clone(),
                    value: element.value.clone(),
                    public: String::new(),
                    blob: None,
                });
            }
        }
        // Blobs are not shown in line, so that the hash of an element with one cannot be recomputed from here.
        let has_blob = |value: &JsonText| value.as_str().contains("\"filename\"");
        for element in data.iter().filter(|element| !element.value.as_ref().is_some_and(has_blob)) {
            assert_eq!(element.computed_hash().ok(), element.hash);
            recomputed += 1;
        }
        let messages: Vec<Message> = messages.into_iter().map(|(message, _)| message).collect();
        let payload = batch::Payload { tx: entry.record.tx.clone(), messages: messages.clone(), data };
        let manifest = batch::Manifest::of(entry.record.id, &payload);
        assert_eq!(&manifest.text(), entry.record.manifest.as_ref().unwrap());
        assert_eq!(manifest.hash(), entry.event.batch_hash);

        let masked = entry.record.kind == batch::Type::Private;
        let contexts =
            if masked { pin::private_contexts(&messages).unwrap() } else { pin::broadcast_contexts(&messages) };
        assert_eq!(contexts, entry.event.contexts);
        for (index, pin) in entry.pins.iter().enumerate() {
            // The reference lists the newest first.
            let index = usize::try_from(pin.index).unwrap_or(index);
            assert_eq!((pin.hash, pin.masked), (contexts[index], masked));
            assert_eq!((pin.batch, pin.batch_hash), (entry.record.id, entry.event.batch_hash));
            assert_eq!(pin.signer, entry.event.signer);
            let owner = manifest.owner(index).unwrap();
            let header = &messages[owner.message].header;
            let topic = &header.topics[owner.topic];
            let nonce = messages[owner.message].pins.get(owner.topic).and_then(|p| pin::parse_text(p)?.1);
            let expected = match header.group {
                Some(group) => pin::private_pin(topic, group, &header.author, nonce.unwrap()),
                None => pin::broadcast_context(topic),
            };
            assert_eq!(pin.hash, expected);
        }
        assert_eq!(manifest.owner(contexts.len()), None);
    }
    assert_eq!(recomputed, 18);
}

#[test]
fn shared_storage_texts_are_read_and_written_byte_for_byte() {
    let mut count = 0;
    for entry in entries() {
        let Some(stored) = entry.json.get("shared_storage_text").and_then(Value::as_str) else { continue };
        count += 1;
        assert_eq!(cid::of(stored.as_bytes()), entry.event.payload_ref);
        assert!(cid::is_valid(&entry.event.payload_ref));
        let parsed = wire::parse_batch(stored, wire::MAX_TEXT).unwrap();
        let accepted = wire::accept(parsed, Some(entry.event.batch_hash), "default").unwrap();
        assert_eq!(Some(&accepted.manifest_text), entry.record.manifest.as_ref());
        let mut batch = accepted.batch;
        let shown: Vec<Message> = in_order(&entry).into_iter().map(|(message, _)| message).collect();
        for (received, shown) in batch.payload.messages.iter_mut().zip(&shown) {
            let as_shown = Message {
                local_namespace: "default".into(),
                state: shown.state,
                confirmed: shown.confirmed,
                idempotency_key: shown.idempotency_key.clone(),
                ..received.clone()
            };
            assert_eq!(&as_shown, shown);
            received.tx_id = None;
            *received = received.in_batch();
        }
        assert_eq!(batch.to_text(), stored);
        let record = batch.record("default", accepted.manifest_text, entry.record.confirmed);
        assert_eq!(record, entry.record);
    }
    assert_eq!(count, 10);
}

#[test]
fn private_batches_pass_the_door() {
    let with_blob = |entry: &Entry| text(&entry.json["messages"][0], "hash").starts_with("d2af1b036b02");
    for entry in entries().iter().filter(|e| e.record.kind == batch::Type::Private && !with_blob(e)) {
        let messages = in_order(entry);
        let data = messages.iter().flat_map(|(_, inline)| inline).map(|element| data::Data {
            id: element.id.unwrap(),
            validator: element.validator.clone(),
            namespace: "local".into(),
            hash: element.hash,
            created: None,
            datatype: element.datatype.clone(),
            value: element.value.clone(),
            public: String::new(),
            blob: None,
        });
        let draft = batch::Draft {
            id: entry.record.id,
            kind: batch::Type::Private,
            namespace: "default".into(),
            node: entry.record.node,
            group: entry.record.group,
            created: entry.record.created.unwrap(),
            author: entry.record.author.clone(),
            key: entry.record.key.clone(),
            tx: entry.record.tx.clone(),
            data: data.collect(),
            messages: messages.into_iter().map(|(message, _)| message).collect(),
        };
        let text = draft.seal().batch.to_text();
        let parsed = wire::parse_batch(&text, wire::MAX_TEXT).unwrap();
        let accepted = wire::accept(parsed, Some(entry.event.batch_hash), "default").unwrap();
        assert_eq!(Some(accepted.manifest_text), entry.record.manifest);
    }
}

#[test]
fn definitions_are_read_and_rebuilt() {
    let mut seen = Vec::new();
    for entry in entries() {
        for (message, inline) in in_order(&entry) {
            if !matches!(message.header.kind, message::Type::Definition | message::Type::GroupInit) {
                continue;
            }
            let value: &JsonText = inline[0].value.as_ref().unwrap();
            let payload = received::parse(&message.header.tag, Some(value));
            let (topic, rebuilt) = match &payload {
                received::Payload::Claim(claim) => {
                    assert_eq!(claim.validate("default"), Ok(()));
                    let identity = known(claim);
                    (definition::identity_topic(&identity.did), definition::claim_value(&identity))
                }
                received::Payload::Datatype(datatype) => {
                    assert_eq!(datatype.hash, datatype.value.as_ref().map(JsonText::hash));
                    let kept = datatype::Datatype { namespace: "default".into(), ..datatype.clone() };
                    (definition::datatype_topic(&datatype.name), definition::datatype_value(&kept))
                }
                received::Payload::Group(group) => {
                    assert_eq!(group.validate(), Ok(()));
                    assert_eq!(group.hash, message.header.group);
                    (group.hash.unwrap().to_string(), group.init_value())
                }
                received::Payload::TokenPool { pool, connector } => {
                    assert_eq!(connector, "erc20_erc721");
                    (definition::token_pool_topic(&pool.network_name), value.clone())
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(message.header.topics, [topic]);
            assert_eq!(&rebuilt, value);
            seen.push(message.header.tag.clone());
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [tag::DEFINE_DATATYPE, tag::DEFINE_GROUP, tag::DEFINE_POOL, tag::IDENTITY_CLAIM]);
}

/// A claimed identity as a node keeps it.
fn known(claim: &received::Identity) -> Identity {
    Identity {
        id: claim.base.id.unwrap(),
        did: claim.base.did.clone(),
        kind: claim.base.kind().unwrap(),
        parent: claim.base.parent,
        namespace: "default".into(),
        name: claim.base.name.clone(),
        description: claim.profile.description.clone(),
        profile: claim.profile.profile.clone(),
        messages: identity::Messages::default(),
        created: Some(Time::from_unix_nanos(1)),
        updated: None,
    }
}
