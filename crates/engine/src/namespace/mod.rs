//! One running namespace: started, handed around, stopped.

mod contracts;
mod journal;
mod multiparty;

use std::{sync::Arc, time::Duration};

pub use contracts::{ActiveContract, ContractInfo, Contracts};
pub(crate) use multiparty::{Multiparty, Turn};
use photinus_ports::blockchain;
use photinus_store::Store;
use tokio_util::sync::CancellationToken;

use crate::{
    aggregation, backlog, batching, confirm,
    core::{Core, Ports},
    data, delivery,
    error::Kind,
    events, groups, identity, operations,
    options::Options,
    reception,
    supervisor::Tasks,
    tally,
};

/// Why a namespace could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF10396`: the configuration has no contract for the place in the network's history that was reached.
    #[error("no multiparty contract is configured at index {0}")]
    NoContract(usize),
    /// The ledger does not answer, or not as a multiparty contract does.
    #[error("multiparty contract cannot be used: {0}")]
    Contract(#[from] blockchain::Error),
    /// What was accepted before the last stop cannot be brought back.
    #[error(transparent)]
    Recovery(#[from] batching::RecoveryError),
    /// An identity cannot be read.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The state of the ledger's order cannot be read.
    #[error(transparent)]
    Aggregation(#[from] aggregation::Error),
    /// The state of the contracts cannot be read or written.
    #[error("state of the multiparty contracts: {0}")]
    Contracts(#[from] serde_json::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoContract(_) => "FF10396",
            Self::Contract(error) => identity::ledger_code(error),
            Self::Identity(error) => error.code(),
            Self::Recovery(_) | Self::Aggregation(_) | Self::Contracts(_) | Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Contract(error) if error.is_retryable() => Kind::Unavailable,
            Self::Store(error) => crate::error::store_kind(error),
            _ => Kind::Internal,
        }
    }
}

/// A running namespace. Clones are handles of the same one.
#[derive(Clone)]
pub struct Namespace {
    core: Arc<Core>,
}

impl Namespace {
    /// Starts a namespace and everything that was on its way when it last stopped. When this returns it takes requests.
    ///
    /// # Errors
    /// When the ledger or the store cannot be used. Nothing runs then; the caller may try again later.
    pub async fn start(options: Options, ports: Ports, store: Store) -> Result<Self, Error> {
        let tasks = Tasks::new(&options.name, options.retry, Arc::clone(&ports.clock), Arc::clone(&ports.ids));
        let multiparty = Multiparty::load(&options, &ports, &store).await?;
        let core = Arc::new(Core {
            identities: identity::Directory::new(store.clone(), &options.name, options.caches.identities),
            groups: groups::Directory::new(store.clone(), &options.name, options.caches.groups),
            deleting: tokio::sync::Mutex::default(),
            schemas: data::schema::Cache::new(options.caches.schemas),
            confirmations: confirm::Bridge::new(options.limits.waiters),
            backlog: backlog::Backlog::new(&options.limits),
            tally: tally::Tally::default(),
            batching: batching::Handle::default(),
            delivery: delivery::Handle::new(),
            reception: reception::Handle::default(),
            aggregation: aggregation::Handle::new(options.download.parallel),
            operations: operations::Handle::new(),
            events: events::Handle::new(store.clone(), &options.name),
            multiparty,
            tasks,
            options,
            ports,
            store,
        });
        let namespace = Self { core };
        if let Err(error) = namespace.run().await {
            namespace.stop().await;
            return Err(error);
        }
        Ok(namespace)
    }

    async fn run(&self) -> Result<(), Error> {
        let core = &self.core;
        confirm::start(core);
        tally::start(core);
        operations::Handle::start(core);
        if !core.options.multiparty {
            return Ok(events::start(core).await?);
        }
        aggregation::start(core).await?;
        events::start(core).await?;
        core.multiparty.attach(core).await?;
        delivery::recover(core).await?;
        batching::recover(core).await?;
        operations::resume(core).await?;
        reception::start(core).await;
        core.multiparty.listen(core).await
    }

    /// Stops everything, in order: tasks are asked to finish, nothing more is taken from the ledger, adapters let go. Bounded by
    /// [`Options::stop_timeout`]; what was not finished goes on at the next start.
    pub async fn stop(&self) {
        let core = &self.core;
        core.tasks.cancel();
        bounded(core, "the ledger's stream does not end", core.multiparty.unlisten()).await;
        if !core.tasks.stop(core.options.stop_timeout).await {
            tracing::warn!(namespace = core.name(), "some work was cut off; it goes on at the next start");
        }
        bounded(core, "the store does not answer", events::finish(core)).await;
        bounded(core, "the ledger's adapter does not let go", core.ports.blockchain.detach(core.name())).await;
    }

    /// Ends everything where it stands, as the end of the process would: nothing is finished, nobody is told. The next start
    /// goes on from what was committed. For tests of exactly that.
    pub async fn abort(&self) {
        self.core.tasks.abort().await;
    }

    /// Cancelled when the namespace begins to stop; nothing is delivered from then on.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        self.core.tasks.stopping()
    }

    /// Local name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// What it was started with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.core.options
    }

    /// Whether it is part of a network of members.
    #[must_use]
    pub fn is_multiparty(&self) -> bool {
        self.core.options.multiparty
    }

    /// The database, for reading. Every call names the namespace.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.core.store
    }

    /// A handle of the namespace that these insides belong to.
    pub(crate) fn of(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

/// How long each part may take to end that is not a task, at most.
const PART: Duration = Duration::from_secs(5);

/// Waits until a part of the namespace has ended, or for long enough.
async fn bounded(core: &Core, otherwise: &str, ending: impl Future<Output = ()>) {
    if tokio::time::timeout(PART.min(core.options.stop_timeout), ending).await.is_err() {
        tracing::warn!(namespace = core.name(), otherwise, "what was not finished goes on at the next start");
    }
}
