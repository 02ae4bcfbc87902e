//! Identifiers as a parameter, so that a simulated network can own the randomness.

use uuid::Uuid;

/// Makes identifiers that nobody else has.
pub trait Ids: Send + Sync {
    /// A new one, version 4.
    fn next(&self) -> Uuid;
}

/// Identifiers from the operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Ids for Random {
    fn next(&self) -> Uuid {
        Uuid::new_v4()
    }
}
