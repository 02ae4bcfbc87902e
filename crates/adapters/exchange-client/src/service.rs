//! The client as a node runs it, and as the rest of the node uses it.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_ports::{
    blobs::BlobStore,
    exchange::{BlobParcel, CertificateState, DataExchange, Error, MessageParcel, Receipt, Receiver, Route},
    health::Health,
    peers::PeerId,
    receivers::Receivers,
};
use photinus_remote::Remote;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use url::Url;

use crate::{
    Options,
    api::Api,
    arriving::Arriving,
    directory::{Directory, Node, Refused, split},
    pending::Pending,
    sending::{self, Way},
    session, socket,
    uploads::Uploads,
    wire::Ack,
};

/// How long the tasks of a stopping client are waited for.
const FAREWELL: Duration = Duration::from_secs(5);
/// Acknowledgements that may wait: more than the process has events on their way.
const ACKS: usize = 1024;

/// The way to each peer, by its base id.
pub(crate) struct Ways {
    all: Mutex<HashMap<String, Arc<Way>>>,
    messages: usize,
    blobs: usize,
}

impl Ways {
    fn new(messages: usize, blobs: usize) -> Self {
        Self { all: Mutex::default(), messages, blobs }
    }

    pub(crate) fn to(&self, base: &str) -> Arc<Way> {
        let mut all = self.all.lock();
        let way = all.entry(base.to_owned()).or_insert_with(|| Arc::new(Way::new(self.messages, self.blobs)));
        Arc::clone(way)
    }
}

/// What the process says of itself.
#[derive(Clone)]
struct Own {
    id: String,
    profile: Map<String, Value>,
    not_after: Option<SystemTime>,
}

enum Line {
    Up,
    Down(String),
}

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) api: Api,
    pub(crate) events: Url,
    pub(crate) directory: Directory,
    pub(crate) pending: Pending,
    pub(crate) receivers: Receivers,
    pub(crate) arriving: Arriving,
    pub(crate) uploads: Uploads,
    pub(crate) ways: Ways,
    blobs: OnceLock<Arc<dyn BlobStore>>,
    own: Mutex<Option<Own>>,
    line: Mutex<Line>,
    acks: mpsc::Sender<Ack>,
    changes: watch::Sender<u64>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A client that waits to be run.
pub struct Service {
    shared: Arc<Shared>,
    acks: mpsc::Receiver<Ack>,
    stop: DropGuard,
}

/// How the rest of the node uses it. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Service {
    /// Gets ready. Nothing is connected before it is run.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(options: Options) -> Result<Self, photinus_remote::Error> {
        let api = Api::new(Remote::new(&options.remote)?);
        let events = socket::address(api.remote().url(), options.events_url.as_deref(), &options.events_path)?;
        let (told, acks) = mpsc::channel(ACKS);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            api,
            events,
            directory: Directory::default(),
            pending: Pending::default(),
            receivers: Receivers::default(),
            arriving: Arriving::new(options.blobs),
            uploads: Uploads::default(),
            ways: Ways::new(options.messages_per_peer, options.blobs),
            blobs: OnceLock::new(),
            own: Mutex::default(),
            line: Mutex::new(Line::Down("it is not connected to yet".to_owned())),
            acks: told,
            changes: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            options,
        });
        Ok(Self { shared, acks, stop: stop.drop_guard() })
    }

    /// For the rest of the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    /// Stays connected until `shutdown`. What has not been acknowledged then is sent again to the next client.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { shared, acks, stop } = self;
        tokio::select! {
            () = session::run(&shared, acks) => {}
            () = shutdown.cancelled() => {}
        }
        shared.went_down("its client has stopped");
        drop(stop);
        shared.tasks.close();
        if tokio::time::timeout(FAREWELL, shared.tasks.wait()).await.is_err() {
            tracing::warn!("some deliveries of the data exchange did not end in time");
        }
        // Receivers hold what holds this.
        shared.receivers.clear();
    }
}

impl Shared {
    pub(crate) fn own(&self) -> Option<String> {
        self.own.lock().as_ref().map(|own| own.id.clone())
    }

