//! The multiparty contract in force, the stream of its events, and this namespace's own place in the network.
//!
//! When the ledger ends a contract, the commit that decides so names the next one ([`Contracts::change`]). Only then memory
//! follows: no pin is under way while the place of pins changes, pins that were sent to the old contract and did not make it
//! are made again, and the next contract's stream starts. A crash anywhere in between is made good by the next start, which
//! does the same from what was committed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::RwLock;
use photinus_model::{
    Time, Uuid, did,
    identity::{Identity, Type},
    namespace,
};
use photinus_ports::blockchain::{Listen, Location, Position, Subscription};
use photinus_store::{Change, ChangeSet, Store};

use super::{
    Error,
    contracts::{self, ActiveContract, Contracts},
    journal::Journal,
};
use crate::{
    aggregation, batching,
    core::{Core, Ports},
    options::Options,
};

/// What a namespace knows of its network.
pub(crate) struct Multiparty {
    record: namespace::Namespace,
    contracts: RwLock<Contracts>,
    /// Held for reading by whoever sends to the contract in force, for writing while that changes.
    sending: tokio::sync::RwLock<()>,
    /// Why no log is taken, while none is.
    held: RwLock<Option<String>>,
    own_node: String,
    node: RwLock<Option<Uuid>>,
    stream: tokio::sync::Mutex<Option<Stream>>,
    listening: AtomicBool,
    /// The stream was told to end with a log that must be given again.
    cut: AtomicBool,
    /// A stream that was cut is about to start anew.
    again: AtomicBool,
}

/// The stream of a contract's events.
struct Stream {
    contract: usize,
    subscription: Box<dyn Subscription>,
}

/// What the order of the ledger decided about contracts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The contract in force ended, and the commit named the next one.
    Ended,
    /// No log is taken for the time being, for this reason.
    Held(String),
    /// Logs are taken again.
    Resumed,
}

impl Multiparty {
    /// Writes the namespace's record, reads what was reached before, and finds the contract in force.
    pub(super) async fn load(options: &Options, ports: &Ports, store: &Store) -> Result<Self, Error> {
        let known = store.namespaces().await?.into_iter().find(|known| known.name == options.name);
        let created = known.map_or_else(|| ports.clock.now(), |known| known.created);
        let record = record(options, created);
        // The store commits in order: after this, everything that an earlier life of the namespace handed over is there, and
        // what is read from now on is the whole truth.
        let mut changes = ChangeSet::new(&options.name);
        changes.push(Change::UpsertNamespace(record.clone()));
        store.submit(changes).await?;
        let mut contracts = Contracts::default();
        if options.multiparty {
            contracts = Contracts::load(options, ports.blockchain.as_ref(), store).await?;
            learn(&mut contracts.active, ports).await?;
        }
        Ok(Self {
            record,
            contracts: RwLock::new(contracts),
            sending: tokio::sync::RwLock::default(),
            held: RwLock::default(),
            own_node: did::of(Type::Node, &options.node.name),
            node: RwLock::new(None),
            stream: tokio::sync::Mutex::new(None),
            listening: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            again: AtomicBool::new(false),
        })
    }

    /// Makes the ledger's adapter ready; submissions in flight are resumed. Then makes open pins of an ended contract again, if
    /// that was not done.
    pub(super) async fn attach(&self, core: &Arc<Core>) -> Result<(), Error> {
        let journal = Arc::new(Journal::new(core.store.clone(), core.name()));
        let active = self.contracts().active;
        core.ports.blockchain.attach(core.name(), journal, sink(core, &active)).await?;
        let _stream = self.stream.lock().await;
        self.move_on(core).await
    }

    /// Starts the stream of the contract's events where it stopped. A ledger that is away is asked again until it answers;
    /// the namespace takes requests meanwhile.
    pub(super) async fn listen(&self, core: &Arc<Core>) -> Result<(), Error> {
        match self.try_listen(core).await {
            Err(Error::Contract(error)) if error.is_retryable() => {
                tracing::warn!(namespace = core.name(), %error, "the ledger is read once it answers");
                listen_later(core, "ledger stream");
                Ok(())
            }
            result => result,
        }
    }

