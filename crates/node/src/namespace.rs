//! A configured namespace as the engine takes it.

use std::sync::Arc;

use photinus_api::{Namespaces, State};
use photinus_engine::{
    Options, Ports,
    options::{Plugins, Retry},
};
use photinus_ports::{clock::Clock, ids};
use photinus_store::Store;
use photinus_webhooks::Webhooks;

use crate::{
    config::{Config, Namespace},
    parts::Chosen,
};

/// What the engine is told of a namespace. What the configuration leaves open has the engine's own defaults.
pub(crate) fn options(config: &Config, namespace: &Namespace) -> Options {
    let multiparty = &namespace.multiparty;
    let tuning = &config.tuning;
    let database = config.plugins.database.iter().find(|plugin| plugin.name == namespace.database);
    Options {
        network_namespace: multiparty.network_namespace.clone(),
        description: namespace.description.clone(),
        default_key: namespace.default_key.clone(),
        org: multiparty.org.clone(),
        node: multiparty.node.clone(),
        contracts: multiparty.contracts.clone(),
        batching: tuning.batching.clone(),
        download: tuning.download.clone(),
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
pub(crate) fn ports(chosen: &Chosen, webhooks: Option<Arc<Webhooks>>, clock: &Arc<dyn Clock>) -> Ports {
    Ports {
        blockchain: chosen.ledger.clone(),
        storage: Arc::new(chosen.shared.clone()),
        exchange: Arc::new(chosen.exchange.clone()),
        blobs: Arc::new(chosen.blobs.clone()),
        webhooks: webhooks.map(|webhooks| webhooks as Arc<dyn photinus_ports::webhooks::Webhooks>),
        clock: Arc::clone(clock),
        ids: Arc::new(ids::Random),
    }
}

/// How a namespace that does not run yet is shown.
pub(crate) fn record(options: &Options, clock: &Arc<dyn Clock>) -> photinus_model::namespace::Namespace {
    photinus_model::namespace::Namespace {
        name: options.name.clone(),
        network_name: options.network_namespace.clone(),
        description: options.description.clone(),
        created: clock.now(),
    }
}

/// Starts a namespace, and tries again until it runs: a ledger may come up later than its node. Tells the list how it stands.
pub(crate) async fn start(options: Options, ports: Ports, store: Store, retry: Retry, namespaces: &Namespaces) {
    let record = record(&options, &ports.clock);
    let mut wait = retry.initial;
    loop {
        match photinus_engine::Namespace::start(options.clone(), ports.clone(), store.clone()).await {
            Ok(namespace) => {
                tracing::info!(namespace = options.name, "started");
                namespaces.set(&options.name, State::Running(namespace));
                return;
            }
            Err(error) => {
                tracing::warn!(namespace = options.name, %error, ?wait, "cannot start yet");
                let state = State::Initializing { record: record.clone(), error: Some(error.to_string()) };
                namespaces.set(&options.name, state);
            }
        }
        tokio::time::sleep(wait).await;
        wait = wait.mul_f64(retry.factor).min(retry.maximum);
    }
}
