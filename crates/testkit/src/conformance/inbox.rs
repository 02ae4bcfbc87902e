//! A receiver that keeps everything, and answers as it is told.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_ports::exchange::{ReceivedBlob, Receiver, Refusal, Route};

/// What one namespace got.
#[derive(Default)]
pub struct Inbox {
    /// Messages, in their order.
    pub messages: Mutex<Vec<(Route, Bytes)>>,
    /// Blobs, in their order.
    pub blobs: Mutex<Vec<ReceivedBlob>>,
    /// Blobs that were asked about.
    pub admitted: Mutex<Vec<(Route, String, u64)>>,
    refusal: Mutex<Option<Refusal>>,
}

impl Inbox {
    /// An empty one, which takes everything.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Refuses everything from now on, or nothing any more.
    pub fn refuse(&self, refusal: impl Into<Option<Refusal>>) {
        *self.refusal.lock() = refusal.into();
    }

    /// The payloads of its messages.
    #[must_use]
    pub fn payloads(&self) -> Vec<Bytes> {
        self.messages.lock().iter().map(|(_, payload)| payload.clone()).collect()
    }

    fn verdict(&self) -> Result<(), Refusal> {
        self.refusal.lock().clone().map_or(Ok(()), Err)
    }
}

/// The manifest of a payload.
#[must_use]
pub fn manifest(payload: &[u8]) -> String {
    Hash::of(payload).to_string()
}

#[async_trait]
impl Receiver for Inbox {
    async fn message(&self, route: &Route, payload: Bytes) -> Result<String, Refusal> {
        self.verdict()?;
        let manifest = manifest(&payload);
        self.messages.lock().push((route.clone(), payload));
        Ok(manifest)
    }

    async fn admit_blob(&self, route: &Route, path: &str, size: u64) -> Result<(), Refusal> {
        self.verdict()?;
        self.admitted.lock().push((route.clone(), path.to_owned(), size));
        Ok(())
    }

    async fn blob(&self, blob: ReceivedBlob) -> Result<(), Refusal> {
        self.verdict()?;
        self.blobs.lock().push(blob);
        Ok(())
    }

    async fn answer(&self, route: &Route, question: Bytes) -> Result<Bytes, Refusal> {
        self.verdict()?;
        Ok([route.from.0.as_bytes(), b": ", &question[..]].concat().into())
    }
}
