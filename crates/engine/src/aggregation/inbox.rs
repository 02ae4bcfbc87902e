//! What reaches the aggregator, and how it is answered.

use std::sync::Arc;

use photinus_model::{JsonText, batch::Batch, blob::Blob, group::Group};
use photinus_ports::blockchain::{Delivery, SinkClosed};
use photinus_sequencing::facts::{Order, Source};
use tokio::sync::{mpsc, oneshot};

use super::{early::Item, fetches::Done, repair_groups::Told};

/// A batch whose content was accepted, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// The batch as it goes on the wire.
    pub(crate) batch: Arc<Batch>,
    /// The manifest's text, for the record; a batch of our own has its record already.
    pub(crate) manifest: Option<JsonText>,
    /// Who delivered it.
    pub(crate) source: Source,
}

/// One thing to take in.
pub(super) enum Job {
    /// A step of the contract with this index and version.
    Ledger(u32, u8, Delivery),
    /// The content of a batch, and the fetch that brought it if one did.
    Content(Content, Option<Done>),
    /// Messages without a pin, and their group if it was not known.
    Unpinned(Content, Option<Group>),
    /// A blob is held, whole and verified, and is to be written down; and the fetch that brought it if one did.
    Blob(Blob, Option<Done>),
    /// A group that was asked for, and the node that told of it.
    Group(Told, String),
    /// Things that came early and are too old.
    Expire(Vec<Item>),
    /// What the operator orders.
    Order(Order),
}

impl Job {
    /// Whether it is a batch that this node sealed: nothing comes of it before its pin.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Content(content, _) if content.source == Source::Own)
    }

    /// How much work it is, in messages or pins, so that one commit stays bounded.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Ledger(_, _, delivery) => {
                1 + delivery.logs.iter().map(|log| 1 + log.pin.contexts.len()).sum::<usize>()
            }
            Self::Content(content, _) | Self::Unpinned(content, _) => 1 + content.batch.payload.messages.len(),
            Self::Expire(items) => 10 * items.len(),
            Self::Group(told, _) => 1 + told.batches.len(),
            Self::Blob(..) | Self::Order(_) => 1,
        }
    }
}

/// A job and whoever waits until it is durable.
pub(super) struct Entry {
    pub(super) job: Job,
    pub(super) durable: Option<oneshot::Sender<()>>,
}

/// The sending end of the inbox. Cheap to clone; a full inbox makes the caller wait.
#[derive(Clone)]
pub(super) struct Inbox {
    sender: mpsc::Sender<Entry>,
}

/// Jobs that may wait in the inbox.
const CAPACITY: usize = 1_024;

impl Inbox {
    /// Both ends.
    pub(super) fn new() -> (Self, mpsc::Receiver<Entry>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self { sender }, receiver)
    }

    /// Jobs that wait.
    pub(super) fn len(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// Hands a job over and returns once the inbox has it.
    pub(super) async fn post(&self, job: Job) -> Result<(), SinkClosed> {
        self.sender.send(Entry { job, durable: None }).await.map_err(|_| SinkClosed)
    }

    /// Hands a job over and returns once what came of it is durable.
    pub(super) async fn deliver(&self, job: Job) -> Result<(), SinkClosed> {
        let (durable, done) = oneshot::channel();
        self.sender.send(Entry { job, durable: Some(durable) }).await.map_err(|_| SinkClosed)?;
        done.await.map_err(|_| SinkClosed)
    }
}
