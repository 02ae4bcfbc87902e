//! Shared storage: what is published to all members, replicated between their nodes.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use photinus_model::cid;
use photinus_ports::{
    content::{self as wire, PROTOCOL, Reference, Request},
    health::Health,
    peers::{self, Parcel, PeerId, Peers},
    storage::{Error, SharedStorage},
    stream::{self, ByteStream},
};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    Options,
    disk::{self, Disk, Place},
    replication::{
        fetch,
        flights::{Flights, Outcome},
        hints::Hints,
        outbox::Queue,
        serve::Answers,
    },
    transfer::{self, blocking},
};

/// Contents up to this size are checked as a whole before the first byte is handed out.
const WHOLE: u64 = 1 << 20;
/// Contents that are told to one peer at once.
const PUSHES: usize = 8;
/// Announced contents that are pulled ahead at once, and that wait for it.
const AHEAD: usize = 2;
/// Announced contents that may wait to be pulled ahead.
const AHEAD_WAITING: usize = 64;
/// First and longest pause before a peer that was not reached is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long the tasks of a stopping storage are waited for.
const FAREWELL: Duration = Duration::from_secs(5);

/// What went wrong with contents since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) refused_pushes: AtomicU64,
    pub(crate) wrong_contents: AtomicU64,
}

/// What went wrong with contents since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pushes of peers that were refused.
    pub refused_pushes: u64,
    /// Bytes of peers that were not those of their reference.
    pub wrong_contents: u64,
    /// Damaged files of this node.
    pub corrupt_files: u64,
    /// Announcements that were dropped because a peer was away for too long.
    pub dropped_announcements: u64,
}

/// What waits for one peer, and the bell of its task.
struct Outbox {
    queue: Mutex<Queue>,
    bell: Notify,
}

pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) disk: Arc<Disk>,
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) flights: Flights,
    pub(crate) hints: Mutex<Hints>,
    /// Changes when a peer announces what a search waits for.
    pub(crate) announced: watch::Sender<u64>,
    pub(crate) counts: Counters,
    outboxes: Mutex<HashMap<PeerId, Arc<Outbox>>>,
    ahead: Arc<Semaphore>,
    ahead_waiting: Arc<Semaphore>,
    trouble: Mutex<Option<String>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The shared storage of a node, which serves its peers from the moment it is opened until it is stopped.
pub struct Service {
    inner: Arc<Inner>,
    stop: DropGuard,
}

/// How the rest of the node publishes and reads. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

impl Service {
    /// Opens or makes the folder, removes what an earlier process left unfinished, and answers peers from now on. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub fn open(options: Options, peers: Arc<dyn Peers>) -> io::Result<Self> {
        let disk = Arc::new(Disk::open(&options.dir, options.offered_per_peer)?);
        let stop = CancellationToken::new();
        let inner = Arc::new(Inner {
            options,
            disk,
            peers,
            flights: Flights::default(),
            hints: Mutex::new(Hints::default()),
            announced: watch::Sender::new(0),
            counts: Counters::default(),
            outboxes: Mutex::new(HashMap::new()),
            ahead: Arc::new(Semaphore::new(AHEAD)),
            ahead_waiting: Arc::new(Semaphore::new(AHEAD_WAITING)),
            trouble: Mutex::new(None),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        });
        inner.peers.serve(PROTOCOL, Arc::new(Answers(Arc::clone(&inner))));
        Ok(Self { inner, stop: stop.drop_guard() })
    }

    /// For the rest of the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.inner))
    }

    /// Waits for `shutdown`, then ends all tasks.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
        let Self { inner, stop } = self;
        drop(stop);
        inner.tasks.close();
        if tokio::time::timeout(FAREWELL, inner.tasks.wait()).await.is_err() {
            tracing::warn!("some transfers of contents did not end in time");
        }
    }
}

impl Inner {
    /// Runs a task until it ends or the storage stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Pulls an announced content in the background, unless too much of that kind waits already.
    pub(crate) fn ahead(self: &Arc<Self>, peer: &PeerId, reference: Reference, size: u64) {
        let Ok(waiting) = Arc::clone(&self.ahead_waiting).try_acquire_owned() else { return };
        let (inner, peer) = (Arc::clone(self), peer.clone());
        self.spawn(async move {
            let place = Arc::clone(&inner.ahead).acquire_owned().await;
            let known = Arc::clone(&inner);
            let sought = reference.clone();
            if place.is_ok() && matches!(blocking(move || Ok(known.disk.has(&sought))).await, Ok(false)) {
                fetch::ahead(&inner, peer, reference, size).await;
            }
            drop(waiting);
        });
    }

