//! Identifiers as a parameter, so that a simulated network can own the randomness.

use uuid::Uuid;

/// Makes identifiers that nobody else has.
pub trait Ids: Send + Sync {
    /// A new one. Whoever knows others may guess much of it.
    fn next(&self) -> Uuid;
    /// 122 bits that nobody can guess, for secrets.
    fn secret(&self) -> Uuid;
}

/// Identifiers of version 7: the time in milliseconds, then 74 random bits. New ones are appended to a database's indexes of
/// identifiers, where those of version 4 each touch another page of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Ids for Random {
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn secret(&self) -> Uuid {
        Uuid::new_v4()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_tell_the_time_and_secrets_do_not() {
        assert_eq!(Random.next().get_version_num(), 7);
        assert_eq!(Random.secret().get_version_num(), 4);
        assert_ne!(Random.secret(), Random.secret());
    }
}
