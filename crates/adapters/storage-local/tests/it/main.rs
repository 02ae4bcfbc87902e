//! Shared storage and blobs as the rest of a node sees them, with peers in the same process.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod blobs;
mod conformance;
mod crash;
mod fake;
mod flow;
mod replication;
