//! Keeps the namespaces that the configuration says, also when it changes while the node runs.
//!
//! Each namespace is started by a task of its own, which tries until it runs. When the configuration is read again, the
//! namespaces that are gone or changed are stopped, parts that nobody uses any longer go, and what is new is started.
//! The others do not notice. Nothing that a stopped namespace accepted is lost: it goes on when it is started again.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use futures::future::join_all;
use photinus_api::{Namespaces, Passwords, State};
use photinus_ports::clock::{self, Clock};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    config::{Config, Namespace},
    namespace::{self, Ready},
    parts::Parts,
};

/// The namespaces of a node and the parts they are made of.
pub(crate) struct Keeper {
    namespaces: Namespaces,
    parts: Arc<Mutex<Parts>>,
    clock: Arc<dyn Clock>,
    state: Mutex<Kept>,
}

/// Names and passwords by namespace.
type Guards = BTreeMap<String, Arc<Passwords>>;

/// What is kept now.
struct Kept {
    config: Arc<Config>,
    guards: Guards,
    entries: HashMap<String, Entry>,
    stopped: bool,
}

/// A namespace that runs or is being started.
struct Entry {
    /// Everything that it was started with.
    fingerprint: String,
    /// Names of its plug-ins.
    plugins: Vec<String>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What a reading of the configuration changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Namespaces that are new or were started anew.
    pub(crate) started: Vec<String>,
    /// Namespaces that are gone.
    pub(crate) removed: Vec<String>,
    /// Sections that changed and are only read when the process starts.
    pub(crate) needs_restart: Vec<&'static str>,
}

impl Keeper {
    /// Makes the parts of every namespace, without starting any. A namespace whose parts cannot be made is tried again later,
    /// unless there is no other.
    ///
    /// # Errors
    /// When no namespace has parts that can be used. Nothing runs then.
    pub(crate) async fn new(config: Config) -> Result<(Self, Vec<Ready>), Error> {
        let clock: Arc<dyn Clock> = Arc::new(clock::System);
        let namespaces = Namespaces::new(&config.default_namespace);
        let config = Arc::new(config);
        let guards = guards(&config).await?;
        namespaces.guard(guards.clone());
        let mut parts = Parts::default();
        let (mut ready, mut failed) = (Vec::new(), None);
        for configured in &config.namespaces {
            let made = namespace::prepare(&config, configured, &mut parts, &clock).await;
            let error = made.as_ref().err().map(ToString::to_string);
            namespaces.set(&configured.name, namespace::initializing(&config, configured, &clock, error));
            match made {
                Ok(made) => ready.push(made),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed.filter(|_| ready.is_empty()) {
            parts.stop().await;
            return Err(error);
        }
        let state = Mutex::new(Kept { config, guards, entries: HashMap::new(), stopped: false });
        Ok((Self { namespaces, parts: Arc::new(Mutex::new(parts)), clock, state }, ready))
    }

    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Starts every namespace.
    pub(crate) async fn run(&self, ready: Vec<Ready>) {
        let mut kept = self.state.lock().await;
        let config = Arc::clone(&kept.config);
        let mut ready: HashMap<String, Ready> =
            ready.into_iter().map(|ready| (ready.name().to_owned(), ready)).collect();
        for configured in &config.namespaces {
            let entry = self.start(&config, configured, ready.remove(&configured.name));
            kept.entries.insert(configured.name.clone(), entry);
        }
    }

    /// Makes the node what the configuration says now.
    ///
    /// # Errors
    /// When a file of passwords cannot be used. Nothing changed then.
    pub(crate) async fn change(&self, config: Config) -> Result<Changes, Error> {
        let mut kept = self.state.lock().await;
        let mut changes = Changes::default();
        if kept.stopped {
            return Ok(changes);
        }
        let guards = guards(&config).await?;
        // What goes is guarded until it has gone.
        let mut both = kept.guards.clone();
        both.extend(guards.clone());
        self.namespaces.guard(both);
        let config = Arc::new(config);
        changes.needs_restart = needs_restart(&kept.config, &config);
        let wanted: HashMap<&str, &Namespace> = config.namespaces.iter().map(|one| (one.name.as_str(), one)).collect();
        let outdated: Vec<String> = kept
            .entries
            .iter()
            .filter(|(name, entry)| {
                wanted.get(name.as_str()).is_none_or(|wanted| fingerprint(&config, wanted) != entry.fingerprint)
            })
            .map(|(name, _)| name.clone())
            .collect();
        let stopping: Vec<_> =
            outdated.iter().filter_map(|name| kept.entries.remove(name).map(|entry| (name, entry))).collect();
        join_all(stopping.into_iter().map(|(name, entry)| self.stop_one(name, entry))).await;
        changes.removed = outdated.into_iter().filter(|name| !wanted.contains_key(name.as_str())).collect();
        let used: HashSet<String> = kept.entries.values().flat_map(|entry| entry.plugins.iter().cloned()).collect();
        self.parts.lock().await.keep_only(&used).await;
        for configured in &config.namespaces {
            if !kept.entries.contains_key(&configured.name) {
                self.namespaces.set(&configured.name, namespace::initializing(&config, configured, &self.clock, None));
                kept.entries.insert(configured.name.clone(), self.start(&config, configured, None));
                changes.started.push(configured.name.clone());
            }
        }
        self.namespaces.guard(guards.clone());
        kept.guards = guards;
        kept.config = config;
        Ok(changes)
    }

    /// Stops every namespace, then the parts.
    pub(crate) async fn stop(&self) {
        let mut kept = self.state.lock().await;
        kept.stopped = true;
        let entries = std::mem::take(&mut kept.entries);
        join_all(entries.into_iter().map(|(name, entry)| async move { self.stop_one(&name, entry).await })).await;
        std::mem::take(&mut *self.parts.lock().await).stop().await;
    }

    fn start(&self, config: &Arc<Config>, configured: &Namespace, ready: Option<Ready>) -> Entry {
        let stop = CancellationToken::new();
        let (config, configured) = (Arc::clone(config), configured.clone());
        let (fingerprint, plugins) = (fingerprint(&config, &configured), plugins(&configured));
        let (parts, namespaces, clock) = (Arc::clone(&self.parts), self.namespaces.clone(), Arc::clone(&self.clock));
        let told = stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                biased;
                () = told.cancelled() => {}
                () = namespace::keep_starting(&config, &configured, ready, &parts, &clock, &namespaces) => {}
            }
        });
        Entry { fingerprint, plugins, stop, task }
    }

    async fn stop_one(&self, name: &str, entry: Entry) {
        entry.stop.cancel();
        if let Err(error) = entry.task.await {
            tracing::error!(namespace = name, %error, "the start of a namespace broke");
        }
        if let Some(State::Running(namespace)) = self.namespaces.remove(name) {
            namespace.stop().await;
            tracing::info!(namespace = name, "stopped");
        }
    }
}

