//! Identifiers as a parameter, so that a simulated network can own the randomness.

use uuid::Uuid;

/// Makes identifiers that nobody else has.
pub trait Ids: Send + Sync {
    /// A new one.
    fn next(&self) -> Uuid;
}

/// Identifiers of version 7: the time in milliseconds, then 74 random bits. New ones are appended to a database's indexes of
/// identifiers, where those of version 4 each touch another page of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Ids for Random {
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
