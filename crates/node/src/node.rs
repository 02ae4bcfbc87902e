//! A running node: its parts, its namespaces, and the listeners through which they are reached.

use std::{path::PathBuf, sync::Arc};

use photinus_api::{Namespaces, ResetError, Server};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Error, config::Config, keeper::Keeper, reload};

/// A running node.
pub struct Node {
    server: photinus_api::Handle,
    keeper: Arc<Keeper>,
    /// What follows the configuration's file.
    followers: TaskTracker,
    stop: CancellationToken,
}

impl Node {
    /// Starts what the configuration says. When this returns the listeners answer; a namespace takes requests once its ledger
    /// could be reached, and is tried again until then.
    ///
    /// # Errors
    /// When no namespace has parts that can be used, or a port of a listener is taken. Nothing runs then.
    pub async fn start(config: Config) -> Result<Self, Error> {
        Self::start_with(config, None).await
    }

    /// As [`Node::start`], and reads the file again when it is asked to, or whenever the file changes if the configuration
    /// says so.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_from(config: Config, file: PathBuf) -> Result<Self, Error> {
        Self::start_with(config, Some(file)).await
    }

    async fn start_with(config: Config, file: Option<PathBuf>) -> Result<Self, Error> {
        let (api, auto_reload) = (config.api.clone(), config.auto_reload);
        let (keeper, ready) = Keeper::new(config).await?;
        let keeper = Arc::new(keeper);
        if let Some(file) = file.clone() {
            allow_reset(&keeper, file, auto_reload);
        }
        let server = match Server::start(api, keeper.namespaces().clone()).await {
            Ok(server) => server,
            Err(error) => {
                keeper.stop().await;
                return Err(Error::Api(error));
            }
        };
        keeper.run(ready).await;
        let (followers, stop) = (TaskTracker::new(), CancellationToken::new());
        if let Some(file) = file.filter(|_| auto_reload) {
            followers.spawn(reload::follow(Arc::clone(&keeper), file, stop.clone()));
        }
        followers.close();
        Ok(Self { server, keeper, followers, stop })
    }

    /// The namespaces, and whether they run.
    #[must_use]
    pub fn namespaces(&self) -> &Namespaces {
        self.keeper.namespaces()
    }

    /// Where the listeners are.
    #[must_use]
    pub fn addresses(&self) -> photinus_api::Addresses {
        self.server.addresses
    }

    /// Stops in order: first nothing more is accepted, then namespaces finish their step, then the parts go.
    pub async fn stop(self) {
        self.stop.cancel();
        self.server.stop().await;
        self.followers.wait().await;
        self.keeper.stop().await;
    }
}

/// Lets `POST /spi/v1/reset` read the file again.
fn allow_reset(keeper: &Arc<Keeper>, file: PathBuf, auto_reload: bool) {
    let owner = Arc::downgrade(keeper);
    keeper.namespaces().on_reset(Arc::new(move || {
        let (owner, file) = (owner.clone(), file.clone());
        Box::pin(async move {
            if auto_reload {
                return Err(ResetError::Automatic);
            }
            let Some(keeper) = owner.upgrade() else { return Ok(()) };
            reload::now(&keeper, &file).await.map_err(ResetError::Unusable)
        })
    }));
}
