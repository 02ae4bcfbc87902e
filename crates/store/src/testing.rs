//! What tests of other crates share.

pub use crate::server::{Encryption, Error, Flush, Server};
