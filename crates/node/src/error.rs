//! Why a node cannot run.

use std::path::PathBuf;

/// Why a node cannot run. Each names the part of the configuration that it comes from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file of the log cannot be opened.
    #[error("cannot write the log to {}: {source}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system does not let the process listen to signals.
    #[error("cannot listen to signals: {0}")]
    Signal(#[source] std::io::Error),
    /// A namespace names a plug-in that is not configured.
    #[error("namespace {namespace} needs the plug-in '{name}', which is not configured")]
    Plugin {
        /// The namespace.
        namespace: String,
        /// What it names.
        name: String,
    },
    /// The listeners cannot be opened.
    #[error("the API cannot be served: {0}")]
    Api(#[source] photinus_api::Error),
    /// The passwords of a namespace cannot be used.
    #[error("auth plug-in {name}: {source}")]
    Passwords {
        /// Its name.
        name: String,
        /// Why.
        source: photinus_api::PasswordsError,
    },
    /// Applications cannot be called as it is configured.
    #[error("webhooks of namespace {name}: {source}")]
    Webhooks {
        /// The namespace.
        name: String,
        /// Why.
        source: photinus_webhooks::StartError,
    },
    /// A certificate or a key cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A ledger cannot be used.
    #[error("blockchain plug-in {name}: {source}")]
    Blockchain {
        /// Its name.
        name: String,
        /// Why.
        source: photinus_ethereum::StartError,
    },
    /// The folder of a database file cannot be made.
    #[error("database plug-in {name}: its folder: {source}")]
    DatabaseFolder {
        /// Its name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A database cannot be opened.
    #[error("database plug-in {name}: {source}")]
    Database {
        /// Its name.
        name: String,
        /// Why.
        source: photinus_store::options::Error,
    },
    /// The identity towards peers cannot be used, or its port is taken.
    #[error("data exchange plug-in {name}: {source}")]
    Exchange {
        /// Its name.
        name: String,
        /// Why.
        source: photinus_exchange_https::Error,
    },
    /// A setting of the data exchange cannot be read.
    #[error("data exchange plug-in {name}: {setting} {reason}")]
    ExchangeSetting {
        /// Its name.
        name: String,
        /// Which setting.
        setting: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A process beside this node cannot be reached as it is configured.
    #[error("plug-in {name}: {source}")]
    Remote {
        /// Its name.
        name: String,
        /// Why.
        source: photinus_remote::Error,
    },
    /// A shared storage has no connections to replicate over.
    #[error(
        "shared storage plug-in {name} replicates over a data exchange of type https, which {exchange} is not; use one of type ipfs"
    )]
    NotReplicated {
        /// Its name.
        name: String,
        /// The data exchange.
        exchange: String,
    },
    /// The folder of a shared storage cannot be used.
    #[error("shared storage plug-in {name}: {source}")]
    Storage {
        /// Its name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Two namespaces replicate one storage through different identities.
    #[error(
        "shared storage plug-in {name} is used with the data exchange plug-ins {one} and {other}; give each its own"
    )]
    SharedTwice {
        /// Its name.
        name: String,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// A data exchange is used by namespaces with different shared storages, of which each has its own blobs.
    #[error(
        "data exchange plug-in {name} is used with the shared storage plug-ins {one} and {other}; give each its own"
    )]
    BlobsTwice {
        /// Its name.
        name: String,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// An address cannot be resolved.
    #[error("{setting} cannot be '{address}': {reason}")]
    Address {
        /// Which setting.
        setting: String,
        /// What it says.
        address: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// What an operator can do about it.
    #[must_use]
    pub fn next(&self) -> Option<&'static str> {
        match self {
            Self::Log { .. } => Some("change log.filename, or the permissions of the file"),
            Self::Api(photinus_api::Error::Listen { .. })
            | Self::Exchange { source: photinus_exchange_https::Error::Listen { .. }, .. } => {
                Some("stop what listens there, or change the port in the configuration")
            }
            Self::Database { source: photinus_store::options::Error::InUse(_), .. } => {
                Some("stop the other node, or give this one a database of its own")
            }
            Self::Blockchain { .. } => Some("check url, wsUrl and keys of the plug-in"),
            _ => None,
        }
    }
}
