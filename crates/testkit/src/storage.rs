//! Shared storage in memory, with the power to keep a content from a member.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_model::cid;
use photinus_ports::{
    health::Health,
    storage::{Error, SharedStorage},
    stream::{self, ByteStream, CollectError},
};
use tokio::sync::watch;

/// What all members share. Contents are found by the addresses that IPFS gives them.
#[derive(Debug, Default)]
pub struct Storage {
    contents: Mutex<HashMap<String, Bytes>>,
}

impl Storage {
    /// Empty storage.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A member's access to it.
    #[must_use]
    pub fn member(self: &Arc<Self>) -> Arc<Member> {
        Arc::new(Member { shared: Arc::clone(self), state: Mutex::default(), open: watch::Sender::new(true) })
    }

    /// Puts a content under its address, as somebody outside would.
    pub fn publish(&self, content: impl Into<Bytes>) -> String {
        let content = content.into();
        let reference = cid::of(&content);
        self.contents.lock().insert(reference.clone(), content);
        reference
    }

    /// A content as it lies there.
    #[must_use]
    pub fn content(&self, reference: &str) -> Option<Bytes> {
        self.contents.lock().get(reference).cloned()
    }

    /// Puts other bytes in the place of a content, as a broken or evil storage would.
    pub fn corrupt(&self, reference: &str, content: impl Into<Bytes>) {
        self.contents.lock().insert(reference.to_owned(), content.into());
    }

    /// Addresses of everything.
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        self.contents.lock().keys().cloned().collect()
    }
}

#[derive(Debug, Default)]
struct State {
    withheld: HashSet<String>,
    under_way: usize,
    failing: Option<String>,
    blind: bool,
}

/// One member's access to the shared storage.
#[derive(Debug)]
pub struct Member {
    shared: Arc<Storage>,
    state: Mutex<State>,
    /// Whether downloads are answered.
    open: watch::Sender<bool>,
}

/// A download that is under way.
struct Download<'a>(&'a Member);

impl<'a> Download<'a> {
    fn of(member: &'a Member) -> Self {
        member.state.lock().under_way += 1;
        Self(member)
    }
}

impl Drop for Download<'_> {
    fn drop(&mut self) {
        self.0.state.lock().under_way -= 1;
    }
}

impl Member {
    /// Downloads of this member wait until [`Member::answer`].
    pub fn stall(&self) {
        self.open.send_replace(false);
    }

    /// Answers downloads again.
    pub fn answer(&self) {
        self.open.send_replace(true);
    }

    /// Downloads that wait for an answer.
    pub fn under_way(&self) -> usize {
        self.state.lock().under_way
    }

    /// Keeps a content from this member until it is [released](Self::release).
    pub fn withhold(&self, reference: &str) {
        self.state.lock().withheld.insert(reference.to_owned());
    }

    /// Keeps every content from this member until everything is [released](Self::release_all).
    pub fn withhold_all(&self) {
        self.state.lock().blind = true;
    }

    /// Gives a withheld content after all.
    pub fn release(&self, reference: &str) {
        self.state.lock().withheld.remove(reference);
    }

    /// Gives everything but what is withheld by name.
    pub fn release_most(&self) {
        self.state.lock().blind = false;
    }

    /// Gives everything.
    pub fn release_all(&self) {
        let mut state = self.state.lock();
        state.withheld.clear();
        state.blind = false;
    }

    /// Every upload of this member fails with this text from now on; `None` ends that.
    pub fn fail_uploads(&self, text: Option<&str>) {
        self.state.lock().failing = text.map(str::to_owned);
    }

    /// A content that is not kept from this member.
    fn content(&self, reference: &str) -> Option<Bytes> {
        let hidden = {
            let state = self.state.lock();
            state.blind || state.withheld.contains(reference)
        };
        self.shared.content(reference).filter(|_| !hidden)
    }

    fn put(&self, content: Bytes) -> Result<String, Error> {
        match &self.state.lock().failing {
            Some(text) => Err(Error::Failed(text.clone())),
            None => Ok(self.shared.publish(content)),
        }
    }
}

/// Most bytes of a streamed upload.
const LIMIT: usize = 1 << 30;

#[async_trait]
impl SharedStorage for Member {
    fn plugin_type(&self) -> &'static str {
        "memory"
    }

    async fn upload(&self, content: Bytes) -> Result<String, Error> {
        self.put(content)
    }

    async fn upload_stream(&self, content: ByteStream) -> Result<String, Error> {
        let content = stream::collect(content, LIMIT).await.map_err(|error| match error {
            CollectError::TooLarge(limit) => Error::TooLarge(limit as u64),
            CollectError::Io(error) => Error::Failed(error.to_string()),
        })?;
        self.put(content)
    }

    async fn at_hand(&self, reference: &str, limit: u64) -> Option<Bytes> {
        self.content(reference).filter(|content| content.len() as u64 <= limit && cid::of(content) == reference)
    }

    async fn download(&self, reference: &str, limit: u64) -> Result<ByteStream, Error> {
        if !cid::is_valid(reference) {
            return Err(Error::InvalidReference(reference.to_owned()));
        }
        let download = Download::of(self);
        // The sender is here, so there will be an answer.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        drop(download);
        let content = self.content(reference).ok_or_else(|| Error::Unavailable(reference.to_owned()))?;
        if content.len() as u64 > limit {
            return Err(Error::TooLarge(limit));
        }
        Ok(stream::once(content))
    }

    fn health(&self) -> Health {
        match &self.state.lock().failing {
            Some(text) => Health::Down(text.clone()),
            None => Health::Up,
        }
    }
}
