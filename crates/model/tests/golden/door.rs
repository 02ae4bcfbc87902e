//! What passes the door and what does not.

use photinus_model::{
    Hash, json, message,
    wire::{self, Refused},
};
use serde_json::{Value, json as value};

use crate::{cases, text};

/// A batch that passes, as JSON that a test can bend: one of the vectors, whose data hashes are of unescaped text.
fn good() -> Value {
    let mut batch: Value = serde_json::from_str(text(&cases("batch")[1], "batch_text")).unwrap();
    for index in 0..3 {
        let hash = Value::from(Hash::of(json::to_text(&batch["payload"]["data"][index]["value"]).unwrap()).to_string());
        batch["payload"]["data"][index]["hash"] = hash.clone();
        batch["payload"]["messages"][index]["data"][0]["hash"] = hash;
    }
    rehash(&mut batch);
    batch
}

/// Makes every hash right again, from the data up, where there is something to hash.
fn rehash(batch: &mut Value) {
    let object = batch.as_object_mut().unwrap();
    let (id, payload) = (object["id"].clone(), object["payload"].clone());
    let mut payload = payload;
    for message in payload["messages"].as_array_mut().unwrap() {
        let refs = message["data"].clone();
        message["header"]["datahash"] = Hash::of(json::to_text(&refs).unwrap()).to_string().into();
        message["hash"] = Hash::of(json::to_text(&message["header"]).unwrap()).to_string().into();
    }
    let messages = payload["messages"].as_array().unwrap().iter().map(|message| {
        let topics = message["header"]["topics"].as_array().map_or(0, Vec::len);
        value!({"id": message["header"]["id"], "hash": message["hash"], "topics": topics})
    });
    let data = payload["data"].as_array().into_iter().flatten();
    let manifest = value!({"version": 1, "id": id, "tx": payload["tx"], "messages": messages.collect::<Vec<_>>(),
        "data": data.map(|data| value!({"id": data["id"], "hash": data["hash"]})).collect::<Vec<_>>()});
    object["hash"] = Hash::of(json::to_text(&manifest).unwrap()).to_string().into();
    object["payload"] = payload;
}

fn accept_text(text: &str) -> Result<wire::Accepted, Refused> {
    wire::accept(wire::parse_batch(text, wire::MAX_TEXT).unwrap(), None, "ns1")
}

/// What becomes of the good batch after a change, with its hashes made right.
fn changed(change: impl FnOnce(&mut Value)) -> Result<wire::Accepted, Refused> {
    let mut batch = good();
    change(&mut batch);
    rehash(&mut batch);
    accept_text(&json::to_text(&batch).unwrap())
}

/// What becomes of the good batch after a change, with its hashes left alone.
fn forged(change: impl FnOnce(&mut Value)) -> Result<wire::Accepted, Refused> {
    let mut batch = good();
    change(&mut batch);
    accept_text(&json::to_text(&batch).unwrap())
}

/// What becomes of the text of the good batch after a replacement.
fn respelt(from: &str, to: &str) -> Result<wire::Accepted, Refused> {
    let batch = json::to_text(&good()).unwrap();
    assert!(batch.contains(from), "{from}");
    accept_text(&batch.replacen(from, to, 1))
}

#[test]
fn rehashing_is_what_the_reference_does() {
    for case in cases("batch") {
        let given: Value = serde_json::from_str(text(&case, "batch_text")).unwrap();
        let mut batch = given.clone();
        rehash(&mut batch);
        assert_eq!(batch, given);
    }
    assert!(accept_text(&json::to_text(&good()).unwrap()).is_ok());
}

