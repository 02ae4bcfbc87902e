//! What a client of a data exchange is configured with.

use std::time::Duration;

use photinus_remote as remote;

/// Settings of the client of one data exchange. The names of the keys are FireFly's.
#[derive(Clone, Debug)]
pub struct Options {
    /// The process: `url`, headers, TLS and times.
    pub remote: remote::Options,
    /// `ws.url`: where its events are, if that is not `url`. Its path is replaced.
    pub events_url: Option<String>,
    /// `ws.path`. Default `/ws`.
    pub events_path: String,
    /// `ws.heartbeatInterval`: how often it has to show a sign of life. Default 30 s.
    pub heartbeat: Duration,
    /// `retry`: waits before it is connected to anew. Default 250 ms, doubled up to 30 s.
    pub reconnect: Waits,
    /// `eventRetry`: waits before what arrived is offered to a namespace again. Default 50 ms, doubled up to 30 s.
    pub offer: Waits,
    /// `initEnabled`: it is told of all nodes in one call before its events are read. FireFly's own data exchange has no such call.
    pub init: bool,
    /// `manifestEnabled`: a delivery counts when the other node has acknowledged it. FireFly's own data exchange never says so.
    pub manifest: bool,
    /// The largest message, in bytes. FireFly's data exchange cuts what is longer than 1 MiB without a word.
    pub message: u64,
    /// The largest blob, in bytes. Default 16 GiB.
    pub blob: u64,
    /// Messages to one peer that it is given at once: all peers wait in its one queue. Default 4.
    pub messages_per_peer: usize,
    /// Blobs that pass through it at once, in each direction. Default 4.
    pub blobs: usize,
    /// How long it may take over a message, its own attempts included. Default 3 min.
    pub message_time: Duration,
    /// How long it may take over a blob, its own attempts included. Default 15 min.
    pub blob_time: Duration,
}

/// Waits that grow.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// The first.
    pub initial: Duration,
    /// The longest.
    pub maximum: Duration,
    /// What each is multiplied by.
    pub factor: f64,
}

impl Waits {
    /// The wait behind this one.
    pub(crate) fn after(self, wait: Duration) -> Duration {
        wait.mul_f64(self.factor.max(1.0)).min(self.maximum)
    }
}

impl Options {
    /// Settings with every default.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let waits = |initial| Waits { initial, maximum: Duration::from_secs(30), factor: 2.0 };
        Self {
            remote: remote::Options::new(url),
            events_url: None,
            events_path: "/ws".to_owned(),
            heartbeat: Duration::from_secs(30),
            reconnect: waits(Duration::from_millis(250)),
            offer: waits(Duration::from_millis(50)),
            init: false,
            manifest: false,
            message: 1 << 20,
            blob: 16 << 30,
            messages_per_peer: 4,
            blobs: 4,
            message_time: Duration::from_secs(180),
            blob_time: Duration::from_secs(900),
        }
    }
}
