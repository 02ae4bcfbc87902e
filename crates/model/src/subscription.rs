//! Subscriptions: which events an application wants, and how.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};
use uuid::Uuid;

use crate::{JsonText, Time};

/// Conditions on the message of an event; each a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MessageFilter {
    /// On the tag.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// On the group's hash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// On the author.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
}

/// Conditions on the transaction of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TransactionFilter {
    /// On the type.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// Conditions on the ledger event of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlockchainEventFilter {
    /// On the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// On the listener's id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub listener: String,
}

/// Which events are wanted; empty conditions let everything pass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// On the event's type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub events: String,
    /// On its message.
    #[serde(default)]
    pub message: MessageFilter,
    /// On its transaction.
    #[serde(default)]
    pub transaction: TransactionFilter,
    /// On its ledger event.
    #[serde(default)]
    pub blockchainevent: BlockchainEventFilter,
    /// On its topic.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// Deprecated spelling of `topic`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topics: String,
    /// Deprecated spelling of `message.tag`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// Deprecated spelling of `message.group`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Deprecated spelling of `message.author`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
}

/// How events are delivered: what every transport knows, and what only some do.
///
/// In JSON one flat object with sorted keys. The names of the known options are read in any case; an option spelt in
/// another case is kept under that spelling too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Where to begin: `oldest`, `newest` or an event sequence.
    pub first_event: Option<String>,
    /// How many events may be unacknowledged beside the first; in batch mode the size of a batch.
    pub read_ahead: Option<u64>,
    /// Whether data travels with message events.
    pub with_data: Option<bool>,
    /// Whether events are delivered as arrays.
    pub batch: Option<bool>,
    /// How long a batch may wait to fill: a duration as text.
    pub batch_timeout: Option<String>,
    /// Everything else, by its exact name.
    pub transport: BTreeMap<String, JsonText>,
}

impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: BTreeMap<&str, JsonText> =
            self.transport.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let write = |all: &mut BTreeMap<&str, JsonText>, key, value: Result<JsonText, serde_json::Error>| {
            all.insert(key, value.map_err(serde::ser::Error::custom)?);
            Ok::<_, S::Error>(())
        };
        if let Some(value) = &self.first_event {
            write(&mut all, "firstEvent", JsonText::write(value))?;
        }
        if let Some(value) = &self.read_ahead {
            write(&mut all, "readAhead", JsonText::write(value))?;
        }
        if let Some(value) = &self.with_data {
            write(&mut all, "withData", JsonText::write(value))?;
        }
        if let Some(value) = &self.batch {
            write(&mut all, "batch", JsonText::write(value))?;
        }
        if let Some(value) = &self.batch_timeout {
            write(&mut all, "batchTimeout", JsonText::write(value))?;
        }
        let mut map = serializer.serialize_map(Some(all.len()))?;
        for (key, value) in all {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Option::<BTreeMap<String, JsonText>>::deserialize(deserializer)?.unwrap_or_default();
        let mut options = Self::default();
        // Exact names come last, so that they win over other spellings.
        let (exact, other): (Vec<_>, Vec<_>) = all.into_iter().partition(|(key, _)| KNOWN.contains(&key.as_str()));
        for (key, value) in other.into_iter().chain(exact) {
            let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(&key)).copied();
            let error = |error: serde_json::Error| serde::de::Error::custom(format_args!("option {key}: {error}"));
            match known {
                Some("firstEvent") => options.first_event = value.read().map_err(error)?,
                Some("readAhead") => options.read_ahead = value.read().map_err(error)?,
                Some("withData") => options.with_data = value.read().map_err(error)?,
                Some("batch") => options.batch = value.read().map_err(error)?,
                Some("batchTimeout") => options.batch_timeout = value.read().map_err(error)?,
                _ => {}
            }
            if known != Some(key.as_str()) {
                options.transport.insert(key, value);
            }
        }
        Ok(options)
    }
}

/// The options that every transport knows.
const KNOWN: [&str; 5] = ["firstEvent", "readAhead", "withData", "batch", "batchTimeout"];

/// A subscription by id and name, as deliveries carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ref {
    /// The id.
    pub id: Uuid,
    /// The local namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A subscription as kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The id.
    pub id: Uuid,
    /// The local namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The transport: `websockets`, `webhooks` or `system`.
    pub transport: String,
    /// Which events.
    #[serde(default)]
    pub filter: Filter,
    /// How they are delivered.
    #[serde(default)]
    pub options: Options,
    /// Whether it ends with its connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
    /// When it was created.
    pub created: Time,
    /// When it was last changed.
    pub updated: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_one_flat_object() {
        let text = r#"{"url":"http://x","READAHEAD":7,"firstEvent":"oldest","withData":true,"readAhead":9}"#;
        let options: Options = serde_json::from_str(text).unwrap();
        assert_eq!(options.read_ahead, Some(9));
        assert_eq!(
            serde_json::to_string(&options).unwrap(),
            r#"{"READAHEAD":7,"firstEvent":"oldest","readAhead":9,"url":"http://x","withData":true}"#
        );
        assert_eq!(serde_json::from_str::<Options>("null").unwrap(), Options::default());
        assert!(serde_json::from_str::<Options>(r#"{"firstEvent":1}"#).is_err());
    }
}
