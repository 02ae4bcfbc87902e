//! Values of columns, and rows of them, as both databases hold them.

use std::{borrow::Cow, vec};

use photinus_model::{Hash, JsonText, Time, Uuid};

use crate::{
    error::Error,
    schema::{Kind, Table},
};

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Uuid(Uuid),
    Hash(Hash),
    Bytes(Vec<u8>),
}

/// The values of a row in the order of the table's columns.
pub(crate) type Row = Vec<Value>;

impl Value {
    /// The value as its column means it: SQLite knows neither truth values nor UUIDs, and no database knows hashes.
    pub(crate) fn of_kind(self, kind: Kind) -> Self {
        match (kind, self) {
            (Kind::Bool, Self::Int(value)) => Self::Bool(value != 0),
            (Kind::Uuid, Self::Bytes(bytes)) => match Uuid::from_slice(&bytes) {
                Ok(id) => Self::Uuid(id),
                Err(_) => Self::Bytes(bytes),
            },
            (Kind::Hash, Self::Bytes(bytes)) => match <[u8; 32]>::try_from(bytes) {
                Ok(bytes) => Self::Hash(Hash(bytes)),
                Err(bytes) => Self::Bytes(bytes),
            },
            (_, value) => value,
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(escape(text).into_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id)
    }
}

impl From<Hash> for Value {
    fn from(hash: Hash) -> Self {
        Self::Hash(hash)
    }
}

impl From<Time> for Value {
    fn from(time: Time) -> Self {
        Self::Int(time.as_unix_nanos())
    }
}

impl From<&JsonText> for Value {
    fn from(json: &JsonText) -> Self {
        Self::from(json.as_str())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The text that PostgreSQL cannot hold in a text, U+0000, is written as two U+0001; U+0001 itself as U+0001 U+0002. So the
/// order of texts stays, and no text that can be seen is found where it is not.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte <= 1) {
        Cow::Owned(text.replace('\u{1}', "\u{1}\u{2}").replace('\0', "\u{1}\u{1}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The inverse of [`escape`].
fn unescape(text: String) -> String {
    if !text.contains('\u{1}') {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\u{1}' if chars.next() == Some('\u{1}') => '\0',
            other => other,
        });
    }
    plain
}

/// Marks a list that cannot be read back from its joined form.
const EXACT: char = '\u{1}';

/// A list of texts as a column: joined with commas, which is what queries compare with. A list that this form would
/// change (an element with a comma, one empty element) is kept as JSON behind a mark.
pub(crate) fn join(list: &[String]) -> Value {
    let plain = list.iter().all(|item| !item.contains([',', EXACT])) && list != [String::new()];
    if plain {
        return Value::from(list.join(",").as_str());
    }
    // A list of texts can be written as JSON.
    Value::from(format!("{EXACT}{}", serde_json::to_string(list).unwrap_or_default()).as_str())
}

fn split(text: &str) -> Result<Vec<String>, serde_json::Error> {
    match text.strip_prefix(EXACT) {
        Some(json) => serde_json::from_str(json),
        None if text.is_empty() => Ok(Vec::new()),
        None => Ok(text.split(',').map(str::to_owned).collect()),
    }
}

/// Takes the values of a row one by one.
pub(crate) struct Cursor {
    table: &'static Table,
    position: usize,
    values: vec::IntoIter<Value>,
}

impl Cursor {
    pub(crate) fn new(table: &'static Table, row: Row) -> Self {
        Self { table, position: 0, values: row.into_iter() }
    }

    /// An error about the value that was taken last.
    pub(crate) fn corrupt(&self, reason: impl std::fmt::Display) -> Error {
        Error::Corrupt { table: self.table.name, reason: format!("value {}: {reason}", self.position) }
    }

    fn next(&mut self) -> Result<Value, Error> {
        self.position += 1;
        self.values.next().ok_or_else(|| self.corrupt("missing"))
    }

    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        self.next().map(|_| ())
    }

    fn required<T>(&self, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| self.corrupt("null"))
    }