    /// Tells all peers of a content, in the background.
    fn publish(self: &Arc<Self>, reference: &Reference) {
        for peer in self.peers.peers() {
            let outbox = self.outbox(&peer);
            outbox.queue.lock().push(reference.clone());
            outbox.bell.notify_one();
        }
    }

    fn outbox(self: &Arc<Self>, peer: &PeerId) -> Arc<Outbox> {
        let mut outboxes = self.outboxes.lock();
        if let Some(outbox) = outboxes.get(peer) {
            return Arc::clone(outbox);
        }
        let queue = Mutex::new(Queue::new(self.options.outbox));
        let outbox = Arc::new(Outbox { queue, bell: Notify::new() });
        outboxes.insert(peer.clone(), Arc::clone(&outbox));
        let (inner, peer, own) = (Arc::clone(self), peer.clone(), Arc::clone(&outbox));
        self.spawn(async move { inner.tell(&peer, &own).await });
        outbox
    }

    /// Tells one peer what waits for it, for ever.
    async fn tell(self: &Arc<Self>, peer: &PeerId, outbox: &Outbox) {
        let mut changes = self.peers.changes();
        let mut pause = PAUSES.0;
        loop {
            changes.mark_unchanged();
            let next = outbox.queue.lock().take(PUSHES);
            if next.is_empty() {
                outbox.bell.notified().await;
                continue;
            }
            let mut pushes: FuturesUnordered<_> =
                next.into_iter().map(|reference| async { (self.push(peer, &reference).await, reference) }).collect();
            let mut away = false;
            while let Some((result, reference)) = pushes.next().await {
                match result {
                    Ok(()) => {}
                    Err(peers::Error::Unreachable { .. }) => {
                        away = true;
                        outbox.queue.lock().put_back(reference);
                    }
                    Err(error) => tracing::debug!(%reference, %error, "content not pushed, the peer has to pull it"),
                }
            }
            if away {
                tokio::select! {
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                }
            } else {
                pause = PAUSES.0;
            }
        }
    }

    async fn push(self: &Arc<Self>, peer: &PeerId, reference: &Reference) -> Result<(), peers::Error> {
        let (inner, sought) = (Arc::clone(self), reference.clone());
        let found = match blocking(move || inner.disk.find(&sought)).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::error!(%reference, %error, "a published content cannot be read");
                return Ok(());
            }
        };
        let (reference, size) = (reference.clone(), found.size);
        let (request, body) = if size <= self.options.inline {
            let body = disk::read(&self.disk, &reference, found);
            (Request::Push { reference, size }, body)
        } else {
            (Request::Announce { reference, size }, stream::once(Bytes::new()))
        };
        let refused = |reason| peers::Error::Refused { peer: peer.0.clone(), reason };
        let head = wire::write(&request).map_err(refused)?;
        self.peers.call(peer, PROTOCOL, Parcel { head, body }).await.map(drop)
    }

    /// Remembers whether the disk works, for [`Health`].
    fn noted<T>(&self, result: io::Result<T>) -> Result<T, Error> {
        let mut trouble = self.trouble.lock();
        match result {
            Ok(value) => {
                *trouble = None;
                Ok(value)
            }
            Err(error) => {
                *trouble = Some(error.to_string());
                Err(Error::Failed(error.to_string()))
            }
        }
    }

    /// Waits until a content is on disk.
    async fn fetch(self: &Arc<Self>, reference: &Reference, limit: u64) -> Result<(), Error> {
        loop {
            let (flight, leads) = self.flights.join(reference, limit);
            if leads {
                let (inner, reference, flight) = (Arc::clone(self), reference.clone(), Arc::clone(&flight));
                // A task of its own, so that the search goes on for the others when its first caller leaves.
                self.spawn(async move {
                    let outcome = fetch::search(&inner, &reference, &flight).await;
                    inner.flights.end(&reference, outcome);
                });
            }
            let outcome = tokio::select! {
                outcome = flight.outcome() => outcome,
                () = self.stop.cancelled() => Outcome::Failed("the shared storage has stopped".to_owned()),
            };
            return match outcome {
                Outcome::Arrived => Ok(()),
                Outcome::Failed(reason) => Err(Error::Failed(reason)),
                // The search that was joined accepted less than this caller does.
                Outcome::Unavailable(_) if flight.limit < limit => continue,
                Outcome::Unavailable(reason) => {
                    tracing::debug!(%reference, reason, "content not available");
                    Err(Error::Unavailable(reference.to_string()))
                }
            };
        }
    }

    /// Opens what is on disk. `None` when it is not there, or was found to be damaged.
    async fn local(self: &Arc<Self>, reference: &Reference, limit: u64) -> Result<Option<ByteStream>, Error> {
        let (inner, sought) = (Arc::clone(self), reference.clone());
        let found = self.noted(blocking(move || inner.disk.claim(&sought)).await)?;
        let Some(found) = found else { return Ok(None) };
        if found.size > limit {
            return Err(Error::TooLarge(limit));
        }
        let size = found.size;
        let content = disk::read(&self.disk, reference, found);
        if size > WHOLE {
            return Ok(Some(content));
        }
        match stream::collect(content, usize::try_from(WHOLE).unwrap_or(usize::MAX)).await {
            Ok(whole) => Ok(Some(stream::once(whole))),
            Err(stream::CollectError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(Error::Failed(error.to_string())),
        }
    }
}

