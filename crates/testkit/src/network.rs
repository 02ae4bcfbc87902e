//! A network of members in one process, each on a runtime of its own, so that a test can crash one.

use std::{future::Future, sync::Arc, time::Duration};

use photinus_engine::{Namespace, Options, Ports, options};
use photinus_model::{event::Event, identity::Identity};
use photinus_ports::{blockchain::FirstEvent, clock, ids, peers::PeerId};
use photinus_store::Store;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    blobs::Blobs,
    endpoints::Endpoints,
    exchange::{Exchange, Fabric},
    ledger, storage,
};

/// Name of the namespace on every member.
pub const NAMESPACE: &str = "default";

/// How long a test waits for anything before it fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Members that share a ledger and a storage.
pub struct Network {
    /// The ledger.
    pub ledger: Arc<ledger::Ledger>,
    /// The storage.
    pub storage: Arc<storage::Storage>,
    /// The wires between the members.
    pub fabric: Arc<Fabric>,
    /// The members, in the order of their names.
    pub members: Vec<Member>,
}

/// One member: what survives a crash, and what runs.
pub struct Member {
    /// Its place in the network.
    pub index: usize,
    /// Its access to the ledger.
    pub chain: Arc<ledger::Member>,
    /// Its access to the storage.
    pub storage: Arc<storage::Member>,
    /// Its files.
    pub blobs: Arc<Blobs>,
    /// Its data exchange.
    pub exchange: Arc<Exchange>,
    /// The applications that it calls.
    pub endpoints: Arc<Endpoints>,
    /// Its database.
    pub store: Store,
    /// What its namespace is started with.
    pub options: Options,
    running: Option<(Runtime, Namespace)>,
}

/// Signing key of the member with this index.
#[must_use]
pub fn key(index: usize) -> String {
    format!("0x{:040x}", 0xa000 + index)
}

/// Data exchange id of the node of the member with this index.
#[must_use]
pub fn peer(index: usize) -> PeerId {
    PeerId(format!("peer_{index}/node_{index}"))
}

/// A second signing key that the member with this index holds.
#[must_use]
pub fn spare_key(index: usize) -> String {
    format!("0x{:040x}", 0xb000 + index)
}

impl Network {
    /// Starts `count` members whose organisations and nodes are not registered.
    ///
    /// # Panics
    /// When a member cannot be started.
    pub async fn start(count: usize) -> Self {
        let mut stores = Vec::with_capacity(count);
        for _ in 0..count {
            stores.push(Store::open(photinus_store::Options::temporary()).await.expect("a temporary store opens"));
        }
        Self::start_on(stores, |_| {}).await
    }

    /// Starts a member on each of these stores, with options of the test's choice.
    ///
    /// # Panics
    /// When a member cannot be started.
    pub async fn start_on(stores: Vec<Store>, choose: impl Fn(&mut Options)) -> Self {
        let (ledger, storage, fabric) = (ledger::Ledger::new(), storage::Storage::new(), Fabric::new());
        let mut members = Vec::with_capacity(stores.len());
        for (index, store) in stores.into_iter().enumerate() {
            let mut member = Member::new(index, store, &ledger, &storage, &fabric);
            choose(&mut member.options);
            members.push(member);
        }
        for member in &mut members {
            member.start().await;
        }
        Self { ledger, storage, fabric, members }
    }

    /// Starts `count` members and registers their organisations and nodes, one after the other.
    ///
    /// # Panics
    /// When that does not succeed.
    pub async fn registered(count: usize) -> Self {
        let network = Self::start(count).await;
        network.register().await;
        network
    }

    /// Registers every member's organisation and node, one after the other, and waits until every member knows all of them.
    ///
    /// # Panics
    /// When that does not succeed.
    pub async fn register(&self) {
        let mut nodes = Vec::with_capacity(self.members.len());
        for member in &self.members {
            nodes.push(member.register().await.1.did);
        }
        for member in &self.members {
            let nodes = &nodes;
            member
                .until("all nodes are known", |store| async move {
                    let read = store.read(NAMESPACE);
                    for node in nodes {
                        if read.identity_by_did(node).await.expect("identities are read").is_none() {
                            return false;
                        }
                    }
                    true
                })
                .await;
        }
    }

    /// Stops every member in order.
    pub async fn stop(mut self) {
        for member in &mut self.members {
            member.stop().await;
        }
    }
}

