//! A free JSON value, kept as its canonical text.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::canonical::{Error, canonical};
use crate::Hash;

/// The canonical text of a JSON value; clones share the text.
///
/// Equality is equality of text: `1.0` and `1` differ, as their hashes do.
#[derive(Clone)]
pub struct JsonText(Arc<RawValue>);

impl JsonText {
    /// The canonical form of a text that is one JSON value.
    ///
    /// # Errors
    /// When the text is not exactly one JSON value.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::from_canonical(canonical(text)?.into_owned())
    }

    /// Writes a value with the protocol's escapes.
    ///
    /// # Errors
    /// When the type's own serialisation fails.
    pub fn write<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        RawValue::from_string(super::to_text(value)?).map(|raw| Self(Arc::from(raw)))
    }

    /// Writes one of this crate's own records.
    #[expect(clippy::expect_used, reason = "records have text keys and serialisers that only write")]
    pub(crate) fn own<T: Serialize>(value: &T) -> Self {
        Self::write(value).expect("records of this crate serialise")
    }

    /// Takes a text that is canonical already.
    pub(crate) fn from_canonical(text: String) -> Result<Self, Error> {
        let length = text.len();
        // The scan before this has accepted the text already; serde_json has the same grammar.
        RawValue::from_string(text).map(|raw| Self(Arc::from(raw))).map_err(|_| Error::Unexpected(length))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The digest of the canonical text.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(self.as_str())
    }

    /// Whether the value is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// Reads the value into a type.
    ///
    /// # Errors
    /// When the value has another shape.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for JsonText {}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JsonText {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match canonical(raw.get()).map_err(serde::de::Error::custom)? {
            Cow::Borrowed(_) => Ok(Self(Arc::from(raw))),
            Cow::Owned(text) => Self::from_canonical(text).map_err(serde::de::Error::custom),
        }
    }
}
