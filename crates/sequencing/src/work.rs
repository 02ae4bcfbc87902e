//! Work that a step still has to do, in the order in which it is done: lower places first.

use photinus_model::Hash;
use serde::{Deserialize, Serialize};

use crate::facts::{BatchKey, Place, Pos};
use crate::rows::Key;

/// One item of work. Ordered by place, so that what one fact sets free is decided in the order of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Where the item stands.
    pub(crate) at: Place,
    /// What to do.
    pub(crate) item: Item,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Item {
    /// Take back the lowest event from this position on, then the next one. Done before all else.
    Retract(Pos),
    /// Find the messages of the lowest event that names this batch, then those of the next one.
    Bind(BatchKey),
    /// Meet the masked event at this place, which names this batch, then the next one.
    Deliver(BatchKey),
    /// See whether the next message of this lane can be decided.
    Lane(Hash),
    /// See whether the message that owns the value at this place can be decided.
    Look,
    /// Look at what is in this list at this place or above, but not above `to`.
    Wake { list: Key, to: Option<Place> },
}
