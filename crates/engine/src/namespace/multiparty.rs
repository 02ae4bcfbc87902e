//! The multiparty contract in force, the stream of its events, and this namespace's own place in the network.

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
use photinus_ports::blockchain::{FirstEvent, Listen, Location, Subscription};
use photinus_store::{Change, ChangeSet, Store};
use serde::{Deserialize, Serialize};

use super::{Error, journal::Journal};
use crate::{
    aggregation,
    core::{Core, Ports},
    options::Options,
    space,
};

/// Key of the contracts' state in the store.
const CONTRACTS: &[u8] = b"contracts";

/// The contracts of a network as `/status` shows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contracts {
    /// The contract in force.
    pub active: ActiveContract,
    /// Those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terminated: Vec<ActiveContract>,
}

/// A contract of the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveContract {
    /// Its place in the configuration.
    pub index: usize,
    /// Its place on the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// From where its events are read the first time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_event: String,
    /// What is known of it.
    #[serde(default)]
    pub info: ContractInfo,
}

/// What is known of a contract.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractInfo {
    /// Id of the stream of its events.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subscription: String,
    /// Its last event, once it is terminated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub final_event: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub version: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(version: &u8) -> bool {
    *version == 0
}

/// What a namespace knows of its network.
pub(crate) struct Multiparty {
    record: namespace::Namespace,
    location: Location,
    first: FirstEvent,
    contracts: RwLock<Contracts>,
    own_node: String,
    node: RwLock<Option<Uuid>>,
    stream: tokio::sync::Mutex<Option<Box<dyn Subscription>>>,
    listening: AtomicBool,
}

impl Multiparty {
    /// Reads what was reached before, writes the namespace's record, and finds the contract in force.
    pub(super) async fn load(options: &Options, ports: &Ports, store: &Store) -> Result<Self, Error> {
        let known = store.namespaces().await?.into_iter().find(|known| known.name == options.name);
        let created = known.map_or_else(|| ports.clock.now(), |known| known.created);
        let record = record(options, created);
        let stored: Option<Contracts> = match store.kv_get(&options.name, space::NETWORK, CONTRACTS).await? {
            Some(bytes) => Some(serde_json::from_slice(&bytes)?),
            None => None,
        };
        let mut contracts = stored.unwrap_or_default();
        let index = contracts.active.index;
        let configured = options.contracts.get(index).ok_or(Error::NoContract(index))?;
        let location = ports.blockchain.normalize_location(&configured.location)?;
        if contracts.active.location.as_ref() != Some(&location) {
            contracts.active.info = ContractInfo::default();
        }
        if contracts.active.info.version == 0 {
            contracts.active.info.version = ports.blockchain.network_version(&location).await?;
        }
        contracts.active.location = Some(location.clone());
        contracts.active.first_event = match configured.first_event {
            FirstEvent::Oldest => "oldest".to_owned(),
            FirstEvent::Newest => "newest".to_owned(),
            FirstEvent::Block(number) => number.to_string(),
        };
        let multiparty = Self {
            record,
            location,
            first: configured.first_event,
            contracts: RwLock::new(contracts),
            own_node: did::of(Type::Node, &options.node.name),
            node: RwLock::new(None),
            stream: tokio::sync::Mutex::new(None),
            listening: AtomicBool::new(false),
        };
        // The store commits in order: after this, everything that an earlier life of the namespace handed over is there, and
        // what is read from now on is the whole truth.
        multiparty.save(options, store).await?;
        Ok(multiparty)
    }

    async fn save(&self, options: &Options, store: &Store) -> Result<(), Error> {
        let contracts = serde_json::to_vec(&*self.contracts.read())?;
        let mut changes = ChangeSet::new(&options.name);
        changes.push(Change::UpsertNamespace(self.record.clone()));
        changes.push(Change::PutKv { space: space::NETWORK, key: CONTRACTS.to_vec(), value: contracts });
        store.submit(changes).await?;
        Ok(())
    }

    /// Makes the ledger's adapter ready; submissions in flight are resumed.
    pub(super) async fn attach(&self, core: &Arc<Core>) -> Result<(), Error> {
        let journal = Arc::new(Journal::new(core.store.clone(), core.name()));
        core.ports.blockchain.attach(core.name(), journal, self.sink(core)).await?;
        Ok(())
    }

    /// Starts the stream of the contract's events where it stopped. A ledger that is away is asked again until it answers;
    /// the namespace takes requests meanwhile.
    pub(super) async fn listen(&self, core: &Arc<Core>) -> Result<(), Error> {
        match self.try_listen(core).await {
            Err(Error::Contract(error)) if error.is_retryable() => {
                tracing::warn!(namespace = core.name(), %error, "the ledger is read once it answers");
                let owner = Arc::clone(core);
                core.tasks.spawn("ledger stream", move || {
                    let core = Arc::clone(&owner);
                    async move { core.multiparty.try_listen(&core).await }
                });
                Ok(())
            }
            result => result,
        }
    }

    async fn try_listen(&self, core: &Arc<Core>) -> Result<(), Error> {
        let mut current = self.stream.lock().await;
        if current.is_some() || core.tasks.stopping().is_cancelled() {
            return Ok(());
        }
        let listen = Listen {
            namespace: core.name().to_owned(),
            location: self.location.clone(),
            network_version: self.version(),
            first: self.first,
            cursor: aggregation::resume(core, self.index()).await?,
            sink: self.sink(core),
        };
        let stream = core.ports.blockchain.listen(listen).await?;
        stream.id().clone_into(&mut self.contracts.write().active.info.subscription);
        *current = Some(stream);
        self.listening.store(true, Ordering::Relaxed);
        self.save(&core.options, &core.store).await
    }

    /// Whether the ledger is being read.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// Ends the stream; returns when nothing more comes.
    pub(super) async fn unlisten(&self) {
        if let Some(stream) = self.stream.lock().await.take() {
            self.listening.store(false, Ordering::Relaxed);
            stream.stop().await;
        }
    }

    /// Where the contract in force is.
    pub(crate) fn location(&self) -> Location {
        self.location.clone()
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

    /// Takes note that the contract in force ended. The next one is taken up when the namespace starts anew.
    pub(crate) fn ended(&self, contract: u32) {
        tracing::warn!(
            namespace = self.record.name,
            contract,
            "the multiparty contract ended: configure the next one and restart"
        );
    }

    /// Version of the contract in force.
    pub(crate) fn version(&self) -> u8 {
        self.contracts.read().active.info.version
    }

    /// Place of the contract in force in the configuration.
    fn index(&self) -> u32 {
        u32::try_from(self.contracts.read().active.index).unwrap_or(u32::MAX)
    }

    fn sink(&self, core: &Arc<Core>) -> Arc<aggregation::Sink> {
        Arc::new(aggregation::Sink::new(core, self.index(), self.version()))
    }
}

fn record(options: &Options, created: Time) -> namespace::Namespace {
    namespace::Namespace {
        name: options.name.clone(),
        network_name: options.network_namespace.clone(),
        description: options.description.clone(),
        created,
    }
}
