//! How the API is served: plain values with documented defaults and units.

use std::{path::PathBuf, time::Duration};

use photinus_query::rest;

pub use crate::tls::{Pem, Tls};

/// Everything that the API's listeners are told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where applications connect. Default 127.0.0.1:5000.
    pub http: Listener,
    /// Where other machines administrate the node; absent by default.
    pub spi: Option<Listener>,
    /// Where metrics and `/livez` are read; absent by default.
    pub monitoring: Option<Monitoring>,
    /// How changes are told to who listens on the administration's listener.
    pub changes: Changes,
    /// What browsers may do from other origins; `None` is nothing. Default: everything.
    pub cors: Option<Cors>,
    /// Bounds of what requests may ask for.
    pub limits: Limits,
    /// A request header whose value replaces the public URL in links.
    pub dynamic_public_url_header: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            http: Listener::new("127.0.0.1", 5000),
            spi: None,
            monitoring: None,
            changes: Changes::default(),
            cors: Some(Cors::default()),
            limits: Limits::default(),
            dynamic_public_url_header: None,
        }
    }
}

/// A TCP port that serves HTTP.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Address or host name to listen on.
    pub address: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// The URL that others use, for links, without a slash at the end. Default: from address and port.
    pub public_url: Option<String>,
    /// How long a stop waits for requests in progress. Default 10 s.
    pub shutdown_timeout: Duration,
    /// Its certificate, when it speaks TLS.
    pub tls: Option<Tls>,
    /// A file of names and bcrypt hashes, when it asks for names and passwords.
    pub passwords: Option<PathBuf>,
    /// How many requests a client may send, when that is limited.
    pub rate_limit: Option<RateLimit>,
}

/// How many requests a client may send. More are refused, with the time after which they may be repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests a second, for long.
    pub per_second: f64,
    /// Requests at once, after a pause.
    pub burst: u32,
    /// Who is a client.
    pub by: By,
}

/// What makes a client one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Its address; of an IPv6 address the network.
    Address,
    /// The name that it gives with its password, on a listener that asks for them; else its address.
    User,
}

impl Listener {
    /// A listener with defaults for everything else.
    #[must_use]
    pub fn new(address: impl Into<String>, port: u16) -> Self {
        Self {
            address: address.into(),
            port,
            public_url: None,
            shutdown_timeout: Duration::from_secs(10),
            tls: None,
            passwords: None,
            rate_limit: None,
        }
    }
}

/// Where metrics and `/livez` are read.
#[derive(Clone, Debug)]
pub struct Monitoring {
    /// Its port.
    pub listener: Listener,
    /// Path of the metrics. FireFly's is `/metrics`.
    pub metrics_path: String,
}

/// How changes are told to who listens on the administration's listener.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Changes that may wait for one listener; more are lost to it, and it is told how many. Default 250.
    pub queue: usize,
    /// Least time between two words in the log about a listener that loses some. Default 1 min.
    pub warn: Duration,
}

impl Default for Changes {
    fn default() -> Self {
        Self { queue: 250, warn: Duration::from_secs(60) }
    }
}

/// What browsers may do from other origins.
#[derive(Clone, Debug)]
pub struct Cors {
    /// Origins; `*` is any. Default any.
    pub origins: Vec<String>,
    /// Methods. Default GET, POST, PUT, PATCH, DELETE.
    pub methods: Vec<String>,
    /// Request headers; `*` is any. Default any.
    pub headers: Vec<String>,
    /// Whether cookies and authorisation may be sent. Default yes.
    pub credentials: bool,
    /// How long a browser may remember the answer. Default 600 s.
    pub max_age: Duration,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: vec!["*".to_owned()],
            methods: ["GET", "POST", "PUT", "PATCH", "DELETE"].map(str::to_owned).to_vec(),
            headers: vec!["*".to_owned()],
            credentials: true,
            max_age: Duration::from_secs(600),
        }
    }
}

/// Bounds of requests.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries of a listing: default, and the most that may be asked for or skipped.
    pub listing: rest::Limits,
    /// Records that are counted for one bucket of a chart. Default 100, as in FireFly.
    pub chart_rows: usize,
    /// How long a request may take when it does not say. Default 120 s.
    pub request_timeout: Duration,
    /// How long a request may ask to take. Default 10 min.
    pub request_max_timeout: Duration,
    /// Bytes of a JSON body. Default 4 MiB: a message of the largest size, with room for escapes.
    pub json_size: usize,
    /// Bytes of one form field of an upload that is not the file. Default 1 MiB.
    pub field_size: usize,
    /// How long a client may take for its request's head, between two pieces of a body, and for each 4 KiB of it. Default 15 s.
    pub read_timeout: Duration,
    /// How long a client may read nothing of its answer. Default 1 min.
    pub write_timeout: Duration,
    /// Requests at the same time that change something; more are told to come back later. Those that wait for a confirmation
    /// count. Default 20 000.
    pub requests: usize,
    /// Requests at the same time that read; more are told to come back later. They have a room of their own, so that a node
    /// that has too much to do can say so. Default 2 000.
    pub queries: usize,
    /// Bytes of the bodies of all requests at the same time; more are told to come back later. Default 128 MiB.
    pub bodies: usize,
    /// Connections at the same time; more wait to be accepted. Default 20 000.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            listing: rest::Limits::default(),
            chart_rows: 100,
            request_timeout: Duration::from_secs(120),
            request_max_timeout: Duration::from_secs(600),
            json_size: 4 << 20,
            field_size: 1 << 20,
            read_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(60),
            requests: 20_000,
            queries: 2_000,
            bodies: 128 << 20,
            connections: 20_000,
        }
    }
}
