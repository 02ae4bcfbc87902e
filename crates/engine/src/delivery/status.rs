//! Who is behind, by how much and since when.

use photinus_model::{Time, Uuid};
use serde::Serialize;

/// What is owed to one peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Deliveries that it does not have.
    pub(crate) behind: u64,
    /// Since when the oldest of them is owed.
    pub(crate) since: Option<Time>,
    /// What the last attempt said, while attempts fail.
    pub(crate) error: Option<String>,
}

impl Backlog {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            behind: self.behind + other.behind,
            since: [self.since, other.since].into_iter().flatten().min(),
            error: self.error.or(other.error),
        }
    }
}

/// Deliveries to other members' nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// The nodes to which something was sent since the start, or is owed.
    pub peers: Vec<Peer>,
    /// The nodes of groups of whom nobody can ask for what was lost, where `privateOrder` is `ledger`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_repair: Vec<Named>,
    /// What was refused lately, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
}

/// A node by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Id of its identity.
    pub node: Uuid,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// One node, and what is owed to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Id of its identity.
    pub node: Uuid,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Messages and files that it does not have yet.
    pub behind: u64,
    /// Since when the oldest of them is owed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// What the last attempt said, while attempts fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Something that a peer sent and this node did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Who sent it, by its certificate.
    pub peer: String,
    /// Why it was not taken.
    pub reason: String,
    /// When.
    pub time: Time,
}
