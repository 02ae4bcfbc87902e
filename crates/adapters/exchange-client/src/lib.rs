//! FireFly's data exchange as a process of its own beside this node: a client of its local API.
//!
//! The process has the certificate, the connections to peers and the queues to them. This adapter tells it of the nodes of the
//! network, gives it messages and blobs, and takes what arrives from its stream of events.
//!
//! * What was given to it is in its memory alone, so a delivery counts when it says so, and is tried anew when it was gone in
//!   between. Receivers know what they have.
//! * What arrives is acknowledged once a namespace has it durably; until then the process sends it again.
//! * Blobs pass through it: they are uploaded for a transfer and removed behind it, and moved to this node's own store when they
//!   arrive.
//!
//! Deliberately not here: questions between nodes and calls of other adapters' protocols, for which its wire has no place.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

mod api;
mod arriving;
mod certificate;
mod directory;
pub mod options;
mod pending;
mod sending;
mod service;
mod session;
mod socket;
mod uploads;
mod wire;

pub use options::Options;
pub use service::{Handle, Service};
