//! Shared storage and local blobs in the node itself.
//!
//! * [`shared`]: content-addressed storage that all members read. A reference is the content id that IPFS gives for the same
//!   bytes. Content is pushed to peers as it is published and pulled from any peer when it is missing, and shows only once its
//!   bytes were found to match its reference.
//! * [`blobs`]: the files that applications attach to data, in folders of this node alone.
//!
//! Shared means shared: every peer that the node trusts may read every published content whose reference it knows, whichever
//! namespace published it.
//!
//! Deliberately not here: connections and trust (the ports' `Peers`), content ids of other kinds than version 0, and removal
//! of what was published.
//!
//! For systems with hard links and folders that can be synchronised, which excludes Windows.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

pub mod blobs;
mod disk;
pub mod options;
mod replication;
pub mod shared;
mod staging;
mod transfer;

pub use options::Options;

/// The bytes that are read, hashed and written at a time.
const CHUNK: usize = photinus_model::cid::CHUNK;
