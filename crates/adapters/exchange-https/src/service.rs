//! The data exchange as a node runs it, and as the rest of the node uses it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, OnceLock, atomic::AtomicBool, atomic::Ordering},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use photinus_ports::{
    blobs::BlobStore,
    clock::Clock,
    exchange::{
        self, BlobParcel, BlobTraffic, CertificateState, DataExchange, MessageParcel, Receipt, Receiver, Route,
    },
    health::Health,
    peers::{self, Parcel, PeerId, PeerService, Peers},
    receivers::Receivers,
};
use rustls::ServerConfig;
use serde_json::{Map, Value};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    Endpoint, Error, Identity, Options, answer, call,
    delivery::{self, blob::Partials, route},
    listener,
    profile::{self, Profile},
    shared::Shared,
    tls,
    traffic::Traffic,
    trust::{Added, Trust},
};

/// How long the tasks of a stopping data exchange are waited for.
const FAREWELL: Duration = Duration::from_secs(5);
/// The file of known peers in the data folder.
const PEERS_FILE: &str = "peers.json";
/// The folder of blobs that are arriving, in the data folder.
const INCOMING: &str = "incoming";
/// How often abandoned blobs are looked for.
const SWEEP: Duration = Duration::from_secs(3600);

/// A data exchange that has its port and its peers, and waits to be run.
pub struct Service {
    shared: Arc<Shared>,
    listener: TcpListener,
    config: ServerConfig,
    address: SocketAddr,
    stop: DropGuard,
}

/// How the node uses its data exchange: who it is, whom it trusts, and calls to them. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Service {
    /// Loads or makes the certificate, reads the known peers, and takes the port. Begins to connect to peers.
    ///
    /// # Errors
    /// When files, certificate, configuration or address cannot be used.
    pub async fn bind(options: Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|source| Error::Listen { address: options.listen, source })?;
        Self::on(listener, options, clock)
    }

    /// The same on a port that was taken already; `options.listen` is of no effect.
    ///
    /// # Errors
    /// As for [`Service::bind`].
    pub fn on(listener: TcpListener, options: Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let address = listener.local_addr().map_err(|source| Error::Listen { address: options.listen, source })?;
        let endpoint = options.endpoint.clone().unwrap_or_else(|| Endpoint::of(address));
        std::fs::create_dir_all(&options.dir).map_err(|source| Error::File { path: options.dir.clone(), source })?;
        let mut identity = match &options.given {
            Some(files) => Identity::load(files, &options.id)?,
            None => Identity::load_or_create(&options.dir, &options.id, endpoint.host())?,
        };
        if let Some(next) = &options.next {
            identity.announce(next)?;
        }
        let peers = options.dir.join(PEERS_FILE);
        let trust = Trust::open(&peers, identity.id(), identity.fingerprint(), &options.bootstrap, options.grace)?;
        let trust = Arc::new(trust);
        let incoming = options.dir.join(INCOMING);
        let partials = Partials::open(incoming.clone(), tls::seconds(&*clock));
        let partials = partials.map_err(|source| Error::File { path: incoming, source })?;
        let config = tls::server(&identity, &trust, &clock)?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            identity,
            endpoint,
            limits: options.limits,
            trust,
            clock,
            services: RwLock::new(HashMap::new()),
            receivers: Receivers::default(),
            blobs: OnceLock::new(),
            partials,
            traffic: Traffic::default(),
            links: Mutex::new(HashMap::new()),
            guests: Mutex::new(HashMap::new()),
            changes: watch::Sender::new(0),
            listening: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        });
        shared.dial();
        Ok(Self { shared, listener, config, address, stop: stop.drop_guard() })
    }

    /// The address that is listened on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// For the rest of the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    /// Serves peers until `shutdown`, then ends all connections and tasks.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { shared, listener, config, address, stop } = self;
        tracing::info!(%address, endpoint = %shared.endpoint, fingerprint = %shared.identity.fingerprint(), "listening for peers");
        shared.listening.store(true, Ordering::Release);
        tokio::select! {
            () = listener::run(&shared, listener, config) => {}
            () = sweep(&shared) => {}
            () = shutdown.cancelled() => {}
        }
        shared.listening.store(false, Ordering::Release);
        drop(stop);
        shared.tasks.close();
        if tokio::time::timeout(FAREWELL, shared.tasks.wait()).await.is_err() {
            tracing::warn!("some connections of peers did not end in time");
        }
        // Services and receivers hold this handle, and it holds them.
        shared.services.write().clear();
        shared.receivers.clear();
    }
}

