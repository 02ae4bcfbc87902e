//! How applications are called: plain values with documented defaults and units.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, time::Duration};

use crate::guard::Guard;

/// How applications of one namespace are called.
#[derive(Clone)]
pub struct Options {
    /// What URLs of subscriptions are relative to.
    pub url: Option<String>,
    /// Headers of every call.
    pub headers: Vec<(String, String)>,
    /// User name and password of every call.
    pub auth: Option<(String, String)>,
    /// URL of a proxy that every call goes through.
    pub proxy: Option<String>,
    /// How long a connection may take. Default 30 s.
    pub connection_timeout: Duration,
    /// How much longer it may take to agree on TLS. Default 10 s.
    pub tls_timeout: Duration,
    /// How long a whole call may take. Default 30 s.
    pub request_timeout: Duration,
    /// How long an idle connection is kept. Default 475 ms.
    pub idle_timeout: Duration,
    /// How many calls may be made in a second. Default: any number.
    pub throttle: Option<Rate>,
    /// Idle connections that are kept to one host. Default 100.
    pub idle_connections: usize,
    /// Largest answer that is read, in bytes. Default 10 MiB.
    pub answer_size: usize,
    /// TLS of calls whose subscription names none.
    pub tls: Option<Tls>,
    /// TLS that subscriptions choose by name.
    pub tls_by_name: BTreeMap<String, Tls>,
    /// Which addresses may be called. Default: public ones.
    pub guard: Guard,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: None,
            headers: Vec::new(),
            auth: None,
            proxy: None,
            connection_timeout: Duration::from_secs(30),
            tls_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_millis(475),
            throttle: None,
            idle_connections: 100,
            answer_size: 10 << 20,
            tls: None,
            tls_by_name: BTreeMap::new(),
            guard: Guard::default(),
        }
    }
}

impl fmt::Debug for Options {
    /// Without headers, password and proxy, which hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .field("guard", &self.guard)
            .field("connection_timeout", &self.connection_timeout)
            .field("tls_timeout", &self.tls_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("throttle", &self.throttle)
            .field("idle_connections", &self.idle_connections)
            .field("answer_size", &self.answer_size)
            .finish_non_exhaustive()
    }
}

/// A bound of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls in a second.
    pub per_second: NonZeroU32,
    /// Calls that may be made at once after a pause; as many as in a second when it is absent.
    pub burst: Option<NonZeroU32>,
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

/// Why applications cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configured URL.
    #[error("events.webhooks.url: {0}")]
    Url(String),
    /// A configured header.
    #[error("events.webhooks.headers: '{0}' cannot be sent as a header")]
    Header(String),
    /// A proxy, a certificate or a key.
    #[error("{place}: {reason}")]
    Client {
        /// Which TLS setting.
        place: String,
        /// What is wrong.
        reason: String,
    },
}
