//! Why a data exchange could not be started.

use std::path::PathBuf;

/// What stops a data exchange from starting. None of these goes away by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("cannot use '{path}': {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The configured id breaks the rule of own ids.
    #[error("node id '{0}' must be 1-64 characters of a-z, A-Z, 0-9, underscore, plus and dash")]
    Id(String),
    /// The certificate says something else than the configuration.
    #[error("the certificate in '{path}' carries the id '{found}', but the configuration says '{configured}'")]
    OtherId {
        /// File of the certificate.
        path: PathBuf,
        /// Id that the certificate carries.
        found: String,
        /// Id that is configured.
        configured: String,
    },
    /// A certificate is there without its key.
    #[error("'{certificate}' is there but its key '{key}' is missing: restore the key, or remove the certificate")]
    KeyMissing {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key that is missing.
        key: PathBuf,
    },
    /// A certificate or key cannot be read or used.
    #[error("certificate or key in '{path}' cannot be used: {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of known peers is damaged.
    #[error("'{path}' is damaged ({reason}): remove it, and the peers are learned again from the ledger")]
    Peers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two bootstrap entries contradict each other, or one carries an id that no node can have.
    #[error("bootstrap peer {endpoint}: {reason}")]
    Bootstrap {
        /// Endpoint of the entry.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The TLS library refuses this node's certificate or the protocol settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}
