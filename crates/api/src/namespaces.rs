//! Which namespaces there are, and which of them run. Shared by whoever starts them and by those that serve them.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;
use photinus_engine::Namespace;

use crate::failure::Failure;

/// The namespaces of a node. Clones share the same list; namespaces may come and go while it is served.
#[derive(Clone)]
pub struct Namespaces {
    inner: Arc<Inner>,
}

struct Inner {
    default: String,
    states: RwLock<BTreeMap<String, State>>,
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
        Self { inner: Arc::new(Inner { default: default.into(), states: RwLock::default() }) }
    }

    /// Says where a namespace stands now.
    pub fn set(&self, name: impl Into<String>, state: State) {
        self.inner.states.write().insert(name.into(), state);
    }

    /// Forgets a namespace; gives what was known of it.
    pub fn remove(&self, name: &str) -> Option<State> {
        self.inner.states.write().remove(name)
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

    /// A namespace that runs.
    pub(crate) fn running(&self, name: &str) -> Result<Namespace, Failure> {
        match self.inner.states.read().get(name) {
            Some(State::Running(namespace)) => Ok(namespace.clone()),
            Some(State::Initializing { .. }) => Err(Failure::initializing(name)),
            None => Err(Failure::no_namespace(name)),
        }
    }
}
