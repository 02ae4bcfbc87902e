//! One test for each file of vectors.

use photinus_model::{
    Hash, JsonText, Time, batch, data, definition, did,
    group::Group,
    identity, json,
    message::{self, Header, Message},
    name, pin, verifier, wire,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{cases, code, text};

#[test]
fn json_values() {
    for case in cases("json-values") {
        let value: JsonText = text(&case, "input").parse().unwrap();
        assert_eq!(value.as_str(), text(&case, "stored"));
        assert_eq!(value.hash().to_string(), text(&case, "sha256_of_stored"));
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Outer {
            value: JsonText,
        }
        let inside = text(&case, "inside_marshalled_object");
        assert_eq!(json::to_text(&Outer { value }).unwrap(), inside);
        let around = format!("{{\"value\":{}}}", text(&case, "input"));
        assert_eq!(serde_json::from_str::<Outer>(&around).unwrap().value.as_str(), text(&case, "stored"));
    }
}

#[test]
fn times() {
    for case in cases("times") {
        let read = text(&case, "input").parse::<Time>();
        if let Some(code) = code(&case, "error") {
            assert_eq!(code, "FF00136");
            assert!(read.is_err(), "{case}");
        } else {
            let time = read.unwrap();
            assert_eq!(time.as_unix_nanos(), case["unix_nano"].as_i64().unwrap());
            assert_eq!(json::to_text(&time).unwrap(), text(&case, "json"));
        }
    }
}

#[test]
fn names() {
    for case in cases("names") {
        let given = text(&case, "name");
        let codes = |result: Result<(), name::Error>| result.err().map(|error| error.code());
        assert_eq!(codes(name::check(given, "f")), code(&case, "name_error"), "{given}");
        assert_eq!(codes(name::check_no_uuid(given, "f")), code(&case, "name_no_uuid_error"), "{given}");
        assert_eq!(codes(name::check_characters(given, "f")), code(&case, "safe_chars_error"), "{given}");
    }
}

#[test]
fn data_hash() {
    for case in cases("data-hash") {
        let mut element: data::Data = serde_json::from_value(case["data"].clone()).unwrap();
        match (code(&case, "error"), element.seal()) {
            (Some(code), result) => assert_eq!(result.unwrap_err().code(), code),
            (None, result) => assert_eq!(result.unwrap().to_string(), text(&case, "hash")),
        }
    }
}

#[test]
fn data_in_batch() {
    for case in cases("data-in-batch") {
        let full: data::Data = serde_json::from_value(case["full"].clone()).unwrap();
        let kind = batch::Type::from(text(&case, "batch_type"));
        assert_eq!(json::to_text(&full.in_batch(&kind)).unwrap(), text(&case, "in_batch_text"));
    }
}

#[test]
fn message_hash() {
    for case in cases("message-hash") {
        let refs: Vec<message::DataRef> = serde_json::from_str(text(&case, "data_refs_text")).unwrap();
        assert_eq!(json::to_text(&refs).unwrap(), text(&case, "data_refs_text"));
        assert_eq!(message::data_hash(&refs).to_string(), text(&case, "datahash"));
        let header: Header = serde_json::from_str(text(&case, "header_text")).unwrap();
        assert_eq!(json::to_text(&header).unwrap(), text(&case, "header_text"));
        assert_eq!(header.hash().to_string(), text(&case, "hash"));

        let mut kept: Message = serde_json::from_str(text(&case, "in_batch_text")).unwrap();
        assert_eq!(kept.verify(), Ok(()));
        kept.local_namespace = "local".into();
        kept.idempotency_key = Some("once".into());
        kept.state = Some(message::State::Sent);
        kept.batch = Some(Uuid::from_u128(1));
        assert_eq!(json::to_text(&kept.in_batch()).unwrap(), text(&case, "in_batch_text"));

        let (hash, data_hash) = (kept.hash.take(), kept.header.data_hash.take());
        kept.seal().unwrap();
        assert_eq!((kept.hash, kept.header.data_hash), (hash, data_hash));
    }
}

#[test]
fn message_invalid() {
    for case in cases("message-invalid") {
        let header: Header = serde_json::from_value(case["header"].clone()).unwrap();
        let references = case["data"].as_array().unwrap().iter().map(|data| {
            let part = |key: &str| data.get(key).and_then(Value::as_str);
            (part("id").map(|id| id.parse().unwrap()), part("hash").map(|hash| hash.parse().unwrap()))
        });
        let references = message::check_refs(references);
        let fields = message::check_fields(&header.tx_type, &header.topics, &header.tag);
        let sealed = fields.and(references.clone().map(|_| ()));
        assert_eq!(sealed.err().map(|error| error.code()), code(&case, "seal_error"), "{}", case["case"]);
        assert_eq!(references.err().map(|error| error.code()), code(&case, "dup_error"), "{}", case["case"]);
    }
}

#[test]
fn batches() {
    for case in cases("batch") {
        let expected: Hash = text(&case, "hash").parse().unwrap();
        let parsed = wire::parse_batch(text(&case, "batch_text"), wire::MAX_TEXT).unwrap();
        assert_eq!(parsed.to_text(), text(&case, "batch_text"));
        // The vector hashes its data before the five escapes, which a receiver does not accept.
        assert_eq!(wire::accept(parsed, Some(expected), "ns1"), Err(wire::Refused::DataHash(0)));

        let given: Value = serde_json::from_str(text(&case, "batch_text")).unwrap();
        let record: batch::Record = serde_json::from_value(with_record_fields(&given)).unwrap();
        let draft = batch::Draft {
            id: record.id,
            kind: record.kind,
            namespace: record.namespace,
            node: record.node,
            group: record.group,
            created: record.created.unwrap(),
            author: record.author,
            key: record.key,
            tx: record.tx,
            messages: serde_json::from_value(given["payload"]["messages"].clone()).unwrap(),
            data: serde_json::from_value(given["payload"]["data"].clone()).unwrap(),
        };
        let sealed = draft.seal();
        assert_eq!(sealed.batch.hash, expected);
        assert_eq!(sealed.manifest_text.as_str(), text(&case, "manifest_text"));
        assert_eq!(batch::Manifest::parse(&sealed.manifest_text).unwrap(), sealed.manifest);
        assert_eq!(sealed.batch.to_text(), text(&case, "batch_text"));
        assert_eq!(json::to_text(&sealed.batch.payload).unwrap(), text(&case, "payload_text"));
    }
}

/// A batch with the members that only its kept form has.
fn with_record_fields(batch: &Value) -> Value {
    let mut record = batch.clone();
    record["tx"] = batch["payload"]["tx"].clone();
    record["manifest"] = Value::Null;
    record["confirmed"] = Value::Null;
    record
}

#[test]
fn pins() {
    for case in cases("pins") {
        let topic = text(&case, "topic");
        if let Some(expected) = case.get("broadcast_pin") {
            assert_eq!(pin::broadcast_context(topic).to_string(), expected.as_str().unwrap());
            continue;
        }
        let group = text(&case, "group").parse().unwrap();
        let nonce = case["nonce"].as_u64().unwrap();
        let private = pin::private_pin(topic, group, text(&case, "author"), nonce);
        assert_eq!(private.to_string(), text(&case, "private_pin"));
        assert_eq!(pin::private_context(topic, group).to_string(), text(&case, "private_context"));
        assert_eq!(pin::text(private, nonce), text(&case, "message_pin_string"));
        assert_eq!(pin::parse_text(text(&case, "message_pin_string")), Some((private, Some(nonce))));
        assert_eq!(pin::parse_text(text(&case, "private_pin")), Some((private, None)));
    }
}

#[test]
fn group_hash() {
    for case in cases("group-hash") {
        if let Some(hashed) = case.get("hashed_text") {
            let group: Group = serde_json::from_str(hashed.as_str().unwrap()).unwrap();
            assert_eq!(group.identity_hash().to_string(), text(&case, "hash"));
            assert_eq!(json::to_text(&group).unwrap(), hashed.as_str().unwrap());
        } else {
            let sealed: Group = serde_json::from_value(case["sealed"].clone()).unwrap();
            assert_eq!(sealed.validate(), Ok(()));
            assert_eq!(sealed.hash.unwrap().to_string(), text(&case, "topic"));
            let made = Group::new(&sealed.namespace, &sealed.name, sealed.members.clone(), sealed.created.unwrap());
            assert_eq!(made.unwrap(), sealed);
            assert_eq!(sealed.init_value().as_str(), case["sealed"].to_string());
        }
    }
}

#[test]
fn identities() {
    for case in cases("identities") {
        let identity: identity::Identity = serde_json::from_value(case["identity"].clone()).unwrap();
        let required = identity::required_did(identity.kind, identity.parent, &identity.namespace, &identity.name);
        match (code(&case, "error"), required) {
            (Some(code), required) => assert_eq!(required.unwrap_err().code(), code),
            (None, required) => {
                assert_eq!(required.as_deref(), Ok(text(&case, "did")));
                assert_eq!(did::of(identity.kind, &identity.name), text(&case, "did"));
                assert_eq!(definition::identity_topic(text(&case, "did")), text(&case, "topic"));
            }
        }
    }
}

#[test]
fn verifiers() {
    for case in cases("verifiers") {
        let verifier: verifier::Verifier = serde_json::from_value(case["verifier"].clone()).unwrap();
        let hash = verifier::hash(&verifier.namespace, verifier.kind, &verifier.value);
        assert_eq!(hash.to_string(), text(&case, "hash"));
    }
}

#[test]
fn definition_topics() {
    for case in cases("definition-topics") {
        let topic = definition::topic(text(&case, "kind"), text(&case, "namespace"), text(&case, "name"));
        assert_eq!(topic, text(&case, "topic"));
    }
}
