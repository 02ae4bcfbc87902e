//! What listeners and the node say to each other: text frames of one JSON document each.

use std::collections::HashSet;

use photinus_model::{Hash, Time, Uuid};
use photinus_store::{Happened, Noted};
use serde::{Deserialize, Serialize};

use crate::lenient;

/// What a listener wants to be told of. Nothing, before it says so.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    collections: HashSet<String>,
    /// Empty for all.
    types: HashSet<String>,
    /// Empty for all.
    namespaces: HashSet<String>,
}

impl Wanted {
    /// Whether anything at all is wanted.
    pub(super) fn something(&self) -> bool {
        !self.collections.is_empty()
    }

    /// Whether a change in a namespace is wanted.
    pub(super) fn wants(&self, namespace: &str, noted: &Noted) -> bool {
        let among = |set: &HashSet<String>, value: &str| set.is_empty() || set.contains(value);
        self.collections.contains(noted.collection)
            && among(&self.namespaces, namespace)
            && among(&self.types, kind(noted.what))
    }
}

const fn kind(what: Happened) -> &'static str {
    match what {
        Happened::Created => "created",
        Happened::Updated => "updated",
        Happened::Deleted => "deleted",
    }
}

/// Reads a listener's frame; `None` for one of an unknown type.
pub(super) fn read(text: &[u8]) -> Result<Option<Wanted>, lenient::Failure> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Command {
        r#type: String,
        collections: HashSet<String>,
        filter: Filter,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Filter {
        types: HashSet<String>,
        namespaces: HashSet<String>,
    }
    let Command { r#type, collections, filter: Filter { types, namespaces } } = match lenient::read(text) {
        Err(lenient::Failure::Null) => Command::default(),
        command => command?,
    };
    Ok(r#type.eq_ignore_ascii_case("start").then_some(Wanted { collections, types, namespaces }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    collection: &'a str,
    r#type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_since: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_count: Option<u64>,
}

impl Change<'_> {
    fn line(&self) -> Result<String, serde_json::Error> {
        let mut text = photinus_model::json::to_text(self)?;
        text.push('\n');
        Ok(text)
    }
}

/// The frame of a change.
pub(super) fn change(namespace: &str, noted: &Noted) -> Result<String, serde_json::Error> {
    let Noted { collection, what, id, hash, sequence } = *noted;
    let r#type = kind(what);
    Change { collection, r#type, namespace, id, hash, sequence, dropped_since: None, dropped_count: None }.line()
}

/// The frame that tells how many changes were lost.
pub(super) fn dropped(since: Time, count: u64) -> Result<String, serde_json::Error> {
    Change {
        collection: "",
        r#type: "dropped",
        namespace: "",
        id: None,
        hash: None,
        sequence: None,
        dropped_since: Some(since),
        dropped_count: Some(count),
    }
    .line()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(collection: &'static str, what: Happened) -> Noted {
        Noted { collection, what, id: Some(Uuid::nil()), hash: None, sequence: Some(7) }
    }

    #[test]
    fn a_start_says_what_is_wanted() {
        let wanted = read(
            br#"{"TYPE":"Start","collections":["events","pins"],"filter":{"types":["created"],"namespaces":["ns1"]}}"#,
        );
        let wanted = wanted.unwrap().unwrap();
        assert!(wanted.wants("ns1", &noted("events", Happened::Created)));
        assert!(!wanted.wants("ns2", &noted("events", Happened::Created)));
        assert!(!wanted.wants("ns1", &noted("events", Happened::Updated)));
        assert!(!wanted.wants("ns1", &noted("messages", Happened::Created)));
        let open = read(br#"{"type":"start","collections":["data"],"filter":null}"#).unwrap().unwrap();
        assert!(open.wants("any", &noted("data", Happened::Deleted)));
        let nothing = read(br#"{"type":"start"}"#).unwrap().unwrap();
        assert!(!nothing.something() && !nothing.wants("any", &noted("data", Happened::Created)));
    }

    #[test]
    fn other_frames_are_unknown_or_unreadable() {
        assert!(read(br#"{"type":"stop"}"#).unwrap().is_none());
        assert!(read(b"null").unwrap().is_none());
        assert!(read(b"{oops").is_err());
        assert!(read(br#"{"type":"start","collections":"events"}"#).is_err());
    }

    #[test]
    fn frames_are_written_as_clients_know_them() {
        let id = Uuid::nil();
        let told = change("ns1", &noted("messages", Happened::Created)).unwrap();
        let expected =
            format!(r#"{{"collection":"messages","type":"created","namespace":"ns1","id":"{id}","sequence":7}}"#);
        assert_eq!(told, expected + "\n");
        let lost = dropped(Time::from_unix_nanos(1_000_000_000), 3).unwrap();
        let expected = r#"{"collection":"","type":"dropped","droppedSince":"1970-01-01T00:00:01Z","droppedCount":3}"#;
        assert_eq!(lost.trim_end(), expected);
    }
}
