//! The handle of a store.

use std::{collections::HashMap, fmt, sync::Arc, thread};

use parking_lot::{Mutex, RwLock};
use photinus_model::namespace::Namespace;
use tokio::sync::{mpsc, oneshot};

use crate::{
    change::ChangeSet,
    error::Error,
    feed::{Feed, Feeds},
    lane::{Committed, Health, Lane, Namespaces, Request},
    noted::Noted,
    options::{self, Database, Limits, Options},
    plan::{Counters, Recent},
    postgres,
    read::{Read, Readers},
    sqlite,
};

/// A store. Clones are handles of the same one.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    requests: mpsc::Sender<Request>,
    readers: Readers,
    namespaces: Namespaces,
    feeds: Arc<Feeds>,
    health: Health,
    notes: Arc<Feeds<Noted>>,
    /// The lane's thread, where it has one.
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    /// The lane's task, in a simulation.
    #[cfg(feature = "simulation")]
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Inner {
    fn new<B>(lane: &Lane<B>, requests: mpsc::Sender<Request>, readers: Readers) -> Self {
        Self {
            requests,
            readers,
            namespaces: Arc::clone(&lane.namespaces),
            feeds: Arc::clone(&lane.feeds),
            health: Arc::clone(&lane.health),
            notes: Arc::clone(&lane.notes),
            thread: Mutex::default(),
            #[cfg(feature = "simulation")]
            task: Mutex::default(),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("readers", &self.inner.readers).finish_non_exhaustive()
    }
}

/// What a backend gives when it is opened.
pub(crate) struct Opened<B> {
    pub(crate) backend: B,
    pub(crate) readers: Readers,
    /// The highest number of each table, in the order of [`crate::schema::ALL`].
    pub(crate) highest: Vec<i64>,
    /// Numbers of namespaces by name.
    pub(crate) namespaces: HashMap<String, i64>,
}

impl<B> Opened<B> {
    pub(crate) fn lane(self, limits: &Limits) -> (Lane<B>, Readers) {
        let lane = Lane {
            backend: self.backend,
            counters: Counters::after(&self.highest),
            recent: Recent::default(),
            namespaces: Arc::new(RwLock::new(self.namespaces)),
            feeds: Arc::new(Feeds::new(limits.feed)),
            health: Health::default(),
            notes: Arc::new(Feeds::new(limits.feed)),
            group: limits.group.max(1),
        };
        (lane, self.readers)
    }
}

impl Store {
    /// Opens a store, brings its schema up to date and starts its lane. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the database cannot be opened, belongs to another node, or was written by a later version.
    pub async fn open(options: Options) -> Result<Self, options::Error> {
        let limits = options.limits;
        let (requests, queue) = mpsc::channel(limits.queue.max(1));
        let inner = match options.database {
            Database::Postgres { url } => {
                let (lane, readers) = postgres::open(&url, &limits).await?.lane(&limits);
                let inner = Inner::new(&lane, requests, readers);
                tokio::spawn(lane.run(queue));
                inner
            }
            #[cfg(feature = "simulation")]
            Database::Simulated { path, disk } => {
                let opened = sqlite::open(Database::Simulated { path, disk: Arc::clone(&disk) }, &limits)?;
                let (lane, readers) = opened.on(disk).lane(&limits);
                let inner = Inner::new(&lane, requests, readers);
                *inner.task.lock() = Some(tokio::spawn(lane.run(queue)));
                inner
            }
            local => {
                let opened = tokio::task::spawn_blocking(move || sqlite::open(local, &limits)).await;
                let opened = opened.map_err(|error| options::Error::Unavailable(error.to_string()))??;
                let (lane, readers) = opened.lane(&limits);
                let inner = Inner::new(&lane, requests, readers);
                // A thread of its own: statements of a connection that stays on one core cost a tenth of those that hop.
                let thread = thread::Builder::new()
                    .name("store-lane".to_owned())
                    .spawn(move || futures::executor::block_on(lane.run(queue)))
                    .map_err(|error| options::Error::Unavailable(error.to_string()))?;
                *inner.thread.lock() = Some(thread);
                inner
            }
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Hands over a change set and returns when it is durable. A full queue makes the caller wait.
    ///
    /// A caller that stops waiting does not take the set back.
    ///
    /// # Errors
    /// See [`Error`]; unless it is [`Error::Unknown`], nothing of the set was written.
    pub async fn submit(&self, changes: ChangeSet) -> Result<Committed, Error> {
        if changes.is_empty() {
            return Ok(Committed::default());
        }
        let (answer, committed) = oneshot::channel();
        self.inner.requests.send(Request::Submit(changes, answer)).await.map_err(|_| Error::Closed)?;
        committed.await.map_err(|_| Error::Closed)?
    }

    /// Why the last commit failed, unless the database has taken one since.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.inner.health.read().clone()
    }

    /// Reads of a namespace by its local name.
    #[must_use]
    pub fn read<'a>(&'a self, namespace: &'a str) -> Read<'a> {
        Read::new(&self.inner.readers, namespace, &self.inner.namespaces)
    }

    /// An entry of the ordered key-value table.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kv_get(&self, namespace: &str, space: u8, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.read(namespace).kv(space, key).await
    }

    /// Those entries of the ordered key-value table that have one of these keys, in any order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kv_many(
        &self,
        namespace: &str,
        space: u8,
        keys: &[Vec<u8>],
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.read(namespace).kv_many(space, keys).await
    }

    /// Entries of the ordered key-value table in the order of their keys: from `from` up to and without `to`, at most
    /// `limit`. Without `to` up to the end of the space.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kv_range(
        &self,
        namespace: &str,
        space: u8,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.read(namespace).kv_range(space, from, to, limit).await
    }

    /// As [`Store::kv_range`], for many ranges at once: the entries of each, at most `limit` of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kv_ranges(
        &self,
        namespace: &str,
        space: u8,
        ranges: &[(Vec<u8>, Vec<u8>)],
        limit: usize,
    ) -> Result<Vec<Vec<(Vec<u8>, Vec<u8>)>>, Error> {
        self.read(namespace).kv_ranges(space, ranges, limit).await
    }

    /// Entries of the ordered key-value table whose keys begin with `prefix`, in their order, at most `limit`; behind
    /// the key `after` when it is given.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kv_scan(
        &self,
        namespace: &str,
        space: u8,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.read(namespace).kv_scan(space, prefix, after, limit).await
    }

    /// The highest key of the ordered key-value table that begins with `prefix`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kv_last(&self, namespace: &str, space: u8, prefix: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.read(namespace).kv_last(space, prefix).await
    }

    /// The namespaces whose record was written, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        self.inner.readers.namespaces().await
    }

    /// The events of a namespace from the next commit on.
    #[must_use]
    pub fn feed(&self, namespace: &str) -> Feed {
        self.inner.feeds.subscribe(namespace)
    }

    /// The records of a namespace that come, change and go, from the next commit on.
    #[must_use]
    pub fn watch(&self, namespace: &str) -> Feed<Noted> {
        self.inner.notes.subscribe(namespace)
    }

    /// Commits what was submitted before, ends the lane and all feeds, and gives the database back. Every handle of the
    /// store is useless afterwards.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.inner.requests.send(Request::Close(done)).await.is_ok() {
            // The lane drops the sender only when it ends.
            let _ended = closed.await;
        }
        let thread = self.inner.thread.lock().take();
        if let Some(thread) = thread {
            // A lane that panicked has been reported by its panic, and its submitters have had errors.
            let _joined = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.inner.readers.close().await;
    }

    /// Ends the store as the end of its process would: a commit that is under way does not happen, and what waits for one
    /// is lost. Nobody is told.
    #[cfg(feature = "simulation")]
    pub async fn abandon(&self) {
        let task = self.inner.task.lock().take();
        if let Some(task) = task {
            task.abort();
            // It ends with an error, which is what was asked for.
            let _aborted = task.await;
        }
        self.inner.readers.close().await;
    }
}
