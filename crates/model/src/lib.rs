//! The words of the multiparty protocol: identifiers, canonical JSON, hashes and the records that a node keeps,
//! shows and sends.
//!
//! Whatever feeds a hash is written here and nowhere else, byte for byte as Hyperledger FireFly 1.1 to 1.4 write it.
//! The same types, serialised with serde, are the JSON of the REST interface.
//!
//! Deliberately not here: input and output of any kind, `async`, a clock, randomness, SQL, and the order in which
//! messages are decided (that is the `sequencing` crate).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

#[macro_use]
mod text;

pub mod batch;
pub mod blob;
pub mod blockchain_event;
pub mod cid;
pub mod data;
pub mod datatype;
pub mod definition;
pub mod did;
pub mod duration;
pub mod event;
pub mod group;
pub mod hash;
pub mod identity;
pub mod json;
pub mod message;
pub mod name;
pub mod namespace;
pub mod nextpin;
pub mod operation;
pub mod pin;
pub mod subscription;
pub mod tag;
pub mod time;
pub mod transaction;
pub mod verifier;
pub mod wire;

pub use duration::Duration;
pub use hash::Hash;
pub use json::JsonText;
pub use text::Unknown;
pub use time::Time;
pub use uuid::Uuid;