#[test]
fn other_spellings_pass() {
    let hash = text(&good(), "hash").to_owned();
    assert!(respelt("\"payload\":", "\"PayLoad\":").is_ok());
    assert!(respelt("\"key\":", "\"\\u212aey\":").is_ok());
    assert!(respelt("\"messages\":", "\"me\u{17f}sages\":").is_ok());
    assert!(respelt(&format!("\"{hash}\""), &format!("\"0x{}\"", hash.to_uppercase())).is_ok());
    assert!(
        respelt(
            "{\"id\":\"00000032-0000-4000-8000-000000000032\"",
            "{\"new\":[1],\"ID\":\"URN:UUID:00000032-0000-4000-8000-000000000032\""
        )
        .is_ok()
    );
    assert!(respelt("\"00000020-0000-4000-8000-000000000020\"", "\"00000020000040008000000000000020\"").is_ok());
    assert!(respelt("\"type\":\"broadcast\"", "\"type\":\"BROADCAST\"").is_ok());
    assert!(respelt("\"namespace\":\"ns1\"", "\"namespace\":\"other\",\"namespace\":\"ns1\"").is_ok());
    assert!(respelt("\"namespace\":\"ns1\"", "\"namespace\":\"ns1\",\"Namespace\":null").is_ok());
    assert!(respelt("\"validator\":\"json\"", "\"validator\":\"json\",\"public\":\"x\\u0000y\"").is_ok());
    assert!(respelt("\"created\":\"2026-11-20T10:11:13Z\"", "\"created\":\"1795169473\"").is_ok());
    assert!(respelt("{\"n\":0,", " {\t\"n\" : 0 ,").is_ok());
}

#[test]
fn a_second_object_is_read_over_the_first() {
    let text = "\"header\":{\"tag\":\"x\",\"author\":\"y\"},\"header\":{\"tag\":\"\",";
    assert!(respelt("\"header\":{", text).is_ok());
    let stays = "\"header\":{\"tag\":\"x\"},\"header\":{";
    assert!(matches!(
        respelt("\"header\":{", stays),
        Err(Refused::Message { index: 0, error: message::Error::WrongHash })
    ));
}

#[test]
fn shapes_that_go_refuses() {
    let batch = json::to_text(&good()).unwrap();
    for (from, to) in [
        ("\"ns1\"", "1"),
        ("\"00000032-0000-4000-8000-000000000032\"", "\"00000032\""),
        ("\"topics\":[\"topic1\"]", "\"topics\":\"topic1\""),
        ("\"topics\":[\"topic1\"]", "\"topics\":{}"),
        ("\"created\":\"2026-11-20T10:11:13Z\"", "\"created\":1795169473"),
        ("\"created\":\"2026-11-20T10:11:13Z\"", "\"created\":\"yesterday\""),
        ("\"payload\":{", "\"payload\":[],\"payload\":{"),
        ("\"validator\":\"json\"", "\"validator\":\"json\",\"blob\":{\"size\":1.0}"),
        ("\"validator\":\"json\"", "\"validator\":\"json\",\"blob\":{\"hash\":\"f\"}"),
    ] {
        assert!(batch.contains(from));
        assert!(
            matches!(wire::parse_batch(&batch.replacen(from, to, 1), wire::MAX_TEXT), Err(wire::Error::Shape(_))),
            "{to}"
        );
    }
    let hash = text(&good(), "hash").to_owned();
    let long = batch.replace(&hash, &format!("{hash}00"));
    assert!(matches!(wire::parse_batch(&long, wire::MAX_TEXT), Err(wire::Error::Shape(_))));
    assert!(matches!(wire::parse_batch(&batch[1..], wire::MAX_TEXT), Err(wire::Error::Json(_))));
    assert!(matches!(wire::parse_batch(&format!("{batch}{batch}"), wire::MAX_TEXT), Err(wire::Error::Json(_))));
    assert!(matches!(wire::parse_batch(&batch, batch.len()), Err(wire::Error::TooLong { .. })));
    assert!(wire::parse_batch(&batch, batch.len() + 1).is_ok());
}

#[test]
fn arrays_of_nothing_cost_nothing() {
    let many = "{},".repeat(100_000) + "{}";
    let text = format!("{{\"payload\":{{\"messages\":[{many}]}}}}");
    assert!(matches!(wire::parse_batch(&text, wire::MAX_TEXT), Err(wire::Error::Shape(_))));
    let nulls = "null,".repeat(100_000) + "null";
    let text = format!("{{\"payload\":{{\"data\":[{nulls}]}}}}");
    assert!(matches!(wire::parse_batch(&text, wire::MAX_TEXT), Err(wire::Error::Shape(_))));
}

