//! A member: what survives a crash, and what runs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use photinus_engine::{Namespace, Options, Ports, options};
use photinus_ports::blockchain::FirstEvent;
use photinus_store::{Database, Limits, Store};
use photinus_testkit::{blobs::Blobs, ids::Seeded};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{
    random::Random,
    reader::{self, Given},
    scenario::Scenario,
    world::{
        Life, NAMESPACE, Skewed, World,
        connector::Connector,
        disk::SimulatedDisk,
        exchange::{Exchange, Wires},
        ledger::{CONTRACTS, Ledger},
        storage::{Access, Storage},
    },
};

/// What all members share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) world: Arc<World>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) wires: Arc<Wires>,
    pub(crate) folder: PathBuf,
}

/// Signing key of the member with this index.
#[must_use]
pub(crate) fn key(index: usize) -> String {
    format!("0x{:040x}", 0xa000 + index)
}

/// DID of the organisation of the member with this index.
#[must_use]
pub(crate) fn did(index: usize) -> String {
    format!("did:firefly:org/org_{index}")
}

/// One member.
pub(crate) struct Member {
    pub(crate) index: usize,
    shared: Shared,
    options: Options,
    blobs: Arc<Blobs>,
    /// Milliseconds by which its clock is wrong.
    skew: i64,
    lives: u64,
    ids: u64,
    /// What the application that reads its events was given.
    pub(crate) given: Given,
    running: Option<Running>,
}

struct Running {
    life: Arc<Life>,
    store: Store,
    connector: Arc<Connector>,
    namespace: Arc<Mutex<Option<Namespace>>>,
    start: JoinHandle<()>,
}

impl Member {
    pub(crate) fn new(index: usize, shared: &Shared, random: &mut Random, scenario: &Scenario) -> Self {
        let mut options = options_of(index, random);
        if scenario.across {
            options.private_order = options::PrivateOrder::Ledger;
        }
        let skew = scenario.skews[index];
        let (blobs, ids, given) = (Arc::default(), random.next(), Given::default());
        Self { index, shared: shared.clone(), options, blobs, skew, lives: 0, ids, given, running: None }
    }

    fn path(&self) -> PathBuf {
        self.shared.folder.join(format!("member-{}.db", self.index))
    }

    /// Opens its store and starts its namespace in the background, again and again until that succeeds.
    pub(crate) async fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        self.lives += 1;
        let life = Life::new(self.index, self.lives);
        let shared = self.shared.clone();
        shared.world.note(&life, format_args!("starts life {}", self.lives));
        let disk = Arc::new(SimulatedDisk { world: Arc::clone(&shared.world), life: Arc::clone(&life) });
        let limits = Limits { readers: 1, ..Limits::default() };
        let database = Database::Simulated { path: self.path(), disk };
        let store = Store::open(photinus_store::Options { database, limits }).await.expect("a simulated store opens");
        let connector = Connector::new(&shared.world, &shared.ledger, &life, vec![key(self.index)]);
        let ports = Ports {
            blockchain: connector.clone(),
            storage: Arc::new(Access {
                world: Arc::clone(&shared.world),
                life: Arc::clone(&life),
                storage: Arc::clone(&shared.storage),
            }),
            exchange: Arc::new(Exchange {
                wires: Arc::clone(&shared.wires),
                life: Arc::clone(&life),
                blobs: Arc::clone(&self.blobs),
            }),
            blobs: self.blobs.clone(),
            webhooks: None,
            clock: Arc::new(Skewed { world: Arc::clone(&shared.world), skew: self.skew }),
            ids: Arc::new(Seeded::new(self.ids.wrapping_add(self.lives))),
        };
        let namespace = Arc::new(Mutex::new(None));
        let (options, opened, slot, own) =
            (self.options.clone(), store.clone(), Arc::clone(&namespace), Arc::clone(&life));
        let given = Arc::clone(&self.given);
        let start = tokio::spawn(async move {
            while !own.over.is_cancelled() {
                match Namespace::start(options.clone(), ports.clone(), opened.clone()).await {
                    Ok(started) => {
                        shared.world.note(&own, "is up");
                        *slot.lock() = Some(started.clone());
                        tokio::spawn(reader::follow(started, Arc::clone(&shared.world), own, given));
                        return;
                    }
                    Err(error) => {
                        shared.world.note(&own, format_args!("does not start: {error}"));
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                }
            }
        });
        self.running = Some(Running { life, store, connector, namespace, start });
    }

