//! Data exchanges that call each other over real sockets, and those who should not be able to.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod attacks;
mod blobs;
mod calls;
mod conformance;
mod inbox;
mod messages;
mod node;
mod recorded;
mod replication;
mod sidecar;
mod stranger;
mod trust;
mod wire;
