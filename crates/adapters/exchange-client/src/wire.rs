//! What the data exchange says and is told, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /id`, as far as this side reads it.
#[derive(Debug, Deserialize)]
pub(crate) struct Identity {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) cert: Option<String>,
}

/// An entry of `GET /peers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) endpoint: String,
    #[serde(default)]
    pub(crate) destinations: Vec<String>,
}

/// The body of `POST /messages`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message<'a> {
    pub(crate) message: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) sender: &'a str,
}

/// The body of `POST /transfers`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transfer<'a> {
    pub(crate) path: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) sender: &'a str,
}

/// The answer to `PUT /blobs/…`.
#[derive(Debug, Deserialize)]
pub(crate) struct Uploaded {
    pub(crate) hash: String,
}

/// What is said of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Ack {
    pub(crate) action: &'static str,
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manifest: Option<String>,
}

impl Ack {
    pub(crate) fn of(id: impl Into<String>) -> Self {
        Self { action: "ack", id: id.into(), manifest: None }
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) what: What,
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A message has come.
    Message { sender: String, recipient: String, message: String },
    /// A blob has come.
    Blob { sender: String, recipient: String, path: String, hash: String, size: u64 },
    /// Something of ours is with the other data exchange.
    Delivered { request: String },
    /// Something of ours is with the other node, which says what it has: a manifest, or a hash.
    Acknowledged { request: String, stored: String },
    /// Something of ours did not arrive.
    Failed { request: String, error: String },
    /// Nothing that is known, or not all of it is there.
    Strange(String),
}

/// Reads a frame. `None` if it has no id by which it could be acknowledged.
pub(crate) fn event(frame: &str) -> Option<Event> {
    let value: Value = serde_json::from_str(frame).ok()?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = text("id");
    if id.is_empty() {
        return None;
    }
    // Both spellings are in use.
    let request = || Some(text("requestId")).filter(|id| !id.is_empty()).unwrap_or_else(|| text("requestID"));
    let what = match text("type").as_str() {
        "message-received" => {
            What::Message { sender: text("sender"), recipient: text("recipient"), message: text("message") }
        }
        "blob-received" => What::Blob {
            sender: text("sender"),
            recipient: text("recipient"),
            path: text("path"),
            hash: text("hash"),
            size: value.get("size").and_then(Value::as_u64).unwrap_or_default(),
        },
        "message-delivered" | "blob-delivered" => What::Delivered { request: request() },
        "message-acknowledged" => What::Acknowledged { request: request(), stored: text("manifest") },
        "blob-acknowledged" => What::Acknowledged { request: request(), stored: text("hash") },
        "message-failed" | "blob-failed" => What::Failed { request: request(), error: text("error") },
        other => What::Strange(format!("of type '{other}'")),
    };
    Some(Event { id, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_the_reference_writes_them() {
        let read = |frame: &str| event(frame).map(|event| event.what);
        assert_eq!(
            read(r#"{"id":"1","type":"message-received","sender":"a/x","recipient":"b/y","message":"{}"}"#),
            Some(What::Message { sender: "a/x".into(), recipient: "b/y".into(), message: "{}".into() })
        );
        let blob = r#"{"id":"1","type":"blob-received","sender":"a/x","recipient":"b/y","path":"received/a/x/ns/id",
                       "hash":"ab","size":3,"lastUpdate":1700000000000}"#;
        assert!(matches!(read(blob), Some(What::Blob { size: 3, path, .. }) if path == "received/a/x/ns/id"));
        for spelled in ["requestId", "requestID"] {
            let failed = format!(r#"{{"id":"1","type":"blob-failed","{spelled}":"ns:op","error":"gone"}}"#);
            assert_eq!(read(&failed), Some(What::Failed { request: "ns:op".into(), error: "gone".into() }));
        }
        let acknowledged = r#"{"id":"1","type":"message-acknowledged","requestId":"ns:op","manifest":"m"}"#;
        assert_eq!(read(acknowledged), Some(What::Acknowledged { request: "ns:op".into(), stored: "m".into() }));
    }

    #[test]
    fn whatever_has_an_id_can_be_acknowledged() {
        assert!(matches!(event(r#"{"id":"1","type":"new"}"#), Some(Event { what: What::Strange(_), .. })));
        // A certificate with two organisations makes the reference write a list.
        let strange =
            event(r#"{"id":"1","type":"message-received","sender":["a","b"],"recipient":"b/y","message":"x"}"#);
        assert!(matches!(strange.unwrap().what, What::Message { sender, .. } if sender.is_empty()));
        for frame in ["", "[]", "{}", r#"{"id":7}"#, "{"] {
            assert_eq!(event(frame), None, "{frame}");
        }
    }

    #[test]
    fn acknowledgements_have_this_form() {
        let json = |ack: &Ack| serde_json::to_string(ack).unwrap();
        assert_eq!(json(&Ack::of("1")), r#"{"action":"ack","id":"1"}"#);
        let with = Ack { manifest: Some("m".into()), ..Ack::of("1") };
        assert_eq!(json(&with), r#"{"action":"ack","id":"1","manifest":"m"}"#);
    }
}