    /// Takes note of who the process is.
    pub(crate) fn is(&self, id: &str, profile: Map<String, Value>, not_after: Option<SystemTime>) {
        *self.own.lock() = Some(Own { id: id.to_owned(), profile, not_after });
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.line.lock(), Line::Up)
    }

    /// Why it is not connected, in words for an operator.
    pub(crate) fn trouble(&self) -> String {
        match &*self.line.lock() {
            Line::Up => "the data exchange does not say who it is".to_owned(),
            Line::Down(reason) => {
                format!("the data exchange at {} is not connected: {reason}", self.api.remote().url())
            }
        }
    }

    pub(crate) fn went_up(&self) {
        tracing::info!(url = %self.api.remote().url(), "connected to the data exchange");
        *self.line.lock() = Line::Up;
        self.changed();
    }

    pub(crate) fn went_down(&self, reason: &str) {
        *self.line.lock() = Line::Down(reason.to_owned());
        self.pending.give_up(&format!("the data exchange was gone in between: {reason}"));
        self.changed();
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) async fn acknowledge(&self, ack: Ack) {
        // Without a connection the event comes again, and is acknowledged then.
        let _ = self.acks.send(ack).await;
    }

    pub(crate) fn blob_store(&self) -> Result<Arc<dyn BlobStore>, String> {
        self.blobs.get().cloned().ok_or_else(|| "this node keeps no blobs, or not yet".to_owned())
    }

    /// Runs a task until it ends or the client stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

impl Handle {
    /// Keeps the blobs of peers in this store from now on, and sends those in it. The first one stays.
    pub fn keep_blobs_in(&self, store: Arc<dyn BlobStore>) {
        if self.0.blobs.set(store).is_err() {
            tracing::debug!("this data exchange has its blob store already");
        }
    }
}

#[async_trait]
impl DataExchange for Handle {
    fn plugin_type(&self) -> &str {
        "ffdx"
    }

    async fn profile(&self) -> Result<Map<String, Value>, Error> {
        let own = self.0.own.lock().clone();
        own.map(|own| own.profile).ok_or_else(|| Error::Failed(self.0.trouble()))
    }

    async fn add_node(&self, _network_namespace: &str, _node: &str, profile: &Map<String, Value>) -> Result<(), Error> {
        let node = Node::parse(profile)?;
        let own = self.0.own().filter(|_| self.0.is_up()).ok_or_else(|| Error::Failed(self.0.trouble()))?;
        let told = self.0.directory.add(&self.0.api, &own, node).await;
        told.map_err(|refused| match refused {
            Refused::Profile(reason) => Error::InvalidProfile(reason),
            Refused::Later(reason) => Error::Failed(format!("data exchange: {reason}")),
        })?;
        self.0.changed();
        Ok(())
    }

    fn receive(&self, own_node: &PeerId, receiver: Arc<dyn Receiver>) {
        self.0.receivers.add(own_node, receiver);
    }

    async fn send_message(&self, parcel: MessageParcel) -> Result<Receipt, Error> {
        sending::message(&self.0, parcel).await
    }

    async fn send_blob(&self, parcel: BlobParcel) -> Result<Receipt, Error> {
        sending::blob(&self.0, parcel).await
    }

    async fn ask(&self, route: &Route, _question: Bytes, _limit: u64) -> Result<Bytes, Error> {
        let reason = "FireFly's data exchange carries no questions".to_owned();
        Err(Error::Refused { peer: route.to.0.clone(), reason })
    }

    fn answers(&self, _node: &PeerId) -> Option<bool> {
        // Nobody can be asked by this way, whatever there is at its other end.
        Some(false)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn reachable(&self, node: &PeerId) -> Result<(), String> {
        if !self.0.is_up() {
            return Err(self.0.trouble());
        }
        if !self.0.directory.knows(&node.0) {
            return Err("not a peer".to_owned());
        }
        self.0.ways.to(split(&node.0).0).trouble().map_or(Ok(()), Err)
    }

    fn certificate(&self) -> Option<CertificateState> {
        let not_after = self.0.own.lock().as_ref()?.not_after?;
        Some(CertificateState { not_after })
    }

    fn health(&self) -> Health {
        if !self.0.is_up() {
            return Health::Down(self.0.trouble());
        }
        match self.0.arriving.pressure() {
            Some(waiting) => {
                Health::Down(format!("{waiting} events wait because no namespace takes them yet; see the log"))
            }
            None => Health::Up,
        }
    }
}
