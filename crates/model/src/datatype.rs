//! Datatypes: JSON schemas that values are checked against.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, JsonText, Time, data::Validator};

/// A datatype as kept, shown and published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datatype {
    /// The id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The message that published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Uuid>,
    /// The kind of schema; only `json` exists.
    #[serde(default)]
    pub validator: Validator,
    /// The local namespace; empty when published.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The version, an opaque name without order.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The digest of the schema's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// The schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<JsonText>,
}
