//! A running node: its parts, its namespaces, and the listeners through which they are reached.

use std::sync::Arc;

use futures::future::join_all;
use photinus_api::{Namespaces, Server, State};
use photinus_ports::clock::{self, Clock};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error,
    config::Config,
    namespace,
    parts::{Parts, webhooks},
};

/// A running node.
pub struct Node {
    server: photinus_api::Handle,
    namespaces: Namespaces,
    /// Namespaces that do not run yet.
    starting: TaskTracker,
    stop: CancellationToken,
    parts: Parts,
}

impl Node {
    /// Starts what the configuration says. When this returns the listeners answer; a namespace takes requests once its ledger
    /// could be reached, and is tried again until then.
    ///
    /// # Errors
    /// When a part cannot be used at all, such as a port that is taken. Nothing runs then.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let mut parts = Parts::default();
        match Self::assemble(&config, &mut parts).await {
            Ok((server, namespaces, starting, stop)) => Ok(Self { server, namespaces, starting, stop, parts }),
            Err(error) => {
                parts.stop().await;
                Err(error)
            }
        }
    }

    async fn assemble(
        config: &Config,
        parts: &mut Parts,
    ) -> Result<(photinus_api::Handle, Namespaces, TaskTracker, CancellationToken), Error> {
        let clock: Arc<dyn Clock> = Arc::new(clock::System);
        let namespaces = Namespaces::new(&config.default_namespace);
        let mut waiting = Vec::with_capacity(config.namespaces.len());
        for configured in &config.namespaces {
            let chosen = parts.choose(config, configured, &clock).await?;
            let options = namespace::options(config, configured);
            namespaces.set(
                &configured.name,
                State::Initializing { record: namespace::record(&options, &clock), error: None },
            );
            let webhooks = webhooks::start(config, configured).await?;
            waiting.push((options, namespace::ports(&chosen, webhooks, &clock), chosen.store));
        }
        let server = Server::start(config.api.clone(), namespaces.clone()).await.map_err(Error::Api)?;
        let (starting, stop) = (TaskTracker::new(), CancellationToken::new());
        for (options, ports, store) in waiting {
            let (namespaces, stop, retry) = (namespaces.clone(), stop.clone(), config.tuning.start_retry);
            starting.spawn(async move {
                tokio::select! {
                    () = namespace::start(options, ports, store, retry, &namespaces) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        starting.close();
        Ok((server, namespaces, starting, stop))
    }

    /// The namespaces, and whether they run.
    #[must_use]
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Where the listeners are.
    #[must_use]
    pub fn addresses(&self) -> photinus_api::Addresses {
        self.server.addresses
    }

    /// Stops in order: first nothing more is accepted, then namespaces finish their step, then the parts go.
    pub async fn stop(self) {
        self.server.stop().await;
        self.stop.cancel();
        self.starting.wait().await;
        let running = self.namespaces.all().into_iter().filter_map(|(name, state)| match state {
            State::Running(namespace) => Some((name, namespace)),
            State::Initializing { .. } => None,
        });
        join_all(running.map(|(name, namespace)| async move {
            namespace.stop().await;
            tracing::info!(namespace = name, "stopped");
        }))
        .await;
        self.parts.stop().await;
    }
}
