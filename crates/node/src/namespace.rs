//! A configured namespace as the engine takes it.

use std::sync::Arc;

use photinus_api::{Namespaces, State};
use photinus_engine::{Options, Ports, options::Plugins};
use photinus_ports::{clock::Clock, ids};
use photinus_store::Store;
use photinus_webhooks::Webhooks;
use tokio::sync::Mutex;

use crate::{
    Error,
    config::{Config, Namespace},
    parts::{Chosen, Outside, Parts, webhooks},
};

/// What the engine is told of a namespace. What the configuration leaves open has the engine's own defaults.
fn options(config: &Config, namespace: &Namespace) -> Options {
    let multiparty = &namespace.multiparty;
    let tuning = &config.tuning;
    let database = config.plugins.database.iter().find(|plugin| plugin.name == namespace.database);
    Options {
        network_namespace: multiparty.network_namespace.clone(),
        multiparty: multiparty.enabled,
        description: namespace.description.clone(),
        default_key: namespace.default_key.clone(),
        private_order: multiparty.private_order,
        org: multiparty.org.clone(),
        node: multiparty.node.clone(),
        contracts: multiparty.contracts.clone(),
        batching: tuning.batching.clone(),
        download: tuning.download.clone(),
        delivery: tuning.delivery.clone(),
        limits: tuning.limits.clone(),
        subscriptions: tuning.subscriptions.clone(),
        webhooks: config.webhooks.delivery.clone(),
        retry: tuning.retry,
        caches: tuning.caches.clone(),
        plugins: Plugins {
            blockchain: namespace.blockchain.clone(),
            database: (
                namespace.database.clone(),
                database.map(|plugin| plugin.kind.type_name()).unwrap_or_default().to_owned(),
            ),
            exchange: namespace.data_exchange.clone(),
            storage: namespace.shared_storage.clone(),
            events: tuning.transports.clone(),
        },
        ..Options::new(&namespace.name)
    }
}

/// The outside world of a namespace.
fn ports(outside: Outside, webhooks: Option<Arc<Webhooks>>, clock: &Arc<dyn Clock>) -> Ports {
    Ports {
        blockchain: outside.blockchain,
        storage: outside.storage,
        exchange: outside.exchange,
        blobs: outside.blobs,
        webhooks: webhooks.map(|webhooks| webhooks as Arc<dyn photinus_ports::webhooks::Webhooks>),
        clock: Arc::clone(clock),
        ids: Arc::new(ids::Random),
    }
}

/// A namespace whose parts are there.
pub(crate) struct Ready {
    options: Options,
    ports: Ports,
    store: Store,
}

impl Ready {
    pub(crate) fn name(&self) -> &str {
        &self.options.name
    }
}

/// Makes the parts of a namespace, as far as they are not there.
pub(crate) async fn prepare(
    config: &Config,
    namespace: &Namespace,
    parts: &mut Parts,
    clock: &Arc<dyn Clock>,
) -> Result<Ready, Error> {
    let Chosen { store, outside } = parts.choose(config, namespace, clock).await?;
    let webhooks = webhooks::start(config, namespace).await?;
    let ports = ports(outside, webhooks, clock);
    Ok(Ready { options: options(config, namespace), ports, store })
}

/// How a namespace that does not run yet is shown.
pub(crate) fn initializing(
    config: &Config,
    namespace: &Namespace,
    clock: &Arc<dyn Clock>,
    error: Option<String>,
) -> State {
    let options = options(config, namespace);
    let record = photinus_model::namespace::Namespace {
        name: options.name,
        network_name: options.network_namespace,
        description: options.description,
        created: clock.now(),
    };
    State::Initializing { record, error }
}

/// Starts a namespace, and tries again until it runs: a database or a ledger may come up later than its node. Tells the list how
/// it stands.
pub(crate) async fn keep_starting(
    config: &Config,
    namespace: &Namespace,
    mut ready: Option<Ready>,
    parts: &Mutex<Parts>,
    clock: &Arc<dyn Clock>,
    namespaces: &Namespaces,
) {
    let (name, retry) = (&namespace.name, config.tuning.start_retry);
    let mut wait = retry.initial;
    loop {
        let made = match ready.take() {
            Some(made) => Ok(made),
            None => {
                prepare(config, namespace, &mut *parts.lock().await, clock).await.map_err(|error| error.to_string())
            }
        };
        let started = match made {
            Ok(Ready { options, ports, store }) => {
                photinus_engine::Namespace::start(options, ports, store).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error),
        };
        match started {
            Ok(started) => {
                tracing::info!(namespace = name, "started");
                namespaces.set(name, State::Running(started));
                return;
            }
            Err(error) => {
                tracing::warn!(namespace = name, error, ?wait, "cannot start yet");
                namespaces.set(name, initializing(config, namespace, clock, Some(error)));
            }
        }
        tokio::time::sleep(wait).await;
        wait = wait.mul_f64(retry.factor).min(retry.maximum);
    }
}