    /// Makes sure that the contract in force is listened to, and no other.
    async fn try_listen(&self, core: &Arc<Core>) -> Result<(), Error> {
        let mut current = self.stream.lock().await;
        if core.tasks.stopping().is_cancelled() {
            return Ok(());
        }
        self.move_on(core).await?;
        let mut active = self.contracts().active;
        let cut = self.cut.load(Ordering::Acquire);
        if current.as_ref().is_some_and(|stream| stream.contract == active.index && !cut) {
            return Ok(());
        }
        if let Some(old) = current.take() {
            self.listening.store(false, Ordering::Relaxed);
            old.subscription.stop().await;
        }
        learn(&mut active, &core.ports).await?;
        let Some(location) = active.location.clone() else { return Err(Error::NoContract(active.index)) };
        let configured = core.options.contracts.get(active.index).ok_or(Error::NoContract(active.index))?;
        let first = self.contracts().first_event(configured.first_event);
        self.cut.store(false, Ordering::Release);
        let listen = Listen {
            namespace: core.name().to_owned(),
            location,
            network_version: active.info.version,
            first,
            cursor: aggregation::resume(core, index(&active)).await?,
            sink: sink(core, &active),
        };
        // Version and all: a log that ends this contract may come before the stream is written down.
        self.learned(&active);
        let subscription = core.ports.blockchain.listen(listen).await?;
        subscription.id().clone_into(&mut active.info.subscription);
        self.learned(&active);
        *current = Some(Stream { contract: active.index, subscription });
        self.listening.store(true, Ordering::Relaxed);
        let mut changes = ChangeSet::new(core.name());
        changes.push(active.learned()?);
        core.store.submit(changes).await?;
        Ok(())
    }

    /// Takes note of what was learned of a contract, if it is still in force.
    fn learned(&self, contract: &ActiveContract) {
        let mut contracts = self.contracts.write();
        if contracts.active.index == contract.index {
            contracts.active = contract.clone();
        }
    }

    /// Follows what was committed of the contracts. The caller holds the stream.
    async fn move_on(&self, core: &Arc<Core>) -> Result<(), Error> {
        let committed = Contracts::load(&core.options, core.ports.blockchain.as_ref(), &core.store).await?;
        let index = committed.active.index;
        if self.contracts.read().active.index == index
            && contracts::repinned(&core.options, &core.store).await? >= index
        {
            return Ok(());
        }
        let again = {
            let _nobody_sends = self.sending.write().await;
            if self.contracts.read().active.index < index {
                tracing::info!(namespace = core.name(), contract = index, "taking up the next multiparty contract");
                *self.contracts.write() = committed;
            }
            batching::pin_again(core, contracts::repinned_for(index)?).await?
        };
        for batch in again {
            batching::resume(core, batch);
        }
        Ok(())
    }

    /// Whether the ledger is being read.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// Ends the stream; returns when nothing more comes.
    pub(super) async fn unlisten(&self) {
        if let Some(stream) = self.stream.lock().await.take() {
            self.listening.store(false, Ordering::Relaxed);
            stream.subscription.stop().await;
        }
    }

    /// Where the contract in force is.
    pub(crate) fn location(&self) -> Location {
        self.contracts.read().active.location.clone().unwrap_or_default()
    }

    /// Where to send a pin. The namespace moves on to no other contract before the guard is dropped.
    pub(crate) async fn sending(&self) -> (Location, tokio::sync::RwLockReadGuard<'_, ()>) {
        let guard = self.sending.read().await;
        (self.location(), guard)
    }

    /// Why no log is taken from the ledger, while none is.
    pub(crate) fn held(&self) -> Option<String> {
        self.held.read().clone()
    }

