//! Settings of an HTTP client, with FireFly's defaults.

use std::{fmt, time::Duration};

/// How a process beside this node is reached.
#[derive(Clone)]
pub struct Options {
    /// Its address.
    pub url: String,
    /// Headers of every request.
    pub headers: Vec<(String, String)>,
    /// User name and password of every request.
    pub auth: Option<(String, String)>,
    /// URL of a proxy that every request goes through.
    pub proxy: Option<String>,
    /// How long a connection may take. Default 30 s.
    pub connection_timeout: Duration,
    /// How much longer it may take to agree on TLS. Default 10 s.
    pub tls_timeout: Duration,
    /// How long a small request may take as a whole, and the longest pause in the answer to any. Default 30 s.
    pub request_timeout: Duration,
    /// How long an idle connection is kept. Default 475 ms.
    pub idle_timeout: Duration,
    /// Idle connections that are kept. Default 100.
    pub idle_connections: usize,
    /// Whom to trust, and who to be.
    pub tls: Option<Tls>,
}

impl Options {
    /// Settings with every default.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            auth: None,
            proxy: None,
            connection_timeout: Duration::from_secs(30),
            tls_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_millis(475),
            idle_connections: 100,
            tls: None,
        }
    }
}

impl fmt::Debug for Options {
    /// Without headers, password, proxy and keys, which hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .field("connection_timeout", &self.connection_timeout)
            .field("tls_timeout", &self.tls_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("idle_connections", &self.idle_connections)
            .finish_non_exhaustive()
    }
}

/// Whom to trust on a TLS connection, and who to be. All in PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificate authorities, instead of those of the system.
    pub authorities: Option<Vec<u8>>,
    /// A certificate chain with its key, for servers that ask for one.
    pub identity: Option<Vec<u8>>,
    /// Accepts any certificate.
    pub insecure: bool,
}
