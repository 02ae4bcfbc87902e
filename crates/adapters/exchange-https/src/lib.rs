//! The peer-to-peer side of a node: its certificate, whom it trusts, and mutually authenticated calls between members' nodes.
//!
//! * Identity: a key and a certificate, made on first start or given; published as the node profile `{id, endpoint, cert}`.
//! * Trust: a peer is known by the certificates in its node identity on the ledger, or by a fingerprint in the configuration
//!   until it is registered. A certificate proves one id and nothing more.
//! * Calls: [`photinus_ports::peers::Peers`] over HTTP/2 on mutual TLS, with one kept connection to each peer.
//! * Deliveries: private messages, blobs and questions, on the same connections, handed to whoever receives for a node.
//! * FireFly: members that run FireFly's data exchange are reached, and reach this node, by its wire on the same port.
//!
//! Deliberately not here: what waits for a peer that is away (the engine's store keeps it), and anything about what calls and
//! messages carry.
//!
//! ```no_run
//! # async fn example() -> Result<(), photinus_exchange_https::Error> {
//! use std::sync::Arc;
//! use photinus_exchange_https::{Options, Service};
//! use photinus_ports::clock;
//!
//! let service = Service::bind(Options::new("data/exchange", "org_a"), Arc::new(clock::System)).await?;
//! let handle = service.handle();
//! let shutdown = tokio_util::sync::CancellationToken::new();
//! tokio::spawn(service.run(shutdown.clone()));
//! println!("{} {}", handle.endpoint(), handle.identity().fingerprint());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

mod answer;
mod call;
mod certificate;
mod delivery;
pub mod endpoint;
mod error;
mod file;
mod frame;
mod guest;
mod link;
mod listener;
pub mod options;
mod profile;
mod service;
mod shared;
mod sidecar;
mod tls;
mod traffic;
mod trust;

pub use certificate::{Fingerprint, Identity};
pub use endpoint::Endpoint;
pub use error::Error;
pub use options::{Bootstrap, Given, Limits, Options};
pub use service::{Handle, Service};
