//! The configuration of a node: a file in FireFly's format, overridden by environment variables, read into types.
//!
//! FireFly's keys keep their names, meanings, defaults and units. Those without a meaning here are accepted and listed once;
//! unknown ones are refused with the nearest known key. Photinus's adapters are plug-in types of their own in the same
//! format: `evm` (blockchain), `https` (data exchange), `embedded` (shared storage). FireFly's own data exchange (`ffdx`) and IPFS (`ipfs`)
//! have its names.
//!
//! Deliberately absent: searching for a file in well-known places.

mod catalogue;
mod check;
mod document;
mod environment;
mod exchange;
mod listener;
mod log;
mod namespace;
mod plugin;
mod problem;
mod reference;
mod remote;
mod section;
mod size;
mod storage;
mod tuning;
mod webhooks;
mod write;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use section::Section;

pub use check::Ignored;
pub use exchange::{DataExchange, DataExchangeKind, Ffdx, Https, Peer};
pub use log::Log;
pub use namespace::{Multiparty, Namespace};
pub use plugin::{Auth, Blockchain, Database, DatabaseKind, Plugins};
pub use problem::{Place, Problem, Problems};
pub use reference::page as reference;
pub use remote::Remote;
pub use storage::{Ipfs, SharedStorage, SharedStorageKind};
pub use tuning::Tuning;
pub use webhooks::{Pem, Tls, Webhooks};
pub use write::to_yaml;

/// Everything that a node is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is logged, and how.
    pub log: Log,
    /// The listeners, and the limits of requests.
    pub api: photinus_api::Options,
    /// Whether the file is followed and changes take effect at once.
    pub auto_reload: bool,
    /// The adapters that namespaces choose from.
    pub plugins: Plugins,
    /// Name of the namespace that requests without one mean.
    pub default_namespace: String,
    /// The namespaces, at least one.
    pub namespaces: Vec<Namespace>,
    /// Sizes and times that every namespace shares.
    pub tuning: Tuning,
    /// How applications are called.
    pub webhooks: Webhooks,
}

/// A configuration with what the reader of the log should know of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Settings that were accepted without effect.
    pub ignored: Vec<Ignored>,
    /// Environment variables with FireFly's prefix that name no setting.
    pub strangers: Vec<Problem>,
}

/// Why a file is not a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It says something that cannot be.
    #[error("{} cannot be used:\n{problems}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, all of it.
        problems: Problems,
    },
}

/// Reads a file, with overrides from the environment of this process.
///
/// # Errors
/// When the file cannot be read, or holds anything that is wrong; then every problem is listed.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    parse(&text, variables).map_err(|problems| Error::Invalid { path: path.to_owned(), problems })
}

/// Reads a text; `variables` override settings. Relative paths in it count from the working directory, as in FireFly.
///
/// # Errors
/// Everything that is wrong, in the order of the file.
pub fn parse(text: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    let mut root = document::parse(text).map_err(|problem| Problems(vec![problem]))?;
    let strangers = environment::apply(&mut root, variables);
    let found = check::check(&root);
    let problems = RefCell::new(found.problems);
    let config = read(&Section::root(&root, &problems));
    let mut problems = problems.into_inner();
    if problems.is_empty() {
        Ok(Loaded { config, ignored: found.ignored, strangers })
    } else {
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        problems.dedup();
        Err(Problems(problems))
    }
}

fn read(root: &Section<'_>) -> Config {
    let plugins = plugin::read(&root.section("plugins"));
    let namespaces = root.section("namespaces");
    let predefined = namespace::read(root, &plugins);
    let default_namespace = namespaces.text("default").unwrap_or_else(|| "default".into());
    if !predefined.is_empty() && predefined.iter().all(|namespace| namespace.name != default_namespace) {
        namespaces.problem("default", format!("is '{default_namespace}', which is not one of namespaces.predefined"));
    }
    Config {
        log: log::read(&root.section("log")),
        auto_reload: root.section("config").flag("autoReload", false),
        api: listener::read(root),
        plugins: plugins.plugins,
        default_namespace,
        namespaces: predefined,
        tuning: tuning::read(root),
        webhooks: webhooks::read(&root.section("events").section("webhooks")),
    }
}

#[cfg(test)]
mod tests;