    /// The contracts' state.
    pub(crate) fn contracts(&self) -> Contracts {
        self.contracts.read().clone()
    }

    /// The namespace's record.
    pub(crate) fn record(&self) -> &namespace::Namespace {
        &self.record
    }

    /// Id of this node, once it is registered.
    pub(crate) fn node(&self) -> Option<Uuid> {
        *self.node.read()
    }

    /// Takes note of an identity that is registered; one may be this node.
    pub(crate) fn noticed(&self, identity: &Identity) {
        if identity.did == self.own_node {
            *self.node.write() = Some(identity.id);
        }
    }

    /// The contracts after the one with this index, which is in force, ends. `None` when it ended before.
    pub(crate) fn after_end(&self, contract: u32, at: Position) -> Option<Contracts> {
        let contracts = self.contracts.read();
        (index(&contracts.active) == contract).then(|| contracts.after_end(at))
    }

    /// Follows what was decided about contracts, after the commit.
    pub(crate) fn turned(&self, core: &Arc<Core>, turn: Turn) {
        match turn {
            Turn::Held(why) => *self.held.write() = Some(why),
            Turn::Resumed => {
                *self.held.write() = None;
                if self.cut.load(Ordering::Acquire) {
                    listen_later(core, "ledger stream");
                }
            }
            Turn::Ended => {
                *self.held.write() = None;
                listen_later(core, "next contract");
            }
        }
    }

    /// Takes note that a log was not taken and its stream ends: it starts anew at that log when logs are taken again. Until
    /// then it does so now and then, to hear when the ledger withdraws what holds it up. When it is `halted` it never goes on.
    pub(crate) fn cut(&self, core: &Arc<Core>, halted: bool) {
        self.cut.store(true, Ordering::Release);
        self.listening.store(false, Ordering::Relaxed);
        if halted {
            let why = "logs were withdrawn that decisions rest on: the namespace must be rebuilt";
            *self.held.write() = Some(why.to_owned());
            return;
        }
        let why = "the end of the contract cannot be judged yet, or no next one is configured";
        self.held.write().get_or_insert_with(|| why.to_owned());
        if !self.again.swap(true, Ordering::AcqRel) {
            let owner = Arc::clone(core);
            core.tasks.spawn_once("ledger stream while no log is taken", async move {
                let goes_on = owner.tasks.pause(owner.options.retry.maximum).await;
                owner.multiparty.again.store(false, Ordering::Release);
                if goes_on && owner.multiparty.cut.load(Ordering::Acquire) {
                    listen_later(&owner, "ledger stream");
                }
            });
        }
    }

    /// Whether a contract of the network so far is of version 1.
    pub(crate) fn is_of_version_one(&self) -> bool {
        self.contracts.read().are_of_version_one()
    }
}

/// Listens in a task of its own, which tries until it succeeds.
fn listen_later(core: &Arc<Core>, name: &'static str) {
    let owner = Arc::clone(core);
    core.tasks.spawn(name, move || {
        let core = Arc::clone(&owner);
        async move { core.multiparty.try_listen(&core).await }
    });
}

/// Asks the ledger what is not known of a contract.
async fn learn(contract: &mut ActiveContract, ports: &Ports) -> Result<(), Error> {
    if contract.info.version == 0 {
        let location = contract.location.clone().ok_or(Error::NoContract(contract.index))?;
        contract.info.version = ports.blockchain.network_version(&location).await?;
    }
    Ok(())
}

fn index(contract: &ActiveContract) -> u32 {
    u32::try_from(contract.index).unwrap_or(u32::MAX)
}

fn sink(core: &Arc<Core>, contract: &ActiveContract) -> Arc<aggregation::Sink> {
    Arc::new(aggregation::Sink::new(core, index(contract), contract.info.version))
}

fn record(options: &Options, created: Time) -> namespace::Namespace {
    namespace::Namespace {
        name: options.name.clone(),
        network_name: options.network_namespace.clone(),
        description: options.description.clone(),
        created,
    }
}
