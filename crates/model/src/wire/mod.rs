//! The door: reads what peers send, and checks it as far as that needs no knowledge of this node.
//!
//! What the reference accepts is accepted here, and nothing else: a batch that peers can read and we cannot would stop
//! our topics behind theirs. Hence the reading is Go's, with its leniency (see the module `decode`), and the checks are
//! those of the reference, all or nothing. What it does on a crash or an endless retry is a refusal here.
//!
//! One thing differs: text that is not UTF-8 is refused (by the type of the parameter), while the reference keeps such
//! bytes within values as long as its database does.
//!
//! Deliberately not here: whether data or blobs are known already, and who may have sent the batch.

pub(crate) mod decode;

mod accept;
pub(crate) mod batch;
mod wrapper;

pub use crate::json::Mismatch;
pub use accept::{Accepted, Refused, accept};
pub use batch::Batch;
pub use wrapper::{Wrapper, parse_wrapper, wrap};

use crate::json;

/// The bytes at which the reference gives up on a payload of shared storage: its configured batch limit and 1024.
pub const MAX_TEXT: usize = 820_224;

/// Why a text is not a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than the limit.
    #[error("the text has {length} bytes, and the limit is {limit}")]
    TooLong {
        /// The length in bytes.
        length: usize,
        /// The limit in bytes; texts must be shorter.
        limit: usize,
    },
    /// Not JSON.
    #[error(transparent)]
    Json(#[from] json::Error),
    /// JSON of another shape.
    #[error(transparent)]
    Shape(#[from] Mismatch),
}

/// Reads a batch. Total: any text ends in a batch or an error, in time and memory linear in its length.
///
/// # Errors
/// When the text is too long, is not JSON, or has another shape.
pub fn parse_batch(text: &str, limit: usize) -> Result<Batch, Error> {
    if text.len() >= limit {
        return Err(Error::TooLong { length: text.len(), limit });
    }
    read(text)
}

/// Reads a record from JSON as the reference does.
pub(crate) fn read<T: decode::Decode>(text: &str) -> Result<T, Error> {
    let canonical = json::canonical(text)?;
    let mut record = T::default();
    record.decode(&mut json::cursor::Cursor::new(&canonical))?;
    Ok(record)
}
