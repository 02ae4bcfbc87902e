//! What takes deliveries in tests: keeps everything, and answers as it is told.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_ports::{
    exchange::{DataExchange, MessageParcel, ReceivedBlob, Receiver, Refusal, Route},
    peers::PeerId,
};
use tokio::sync::watch;

use crate::node::Node;

/// One namespace's receiver.
pub(crate) struct Inbox {
    pub(crate) messages: Mutex<Vec<(Route, Bytes)>>,
    pub(crate) blobs: Mutex<Vec<ReceivedBlob>>,
    pub(crate) admitted: Mutex<Vec<(Route, String, u64)>>,
    /// How everything is refused from now on.
    pub(crate) refusal: Mutex<Option<Refusal>>,
    /// Whether answers are given; requests wait until they are.
    pub(crate) open: watch::Sender<bool>,
}

impl Inbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            messages: Mutex::default(),
            blobs: Mutex::default(),
            admitted: Mutex::default(),
            refusal: Mutex::default(),
            open: watch::Sender::new(true),
        })
    }

    /// One that takes what is for a node.
    pub(crate) fn of(node: &Node) -> Arc<Self> {
        let inbox = Self::new();
        node.handle.receive(&id_of(node), Arc::clone(&inbox) as _);
        inbox
    }

    pub(crate) fn refuse(&self, refusal: impl Into<Option<Refusal>>) {
        *self.refusal.lock() = refusal.into();
    }

    async fn verdict(&self) -> Result<(), Refusal> {
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        self.refusal.lock().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Receiver for Inbox {
    async fn message(&self, route: &Route, payload: Bytes) -> Result<String, Refusal> {
        self.verdict().await?;
        let manifest = manifest(&payload);
        self.messages.lock().push((route.clone(), payload));
        Ok(manifest)
    }

    async fn admit_blob(&self, route: &Route, path: &str, size: u64) -> Result<(), Refusal> {
        self.verdict().await?;
        self.admitted.lock().push((route.clone(), path.to_owned(), size));
        Ok(())
    }

    async fn blob(&self, blob: ReceivedBlob) -> Result<(), Refusal> {
        self.verdict().await?;
        self.blobs.lock().push(blob);
        Ok(())
    }

    async fn answer(&self, route: &Route, question: Bytes) -> Result<Bytes, Refusal> {
        self.verdict().await?;
        Ok([route.from.0.as_bytes(), b": ", &question[..]].concat().into())
    }
}

/// The receipt for a payload.
pub(crate) fn manifest(payload: &[u8]) -> String {
    Hash::of(payload).to_string()
}

/// The id of a node as its profile in tests has it.
pub(crate) fn id_of(node: &Node) -> PeerId {
    PeerId(format!("{}/node", node.id().0))
}

pub(crate) fn route(from: &Node, to: &Node) -> Route {
    Route { from: id_of(from), to: id_of(to) }
}

pub(crate) fn message(route: Route, payload: impl Into<Bytes>) -> MessageParcel {
    MessageParcel { id: "ns:0d5a6b5e-1111-4000-8000-000000000001".to_owned(), route, payload: payload.into() }
}
