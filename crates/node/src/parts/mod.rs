//! The adapters that a configuration names, made once and shared by the namespaces that use them.
//!
//! A plug-in that no namespace uses is not started. A new kind of adapter is one file here and one arm in the configuration.

mod absent;
mod database;
mod exchange;
mod ledger;
mod remote;
mod storage;
pub(crate) mod webhooks;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

pub(crate) use database::open as open_database;
use photinus_ethereum::Ethereum;
use photinus_ports::{
    blobs::BlobStore, blockchain::Blockchain, clock::Clock, exchange::DataExchange, storage::SharedStorage,
};
use photinus_storage_local::blobs::Blobs;
use photinus_store::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    config::{self, Config, Database, Namespace},
};
use exchange::Exchange;

/// The running adapters, by the names of their plug-ins.
#[derive(Default)]
pub(crate) struct Parts {
    stores: HashMap<String, Store>,
    ledgers: HashMap<String, Arc<Ethereum>>,
    exchanges: HashMap<String, Exchange>,
    storages: HashMap<String, Stored>,
}

/// Shared storage and local blobs of one folder, and whose connections it uses.
struct Stored {
    exchange: String,
    shared: Task<Arc<dyn SharedStorage>>,
    blobs: Blobs,
}

/// What a namespace is given.
pub(crate) struct Chosen {
    pub(crate) store: Store,
    pub(crate) outside: Outside,
}

/// What a namespace reaches outside of its database.
pub(crate) struct Outside {
    pub(crate) blockchain: Arc<dyn Blockchain>,
    pub(crate) storage: Arc<dyn SharedStorage>,
    pub(crate) exchange: Arc<dyn DataExchange>,
    pub(crate) blobs: Arc<dyn BlobStore>,
}

/// A service that runs until it is told to stop, and the handle that others use.
struct Task<H> {
    handle: H,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl<H> Task<H> {
    fn spawn<F: Future<Output = ()> + Send + 'static>(handle: H, run: impl FnOnce(CancellationToken) -> F) -> Self {
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(shutdown.clone()));
        Self { handle, shutdown, running }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        if let Err(error) = self.running.await {
            tracing::error!(%error, "a part of the node broke");
        }
    }
}

/// Says in the log what a start waits for, as long as it does.
async fn told<T>(what: &str, name: &str, opening: impl Future<Output = T>) -> T {
    let mut opening = std::pin::pin!(opening);
    loop {
        match tokio::time::timeout(PATIENCE, &mut opening).await {
            Ok(opened) => return opened,
            Err(_) => tracing::warn!(plugin = name, "still opens {what}"),
        }
    }
}

/// How long a part may take to open before the log says so, each time.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

impl Parts {
    /// Starts the adapters that a namespace uses, as far as they do not run. On an error, what was started runs on and is
    /// stopped with the rest.
    pub(crate) async fn choose(
        &mut self,
        config: &Config,
        namespace: &Namespace,
        clock: &Arc<dyn Clock>,
    ) -> Result<Chosen, Error> {
        let plugins = &config.plugins;
        let missing = |name: &str| Error::Plugin { namespace: namespace.name.clone(), name: name.to_owned() };
        let database = plugins.database.iter().find(|plugin| plugin.name == namespace.database);
        if !namespace.multiparty.enabled {
            let store = self.store(database.ok_or_else(|| missing(&namespace.database))?).await?;
            return Ok(Chosen { store, outside: absent::outside() });
        }
        let blockchain = plugins.blockchain.iter().find(|plugin| plugin.name == namespace.blockchain);
        let exchange = plugins.data_exchange.iter().find(|plugin| plugin.name == namespace.data_exchange);
        let storage = plugins.shared_storage.iter().find(|plugin| plugin.name == namespace.shared_storage);
        let store = self.store(database.ok_or_else(|| missing(&namespace.database))?).await?;
        let ledger = self.ledger(blockchain.ok_or_else(|| missing(&namespace.blockchain))?).await?;
        let exchange = exchange.ok_or_else(|| missing(&namespace.data_exchange))?;
        let port = self.exchange(exchange, &namespace.multiparty.org.name, clock).await?;
        let storage = storage.ok_or_else(|| missing(&namespace.shared_storage))?;
        let (shared, blobs) = self.storage(storage, &exchange.name).await?;
        let outside = Outside { blockchain: ledger, storage: shared, exchange: port, blobs: Arc::new(blobs) };
        Ok(Chosen { store, outside })
    }

