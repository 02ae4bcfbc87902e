//! One connection to the data exchange after the other: it is told of the nodes, then its events are read and acknowledged.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use crate::{
    arriving, certificate,
    pending::Outcome,
    service::Shared,
    socket::{Frame, Socket},
    wire::{self, Ack, Event, What},
};

/// How long the process may take to take an acknowledgement.
const SENDING: Duration = Duration::from_secs(10);

/// Stays connected for as long as it is polled.
pub(crate) async fn run(shared: &Arc<Shared>, mut acks: mpsc::Receiver<Ack>) {
    let waits = shared.options.reconnect;
    let mut wait = waits.initial;
    loop {
        let reason = match connect(shared).await {
            Ok(socket) => {
                wait = waits.initial;
                shared.went_up();
                read(shared, socket, &mut acks).await
            }
            Err(reason) => reason,
        };
        shared.went_down(&reason);
        tracing::warn!(url = %shared.api.remote().url(), reason, ?wait, "no events of the data exchange");
        let jitter = rand::random_range(0.8..1.2);
        tokio::time::sleep(wait.mul_f64(jitter)).await;
        wait = waits.after(wait);
    }
}

/// Learns who it is, tells it of the nodes, and opens its stream of events.
async fn connect(shared: &Arc<Shared>) -> Result<Socket, String> {
    let (identity, profile) = shared.api.identity().await.map_err(|error| error.to_string())?;
    if !crate::directory::is_base(&identity.id) {
        return Err(format!("its id '{}' is none that a node can have", identity.id));
    }
    shared.is(&identity.id, profile, identity.cert.as_deref().and_then(certificate::not_after));
    let told = if shared.options.init {
        shared.api.init(&shared.directory.profiles()).await
    } else {
        shared.directory.tell_all(&shared.api, &identity.id).await
    };
    told.map_err(|error| match error {
        crate::api::Error::Status { code: reqwest::StatusCode::NOT_FOUND, .. } if shared.options.init => {
            "it has no call to initialise it: switch off initEnabled".to_owned()
        }
        error => format!("it cannot be told of the nodes: {error}"),
    })?;
    let remote = shared.api.remote();
    // A message is told as a text in JSON, in which each of its bytes may take six.
    let largest =
        usize::try_from(shared.options.message).unwrap_or(usize::MAX).saturating_mul(6).saturating_add(64 * 1024);
    let time = shared.options.remote.connection_timeout + shared.options.remote.tls_timeout;
    let connecting = Socket::connect(remote, &shared.events, largest);
    tokio::time::timeout(time, connecting).await.map_err(|_| "its stream of events does not open".to_owned())?
}

/// Reads events until the stream ends, and says why it did.
async fn read(shared: &Arc<Shared>, mut socket: Socket, acks: &mut mpsc::Receiver<Ack>) -> String {
    let heartbeat = shared.options.heartbeat.max(Duration::from_millis(10));
    let mut next_ping = Instant::now() + heartbeat;
    let mut heard = Instant::now();
    let over = loop {
        let sent = tokio::select! {
            frame = socket.next() => match frame {
                Ok(Frame::Alive) => {
                    heard = Instant::now();
                    continue;
                }
                Ok(Frame::Text(text)) => {
                    heard = Instant::now();
                    match take(shared, &text) {
                        Some(ack) => send(&mut socket, &ack).await,
                        None => continue,
                    }
                }
                Err(reason) => break reason,
            },
            Some(ack) = acks.recv() => send(&mut socket, &ack).await,
            () = tokio::time::sleep_until(next_ping) => {
                if heard.elapsed() > 2 * heartbeat {
                    break "it shows no sign of life".to_owned();
                }
                next_ping = Instant::now() + heartbeat;
                socket.ping(SENDING).await
            }
        };
        if let Err(reason) = sent {
            break reason;
        }
    };
    socket.close().await;
    over
}

async fn send(socket: &mut Socket, ack: &Ack) -> Result<(), String> {
    let text = serde_json::to_string(ack).map_err(|error| error.to_string())?;
    socket.send(text, SENDING).await
}

/// Does what an event asks for. Gives its acknowledgement if it needs nothing more.
fn take(shared: &Arc<Shared>, frame: &str) -> Option<Ack> {
    let Some(Event { id, what }) = wire::event(frame) else {
        tracing::warn!(bytes = frame.len(), "a frame of the data exchange is no event");
        return None;
    };
    match what {
        What::Delivered { request } if !shared.options.manifest => shared.pending.settle(&request, &Outcome::Delivered),
        What::Delivered { .. } => {}
        What::Acknowledged { request, stored } => shared.pending.settle(&request, &Outcome::Acknowledged(stored)),
        What::Failed { request, error } => shared.pending.settle(&request, &Outcome::Failed(error)),
        What::Strange(what) => tracing::warn!(id, what, "an event of the data exchange is not understood"),
        what @ (What::Message { .. } | What::Blob { .. }) => return arriving::take(shared, id, what),
    }
    Some(Ack::of(id))
}