/// Drops abandoned blobs now and then.
async fn sweep(shared: &Arc<Shared>) {
    loop {
        let sweeping = Arc::clone(shared);
        let swept = tokio::task::spawn_blocking(move || sweeping.partials.expire(sweeping.now())).await;
        if let Err(error) = swept {
            tracing::error!(%error, "abandoned blobs stay");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

impl Handle {
    /// Keeps the blobs of peers in this store from now on, and sends those in it. The first one stays.
    pub fn keep_blobs_in(&self, store: Arc<dyn BlobStore>) {
        if self.0.blobs.set(store).is_err() {
            tracing::debug!("this data exchange has its blob store already");
        }
    }

    /// Who this node is to its peers.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The address that peers are told.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Whether calls to a peer can be made now, or why not.
    ///
    /// # Errors
    /// The reason, in words for an operator.
    pub fn reachable(&self, peer: &PeerId) -> Result<(), String> {
        self.0.link(peer).map_or_else(|| Err("not a peer".to_owned()), |link| link.health())
    }
}

#[async_trait]
impl DataExchange for Handle {
    fn plugin_type(&self) -> &str {
        "https"
    }

    async fn profile(&self) -> Result<Map<String, Value>, exchange::Error> {
        Ok(profile::own(&self.0.identity, &self.0.endpoint))
    }

    async fn add_node(
        &self,
        network_namespace: &str,
        node: &str,
        profile: &Map<String, Value>,
    ) -> Result<(), exchange::Error> {
        let profile = Profile::parse(profile)?;
        let (trust, now) = (Arc::clone(&self.0.trust), self.0.now());
        let (network_namespace, node) = (network_namespace.to_owned(), node.to_owned());
        let added = tokio::task::spawn_blocking(move || trust.add(&network_namespace, &node, profile, now))
            .await
            .map_err(|e| exchange::Error::Failed(e.to_string()))??;
        if let Added::Peer(id) = added {
            self.0.dial();
            if let Some(link) = self.0.link(&id) {
                link.wake();
            }
            self.0.changed();
        }
        Ok(())
    }

    fn receive(&self, own_node: &PeerId, receiver: Arc<dyn Receiver>) {
        if route::split(own_node).0 == self.0.identity.id() {
            self.0.receivers.add(own_node, receiver);
        } else {
            tracing::error!(
                node = own_node.0,
                own = self.0.identity.id(),
                "not received for: this is no node of this one"
            );
        }
    }

    async fn send_message(&self, parcel: MessageParcel) -> Result<Receipt, exchange::Error> {
        delivery::message(&self.0, parcel).await
    }

    async fn send_blob(&self, parcel: BlobParcel) -> Result<Receipt, exchange::Error> {
        delivery::blob::send(&self.0, parcel).await
    }

    async fn ask(&self, route: &Route, question: Bytes, limit: u64) -> Result<Bytes, exchange::Error> {
        delivery::ask(&self.0, route, question, limit).await
    }

    fn answers(&self, node: &PeerId) -> Option<bool> {
        let base = route::base(node);
        if base.0 == self.0.identity.id() {
            return Some(true);
        }
        self.0.link(&base).and_then(|link| link.answers())
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        Peers::changes(self)
    }

    fn reachable(&self, node: &PeerId) -> Result<(), String> {
        Handle::reachable(self, &route::base(node))
    }

    fn certificate(&self) -> Option<CertificateState> {
        let ends = u64::try_from(self.0.identity.not_after()).ok()?;
        Some(CertificateState { not_after: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(ends))? })
    }

    fn blob_traffic(&self) -> Option<BlobTraffic> {
        Some(self.0.traffic.read())
    }

    fn health(&self) -> Health {
        if self.0.now() > self.0.identity.not_after() {
            return Health::Down("this node's certificate has expired".to_owned());
        }
        if self.0.listening.load(Ordering::Acquire) {
            Health::Up
        } else {
            Health::Down("not listening for peers".to_owned())
        }
    }
}

#[async_trait]
impl Peers for Handle {
    fn peers(&self) -> Vec<PeerId> {
        self.0.trust.peers()
    }

    async fn call(&self, peer: &PeerId, protocol: &str, request: Parcel) -> Result<Parcel, peers::Error> {
        if !answer::is_protocol(protocol) {
            let reason = format!("'{protocol}' is no protocol name");
            return Err(peers::Error::Refused { peer: peer.0.clone(), reason });
        }
        call::call(&self.0, peer, protocol, request).await
    }

    fn serve(&self, protocol: &str, service: Arc<dyn PeerService>) {
        if answer::is_protocol(protocol) {
            self.0.services.write().insert(protocol.to_owned(), service);
        } else {
            tracing::error!(protocol, "not served: this is no protocol name");
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}
