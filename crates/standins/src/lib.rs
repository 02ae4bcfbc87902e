//! Small servers in the place of processes that are not ours: FireFly's data exchange, and a Kubo node. They answer as the real ones
//! were seen to, and are unkind when a test wants it. Nothing here is shipped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod kubo;
pub mod sidecar;
