//! One open socket: frames in, deliveries out.
//!
//! Reading and writing wait for each other nowhere, so that a client that is slow to read still gets its pongs and may still
//! acknowledge. What is not written yet is bounded; a full socket stops the dispatchers that feed it and nothing else.

use std::{collections::HashSet, time::Duration};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use http::HeaderMap;
use parking_lot::Mutex;
use photinus_engine::events::Delivery;
use photinus_ports::clock::Clock;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    connections::Place,
    frame::{self, Client, Start},
    protocol::{Error, Origin, Protocol, Standing},
};
use crate::namespaces::Namespaces;

/// Deliveries that wait to be written.
const QUEUE: usize = 64;
/// Deliveries written before the socket is flushed.
const BURST: usize = 32;
/// Events of all subscriptions of a socket that may wait for acknowledgements; beyond them nothing is sent.
const MAX_WAITING: usize = 131_072;
/// How long a client is given to read the last frame.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a socket needs to know.
pub(super) struct Socket {
    pub(super) namespaces: Namespaces,
    pub(super) place: Place,
    /// Cancelled when the server stops.
    pub(super) stopping: CancellationToken,
    /// What the client sent along with its question for the socket.
    pub(super) headers: HeaderMap,
    /// The namespace of the socket's path.
    pub(super) scope: Option<String>,
    /// What the query of its URL starts.
    pub(super) start: Option<Start>,
}

/// Why a socket is over.
enum End {
    /// The client left, or cannot be reached.
    Gone,
    /// The client broke the protocol.
    Refused(Error),
    /// A subscription cannot be served any more: the client starts anew.
    Broken,
    /// A namespace that it started something in stops.
    Ended(String),
    /// The server stops.
    Stopping,
}

/// What reader and writer share.
struct State {
    protocol: Mutex<Protocol>,
    /// Something was acknowledged.
    room: Notify,
}

/// The reading side.
struct Reader<'a> {
    socket: &'a Socket,
    state: &'a State,
    deliveries: mpsc::Sender<Delivery>,
    closed: CancellationToken,
    /// Told the name of a namespace that stops.
    ended: mpsc::Sender<String>,
    /// Namespaces that something was started in.
    watched: HashSet<String>,
    /// Durable subscriptions that were started, by namespace and name: a second start delivers nothing twice.
    durable: HashSet<(String, String)>,
}

impl Socket {
    /// Serves the socket until it is over.
    pub(super) async fn serve(mut self, websocket: WebSocket) {
        let state = State { protocol: Mutex::new(Protocol::new(self.scope.take())), room: Notify::new() };
        let (deliveries, queue) = mpsc::channel(QUEUE);
        let closed = CancellationToken::new();
        let _closing = closed.clone().drop_guard();
        let (mut sink, mut stream) = websocket.split();
        let start = self.start.take();
        let (ended, mut end_of) = mpsc::channel(1);
        let mut reader = Reader {
            socket: &self,
            state: &state,
            deliveries,
            closed: closed.clone(),
            ended,
            watched: HashSet::new(),
            durable: HashSet::new(),
        };
        if let Some(start) = start
            && let Err(error) = reader.start(&start, Origin::Query).await
            && !tell(&mut sink, &error.to_string()).await
        {
            return;
        }
        let end = tokio::select! {
            end = reader.read(&mut stream) => end,
            end = write(&state, queue, &mut sink) => end,
            Some(namespace) = end_of.recv() => End::Ended(namespace),
            () = closed.cancelled() => End::Broken,
            () = self.stopping.cancelled() => End::Stopping,
        };
        // Nothing more is delivered here, and others may take over while the client reads its last frame.
        closed.cancel();
        let farewell = async {
            let (code, reason) = match end {
                End::Gone => return,
                End::Refused(error) => {
                    tell(&mut sink, &error.in_frame()).await;
                    (close_code::PROTOCOL, Utf8Bytes::from_static("protocol error"))
                }
                End::Broken => (close_code::ERROR, Utf8Bytes::from_static("a subscription broke off: start again")),
                End::Ended(name) => (close_code::RESTART, format!("namespace '{name}' stops: start again").into()),
                End::Stopping => (close_code::AWAY, Utf8Bytes::from_static("the server stops")),
            };
            let close = Message::Close(Some(CloseFrame { code, reason }));
            if sink.send(close).await.is_ok() {
                // What the client still sends is read, or its system might throw the last frames away.
                while let Some(Ok(_)) = stream.next().await {}
            }
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::debug!("a client did not read its last frame");
        }
    }
}

