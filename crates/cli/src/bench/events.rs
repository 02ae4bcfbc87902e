//! Events over one WebSocket that acknowledges each.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::target::{Member, refused};
use crate::error::Error;

/// Most events that are read.
const EVENTS: usize = 50_000;
/// How long there may be none before it counts as the end.
const SILENCE: Duration = Duration::from_secs(2);

/// Events per second that a WebSocket takes, from the oldest on, and how many it took.
pub(crate) async fn measure(member: &Member) -> Result<(f64, usize), Error> {
    let url = format!("{}/ws", member.url.replacen("http", "ws", 1));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.map_err(|error| refused(&error))?;
    let start = json!({"type": "start", "namespace": "default", "ephemeral": true,
        "options": {"firstEvent": "oldest", "readAhead": 50}});
    socket.send(Message::text(start.to_string())).await.map_err(|error| refused(&error))?;
    let (mut taken, mut began, mut last) = (0_usize, Instant::now(), Instant::now());
    while taken < EVENTS {
        let Ok(Some(frame)) = tokio::time::timeout(SILENCE, socket.next()).await else { break };
        let Message::Text(text) = frame.map_err(|error| refused(&error))? else { continue };
        let event: Value = serde_json::from_str(&text).map_err(|error| refused(&error))?;
        let Some(id) = event["id"].as_str() else { continue };
        if taken == 0 {
            began = Instant::now();
        }
        (taken, last) = (taken + 1, Instant::now());
        let ack = json!({"type": "ack", "id": id});
        socket.send(Message::text(ack.to_string())).await.map_err(|error| refused(&error))?;
    }
    Ok((taken as f64 / (last - began).as_secs_f64().max(f64::EPSILON), taken))
}
