//! Namespaces: separate worlds within one node.

use serde::{Deserialize, Serialize};

use crate::Time;

/// A namespace as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// The local name.
    pub name: String,
    /// The name that the members share.
    pub network_name: String,
    /// A description.
    #[serde(default)]
    pub description: String,
    /// When this node first started it.
    pub created: Time,
}
