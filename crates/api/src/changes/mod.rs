//! Change events of the administration interface, as tools of FireFly know them: which records come, change and go, told
//! over a WebSocket while somebody listens. No acknowledgements and no replay: who is slow loses some, and is told so.
//!
//! `frame` reads and writes frames, `outbox` holds what waits for one client, `follow` gathers it from the namespaces that run,
//! and this file serves the socket.

mod follow;
mod frame;
mod outbox;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{
        WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
    routing::any,
};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use http::StatusCode;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::outbox::Outbox;
use crate::{failure::Failure, namespaces::Namespaces, options::Changes, patient::Lasting, reply, server::Shared};

/// Largest frame of a client, in bytes.
const MAX_FRAME: usize = 64 << 10;
/// Bytes that are gathered before the system is asked to send them, and that may wait at most.
const WRITE_BUFFER: usize = 16 << 10;
/// Sockets at the same time.
const SOCKETS: usize = 100;
/// How long a client is given to read the last frame.
const FAREWELL: Duration = Duration::from_secs(2);

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// The route that becomes a WebSocket.
pub(crate) fn router(shared: &Arc<Shared>, stopping: &CancellationToken) -> Router {
    let (shared, stopping, room) = (Arc::clone(shared), stopping.clone(), Arc::new(Semaphore::new(SOCKETS)));
    let open = move |upgrade: Upgrade, Extension(lasting): Extension<Lasting>| {
        let (shared, stopping, room) = (Arc::clone(&shared), stopping.clone(), Arc::clone(&room));
        async move { open(&shared, stopping, room, upgrade, &lasting) }
    };
    Router::new().route("/spi/ws", any(open))
}

fn open(
    shared: &Shared,
    stopping: CancellationToken,
    room: Arc<Semaphore>,
    upgrade: Upgrade,
    lasting: &Lasting,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return reply::of(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", "Bad Request\n");
    };
    let Ok(place) = room.try_acquire_owned() else { return Failure::overloaded().into_response() };
    let (namespaces, options) = (shared.namespaces.clone(), shared.options.changes.clone());
    lasting.set();
    upgrade
        .max_frame_size(MAX_FRAME)
        .max_message_size(MAX_FRAME)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(2 * WRITE_BUFFER)
        .on_upgrade(async move |websocket| {
            serve(websocket, namespaces, &options, stopping).await;
            drop(place);
        })
}

/// Why a socket is over.
enum End {
    /// The client left, or cannot be reached.
    Gone,
    /// The client sent what is no JSON.
    Unreadable,
    /// The server stops.
    Stopping,
}

async fn serve(websocket: WebSocket, namespaces: Namespaces, options: &Changes, stopping: CancellationToken) {
    let (outbox, waiting) = Outbox::new(options);
    let (mut sink, mut stream) = websocket.split();
    let end = tokio::select! {
        end = read(&mut stream, &outbox) => end,
        end = write(&mut sink, &outbox, waiting) => end,
        // Never over.
        end = follow::follow(&namespaces, &outbox) => match end {},
        () = stopping.cancelled() => End::Stopping,
    };
    let close = |code, reason| Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
    let last = match end {
        End::Gone => return,
        End::Unreadable => close(close_code::INVALID, "a frame is one JSON object"),
        End::Stopping => close(close_code::AWAY, "the server stops"),
    };
    if tokio::time::timeout(FAREWELL, sink.send(last)).await.is_err() {
        tracing::debug!("a listener to changes did not read its last frame");
    }
}

async fn read(stream: &mut SplitStream<WebSocket>, outbox: &Outbox) -> End {
    while let Some(Ok(message)) = stream.next().await {
        let text = match &message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return End::Gone,
            // Answered beneath.
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        match frame::read(text) {
            Ok(Some(wanted)) => outbox.start(wanted),
            Ok(None) => tracing::debug!("a listener to changes sent a frame of an unknown type"),
            Err(error) => {
                tracing::debug!(%error, "a listener to changes sent a frame that cannot be read");
                return End::Unreadable;
            }
        }
    }
    End::Gone
}

async fn write(sink: &mut SplitSink<WebSocket, Message>, outbox: &Outbox, mut waiting: outbox::Waiting) -> End {
    while let Some(change) = waiting.recv().await {
        if let Some(dropped) = outbox.take_dropped()
            && sink.feed(Message::Text(dropped.into())).await.is_err()
        {
            return End::Gone;
        }
        if sink.feed(Message::Text(change.into())).await.is_err() {
            return End::Gone;
        }
        if waiting.is_empty() && sink.flush().await.is_err() {
            return End::Gone;
        }
    }
    End::Gone
}
