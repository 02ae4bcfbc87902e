//! The door against the reference's own decoder: texts bent at random, and what Go made of each.
//!
//! `testdata/go-decoder.json` says for each text whether Go decodes it, the digest of what Go writes for the decoded
//! record, and for batches whether the reference's checks accept it.

use photinus_model::{Hash, JsonText, Time, definition::received, json, tag, wire};
use serde_json::Value;

use crate::{file, text};

#[test]
fn the_door_reads_what_go_reads() {
    let corpus = file("go-decoder.json");
    let mut counts = [0_usize; 3];
    for case in corpus["cases"].as_array().unwrap() {
        let given = text(case, "text");
        let written = case.get("written").and_then(Value::as_str);
        let payload = |tag: &str| {
            let value = given.parse::<JsonText>().ok();
            value.is_some() && received::parse(tag, value.as_ref()) != received::Payload::Malformed
        };
        match text(case, "kind") {
            "batch" => {
                let parsed = wire::parse_batch(given, wire::MAX_TEXT).ok();
                let ours = parsed.as_ref().map(|batch| Hash::of(batch.to_text()).to_string());
                assert_eq!(
                    ours.as_deref(),
                    written,
                    "{given}\n{:?}\n{:?}",
                    parsed.map(|b| b.to_text()),
                    case.get("full")
                );
                let accepted = parsed.map(|batch| wire::accept(batch, None, "ns1"));
                let expected = case.get("accepted").and_then(Value::as_bool).unwrap_or(false);
                assert_eq!(matches!(accepted, Some(Ok(_))), expected, "{given}\n{accepted:?}");
                counts[usize::from(expected)] += 1;
                continue;
            }
            "time" => {
                let ours = given.parse::<Time>().ok().map(|time| json::to_text(&time).unwrap());
                let theirs = case.get("json").and_then(Value::as_str);
                // Beyond 64 bits of nanoseconds a time is refused outside the door.
                if ours.is_some() || theirs.is_none_or(|t| t < "\"2262") && theirs.is_none_or(|t| t > "\"1678") {
                    assert_eq!(ours.as_deref(), theirs, "{given}");
                }
            }
            "claim" => assert_eq!(payload(tag::IDENTITY_CLAIM), written.is_some(), "{given}"),
            "verification" => assert_eq!(payload(tag::IDENTITY_VERIFICATION), written.is_some(), "{given}"),
            "update" => assert_eq!(payload(tag::IDENTITY_UPDATE), written.is_some(), "{given}"),
            "datatype" => assert_eq!(payload(tag::DEFINE_DATATYPE), written.is_some(), "{given}"),
            "group" => assert_eq!(payload(tag::DEFINE_GROUP), written.is_some(), "{given}"),
            other => panic!("{other}"),
        }
        counts[2] += 1;
    }
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}
