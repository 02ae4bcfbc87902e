//! Calls to applications over HTTP, by which events are delivered.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// How calls of one subscription differ from the settings of the node. What is `None` is as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Profile {
    /// Name of a configured TLS setting of the namespace.
    pub tls: Option<String>,
    /// URL of a proxy; empty for none.
    pub proxy: Option<String>,
    /// How long a connection may take.
    pub connection_timeout: Option<Duration>,
    /// How much longer it may take to agree on TLS.
    pub tls_timeout: Option<Duration>,
    /// How long a whole call may take, with its answer.
    pub request_timeout: Option<Duration>,
    /// How long an idle connection is kept.
    pub idle_timeout: Option<Duration>,
    /// Idle connections that are kept.
    pub idle_connections: Option<usize>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub method: String,
    /// Absolute, or relative to the configured URL.
    pub url: String,
    /// Segments that are appended to the path of the URL, not escaped yet.
    pub path: Vec<String>,
    /// Parameters that replace those of the same name.
    pub query: Vec<(String, String)>,
    /// Headers, over the configured ones.
    pub headers: Vec<(String, String)>,
    /// Body; `None` for a call without one.
    pub body: Option<Bytes>,
}

/// The answer to a call, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// The usual phrase for the status; may be empty.
    pub reason: String,
    /// Headers in the order in which they came; texts that are not UTF-8 are left out.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The call cannot be made as it is. Repeating does not help.
    #[error("the call cannot be made: {0}")]
    Invalid(String),
    /// It would reach a network that the node does not call. Repeating helps once the configuration or the name is changed.
    #[error("{0} is in a network that is not called: add it to events.webhooks.guard.allow, or use a public address")]
    Guarded(String),
    /// Nobody answers there. Repeating helps.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// The answer did not come in time. Repeating helps.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is larger than is read.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl Error {
    /// Whether the same call may succeed later by itself.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut | Self::TooLarge(_))
    }
}

/// Calls applications for one namespace.
///
/// Guarantees: an answer was read whole, within the limits of size and time of the profile; no connection is opened to an
/// address that the configuration does not allow, also not after a redirect or a change of a name.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Whether a TLS setting of that name is configured.
    fn has_tls(&self, name: &str) -> bool;
    /// Tells early that a subscription could never be called.
    ///
    /// # Errors
    /// [`Error::Invalid`] or [`Error::Guarded`].
    fn check(&self, url: &str, profile: &Profile) -> Result<(), Error>;
    /// Calls and reads the answer.
    ///
    /// # Errors
    /// When there is no answer. A status of any kind is one.
    async fn call(&self, call: Call, profile: &Profile) -> Result<Answer, Error>;
}