/// Who may use which namespace. The files are read anew each time, so that a changed one counts.
async fn guards(config: &Config) -> Result<Guards, Error> {
    let mut guards = BTreeMap::new();
    for namespace in &config.namespaces {
        if let Some(auth) = &namespace.auth {
            let read = Passwords::read(&auth.passwords).await;
            let passwords = read.map_err(|source| Error::Passwords { name: auth.name.clone(), source })?;
            guards.insert(namespace.name.clone(), Arc::new(passwords));
        }
    }
    Ok(guards)
}

/// Everything that a namespace depends on: its own settings, those that all share, and its plug-ins. Passwords are asked for
/// in front of it.
fn fingerprint(config: &Config, namespace: &Namespace) -> String {
    let namespace = &Namespace { auth: None, ..namespace.clone() };
    let own: Vec<_> = plugins(namespace).into_iter().map(|name| config.plugins.text(&name).to_owned()).collect();
    let hidden = config.webhooks.hidden(&namespace.tls);
    format!("{namespace:?} {:?} {:?} {hidden} {own:?}", config.tuning, config.webhooks)
}

fn plugins(namespace: &Namespace) -> Vec<String> {
    let all = [&namespace.blockchain, &namespace.database, &namespace.data_exchange, &namespace.shared_storage];
    all.into_iter().filter(|name| !name.is_empty()).cloned().collect()
}

fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = |old: &dyn std::fmt::Debug, new: &dyn std::fmt::Debug| format!("{old:?}") != format!("{new:?}");
    let sections = [
        ("http, spi, monitoring, metrics, api or cors", differs(&old.api, &new.api)),
        ("log", differs(&old.log, &new.log)),
        ("namespaces.default", old.default_namespace != new.default_namespace),
    ];
    sections.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}