#[test]
fn batches_that_are_refused() {
    assert_eq!(forged(|b| b["namespace"] = "ns2".into()), Err(Refused::Namespace("ns2".into())));
    assert_eq!(forged(|b| b["id"] = Value::Null), Err(Refused::Missing("id")));
    assert_eq!(forged(|b| b["hash"] = Value::Null), Err(Refused::Missing("hash")));
    assert_eq!(forged(|b| b["payload"]["tx"]["id"] = Value::Null), Err(Refused::Missing("transaction id")));
    assert_eq!(
        changed(|b| b["payload"]["tx"]["type"] = "token_pool".into()),
        Err(Refused::TxType("token_pool".into()))
    );
    assert_eq!(forged(|b| b["payload"]["messages"] = value!([])), Err(Refused::Empty));
    assert_eq!(forged(|b| b["payload"]["messages"][0] = Value::Null), Err(Refused::NoMessage(0)));
    assert_eq!(forged(|b| b["payload"]["data"][1] = Value::Null), Err(Refused::NoData(1)));
    assert!(matches!(
        forged(|b| b["payload"]["messages"][1]["header"]["topics"] = value!([])),
        Err(Refused::WrongHash(_))
    ));
    let parsed = wire::parse_batch(&json::to_text(&good()).unwrap(), wire::MAX_TEXT).unwrap();
    assert!(matches!(wire::accept(parsed, Some(Hash::default()), "ns1"), Err(Refused::OtherHash { .. })));
}