    pub(crate) fn opt_int(&mut self) -> Result<Option<i64>, Error> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(value)),
            _ => Err(self.corrupt("not a number")),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64, Error> {
        let value = self.opt_int()?;
        self.required(value)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Error> {
        match self.next()? {
            Value::Bool(value) => Ok(value),
            Value::Int(value) => Ok(value != 0),
            _ => Err(self.corrupt("not a truth value")),
        }
    }

    pub(crate) fn opt_text(&mut self) -> Result<Option<String>, Error> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(unescape(text))),
            _ => Err(self.corrupt("not text")),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        let text = self.opt_text()?;
        self.required(text)
    }

    pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, Error> {
        let text = self.text()?;
        text.parse().map_err(|error| self.corrupt(error))
    }

    pub(crate) fn opt_parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<Option<T>, Error> {
        let text = self.opt_text()?;
        text.map(|text| text.parse()).transpose().map_err(|error| self.corrupt(error))
    }

    pub(crate) fn list(&mut self) -> Result<Vec<String>, Error> {
        let text = self.text()?;
        split(&text).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn opt_uuid(&mut self) -> Result<Option<Uuid>, Error> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Uuid(id) => Ok(Some(id)),
            Value::Bytes(bytes) => Uuid::from_slice(&bytes).map(Some).map_err(|error| self.corrupt(error)),
            _ => Err(self.corrupt("not a UUID")),
        }
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, Error> {
        let id = self.opt_uuid()?;
        self.required(id)
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        match self.next()? {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Uuid(id) => Ok(id.as_bytes().to_vec()),
            Value::Hash(hash) => Ok(hash.as_bytes().to_vec()),
            Value::Null => Err(self.corrupt("null")),
            _ => Err(self.corrupt("not bytes")),
        }
    }

    pub(crate) fn opt_hash(&mut self) -> Result<Option<Hash>, Error> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Hash(hash) => Ok(Some(hash)),
            Value::Bytes(bytes) => {
                let bytes: [u8; 32] = bytes.try_into().map_err(|_| self.corrupt("not 32 bytes"))?;
                Ok(Some(Hash(bytes)))
            }
            _ => Err(self.corrupt("not a hash")),
        }
    }

    pub(crate) fn hash(&mut self) -> Result<Hash, Error> {
        let hash = self.opt_hash()?;
        self.required(hash)
    }

    pub(crate) fn opt_time(&mut self) -> Result<Option<Time>, Error> {
        Ok(self.opt_int()?.map(Time::from_unix_nanos))
    }

    pub(crate) fn time(&mut self) -> Result<Time, Error> {
        Ok(Time::from_unix_nanos(self.int()?))
    }

    pub(crate) fn opt_json(&mut self) -> Result<Option<JsonText>, Error> {
        let Some(text) = self.opt_text()? else { return Ok(None) };
        JsonText::parse(&text).map(Some).map_err(|error| self.corrupt(error))
    }

    pub(crate) fn read_json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Error> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|error| self.corrupt(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_its_escape() {
        for text in ["", "plain", "\0", "a\0\0b\u{1}\0", "\u{1}", "\u{1}\u{1}\u{2}\0\u{2}"] {
            let stored = escape(text);
            assert!(!stored.contains('\0'));
            assert_eq!(unescape(stored.into_owned()), text);
        }
    }

    #[test]
    fn lists_survive_and_join_with_commas() {
        let list = |items: &[&str]| -> Vec<String> { items.iter().map(|&item| item.to_owned()).collect() };
        assert_eq!(join(&list(&["a", "b"])), Value::Text("a,b".to_owned()));
        assert_eq!(join(&[]), Value::Text(String::new()));
        for items in [&[][..], &[""], &["", ""], &["a", "b"], &["a,b"], &["\u{1}x"], &["a", "\u{1}[]"]] {
            let Value::Text(text) = join(&list(items)) else { panic!("a list is text") };
            assert_eq!(split(&unescape(text)).unwrap(), list(items), "{items:?}");
        }
    }
}
