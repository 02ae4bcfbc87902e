//! Next pins: which private pin each member of a group will use next on a topic.

use serde::{Deserialize, Serialize};

use crate::Hash;

/// The next pin of one identity in one private context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPin {
    /// The local namespace.
    pub namespace: String,
    /// The private context: digest of topic and group.
    pub context: Hash,
    /// The identity.
    pub identity: String,
    /// The expected pin.
    pub hash: Hash,
    /// Its nonce.
    pub nonce: u64,
}
