//! JSON text exactly as the protocol hashes it.
//!
//! Two encoders exist: free JSON is kept as text ([`JsonText`]); our own records are written by [`to_text`] and
//! [`to_bytes`]. Both escape `<`, `>`, `&`, U+2028 and U+2029 inside strings.

mod canonical;
pub(crate) mod cursor;
mod sorted;
mod value;
mod writer;

pub use canonical::{Error, canonical};
pub use cursor::Mismatch;
pub use sorted::sorted;
pub use value::JsonText;
pub(crate) use writer::own;
pub use writer::{to_bytes, to_bytes_of, to_text};
