//! Rules that hold for any input.

use photinus_model::{
    Duration, Hash, JsonText, Time, batch, cid, data,
    definition::received,
    json,
    message::{self, Message},
    tag, transaction, wire,
};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

/// Any JSON value of moderate size.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[<>&\u{2028}\u{2029}\\\\\"\u{0}-\u{20}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> {
    "[0-9a-zA-Z]([0-9a-zA-Z._-]{0,62}[0-9a-zA-Z])?"
}

prop_compose! {
    fn any_message()(
        id in any::<u128>(), cid in any::<Option<u128>>(), nanos in 1_i64.., group in any::<Option<[u8; 32]>>(),
        topics in prop::collection::btree_set(any_name(), 0..=10), tag in prop::option::of(any_name()),
        kind in "[a-z_]{0,12}", parent in any::<Option<(String, Option<u128>)>>(),
        values in prop::collection::vec((any::<u128>(), any_json()), 0..4),
    ) -> (Message, Vec<data::Data>) {
        let mut data = Vec::new();
        for (id, value) in values {
            if value.is_null() || data.iter().any(|known: &data::Data| known.id.as_u128() == id) {
                continue;
            }
            let mut element = data::Data {
                id: Uuid::from_u128(id), validator: data::Validator::Unset, namespace: "local".into(), hash: None,
                created: Some(Time::from_unix_nanos(nanos)), datatype: None,
                value: Some(JsonText::write(&value).unwrap()), public: String::new(), blob: None,
            };
            element.seal().unwrap();
            data.push(element);
        }
        let header = message::Header {
            id: Uuid::from_u128(id), cid: cid.map(Uuid::from_u128), kind: message::Type::from(kind.as_str()),
            tx_type: message::TxType::Unset, author: "did:firefly:org/<a>".into(), key: "C=<&>\u{2028}".into(),
            created: Some(Time::from_unix_nanos(nanos)), namespace: "ns1".into(), group: group.map(Hash),
            topics: topics.into_iter().collect(), tag: tag.unwrap_or_default(), data_hash: None,
            tx_parent: parent.map(|(kind, id)| message::TxParent {
                kind: transaction::Type::from(kind.replace('\0', "").as_str()), id: id.map(Uuid::from_u128),
            }),
        };
        let mut message = Message {
            header, local_namespace: "local".into(), hash: None, batch: None, tx_id: None,
            state: Some(message::State::Ready), confirmed: None, reject_reason: String::new(),
            data: data.iter().map(|d| message::DataRef { id: d.id, hash: d.hash.unwrap() }).collect(),
            pins: Vec::new(), idempotency_key: Some("key".into()),
        };
        message.seal().unwrap();
        (message, data)
    }
}

proptest! {
    #[test]
    fn canonical_text_is_stable_and_means_the_same(value in any_json()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let canonical: JsonText = pretty.parse().unwrap();
        prop_assert_eq!(&canonical, &canonical.as_str().parse::<JsonText>().unwrap());
        prop_assert_eq!(canonical.read::<Value>().unwrap(), serde_json::from_str::<Value>(&pretty).unwrap());
        prop_assert_eq!(&canonical, &JsonText::write(&value).unwrap());
        prop_assert_eq!(&canonical, &serde_json::from_str::<JsonText>(&pretty).unwrap());
    }

    #[test]
    fn grammar_is_that_of_serde_json(text in "[\\[\\]{}:,\"\\\\a-fu0-9.eE+\\- \ttrueflsn<é]{0,24}") {
        let ours = text.parse::<JsonText>().is_ok();
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Ok(batch) = wire::parse_batch(&text, wire::MAX_TEXT) {
            prop_assert!(wire::accept(batch, None, "ns1").is_err());
        }
        for tag in [tag::IDENTITY_CLAIM, tag::IDENTITY_UPDATE, tag::DEFINE_DATATYPE, tag::DEFINE_GROUP, tag::DEFINE_POOL] {
            if let Ok(value) = text.parse() {
                let _ = received::parse(tag, Some(&value));
            }
        }
        let _ = (text.parse::<Time>(), text.parse::<Hash>(), text.parse::<Duration>());
    }

    #[test]
    fn bent_batches_are_read_or_refused(cut in 0_usize..4000, with in any::<String>(), length in 0_usize..40) {
        let cases = crate::cases("batch");
        let good = crate::text(&cases[1], "batch_text");
        let (from, to) = (cut.min(good.len()), (cut + length).min(good.len()));
        let text = [&good[..from], &with, &good[to..]].concat();
        if let Ok(batch) = wire::parse_batch(&text, wire::MAX_TEXT) {
            let _ = wire::accept(batch, None, "ns1");
        }
    }

    #[test]
    fn any_json_is_a_batch_or_none(value in any_json()) {
        let inside = serde_json::json!({"id": value, "payload": {"messages": [{"header": value, "data": value}], "data": value}});
        let _ = wire::parse_batch(&inside.to_string(), wire::MAX_TEXT);
    }

    #[test]
    fn sealed_batches_pass_the_door_unchanged(
        first in any_message(), second in any_message(), ids in any::<[u128; 4]>(), nanos in 1_i64.., private in any::<bool>(),
    ) {
        let (mut first, mut data) = first;
        let (mut second, more) = second;
        prop_assume!(first.header.id != second.header.id);
        prop_assume!(more.iter().all(|d| data.iter().all(|known| known.id != d.id)));
        data.extend(more);
        for message in [&mut first, &mut second] {
            message.header.key = "k".into();
            message.seal().unwrap();
        }
        let draft = batch::Draft {
            id: Uuid::from_u128(ids[0]),
            kind: if private { batch::Type::Private } else { batch::Type::Broadcast },
            namespace: "ns1".into(),
            node: Some(Uuid::from_u128(ids[2])),
            group: private.then(|| Hash::of("g")),
            created: Time::from_unix_nanos(nanos),
            author: first.header.author.clone(),
            key: "k".into(),
            tx: transaction::Ref { kind: transaction::Type::BatchPin, id: Some(Uuid::from_u128(ids[1])) },
            messages: vec![first, second],
            data,
        };
        let sealed = draft.seal();
        let text = sealed.batch.to_text();
        let accepted = wire::accept(wire::parse_batch(&text, usize::MAX).unwrap(), Some(sealed.batch.hash), "ns1").unwrap();
        prop_assert_eq!(&accepted.manifest, &sealed.manifest);
        let mut again = accepted.batch;
        for message in &mut again.payload.messages {
            prop_assert_eq!(message.verify(), Ok(()));
            message.tx_id = None;
            *message = message.in_batch();
        }
        prop_assert_eq!(again.to_text(), text);
    }

    #[test]
    fn times_survive_their_text(nanos in any::<i64>()) {
        let time = Time::from_unix_nanos(nanos);
        let text = json::to_text(&time).unwrap();
        prop_assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time);
    }

    #[test]
    fn durations_survive_their_text(nanos in any::<u64>()) {
        let duration = Duration(std::time::Duration::from_nanos(nanos));
        prop_assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration);
    }

    #[test]
    fn addresses_do_not_depend_on_the_pieces(content in prop::collection::vec(any::<u8>(), 0..2000), at in any::<prop::sample::Index>()) {
        let (first, second) = content.split_at(at.index(content.len() + 1));
        let mut builder = cid::Builder::new();
        builder.update(first);
        builder.update(second);
        prop_assert_eq!(builder.finish(), cid::of(&content));
    }
}
