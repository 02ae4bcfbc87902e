//! Follows the message events of one member over its WebSocket, from the first one on.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_tungstenite::tungstenite::Message;

use crate::{error::Error, network::stack::Member};

/// How long opening a socket may take.
const OPEN: Duration = Duration::from_secs(10);

/// What an application sees of a message event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `message_confirmed` or `message_rejected`.
    pub(crate) kind: String,
    pub(crate) topic: String,
    /// Id of the message.
    pub(crate) message: String,
    /// Hash of the message.
    pub(crate) hash: String,
    /// DID of the author.
    pub(crate) author: String,
    pub(crate) tag: String,
    /// Whether only the members of a group see it.
    pub(crate) private: bool,
}

/// An event of a member.
pub(crate) struct Event {
    /// Index of the member.
    pub(crate) member: usize,
    /// What it saw, or why there will be nothing more.
    pub(crate) seen: Result<Seen, Error>,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    error: String,
    message: Option<FrameMessage>,
}

#[derive(Deserialize)]
struct FrameMessage {
    header: Header,
    hash: String,
}

#[derive(Deserialize)]
struct Header {
    id: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    group: Option<String>,
}

/// Follows a member. The task ends with the connection, or when the receiver is gone.
pub(crate) async fn follow(member: &Member, events: &mpsc::Sender<Event>) -> Result<JoinHandle<()>, Error> {
    let url = format!("{}/ws", member.url().replacen("http://", "ws://", 1));
    let unreachable = |reason: String| Error::Unreachable { url: url.clone(), reason };
    let connecting = tokio::time::timeout(OPEN, tokio_tungstenite::connect_async(url.as_str()));
    let connected = connecting.await.map_err(|_| unreachable("it does not answer".into()))?;
    let (mut socket, _) = connected.map_err(|error| unreachable(error.to_string()))?;
    let start = json!({
        "type": "start",
        "namespace": "default",
        "ephemeral": true,
        "autoack": true,
        "filter": {"events": "^message_(confirmed|rejected)$"},
        "options": {"firstEvent": "oldest"},
    });
    socket.send(Message::text(start.to_string())).await.map_err(|error| unreachable(error.to_string()))?;
    let (index, events, lost) = (member.index, events.clone(), url.clone());
    Ok(tokio::spawn(async move {
        let broken = |reason: String| Err(Error::Unreachable { url: lost.clone(), reason });
        loop {
            let seen = match socket.next().await {
                Some(Ok(Message::Text(text))) => match parse(&text) {
                    Ok(seen) => Ok(seen),
                    Err(reason) => broken(reason),
                },
                Some(Ok(Message::Close(_))) | None => broken("the connection was closed".into()),
                Some(Ok(_)) => continue,
                Some(Err(error)) => broken(error.to_string()),
            };
            let ends = seen.is_err();
            if events.send(Event { member: index, seen }).await.is_err() || ends {
                return;
            }
        }
    }))
}

fn parse(text: &str) -> Result<Seen, String> {
    let frame: Frame = serde_json::from_str(text).map_err(|error| format!("an event cannot be read: {error}"))?;
    let Some(message) = frame.message else {
        return Err(if frame.error.is_empty() { format!("{} without a message", frame.kind) } else { frame.error });
    };
    Ok(Seen {
        kind: frame.kind,
        topic: frame.topic,
        message: message.header.id,
        hash: message.hash,
        author: message.header.author,
        tag: message.header.tag,
        private: message.header.group.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_events_and_errors() {
        let text = r#"{"id":"1","sequence":4,"type":"message_confirmed","topic":"t","message":{"header":
            {"id":"m","author":"did:firefly:org/a","tag":"x","topics":["t"]},"hash":"h","data":[]},"subscription":{}}"#;
        let seen = parse(text).unwrap();
        assert_eq!((seen.message.as_str(), seen.hash.as_str(), seen.tag.as_str()), ("m", "h", "x"));
        assert_eq!(parse(r#"{"type":"protocol_error","error":"FF1: no"}"#).unwrap_err(), "FF1: no");
        assert!(parse("{").unwrap_err().contains("cannot be read"));
    }
}
