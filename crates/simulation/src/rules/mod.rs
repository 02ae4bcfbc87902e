//! The rules of order a second time, written from their description and from nothing else: slow, without state, without order
//! of arrival. From all facts at the end it decides what can be decided, again and again, until nothing is left.
//!
//! [`open`] decides what is pinned for everybody, [`private`] what is pinned for a group, as one of its members sees it.

pub(crate) mod keys;
pub(crate) mod open;
pub(crate) mod private;

use photinus_ports::blockchain::Position;

/// A place on the ledger: a log, and a value of it.
pub(crate) type Place = (Position, usize);

/// What is decided of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Confirmed,
    /// With the code that the reason must begin with, where there is one.
    Rejected(&'static str),
}

impl Verdict {
    /// Whether a member shows this verdict.
    pub(crate) fn is(self, shown: &crate::check::view::Shown) -> bool {
        match self {
            Self::Confirmed => shown.confirmed,
            Self::Rejected(code) => !shown.confirmed && shown.reason.starts_with(code),
        }
    }
}
