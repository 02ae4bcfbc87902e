//! A hostile party on a network of members: it has an account on the ledger and may write to shared storage, nothing else.
//!
//! Whatever it does, members agree on verdict, reason and order, nobody who is not on its topic is held up, every message is
//! decided at most once, and a member that starts again stands where it stood.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod aftermath;
mod backlog;
mod claims;
mod contents;
mod forge;
mod forks;
mod payloads;
mod pins;
mod release;
mod signers;
