//! Data: the values and blobs that messages refer to.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, JsonText, Time};

open_text! {
    /// How a value is checked against its datatype.
    #[derive(Default)]
    "validator" Validator {
        /// Not given; the empty text.
        #[default]
        Unset = "",
        /// JSON Schema.
        Json = "json",
        /// Not at all: the datatype is only a label.
        None = "none",
        /// A definition of the system.
        Definition = "definition",
    }
}

/// A datatype by name and version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct DatatypeRef {
    /// The name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The version, an opaque name without order.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
}

/// The blob of a data element.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the content.
    pub hash: Option<Hash>,
    /// Length of the content in bytes.
    #[serde(default)]
    pub size: i64,
    /// A file name, which may be empty.
    #[serde(default)]
    pub name: String,
    /// The directory part of the name, for browsing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The reference in shared storage, once published.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub public: String,
}

/// A data element as kept and shown; [`Data::in_batch`] is the form that peers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// The id.
    pub id: Uuid,
    /// How the value is checked.
    #[serde(default)]
    pub validator: Validator,
    /// The local namespace; empty in a batch.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Digest of value and blob, see [`hash`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// The datatype, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datatype: Option<DatatypeRef>,
    /// The value; `None` is written as `null`.
    #[serde(default)]
    pub value: Option<JsonText>,
    /// The reference of the value in shared storage, once published.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub public: String,
    /// The blob, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<BlobRef>,
}

/// What a data element is estimated to take in a batch beside its value, in bytes.
const BASE_SIZE: u64 = 256;

/// Why a data element is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A validator that does not exist (`FF00108`).
    #[error("unknown validator \"{0}\"")]
    UnknownValidator(String),
    /// Neither value nor blob (`FF00109`).
    #[error("data needs a value or a blob")]
    Empty,
}

impl Error {
    /// The code of the REST interface.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownValidator(_) => "FF00108",
            Self::Empty => "FF00109",
        }
    }
}

/// The digest of a data element: of the value's text, of the blob, or of both digests' hexadecimal digits joined.
///
/// # Errors
/// [`Error::Empty`] when there is neither; a value of `null` is none.
pub fn hash(value: Option<&JsonText>, blob: Option<Hash>) -> Result<Hash, Error> {
    match (value.filter(|value| !value.is_null()), blob) {
        (Some(value), None) => Ok(value.hash()),
        (None, Some(blob)) => Ok(blob),
        (Some(value), Some(blob)) => Ok(Hash::concat(&[&value.hash().hex_digits(), &blob.hex_digits()])),
        (None, None) => Err(Error::Empty),
    }
}

/// The name that a value gives to its blob: `name`, else `path/filename`, else `filename`.
#[must_use]
pub fn blob_name(value: &JsonText) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: Option<serde_json::Value>,
        path: Option<serde_json::Value>,
        filename: Option<serde_json::Value>,
    }
    let named: Named = value.read().ok()?;
    let text = |value: Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    match (text(named.name), text(named.path), text(named.filename)) {
        (Some(name), _, _) => Some(name),
        (None, Some(path), Some(file)) => Some(format!("{path}/{file}")),
        (None, _, file) => file,
    }
}

/// The directory part of a blob's name, for browsing: `/` for a bare file name, empty for an empty name.
#[must_use]
pub fn blob_path(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    let name = name.strip_prefix('/').unwrap_or(name);
    format!("/{}", name.rsplit_once('/').map_or("", |(directory, _)| directory))
}

impl Data {
    /// Fills the default validator and the hash. Id, time of creation and the facts about a blob are the caller's.
    ///
    /// # Errors
    /// When there is neither value nor blob, or the validator does not exist.
    pub fn seal(&mut self) -> Result<Hash, Error> {
        match &self.validator {
            Validator::Unset => self.validator = Validator::Json,
            Validator::Other(text) => return Err(Error::UnknownValidator(text.to_string())),
            Validator::Json | Validator::None | Validator::Definition => {}
        }
        let hash = self.computed_hash()?;
        self.hash = Some(hash);
        Ok(hash)
    }

    /// The digest of the content as it is.
    ///
    /// # Errors
    /// [`Error::Empty`].
    pub fn computed_hash(&self) -> Result<Hash, Error> {
        hash(self.value.as_ref(), self.blob.as_ref().and_then(|blob| blob.hash))
    }

    /// The form that peers see in a batch of this type.
    #[must_use]
    pub fn in_batch(&self, kind: &crate::batch::Type) -> Self {
        let mut data = self.clone();
        data.namespace.clear();
        data.public.clear();
        if let (crate::batch::Type::Private, Some(blob)) = (kind, &mut data.blob) {
            blob.path.clear();
            blob.public.clear();
        }
        data
    }

    /// What the element is estimated to take in a batch, in bytes.
    #[must_use]
    pub fn size_estimate(&self) -> u64 {
        BASE_SIZE + self.value.as_ref().map_or(0, |value| value.as_str().len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_named_by_their_value() {
        for (value, name) in [
            (r#"{"name":"n","filename":"f"}"#, Some("n")),
            (r#"{"path":"a/b","filename":"c.txt"}"#, Some("a/b/c.txt")),
            (r#"{"filename":"f","name":""}"#, Some("f")),
            (r#"{"path":"p"}"#, None),
            (r#""text""#, None),
            ("[1]", None),
        ] {
            assert_eq!(blob_name(&value.parse().unwrap()).as_deref(), name, "{value}");
        }
    }

    #[test]
    fn paths_are_directories() {
        for (name, path) in [("", ""), ("f", "/"), ("/f", "/"), ("a/b/f", "/a/b"), ("/a/b/f", "/a/b")] {
            assert_eq!(blob_path(name), path, "{name}");
        }
    }

    #[test]
    fn value_and_blob_are_joined_as_hexadecimal_text() {
        let value: JsonText = r#"{"path":"a/b","filename":"c.txt"}"#.parse().unwrap();
        let both = hash(Some(&value), Some(Hash::of("hello blob"))).unwrap();
        assert_eq!(both.to_string(), "9646c38154d8a2adb4bdfe6928a3c23a48c09b4ce5e5956077008d1efed8881d");
    }
}
