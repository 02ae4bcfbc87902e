//! What was committed, pushed to whoever listens: events, and notes of records that came, changed or went.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use photinus_model::event::Event;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::error::Error;

/// Of one namespace. Nothing in place of items: some may have been committed, and nobody knows which.
type Sender<T> = broadcast::Sender<Option<Arc<[T]>>>;

/// The senders of all feeds, by namespace; none once the store is closed.
#[derive(Debug)]
pub(crate) struct Feeds<T = Event> {
    capacity: usize,
    senders: Mutex<Option<HashMap<String, Sender<T>>>>,
}

impl<T: Clone> Feeds<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), senders: Mutex::new(Some(HashMap::new())) }
    }

    /// A feed from the next commit on; one that is over at once when the store is closed.
    pub(crate) fn subscribe(&self, namespace: &str) -> Feed<T> {
        let mut senders = self.senders.lock();
        let receiver = match senders.as_mut() {
            Some(senders) => {
                let sender = senders.entry(namespace.to_owned());
                sender.or_insert_with(|| broadcast::channel(self.capacity).0).subscribe()
            }
            None => broadcast::channel(1).1,
        };
        Feed { receiver }
    }

    /// Tells the feeds of a namespace of what was just committed, in its order.
    pub(crate) fn publish(&self, namespace: &str, items: Arc<[T]>) {
        self.send(namespace, Some(items));
    }

    /// Tells the feeds of a namespace that they may have missed something.
    pub(crate) fn gap(&self, namespace: &str) {
        self.send(namespace, None);
    }

    fn send(&self, namespace: &str, items: Option<Arc<[T]>>) {
        let mut senders = self.senders.lock();
        let Some(senders) = senders.as_mut() else { return };
        let unheard = senders.get(namespace).is_some_and(|sender| sender.send(items).is_err());
        if unheard {
            senders.remove(namespace);
        }
    }

    /// Whether anybody listens, or did since the last commit.
    pub(crate) fn wanted(&self) -> bool {
        self.senders.lock().as_ref().is_some_and(|senders| !senders.is_empty())
    }

    /// Ends all feeds.
    pub(crate) fn close(&self) {
        self.senders.lock().take();
    }
}

/// A listener fell behind and has missed commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} commits were missed")]
pub struct Lagged(pub u64);

/// What is committed in a namespace, in its order: events, or notes of records.
#[derive(Debug)]
pub struct Feed<T = Event> {
    receiver: broadcast::Receiver<Option<Arc<[T]>>>,
}

impl<T: Clone> Feed<T> {
    /// Waits for the next commit that concerns the namespace.
    ///
    /// The inner error tells that this listener fell behind, or that the outcome of a commit is not known: it reads what it
    /// missed from the store and listens on.
    ///
    /// # Errors
    /// [`Error::Closed`] when the store is closed.
    pub async fn next(&mut self) -> Result<Result<Arc<[T]>, Lagged>, Error> {
        match self.receiver.recv().await {
            Ok(Some(items)) => Ok(Ok(items)),
            Ok(None) => Ok(Err(Lagged(1))),
            Err(RecvError::Lagged(missed)) => Ok(Err(Lagged(missed))),
            Err(RecvError::Closed) => Err(Error::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_learns_that_it_may_have_missed_something() {
        let feeds = Feeds::<Event>::new(4);
        let mut feed = feeds.subscribe("ns");
        feeds.gap("other");
        feeds.gap("ns");
        feeds.publish("ns", Arc::default());
        assert_eq!(feed.next().await.unwrap(), Err(Lagged(1)));
        assert_eq!(feed.next().await.unwrap(), Ok(Arc::default()));
    }
}
