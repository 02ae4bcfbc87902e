//! Reading: pages of messages, and events over one WebSocket.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Report, Target, answered, load, refused};
use crate::{error::Error, network::stack::Member, output::Output};

/// Events that are sent before one WebSocket reads them.
const EVENTS: usize = 20_000;

/// Reads what the loads before have left.
pub(super) async fn measure(
    target: &Target<'_>,
    seconds: f64,
    output: Output,
    report: &mut Report,
) -> Result<(), Error> {
    let stored = stored(target).await?;
    output.say(format_args!("GET /messages, 10 connections"));
    let (url, client) = (format!("{}/api/v1/messages?limit=25", target.first.url()), target.http.clone());
    let figures = load::closed(10, seconds, move |_| {
        let request = client.get(&url).send();
        async move { answered(request.await).await.map(drop) }
    })
    .await;
    let text = format!("{:.0} /s, p50 {:.1} ms", figures.per_second, figures.p50_ms);
    let work = format!("GET /messages?limit=25, 10 connections, {stored} stored{}", figures.failed());
    report.add(work, text, "8000 /s", "20000 /s");
    output.say(format_args!("events to one WebSocket"));
    let rate = events(target.first).await?;
    report.add("events to one acknowledging WebSocket, read-ahead 50", format!("{rate:.0} /s"), "10000 /s", "30000 /s");
    Ok(())
}

/// How many messages the member has.
async fn stored(target: &Target<'_>) -> Result<u64, Error> {
    let url = format!("{}/api/v1/messages?limit=1&count", target.first.url());
    let page = answered(target.http.get(url).send().await).await?;
    let page: Value = serde_json::from_slice(&page).map_err(|error| refused(&error))?;
    page["total"].as_u64().ok_or_else(|| refused(&"a page without a total"))
}

/// Events per second that one WebSocket takes which acknowledges each, from the oldest on.
async fn events(member: &Member) -> Result<f64, Error> {
    let url = format!("{}/ws", member.url().replacen("http", "ws", 1));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.map_err(|error| refused(&error))?;
    let start = json!({"type": "start", "namespace": "default", "ephemeral": true,
        "options": {"firstEvent": "oldest", "readAhead": 50}});
    socket.send(Message::text(start.to_string())).await.map_err(|error| refused(&error))?;
    let (mut taken, mut began) = (0_usize, Instant::now());
    while taken < EVENTS {
        let next = tokio::time::timeout(Duration::from_secs(2), socket.next()).await;
        let Ok(Some(frame)) = next else { break };
        let Message::Text(text) = frame.map_err(|error| refused(&error))? else { continue };
        let event: Value = serde_json::from_str(&text).map_err(|error| refused(&error))?;
        if taken == 0 {
            began = Instant::now();
        }
        taken += 1;
        let ack = json!({"type": "ack", "id": event["id"]});
        socket.send(Message::text(ack.to_string())).await.map_err(|error| refused(&error))?;
    }
    Ok(taken as f64 / began.elapsed().as_secs_f64().max(f64::EPSILON))
}
