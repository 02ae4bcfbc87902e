//! What the fields of an upload make of a file's value. Pure rules.

use photinus_model::{JsonText, data};
use serde_json::{Map, Value};

use super::Error;

/// Most bytes of the `metadata` field.
const METADATA_LIMIT: usize = 819_200;

/// The form fields that come before the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Becomes the value: as JSON if it is JSON, else as a string.
    pub metadata: Option<String>,
    /// Adds `filename` and `mimetype` to the value.
    pub autometa: bool,
    /// How the value is checked; empty means `json`.
    pub validator: String,
    /// Name of the datatype; empty means none.
    pub datatype_name: String,
    /// Version of the datatype.
    pub datatype_version: String,
    /// File name that the file's part gives.
    pub filename: String,
    /// Media type that the file's part gives.
    pub mimetype: String,
}

impl Fields {
    /// The datatype that the fields name.
    pub(crate) fn datatype(&self) -> Option<data::DatatypeRef> {
        (!self.datatype_name.is_empty() || !self.datatype_version.is_empty())
            .then(|| data::DatatypeRef { name: self.datatype_name.clone(), version: self.datatype_version.clone() })
    }

    /// The value that the fields describe, in canonical form, so that every reader hashes the same text.
    ///
    /// # Errors
    /// When the metadata is too long.
    pub(crate) fn value(&self) -> Result<Option<JsonText>, Error> {
        let metadata = self.metadata.as_deref().unwrap_or_default();
        if metadata.len() > METADATA_LIMIT {
            return Err(Error::TooLong { field: "metadata", limit: METADATA_LIMIT });
        }
        let given = match JsonText::parse(metadata) {
            Ok(value) if value.is_null() => None,
            Ok(value) => Some(value),
            Err(_) if metadata.is_empty() => None,
            Err(_) => JsonText::write(metadata).ok(),
        };
        if !self.autometa {
            return Ok(given);
        }
        let object =
            given.as_ref().filter(|value| value.is_object()).and_then(|value| value.read::<Map<String, Value>>().ok());
        let mut object = object.unwrap_or_default();
        object.insert("filename".to_owned(), Value::String(base_name(&self.filename).to_owned()));
        object.insert("mimetype".to_owned(), Value::String(self.mimetype.clone()));
        object.sort_keys();
        Ok(JsonText::write(&object).ok())
    }
}

/// The last part of a path, whichever way its slashes lean.
fn base_name(filename: &str) -> &str {
    filename.rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn value(metadata: Option<&str>, autometa: bool) -> Option<String> {
        let fields = Fields {
            metadata: metadata.map(str::to_owned),
            autometa,
            filename: "dir/bill.pdf".into(),
            mimetype: "application/pdf".into(),
            ..Fields::default()
        };
        fields.value().unwrap().map(|value| value.to_string())
    }

    #[test]
    fn values_of_uploads() {
        let meta = r#""filename":"bill.pdf","mimetype":"application/pdf""#;
        for (metadata, autometa, expected) in [
            (None, false, None),
            (Some(""), false, None),
            (Some("null"), false, None),
            (Some(r#"{ "b": 1.0, "a": "<" }"#), false, Some(r#"{"b":1.0,"a":"\u003c"}"#.to_owned())),
            (Some("just words"), false, Some(r#""just words""#.to_owned())),
            (Some("17"), false, Some("17".to_owned())),
            (None, true, Some(format!("{{{meta}}}"))),
            (Some("17"), true, Some(format!("{{{meta}}}"))),
            (Some(r#"{"z":1,"a":2}"#), true, Some(format!(r#"{{"a":2,{meta},"z":1}}"#))),
            (Some(r#"{"filename":"other"}"#), true, Some(format!("{{{meta}}}"))),
        ] {
            assert_eq!(value(metadata, autometa), expected, "{metadata:?} {autometa}");
        }
    }

    #[test]
    fn metadata_is_bounded() {
        let fields = Fields { metadata: Some("x".repeat(METADATA_LIMIT + 1)), ..Fields::default() };
        assert!(matches!(fields.value(), Err(Error::TooLong { .. })));
    }
}