impl Member {
    fn new(
        index: usize,
        store: Store,
        ledger: &Arc<ledger::Ledger>,
        storage: &Arc<storage::Storage>,
        fabric: &Arc<Fabric>,
    ) -> Self {
        let (key, spare) = (key(index), spare_key(index));
        let mut options = Options::new(NAMESPACE);
        options.org =
            options::Organization { name: format!("org_{index}"), key: Some(key.clone()), description: String::new() };
        options.node = options::Node { name: format!("node_{index}"), description: String::new() };
        options.contracts = vec![options::Contract {
            location: json!({ "address": ledger::CONTRACT }),
            first_event: FirstEvent::Oldest,
        }];
        let quick =
            options::Retry { initial: Duration::from_millis(5), maximum: Duration::from_millis(50), factor: 2.0 };
        options.retry = quick;
        options.download.retry = quick;
        options.delivery.retry = quick;
        let blobs: Arc<Blobs> = Arc::default();
        Self {
            index,
            chain: ledger.member(&format!("member_{index}"), &[&key, &spare]),
            storage: storage.member(),
            exchange: fabric.member(&format!("peer_{index}"), Arc::clone(&blobs)),
            blobs,
            endpoints: Arc::default(),
            store,
            options,
            running: None,
        }
    }

    /// Starts its namespace.
    ///
    /// # Panics
    /// When it runs already, or cannot be started.
    pub async fn start(&mut self) {
        self.try_start().await.expect("the namespace starts");
    }

    /// Starts its namespace, which may refuse.
    ///
    /// # Errors
    /// When it does.
    ///
    /// # Panics
    /// When it runs already.
    pub async fn try_start(&mut self) -> Result<(), photinus_engine::namespace::Error> {
        assert!(self.running.is_none(), "member {} runs already", self.index);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("member {}", self.index))
            .enable_all()
            .build()
            .expect("a runtime starts");
        let ports = Ports {
            blockchain: self.chain.clone(),
            storage: self.storage.clone(),
            exchange: self.exchange.clone(),
            blobs: self.blobs.clone(),
            webhooks: Some(self.endpoints.clone()),
            clock: Arc::new(clock::System),
            ids: Arc::new(ids::Random),
        };
        let (options, store) = (self.options.clone(), self.store.clone());
        let started = runtime.spawn(Namespace::start(options, ports, store)).await.expect("starting does not panic");
        match started {
            Ok(namespace) => {
                self.running = Some((runtime, namespace));
                Ok(())
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// The running namespace.
    ///
    /// # Panics
    /// When the member is down.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.running.as_ref().expect("the member runs").1
    }

    /// Stops its namespace in order.
    pub async fn stop(&mut self) {
        self.exchange.detach();
        if let Some((runtime, namespace)) = self.running.take() {
            let stopped = runtime.spawn(async move { namespace.stop().await });
            stopped.await.expect("stopping does not panic");
            // Connections to a database end with the runtime that opened them; the next start must find them closed.
            let gone = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(DEADLINE));
            gone.await.expect("a runtime ends");
        }
    }

    /// Drops everything that runs, wherever it stands. What was handed to the store stays.
    ///
    /// # Panics
    /// When something goes on running.
    pub async fn crash(&mut self) {
        self.exchange.detach();
        if let Some((runtime, _)) = self.running.take() {
            // A task that computes at this moment runs to its next wait; nothing may start beside it.
            let gone = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(DEADLINE));
            gone.await.expect("a runtime ends");
        }
    }

    /// Registers its organisation and its node.
    ///
    /// # Panics
    /// When that does not succeed.
    pub async fn register(&self) -> (Identity, Identity) {
        let namespace = self.namespace();
        let org = namespace.register_organization(Some(DEADLINE)).await.expect("the organisation is registered");
        let node = namespace.register_node(Some(DEADLINE)).await.expect("the node is registered");
        (org, node)
    }

    /// Waits until the store fulfils a condition; looks again after each commit.
    ///
    /// # Panics
    /// When it does not within [`DEADLINE`].
    pub async fn until<F, Fut>(&self, what: &str, mut condition: F)
    where
        F: FnMut(Store) -> Fut,
        Fut: Future<Output = bool>,
    {
        let waiting = async {
            let mut commits = self.store.feed(NAMESPACE);
            while !condition(self.store.clone()).await {
                // Commits that carry no event are looked for by the clock.
                let _ = tokio::time::timeout(Duration::from_millis(50), commits.next()).await;
            }
        };
        let done = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(done.is_ok(), "member {}: {what} did not happen in time", self.index);
    }

    /// Events after a sequence, in order.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub async fn events_after(&self, sequence: i64) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(sequence, |event| event.sequence);
            let page = self.store.read(NAMESPACE).events_after(after, 500).await.expect("events are read");
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}
