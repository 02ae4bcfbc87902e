//! What a data exchange is configured with.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{Endpoint, Fingerprint};

/// Settings of one data exchange.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of this part's files: own key and certificate, and the peers that were learned.
    pub dir: PathBuf,
    /// Base id of this node: the `O=` of its certificate. 1 to 64 of `A-Z a-z 0-9 _ + -`.
    pub id: String,
    /// Where to listen. Loopback and any free port by default.
    pub listen: SocketAddr,
    /// The address that peers are told. By default the address that is listened on.
    pub endpoint: Option<Endpoint>,
    /// A certificate of the operator's own, in place of a self-signed one that is made on first start.
    pub given: Option<Given>,
    /// PEM file of the certificate that this node will use next; published beside the one in use.
    pub next: Option<PathBuf>,
    /// Peers that are trusted before the ledger names them.
    pub bootstrap: Vec<Bootstrap>,
    /// How long a replaced certificate of a peer is still accepted.
    pub grace: Duration,
    /// Limits on what peers and strangers may do.
    pub limits: Limits,
}

impl Options {
    /// Settings with every default.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, id: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            id: id.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            endpoint: None,
            given: None,
            next: None,
            bootstrap: Vec::new(),
            grace: Duration::from_secs(7 * 24 * 3600),
            limits: Limits::default(),
        }
    }
}

/// PEM files of an operator's own public key infrastructure.
#[derive(Clone, Debug)]
pub struct Given {
    /// The node's certificate, followed by intermediates if any.
    pub certificate: PathBuf,
    /// Its private key (PKCS#8, SEC1 or PKCS#1).
    pub key: PathBuf,
    /// Authorities that peers need to check the certificate; published before it.
    pub ca: Option<PathBuf>,
}

/// A peer that the operator names, so that the first claims of a new member can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// SHA-256 of its certificate.
    pub fingerprint: Fingerprint,
    /// Its base id. Learned from the certificate at the first contact when absent.
    pub id: Option<String>,
}

/// Limits. Times are per step, never for a whole transfer: what flows may take as long as it needs.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that one peer may hold open to this node; one more closes the oldest.
    pub connections_per_peer: usize,
    /// TLS handshakes under way at once, over all strangers.
    pub handshakes: usize,
    /// Calls of one peer that are answered at once, and calls to one peer that are under way at once.
    pub calls_per_peer: usize,
    /// Bytes of the body of a call or of a blob, in either direction.
    pub body: u64,
    /// Bytes of a private message, in either direction.
    pub message: u64,
    /// Messages of one peer that are taken in at once, and messages to one peer that are under way at once.
    pub messages_per_peer: usize,
    /// Bytes of messages of one peer that are in memory at once.
    pub message_bytes_per_peer: u64,
    /// Questions of one peer that are answered at once, and questions to one peer that are under way at once.
    pub questions_per_peer: usize,
    /// Blobs of one peer that arrive at once, and blobs to one peer that are under way at once.
    pub blobs_per_peer: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For opening a connection to a peer, with its handshake.
    pub connect: Duration,
    /// For the head of a request or an answer to arrive.
    pub head: Duration,
    /// Between two chunks of a body, and for each 4 KiB of it: what drips is cut off.
    pub idle: Duration,
    /// From the last byte of a request to the first of its answer.
    pub answer: Duration,
    /// Between two signs of life on an idle connection.
    pub keep_alive: Duration,
    /// Longest pause between two attempts to reach a peer.
    pub max_back_off: Duration,
}

impl Limits {
    /// Requests of one peer that a connection carries at once: those of every kind, and signs of life.
    pub(crate) fn streams(&self) -> u32 {
        let kinds = [self.calls_per_peer, self.messages_per_peer, self.questions_per_peer, self.blobs_per_peer, 16];
        kinds.iter().fold(0_u32, |sum, kind| sum.saturating_add(u32::try_from(*kind).unwrap_or(u32::MAX)))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_peer: 8,
            handshakes: 256,
            calls_per_peer: 128,
            body: 16 << 30,
            message: 1 << 20,
            messages_per_peer: 64,
            message_bytes_per_peer: 16 << 20,
            questions_per_peer: 16,
            blobs_per_peer: 4,
            handshake: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(20),
            answer: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            max_back_off: Duration::from_secs(30),
        }
    }
}
