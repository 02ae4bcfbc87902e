//! What only one node says: that a batch is for a group of ours, or that there is a group.
//!
//! Who tells of a group tells what it has of it, and what is pinned of that is asked for. That costs nothing to say, so there is only
//! so much of it for each node at a time; what is beyond is told of again when there is room. The node that said it is
//! asked first, and the others only when it cannot be reached: they should not be bothered with what may be made up. Who
//! does not give what it told of is asked ever more seldom, and for as long as early content is kept.

use std::time::Duration;

use photinus_model::Time;
use serde::{Deserialize, Serialize};

use super::Outcome;

/// Batches that are asked for at a time because one node told of them.
pub(in super::super) const MOST_BATCHES: usize = 500;
/// Batches that are not pinned yet and of which one node told.
pub(in super::super) const MOST_NAMES: usize = 1_000;
/// Groups that are asked for at a time because one node wrote to them.
pub(in super::super) const MOST_GROUPS: usize = 200;

/// Who told of something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct By {
    pub(in super::super) peer: String,
    pub(in super::super) since: Time,
}

impl By {
    /// What comes of it that the node refused: it is given up when it is as old as `expiry`.
    pub(in super::super) fn refused(&self, now: Time, expiry: Duration) -> Outcome {
        let age = now.as_unix_nanos().saturating_sub(self.since.as_unix_nanos());
        let old = u64::try_from(age).is_ok_and(|age| Duration::from_nanos(age) > expiry);
        if old { Outcome::Done } else { Outcome::Refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_give_what_it_told_of_is_not_believed_for_ever() {
        let by = By { peer: "a".to_owned(), since: Time::from_unix_nanos(1_000) };
        let expiry = Duration::from_nanos(500);
        assert_eq!(by.refused(Time::from_unix_nanos(1_500), expiry), Outcome::Refused);
        assert_eq!(by.refused(Time::from_unix_nanos(1_501), expiry), Outcome::Done);
        assert_eq!(by.refused(Time::from_unix_nanos(0), expiry), Outcome::Refused, "clocks may be set back");
    }
}