    /// Which of its lives it is in; none while it is down.
    pub(crate) fn life(&self) -> Option<u64> {
        self.running.as_ref().map(|running| running.life.number)
    }

    /// What runs, once it runs.
    pub(crate) fn namespace(&self) -> Option<(Namespace, Arc<Life>)> {
        let running = self.running.as_ref()?;
        let namespace = running.namespace.lock().clone()?;
        Some((namespace, Arc::clone(&running.life)))
    }

    /// Ends its life, wherever it stands. What was committed stays.
    pub(crate) async fn crash(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.shared.world.note(&running.life, "crashes");
        running.life.over.cancel();
        self.shared.wires.detach(self.index);
        running.store.abandon().await;
        let up = running.namespace.lock().take();
        if let Some(namespace) = up {
            namespace.abort().await;
        }
        // A start that is under way finds neither store nor ledger, and ends.
        if !running.start.is_finished() {
            let _ended = running.start.await;
        }
        let late = running.namespace.lock().take();
        if let Some(namespace) = late {
            namespace.abort().await;
        }
        running.connector.let_go();
        self.shared.world.note(&running.life, "is gone");
    }

    /// Ends its life, and takes its database from it.
    pub(crate) async fn lose(&mut self) {
        self.crash().await;
        self.given.lock().clear();
        for suffix in ["", "-wal", "-shm"] {
            let path = self.shared.folder.join(format!("member-{}.db{suffix}", self.index));
            if let Err(error) = std::fs::remove_file(&path) {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{path:?} cannot be removed: {error}");
            }
        }
    }

    /// Stops it in order. One whose disk is gone in the middle of that never ends by itself.
    pub(crate) async fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        self.shared.world.note(&running.life, "stops");
        let stopping = async {
            // A start that is under way ends by itself.
            let _ended = (&mut running.start).await;
            self.shared.wires.detach(self.index);
            let up = running.namespace.lock().clone();
            if let Some(namespace) = up {
                namespace.stop().await;
            }
            running.store.close().await;
        };
        let stopped = tokio::time::timeout(PATIENCE, stopping).await;
        running.life.over.cancel();
        if stopped.is_err() {
            self.running = Some(running);
            self.crash().await;
        }
    }
}

/// How long a stop may take before it is a crash.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a member is configured with: the same rules, and bounds that are small for some.
fn options_of(index: usize, random: &mut Random) -> Options {
    let mut options = Options::new(NAMESPACE);
    options.org =
        options::Organization { name: format!("org_{index}"), key: Some(key(index)), description: String::new() };
    options.node = options::Node { name: format!("node_{index}"), description: String::new() };
    let contract =
        |address: &str| options::Contract { location: json!({ "address": address }), first_event: FirstEvent::Oldest };
    options.contracts = CONTRACTS.into_iter().map(contract).collect();
    options.batching.size = *random.pick(&[1, 2, 3, 200]);
    options.batching.queue = *random.pick(&[1, 3, 4_000]);
    options.batching.page = *random.pick(&[1, 2, 1_000]);
    options.batching.idle = Duration::from_secs(*random.pick(&[1, 120]));
    options.download.parallel = *random.pick(&[1, 10]);
    options.delivery.messages = *random.pick(&[1, 2, 16]);
    options.delivery.queue = *random.pick(&[1, 3, 1_000]);
    options.delivery.memory = *random.pick(&[1, 4_000, 16 << 20]);
    options.caches.identities = *random.pick(&[1, 3, 10_000]);
    options.caches.groups = *random.pick(&[1, 10_000]);
    options.caches.schemas = *random.pick(&[1, 500]);
    options
}
