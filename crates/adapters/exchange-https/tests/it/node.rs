//! A running data exchange, and services for it to serve.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use photinus_exchange_https::{Bootstrap, Endpoint, Handle, Identity, Options, Service};
use photinus_model::Time;
use photinus_ports::{
    clock::{self, Clock},
    exchange::DataExchange,
    peers::{Error, Parcel, PeerId, PeerService, Peers},
    stream,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A clock that tests move: the machine's, plus some seconds.
#[derive(Default)]
pub(crate) struct Shifted(AtomicI64);

impl Shifted {
    pub(crate) fn move_by(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Time {
        let shift = self.0.load(Ordering::SeqCst) * 1_000_000_000;
        Time::from_unix_nanos(clock::System.now().as_unix_nanos() + shift)
    }
}

pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) options: Options,
    pub(crate) clock: Arc<Shifted>,
    running: tokio::task::JoinHandle<()>,
    stop: DropGuard,
}

impl Node {
    pub(crate) async fn new(id: &str) -> Self {
        Self::with(id, |_| ()).await
    }

    pub(crate) async fn with(id: &str, set: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("exchange"), id);
        options.limits.max_back_off = Duration::from_millis(200);
        set(&mut options);
        Self::on(dir, options).await
    }

    pub(crate) async fn on(dir: tempfile::TempDir, mut options: Options) -> Self {
        let clock = Arc::new(Shifted::default());
        let service = Service::bind(options.clone(), Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        // A restart comes back at the same address.
        options.listen = service.address();
        let handle = service.handle();
        let stop = CancellationToken::new();
        let running = tokio::spawn(service.run(stop.clone()));
        Self { handle, dir, options, clock, running, stop: stop.drop_guard() }
    }

    /// Stops it, and gives what a restart needs.
    pub(crate) async fn stop(self) -> (tempfile::TempDir, Options) {
        drop(self.stop);
        self.running.await.unwrap();
        (self.dir, self.options)
    }

    pub(crate) fn id(&self) -> PeerId {
        PeerId(self.handle.identity().id().to_owned())
    }

    /// Learns of another node as the ledger would tell it.
    pub(crate) async fn learn(&self, other: &Self) {
        let mut profile = other.handle.profile().await.unwrap();
        profile.insert("id".to_owned(), format!("{}/node", other.id().0).into());
        self.handle.add_node("net", &format!("node_{}", other.id().0), &profile).await.unwrap();
    }

    pub(crate) fn bootstrap(&self) -> Bootstrap {
        Bootstrap {
            endpoint: self.handle.endpoint().clone(),
            fingerprint: self.handle.identity().fingerprint(),
            id: None,
        }
    }

    /// Calls another node's service with a head, and gives the head of the answer.
    pub(crate) async fn ask(&self, other: &Self, protocol: &str, head: &str) -> Result<Bytes, Error> {
        let request = Parcel { head: Bytes::copy_from_slice(head.as_bytes()), body: stream::once(Bytes::new()) };
        self.handle.call(&other.id(), protocol, request).await.map(|answer| answer.head)
    }

    /// Waits until another node can be called.
    pub(crate) async fn reaches(&self, other: &Self) {
        until("the peer is reachable", || self.handle.reachable(&other.id()).is_ok()).await;
    }
}

/// Two nodes that know each other and are connected.
pub(crate) async fn pair(set: impl Fn(&mut Options)) -> (Node, Node) {
    let (a, b) = (Node::with("org_a", &set).await, Node::with("org_b", &set).await);
    a.learn(&b).await;
    b.learn(&a).await;
    a.reaches(&b).await;
    b.reaches(&a).await;
    (a, b)
}

/// An address nobody listens on, and a certificate made before its node's first start.
pub(crate) fn prepared(id: &str) -> (tempfile::TempDir, Options, Bootstrap) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().join("exchange"), id);
    options.limits.max_back_off = Duration::from_millis(200);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    options.listen = free.local_addr().unwrap();
    let identity = Identity::load_or_create(&options.dir, id, "127.0.0.1").unwrap();
    let endpoint = Endpoint::of(options.listen);
    (dir, options, Bootstrap { endpoint, fingerprint: identity.fingerprint(), id: None })
}

/// Waits until something holds, and fails when it does not within ten seconds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect(what);
}

/// Answers with who called and what the head was, and gives the body back.
#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) calls: AtomicUsize,
}

#[async_trait]
impl PeerService for Echo {
    async fn call(&self, from: &PeerId, request: Parcel) -> Result<Parcel, String> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if request.head == "refuse" {
            return Err("because it was asked to".to_owned());
        }
        let head = format!("{}:{}", from.0, String::from_utf8_lossy(&request.head)).into();
        Ok(Parcel { head, body: request.body })
    }
}

/// Counts the bytes of a body before it answers; answers what went wrong.
#[derive(Default)]
pub(crate) struct Sink;

#[async_trait]
impl PeerService for Sink {
    async fn call(&self, _from: &PeerId, request: Parcel) -> Result<Parcel, String> {
        use futures::StreamExt;
        let mut body = request.body;
        let mut total = 0;
        while let Some(chunk) = body.next().await {
            total += chunk.map_err(|e| e.to_string())?.len();
        }
        Ok(Parcel { head: total.to_string().into(), body: stream::once(Bytes::new()) })
    }
}

/// Answers when it is told to.
pub(crate) struct Gate {
    pub(crate) open: tokio::sync::watch::Sender<bool>,
    pub(crate) entered: AtomicUsize,
}

impl Gate {
    pub(crate) fn closed() -> Arc<Self> {
        Arc::new(Self { open: tokio::sync::watch::Sender::new(false), entered: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl PeerService for Gate {
    async fn call(&self, _from: &PeerId, _request: Parcel) -> Result<Parcel, String> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        self.open.subscribe().wait_for(|open| *open).await.map_err(|e| e.to_string())?;
        Ok(Parcel { head: Bytes::from_static(b"open"), body: stream::once(Bytes::new()) })
    }
}