    async fn store(&mut self, plugin: &Database) -> Result<Store, Error> {
        if let Some(store) = self.stores.get(&plugin.name) {
            return Ok(store.clone());
        }
        let store = told("the database", &plugin.name, database::open(plugin)).await?;
        self.stores.insert(plugin.name.clone(), store.clone());
        Ok(store)
    }

    async fn ledger(&mut self, plugin: &config::Blockchain) -> Result<Arc<Ethereum>, Error> {
        if let Some(ledger) = self.ledgers.get(&plugin.name) {
            return Ok(Arc::clone(ledger));
        }
        let ledger = told("the ledger", &plugin.name, ledger::start(plugin)).await?;
        self.ledgers.insert(plugin.name.clone(), Arc::clone(&ledger));
        Ok(ledger)
    }

    async fn exchange(
        &mut self,
        plugin: &config::DataExchange,
        organization: &str,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn DataExchange>, Error> {
        if let Some(running) = self.exchanges.get(&plugin.name) {
            return Ok(running.port());
        }
        let starting = exchange::start(plugin, organization, Arc::clone(clock));
        let started = told("the data exchange", &plugin.name, starting).await?;
        let port = started.port();
        self.exchanges.insert(plugin.name.clone(), started);
        Ok(port)
    }

    async fn storage(
        &mut self,
        plugin: &config::SharedStorage,
        exchange: &str,
    ) -> Result<(Arc<dyn SharedStorage>, Blobs), Error> {
        if let Some(stored) = self.storages.get(&plugin.name) {
            if stored.exchange != exchange {
                let (one, other) = (stored.exchange.clone(), exchange.to_owned());
                return Err(Error::SharedTwice { name: plugin.name.clone(), one, other });
            }
            return Ok((Arc::clone(&stored.shared.handle), stored.blobs.clone()));
        }
        if let Some((other, _)) = self.storages.iter().find(|(_, stored)| stored.exchange == exchange) {
            let (one, other) = (other.clone(), plugin.name.clone());
            return Err(Error::BlobsTwice { name: exchange.to_owned(), one, other });
        }
        let running = self.exchanges.get(exchange);
        let stored = storage::start(plugin, exchange, running.and_then(Exchange::peers)).await?;
        if let Some(running) = running {
            running.keep_blobs_in(Arc::new(stored.blobs.clone()));
        }
        let parts = (Arc::clone(&stored.shared.handle), stored.blobs.clone());
        self.storages.insert(plugin.name.clone(), stored);
        Ok(parts)
    }

    /// Stops what is not among these names, in the order of [`Parts::stop`].
    pub(crate) async fn keep_only(&mut self, used: &HashSet<String>) {
        let unused = Self {
            storages: self.storages.extract_if(|name, _| !used.contains(name)).collect(),
            exchanges: self.exchanges.extract_if(|name, _| !used.contains(name)).collect(),
            ledgers: self.ledgers.extract_if(|name, _| !used.contains(name)).collect(),
            stores: self.stores.extract_if(|name, _| !used.contains(name)).collect(),
        };
        unused.stop().await;
    }

    /// Stops everything: first what serves peers, then the connections to them, then the ledgers, then the databases.
    pub(crate) async fn stop(self) {
        for (_, stored) in self.storages {
            stored.shared.stop().await;
        }
        for (_, exchange) in self.exchanges {
            exchange.stop().await;
        }
        for (_, ledger) in self.ledgers {
            ledger.stop().await;
        }
        for (_, store) in self.stores {
            store.close().await;
        }
    }
}