impl Reader<'_> {
    async fn read(&mut self, stream: &mut SplitStream<WebSocket>) -> End {
        while let Some(Ok(message)) = stream.next().await {
            let done = match &message {
                Message::Text(text) => self.frame(text.as_bytes()).await,
                Message::Binary(bytes) => self.frame(bytes).await,
                Message::Close(_) => return End::Gone,
                // Answered beneath.
                Message::Ping(_) | Message::Pong(_) => Ok(()),
            };
            if let Err(error) = done {
                return End::Refused(error);
            }
        }
        End::Gone
    }

    async fn frame(&mut self, text: &[u8]) -> Result<(), Error> {
        match frame::read(text)? {
            Client::Start(start) => self.start(&start, Origin::Frame).await,
            Client::Ack(ack) => {
                let done = self.state.protocol.lock().ack(&ack)?;
                done.iter().for_each(super::protocol::Done::tell);
                self.state.room.notify_one();
                Ok(())
            }
        }
    }

    async fn start(&mut self, start: &Start, origin: Origin) -> Result<(), Error> {
        let namespaces = &self.socket.namespaces;
        let name = self.state.protocol.lock().start(start, origin, |name| standing(namespaces, name))?;
        namespaces.admit(&name, &self.socket.headers).await.map_err(|_| Error::Unauthorized)?;
        let namespace = namespaces.running(&name).map_err(|_| Error::NotAvailable(name.clone()))?;
        let (deliveries, closed) = (self.deliveries.clone(), self.closed.clone());
        if self.watched.insert(name.clone()) {
            let (stopping, closed) = (namespace.stopping().clone(), closed.clone());
            let (ended, name) = (self.ended.clone(), name.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = closed.cancelled() => {}
                    // Whoever hears of another namespace closes too.
                    () = stopping.cancelled() => drop(ended.try_send(name)),
                }
            });
        }
        let now = photinus_ports::clock::System.now();
        if start.ephemeral {
            namespace.attach_ephemeral(&start.filter, start.options.clone(), deliveries, closed).await?;
        } else if self.durable.insert((name.clone(), start.name.clone())) {
            namespace.attach(&start.name, deliveries, closed);
        }
        self.socket.place.started(start, &name, now);
        Ok(())
    }
}

fn standing(namespaces: &Namespaces, name: &str) -> Standing {
    match namespaces.running(name) {
        Ok(_) => Standing::Running,
        Err(failure) if failure.status == http::StatusCode::NOT_FOUND => Standing::Unknown,
        Err(_) => Standing::Starting,
    }
}

/// Writes deliveries as they come, several at a time when they wait.
async fn write(state: &State, mut queue: mpsc::Receiver<Delivery>, sink: &mut SplitSink<WebSocket, Message>) -> End {
    let mut burst = Vec::with_capacity(BURST);
    let mut sent = Vec::new();
    loop {
        while state.protocol.lock().waiting() >= MAX_WAITING {
            state.room.notified().await;
        }
        if queue.recv_many(&mut burst, BURST).await == 0 {
            return End::Gone;
        }
        for delivery in burst.drain(..) {
            let text = match frame::delivery(&delivery) {
                Ok(text) => text,
                Err(error) => {
                    tracing::error!(%error, "a delivery cannot be written as JSON");
                    return End::Broken;
                }
            };
            // Before it is sent: a fast client acknowledges at once.
            sent.extend(state.protocol.lock().deliver(&delivery));
            if sink.feed(Message::Text(text.into())).await.is_err() {
                return End::Gone;
            }
        }
        if sink.flush().await.is_err() {
            return End::Gone;
        }
        sent.drain(..).for_each(|done| done.tell());
    }
}

/// `false` when the client cannot be told.
async fn tell(sink: &mut SplitSink<WebSocket, Message>, sentence: &str) -> bool {
    match frame::error(sentence) {
        Ok(text) => sink.send(Message::Text(text.into())).await.is_ok(),
        Err(_) => false,
    }
}
