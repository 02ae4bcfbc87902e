//! A network of nodes in one process: authenticated calls without sockets, with faults on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use photinus_ports::{
    peers::{Error, Parcel, PeerId, PeerService, Peers},
    storage::SharedStorage,
    stream,
};
use photinus_storage_local::{
    Options,
    shared::{Handle, Service},
};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

#[derive(Default)]
struct State {
    services: BTreeMap<(PeerId, String), Arc<dyn PeerService>>,
    cut: BTreeSet<PeerId>,
    calls: BTreeMap<PeerId, usize>,
}

/// The wires between nodes.
#[derive(Clone, Default)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    changes: watch::Sender<u64>,
}

impl Network {
    /// The peers as a node of that name sees them.
    pub(crate) fn seat(&self, name: &str) -> Arc<Seat> {
        Arc::new(Seat { network: self.clone(), id: PeerId(name.to_owned()) })
    }

    /// Makes a node unreachable, and not able to reach others.
    pub(crate) fn cut(&self, name: &str) {
        self.state.lock().cut.insert(PeerId(name.to_owned()));
    }

    /// Ends that.
    pub(crate) fn mend(&self, name: &str) {
        self.state.lock().cut.remove(&PeerId(name.to_owned()));
        self.changes.send_modify(|n| *n += 1);
    }

    /// Calls that a node has answered.
    pub(crate) fn calls_to(&self, name: &str) -> usize {
        self.state.lock().calls.get(&PeerId(name.to_owned())).copied().unwrap_or_default()
    }

    /// A node with a shared storage.
    pub(crate) fn node(&self, name: &str) -> Node {
        self.node_with(name, |_| ())
    }

    pub(crate) fn node_with(&self, name: &str, set: impl FnOnce(&mut Options)) -> Node {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path());
        options.wait = Duration::from_secs(5);
        set(&mut options);
        self.node_on(name, dir, options)
    }

    /// A node on an existing folder.
    pub(crate) fn node_on(&self, name: &str, dir: tempfile::TempDir, options: Options) -> Node {
        let service = Service::open(options.clone(), self.seat(name)).unwrap();
        let storage = service.handle();
        let stop = CancellationToken::new();
        let running = tokio::spawn(service.run(stop.clone()));
        Node { storage, dir, options, running, stop: stop.drop_guard() }
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) storage: Handle,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) options: Options,
    running: tokio::task::JoinHandle<()>,
    stop: DropGuard,
}

impl Node {
    /// Stops it and gives its folder.
    pub(crate) async fn stop(self, network: &Network, name: &str) -> (tempfile::TempDir, Options) {
        drop(self.stop);
        self.running.await.unwrap();
        drop(self.storage);
        network.state.lock().services.retain(|(id, _), _| id.0 != name);
        (self.dir, self.options)
    }

    /// Reads a content whole.
    pub(crate) async fn read(&self, reference: &str) -> Vec<u8> {
        let content = self.storage.download(reference, 1 << 30).await.unwrap();
        stream::collect(content, 1 << 30).await.unwrap().to_vec()
    }
}

/// One node's view of the network.
pub(crate) struct Seat {
    network: Network,
    id: PeerId,
}

#[async_trait]
impl Peers for Seat {
    fn peers(&self) -> Vec<PeerId> {
        let state = self.network.state.lock();
        let all: BTreeSet<_> = state.services.keys().map(|(id, _)| id.clone()).collect();
        all.into_iter().filter(|id| *id != self.id).collect()
    }

    async fn call(&self, peer: &PeerId, protocol: &str, request: Parcel) -> Result<Parcel, Error> {
        let service = {
            let mut state = self.network.state.lock();
            if state.cut.contains(peer) || state.cut.contains(&self.id) {
                return Err(Error::Unreachable { peer: peer.0.clone(), reason: "cut".to_owned() });
            }
            *state.calls.entry(peer.clone()).or_default() += 1;
            state.services.get(&(peer.clone(), protocol.to_owned())).cloned()
        };
        let service = service.ok_or_else(|| Error::UnknownPeer(peer.0.clone()))?;
        let refused = |reason| Error::Refused { peer: peer.0.clone(), reason };
        service.call(&self.id, request).await.map_err(refused)
    }

    fn serve(&self, protocol: &str, service: Arc<dyn PeerService>) {
        self.network.state.lock().services.insert((self.id.clone(), protocol.to_owned()), service);
        self.network.changes.send_modify(|n| *n += 1);
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.network.changes.subscribe()
    }
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

/// Files below a folder, without locks.
pub(crate) fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "lock" {
                found.push(path);
            }
        }
    }
    found
}
