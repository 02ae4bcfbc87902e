//! Which namespaces there are, and which of them run. Shared by whoever starts them and by those that serve them.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use parking_lot::RwLock;
use photinus_engine::Namespace;
use tokio::sync::watch;

use crate::{auth::Passwords, failure::Failure};

/// The namespaces of a node. Clones share the same list; namespaces may come and go while it is served.
#[derive(Clone)]
pub struct Namespaces {
    inner: Arc<Inner>,
}

/// Makes the node what its configuration says now.
pub type Reset = Arc<dyn Fn() -> BoxFuture<'static, Result<(), ResetError>> + Send + Sync>;

/// Why the configuration was not read again.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The node follows the file by itself.
    #[error("the configuration is read again whenever its file changes (config.autoReload)")]
    Automatic,
    /// It cannot be used; the text says why. Nothing changed.
    #[error("{0}")]
    Unusable(String),
}

struct Inner {
    default: String,
    reset: OnceLock<Reset>,
    states: RwLock<BTreeMap<String, State>>,
    passwords: RwLock<BTreeMap<String, Arc<Passwords>>>,
    /// Told of every change of the list.
    changed: watch::Sender<()>,
}

/// Where a namespace stands.
#[derive(Clone)]
pub enum State {
    /// Configured, and not running yet.
    Initializing {
        /// Its configured record, as far as it is known.
        record: photinus_model::namespace::Namespace,
        /// Why the last attempt at starting it failed.
        error: Option<String>,
    },
    /// It takes requests.
    Running(Namespace),
}

impl Namespaces {
    /// An empty list. `default` names the namespace of requests that name none.
    #[must_use]
    pub fn new(default: impl Into<String>) -> Self {
        let (default, changed) = (default.into(), watch::Sender::new(()));
        let (states, passwords) = (RwLock::default(), RwLock::default());
        Self { inner: Arc::new(Inner { default, reset: OnceLock::new(), states, passwords, changed }) }
    }

    /// Says where a namespace stands now.
    pub fn set(&self, name: impl Into<String>, state: State) {
        self.inner.states.write().insert(name.into(), state);
        self.inner.changed.send_replace(());
    }

    /// Forgets a namespace; gives what was known of it.
    pub fn remove(&self, name: &str) -> Option<State> {
        let known = self.inner.states.write().remove(name);
        self.inner.changed.send_replace(());
        known
    }

    /// Tells when a namespace came, went, or stands elsewhere.
    pub(crate) fn changed(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    /// Says which namespaces ask for names and passwords. Counts from the next request on.
    pub fn guard(&self, passwords: BTreeMap<String, Arc<Passwords>>) {
        *self.inner.passwords.write() = passwords;
    }

    /// Lets a request through whose name and password are right, or whose namespace asks for none.
    pub(crate) async fn admit(&self, name: &str, headers: &HeaderMap) -> Result<(), Failure> {
        let passwords = self.inner.passwords.read().get(name).cloned();
        match passwords {
            Some(passwords) if !passwords.admits(headers).await => {
                Err(Failure::new(StatusCode::UNAUTHORIZED, "FF00169", "Unauthorized"))
            }
            _ => Ok(()),
        }
    }

    /// Name of the namespace of requests that name none.
    #[must_use]
    pub fn default_name(&self) -> &str {
        &self.inner.default
    }

    /// The namespaces by name.
    #[must_use]
    pub fn all(&self) -> Vec<(String, State)> {
        self.inner.states.read().iter().map(|(name, state)| (name.clone(), state.clone())).collect()
    }

    /// Says what `POST /spi/v1/reset` does. The first one counts.
    pub fn on_reset(&self, reset: Reset) {
        // A second owner would be a mistake of whoever wires the node, and harms nobody.
        let _first = self.inner.reset.set(reset);
    }

    pub(crate) fn reset(&self) -> Option<Reset> {
        self.inner.reset.get().cloned()
    }

    /// A namespace that runs.
    pub(crate) fn running(&self, name: &str) -> Result<Namespace, Failure> {
        match self.inner.states.read().get(name) {
            Some(State::Running(namespace)) => Ok(namespace.clone()),
            Some(State::Initializing { error, .. }) => Err(Failure::initializing(name, error.as_deref())),
            None => Err(Failure::no_namespace(name)),
        }
    }
}