#[test]
fn messages_that_are_refused() {
    fn of(change: impl FnOnce(&mut Value)) -> message::Error {
        match changed(|batch| change(&mut batch["payload"]["messages"][1])) {
            Err(Refused::Message { index: 1, error }) => error,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(changed(|b| b["payload"]["messages"][2]["header"]["author"] = "x".into()), Err(Refused::Signer(2)));
    assert_eq!(changed(|b| b["key"] = "x".into()), Err(Refused::Signer(0)));
    assert_eq!(of(|m| m["header"]["topics"] = value!(["a", "a"])).code(), "FF00133");
    assert_eq!(
        of(|m| m["header"]["topics"] = value!((0..11).map(|i| i.to_string()).collect::<Vec<_>>())).code(),
        "FF00134"
    );
    assert_eq!(of(|m| m["header"]["topics"] = value!(["a b"])).code(), "FF00140");
    assert_eq!(of(|m| m["header"]["tag"] = "-".into()).code(), "FF00140");
    assert_eq!(of(|m| m["header"]["txtype"] = "none".into()).code(), "FF00130");
    assert_eq!(of(|m| m["data"] = value!([{"id": "00000101-0000-4000-8000-000000000101"}])).code(), "FF00128");
    assert_eq!(of(|m| m["data"] = value!([null])).code(), "FF00128");
    assert_eq!(
        of(|m| {
            let twice = m["data"][0].clone();
            m["data"].as_array_mut().unwrap().push(twice);
        })
        .code(),
        "FF00129"
    );
    let twice = changed(|b| b["payload"]["messages"][1] = b["payload"]["messages"][0].clone());
    assert_eq!(twice, Err(Refused::DuplicateMessage(1)));
}

#[test]
fn a_message_must_have_its_own_hashes() {
    // Only the manifest is made right: it covers the hashes that messages claim, not their content.
    let altered = |key: &str, with: Value| {
        let mut batch = good();
        batch["payload"]["messages"][0]["header"][key] = with;
        accept_text(&json::to_text(&batch).unwrap())
    };
    let wrong = Err(Refused::Message { index: 0, error: message::Error::WrongHash });
    assert_eq!(altered("tag", "other".into()), wrong);
    assert_eq!(altered("namespace", "ns2".into()), wrong);
    assert_eq!(altered("datahash", Hash::default().to_string().into()), wrong);
    assert_eq!(altered("datahash", Value::Null), Err(Refused::Message { index: 0, error: message::Error::NoHash }));
}

#[test]
fn data_that_is_refused() {
    assert_eq!(forged(|b| b["payload"]["data"][2]["value"] = value!({"n": 3})), Err(Refused::DataHash(2)));
    assert_eq!(forged(|b| b["payload"]["data"][2]["value"] = Value::Null), Err(Refused::DataHash(2)));
    let unused = changed(|b| b["payload"]["messages"][2]["data"] = value!([]));
    assert_eq!(unused, Err(Refused::DataUnused));
    let missing = changed(|b| b["payload"]["data"].as_array_mut().unwrap().truncate(2));
    assert_eq!(missing, Err(Refused::DataMissing(2)));
    let other_hash = changed(|b| b["payload"]["messages"][2]["data"][0]["hash"] = Hash::default().to_string().into());
    assert_eq!(other_hash, Err(Refused::DataMissing(2)));
    let twice = changed(|b| {
        let mut again = b["payload"]["data"][0].clone();
        again["value"] = 1.into();
        again["hash"] = Hash::of("1").to_string().into();
        b["payload"]["data"].as_array_mut().unwrap().push(again);
    });
    assert_eq!(twice, Err(Refused::DuplicateData(3)));
}

#[test]
fn what_no_hash_covers_is_kept_as_it_is() {
    let accepted = changed(|batch| {
        batch["type"] = "Strange".into();
        batch["payload"]["messages"][0]["idempotencyKey"] = "theirs".into();
        batch["payload"]["messages"][0]["state"] = "confirmed".into();
        batch["payload"]["messages"][0]["pins"] = value!(["p\u{0}"]);
        batch["payload"]["data"][0]["datatype"] = value!({"name": "any thing"});
    })
    .unwrap();
    assert_eq!(accepted.batch.kind.as_str(), "strange");
    let first = &accepted.batch.payload.messages[0];
    assert_eq!(first.idempotency_key, None);
    assert_eq!(first.state, Some(message::State::Pending));
    assert_eq!(first.pins, ["p\u{fffd}"]);
    assert_eq!(accepted.batch.payload.data[0].datatype.as_ref().unwrap().name, "any thing");
}

#[test]
fn unknown_types_and_odd_times_keep_their_hashes() {
    for (key, with) in [
        ("type", value!("from_the_future")),
        ("created", value!("3000-01-01T00:00:00Z")),
        ("created", value!("1970-01-01T00:00:00Z")),
        ("author", value!("did:firefly:org/org_0")),
        ("txparent", value!({"type": "something", "id": "00000011-0000-4000-8000-000000000011"})),
        ("txparent", value!({"type": ""})),
    ] {
        let accepted = changed(|b| {
            // Keys must stand in the order of the header for the hash made here to be right.
            let header = &mut b["payload"]["messages"][0]["header"];
            let had = header.get(key).is_some();
            header[key] = with.clone();
            if !had {
                let datahash = header["datahash"].take();
                let parent = header[key].take();
                let object = header.as_object_mut().unwrap();
                object.shift_remove("datahash");
                object.shift_remove(key);
                object.insert("datahash".into(), datahash);
                object.insert(key.into(), parent);
            }
        });
        assert!(accepted.is_ok(), "{key} {with}: {accepted:?}");
    }
}

#[test]
fn an_absent_list_of_data_has_its_own_hash() {
    let accepted = changed(|b| {
        b["payload"]["messages"][2]["data"] = Value::Null;
        b["payload"]["data"].as_array_mut().unwrap().truncate(2);
    })
    .unwrap();
    assert!(accepted.batch.payload.messages[2].data.is_empty());
}

#[test]
fn batches_of_old_versions_have_the_hash_of_their_payload() {
    let mut batch = good();
    batch["hash"] = Hash::of(json::to_text(&batch["payload"]).unwrap()).to_string().into();
    assert!(accept_text(&json::to_text(&batch).unwrap()).is_ok());
}
