//! The rows that the machine works on: an overlay of typed rows over an ordered table of bytes that somebody else
//! keeps.
//!
//! The overlay knows three things of a key: loaded, loaded and absent, not loaded. A read of the third kind stops the
//! step with a [`Need`]. Changes are collected with what the table held before, so that a row which came and went
//! inside one transaction is never written. Between steps the overlay serves as a bounded cache.
//!
//! Not here: the table itself, and transactions. [`Table`] is one in memory, for tests and simulations.

mod access;
mod intervals;
pub(crate) mod key;
mod overlay;
mod ranges;
pub(crate) mod row;
mod table;
mod tag;

pub use key::Key;
pub use overlay::{Change, Rows};
pub use table::{Table, drive};

use crate::facts::content::Datatype;
use crate::facts::{DataKey, MessageKey};
use crate::reason::Lane;

/// The lane and the nonce of its next message, if a change is one of a lane.
///
/// # Errors
/// If the bytes are not a row of their table.
pub fn lane_of((key, bytes): &Change) -> Result<Option<(Lane, u64)>, Error> {
    let Some(bytes) = bytes.as_ref().filter(|_| tag::Table::of(key) == Some(tag::Table::Lane)) else { return Ok(None) };
    match row::Row::decode(key, bytes)? {
        row::Row::Lane(state) => Ok(Some((state.lane.clone(), state.next))),
        _ => Ok(None),
    }
}

/// What a step must be told before it can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The row with this key: answer with [`Rows::load`].
    Get(Key),
    /// The row with the lowest key from `from` up to and without `to`: answer with [`Rows::load_first`], or with
    /// [`Rows::load_range`] to save questions.
    First {
        /// The lowest key of the range.
        from: Key,
        /// The lowest key above the range.
        to: Key,
    },
    /// Whether a value conforms to a datatype: answer with [`Rows::answer`].
    Schema(Question),
}

/// Whether a value conforms to a datatype. The answer must be a function of the two hashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// Name and version of the datatype.
    pub datatype: Datatype,
    /// The message that defines it.
    pub definition: MessageKey,
    /// The data item with its definition.
    pub payload: DataKey,
    /// The data item with the value.
    pub data: DataKey,
}

/// Why rows cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A key that this version does not know.
    #[error("a row of an unknown table")]
    UnknownTable,
    /// A row that another version wrote.
    #[error("a row of unknown version {0}")]
    Version(u8),
    /// Bytes that are not a row of their table.
    #[error("a row that cannot be read")]
    Decode(#[source] postcard::Error),
    /// A row that has no encoding.
    #[error("a row that cannot be written")]
    Encode(#[source] postcard::Error),
    /// A row of another kind than its table holds, or rows that contradict each other.
    #[error("rows that contradict each other: {0}")]
    Inconsistent(&'static str),
}

/// Why a unit of work stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Rows are missing.
    Need(Vec<Need>),
    /// Rows are broken.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Stop {
    /// Rows contradict each other.
    pub(crate) fn inconsistent(what: &'static str) -> Self {
        Self::Error(Error::Inconsistent(what))
    }
}