impl Handle {
    /// What went wrong with contents since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counts = &self.0.counts;
        Counts {
            refused_pushes: counts.refused_pushes.load(Ordering::Relaxed),
            wrong_contents: counts.wrong_contents.load(Ordering::Relaxed),
            corrupt_files: self.0.disk.corrupt(),
            dropped_announcements: self.0.outboxes.lock().values().map(|o| o.queue.lock().dropped()).sum(),
        }
    }
}

#[async_trait]
impl SharedStorage for Handle {
    fn plugin_type(&self) -> &str {
        "embedded"
    }

    async fn upload(&self, content: Bytes) -> Result<String, Error> {
        let inner = &self.0;
        let size = content.len() as u64;
        if size > inner.options.max_content {
            return Err(Error::TooLarge(inner.options.max_content));
        }
        let disk = Arc::clone(&inner.disk);
        // One visit to a thread for blocking work is all that a batch needs.
        let stored = blocking(move || {
            let mut digest = cid::Builder::new();
            digest.update(&content);
            let reference = Reference::of(digest);
            let mut file = disk.create()?;
            file.write(&content)?;
            disk.place(file, &reference, size, &Place::Published)?;
            Ok(reference)
        });
        let reference = inner.noted(stored.await)?;
        inner.flights.end(&reference, Outcome::Arrived);
        inner.publish(&reference);
        Ok(reference.into())
    }

    async fn upload_stream(&self, content: ByteStream) -> Result<String, Error> {
        let inner = &self.0;
        let disk = Arc::clone(&inner.disk);
        let file = inner.noted(blocking(move || disk.create()).await)?;
        let received = transfer::receive(content, file, cid::Builder::new(), inner.options.max_content).await;
        let (file, digest, size) = received.map_err(|error| match error {
            transfer::Error::TooLarge(limit) => Error::TooLarge(limit),
            error => Error::Failed(error.to_string()),
        })?;
        let disk = Arc::clone(&inner.disk);
        let stored = blocking(move || {
            let reference = Reference::of(digest);
            disk.place(file, &reference, size, &Place::Published)?;
            Ok(reference)
        });
        let reference = inner.noted(stored.await)?;
        inner.flights.end(&reference, Outcome::Arrived);
        inner.publish(&reference);
        Ok(reference.into())
    }

    async fn at_hand(&self, reference: &str, limit: u64) -> Option<Bytes> {
        let wanted = Reference::parse(reference).ok()?;
        let content = self.0.local(&wanted, limit).await.ok()??;
        stream::collect(content, usize::try_from(limit).ok()?).await.ok()
    }

    async fn download(&self, reference: &str, limit: u64) -> Result<ByteStream, Error> {
        let wanted = Reference::parse(reference).map_err(|_| Error::InvalidReference(reference.to_owned()))?;
        if let Some(content) = self.0.local(&wanted, limit).await? {
            return Ok(content);
        }
        self.0.fetch(&wanted, limit).await?;
        let content = self.0.local(&wanted, limit).await?;
        content.ok_or_else(|| Error::Failed(format!("the content of {wanted} was damaged as it arrived")))
    }

    fn health(&self) -> Health {
        self.0.trouble.lock().clone().map_or(Health::Up, Health::Down)
    }
}
