//! FireFly's data exchange, as far as its client and its peers see it: a small server that answers as the real one was seen to.
//!
//! Between two of them there is no network but a function call, unless they are put [on the wire](Sidecar::on_the_wire). What the
//! real one loses when it falls over, this one loses too: messages under way, and events that were not acknowledged. Peers,
//! destinations and blobs are on its disk.

mod api;
mod events;
mod wire;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use axum::body::Bytes;
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{Notify, mpsc},
};

use self::events::{Events, Outgoing};
pub use self::wire::Papers;

/// Who listens at which endpoint.
#[derive(Clone, Default)]
pub struct Wires(Arc<Mutex<HashMap<String, Weak<Process>>>>);

impl Wires {
    fn at(&self, endpoint: &str) -> Option<Arc<Process>> {
        self.0.lock().get(endpoint).and_then(Weak::upgrade)
    }
}

#[derive(Clone, Default)]
struct Peer {
    endpoint: String,
    destinations: Vec<String>,
}

/// What survives.
#[derive(Default)]
pub struct Disk {
    peers: Mutex<Vec<(String, Peer)>>,
    destinations: Mutex<Vec<String>>,
    /// Certificates of peers, by base id.
    pub certificates: Mutex<HashMap<String, String>>,
    /// Contents by path.
    pub blobs: Mutex<HashMap<String, Bytes>>,
}

impl Disk {
    /// Endpoint and destinations of a peer.
    pub fn listed(&self, base: &str) -> Option<(String, Vec<String>)> {
        let peers = self.peers.lock();
        peers.iter().find(|(id, _)| id == base).map(|(_, peer)| (peer.endpoint.clone(), peer.destinations.clone()))
    }
}

/// What is said of it besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// It says of messages and blobs that were delivered what the other node acknowledged, as other makers' do. Not on the wire.
    pub acknowledges: bool,
    /// It wants to be told of all nodes at first.
    pub init: bool,
}

/// What runs, until it falls over.
pub struct Process {
    id: String,
    endpoint: String,
    certificate: String,
    papers: Option<Papers>,
    disk: Arc<Disk>,
    wires: Wires,
    manners: Manners,
    events: Mutex<Events>,
    outbox: mpsc::UnboundedSender<Outgoing>,
    /// Manifests that its client said, by event.
    pub acknowledged: Mutex<Vec<(String, Option<String>)>>,
    acks: Notify,
    /// What its client had delivered: sender, recipient and message.
    pub sent: Mutex<Vec<[String; 3]>>,
    /// One more than the nodes that its client told it of at first; nothing until it did.
    pub initialised: Mutex<usize>,
}

/// A data exchange that can fall over.
pub struct Sidecar {
    id: String,
    /// What it keeps.
    pub disk: Arc<Disk>,
    address: SocketAddr,
    manners: Manners,
    wires: Wires,
    /// Where its peers reach it, and who it is to them, if it is on the wire.
    peers: Option<(SocketAddr, Papers)>,
    running: Option<(Runtime, Arc<Process>)>,
}

/// An address that was free a moment ago.
fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Takes an address as soon as it can be had: who had it before may not be gone yet.
async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

impl Sidecar {
    /// One that reaches the others on the same wires.
    pub fn new(id: &str, wires: &Wires, manners: Manners) -> Self {
        Self::with(id, wires, manners, None)
    }

    /// One that is reached by, and reaches, whoever speaks the protocol of the real one.
    pub fn on_the_wire(id: &str, papers: Papers) -> Self {
        Self::with(id, &Wires::default(), Manners::default(), Some((free(), papers)))
    }

    fn with(id: &str, wires: &Wires, manners: Manners, peers: Option<(SocketAddr, Papers)>) -> Self {
        let (id, wires) = (id.to_owned(), wires.clone());
        let mut sidecar = Self { id, disk: Arc::default(), address: free(), manners, wires, peers, running: None };
        sidecar.start();
        sidecar
    }

    /// Where its client finds it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What runs now.
    pub fn process(&self) -> &Arc<Process> {
        &self.running.as_ref().unwrap().1
    }

    /// Starts it with what it has on its disk.
    pub fn start(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (outbox, work) = mpsc::unbounded_channel();
        let endpoint = match &self.peers {
            Some((address, _)) => format!("https://{address}"),
            None => format!("https://{}.example:3001", self.id),
        };
        let papers = self.peers.as_ref().map(|(_, papers)| papers.clone());
        let certificate = papers.as_ref().map_or(include_str!("certificate.pem"), |papers| &papers.certificate);
        let process = Arc::new(Process {
            id: self.id.clone(),
            endpoint: endpoint.clone(),
            certificate: certificate.to_owned(),
            papers,
            disk: Arc::clone(&self.disk),
            wires: self.wires.clone(),
            manners: self.manners,
            events: Mutex::default(),
            outbox,
            acknowledged: Mutex::default(),
            acks: Notify::new(),
            sent: Mutex::default(),
            initialised: Mutex::default(),
        });
        self.wires.0.lock().insert(endpoint, Arc::downgrade(&process));
        let (address, server) = (self.address, Arc::clone(&process));
        runtime.spawn(async move { axum::serve(bind(address).await, api::router(server)).await });
        runtime.spawn(Arc::clone(&process).send(work));
        if let Some((address, papers)) = self.peers.clone() {
            runtime.spawn(wire::listen(Arc::clone(&process), address, papers));
        }
        self.running = Some((runtime, process));
    }

    /// Falls over: its connections break, and what is in its memory is gone.
    pub fn stop(&mut self) {
        if let Some((runtime, process)) = self.running.take() {
            self.wires.0.lock().remove(&process.endpoint);
            runtime.shutdown_background();
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop();
    }
}
