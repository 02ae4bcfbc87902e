//! What tests share: the outside world of a namespace in memory, and a network of members in one process.
//!
//! The fakes keep the guarantees of the ports and add what a test needs to be unkind: a ledger that holds its blocks back or
//! refuses a while, storage that withholds a content. Nothing here is shipped.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

pub mod blobs;
pub mod conformance;
pub mod endpoints;
pub mod exchange;
pub mod ids;
pub mod ledger;
pub mod network;
pub mod storage;
