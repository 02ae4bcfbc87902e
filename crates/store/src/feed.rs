//! Committed events, pushed to whoever listens.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use photinus_model::event::Event;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::error::Error;

/// Of one namespace.
type Sender = broadcast::Sender<Arc<[Event]>>;

/// The senders of all feeds, by namespace; none once the store is closed.
#[derive(Debug)]
pub(crate) struct Feeds {
    capacity: usize,
    senders: Mutex<Option<HashMap<String, Sender>>>,
}

impl Feeds {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), senders: Mutex::new(Some(HashMap::new())) }
    }

    /// A feed from the next commit on; one that is over at once when the store is closed.
    pub(crate) fn subscribe(&self, namespace: &str) -> Feed {
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

    /// Tells the feeds of a namespace of events that were just committed, in their order.
    pub(crate) fn publish(&self, namespace: &str, events: Arc<[Event]>) {
        let mut senders = self.senders.lock();
        let Some(senders) = senders.as_mut() else { return };
        let unheard = senders.get(namespace).is_some_and(|sender| sender.send(events).is_err());
        if unheard {
            senders.remove(namespace);
        }
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

/// The events of a namespace as they are committed, in the order of their sequence.
#[derive(Debug)]
pub struct Feed {
    receiver: broadcast::Receiver<Arc<[Event]>>,
}

impl Feed {
    /// Waits for the next commit with events in the namespace.
    ///
    /// The inner error tells that this listener fell behind: it reads what it missed from the store and listens on.
    ///
    /// # Errors
    /// [`Error::Closed`] when the store is closed.
    pub async fn next(&mut self) -> Result<Result<Arc<[Event]>, Lagged>, Error> {
        match self.receiver.recv().await {
            Ok(events) => Ok(Ok(events)),
            Err(RecvError::Lagged(missed)) => Ok(Err(Lagged(missed))),
            Err(RecvError::Closed) => Err(Error::Closed),
        }
    }
}
