//! Reads JSON into records as Go's decoder does.
//!
//! Keys match in any case, an exact match before others. A key given twice is decoded into what the first left
//! behind. `null` clears pointers and arrays and leaves everything else as it is. Unknown keys are passed over. A value
//! of the wrong kind refuses the whole text.

use uuid::Uuid;

use crate::{
    Hash, JsonText,
    json::cursor::{Cursor, Mismatch},
    name, text,
};

/// A type that can be read from JSON, over what it holds already.
pub(crate) trait Decode: Default {
    /// The least bytes of text that an element of an array can have and still be accepted; bounds what an array of
    /// nothing can allocate.
    const LEAST: usize = 1;

    /// Reads the value at the cursor.
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch>;
}

/// Text whose case does not matter, kept in lower case; the enumerations of the reference.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct Lower(pub(crate) String);

impl Decode for String {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        if !cursor.null() {
            *self = cursor.string()?.into_owned();
        }
        Ok(())
    }
}

impl Decode for Lower {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        if !cursor.null() {
            self.0 = text::lower(&cursor.string()?);
        }
        Ok(())
    }
}

impl Decode for i64 {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        if !cursor.null() {
            let mismatch = cursor.mismatch("a whole number of 64 bits");
            *self = cursor.number()?.parse().map_err(|_| mismatch)?;
        }
        Ok(())
    }
}

impl Decode for bool {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        if !cursor.null() {
            *self = cursor.boolean()?;
        }
        Ok(())
    }
}

impl Decode for Uuid {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        let mismatch = cursor.mismatch("a UUID");
        let text = cursor.string()?;
        if !text.is_empty() {
            *self = name::read_uuid(&text).ok_or(mismatch)?;
        }
        Ok(())
    }
}

impl Decode for Hash {
    /// Accepts an optional `0x`, any case and fewer than 64 digits, which replace the first bytes only.
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        let mismatch = cursor.mismatch("at most 64 hexadecimal digits");
        let text = cursor.string()?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        let bytes = self.0.get_mut(..digits.len() / 2).ok_or(mismatch)?;
        hex::decode_to_slice(digits, bytes).map_err(|_| mismatch)
    }
}

/// A pointer: `null` clears it.
impl<T: Decode> Decode for Option<T> {
    const LEAST: usize = T::LEAST;

    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        if cursor.null() {
            *self = None;
            return Ok(());
        }
        self.get_or_insert_default().decode(cursor)
    }
}

impl<T: Decode> Decode for Box<T> {
    const LEAST: usize = T::LEAST;

    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        (**self).decode(cursor)
    }
}

/// A free JSON value; `null` is none.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct Value(pub(crate) Option<JsonText>);

impl Decode for Value {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        self.0 = if cursor.null() { None } else { Some(cursor.json()?) };
        Ok(())
    }
}

/// A slice: `null` clears it, and a second array is read over the elements of the first.
impl<T: Decode> Decode for Vec<T> {
    fn decode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Mismatch> {
        if cursor.null() {
            self.clear();
            return Ok(());
        }
        let room = cursor.length() / T::LEAST;
        let length = cursor.array(|index, cursor| {
            if index > room {
                return Err(cursor.mismatch("fewer or larger elements"));
            }
            if let Some(element) = self.get_mut(index) {
                return element.decode(cursor);
            }
            let mut element = T::default();
            element.decode(cursor)?;
            self.push(element);
            Ok(())
        })?;
        self.truncate(length);
        Ok(())
    }
}

/// The position of a key among the names of a record.
pub(crate) fn position(names: &[&str], key: &str) -> Option<usize> {
    names.iter().position(|name| *name == key).or_else(|| {
        // The two characters outside ASCII that fold to ASCII letters in Go.
        let folded = key.replace('\u{212a}', "k").replace('\u{17f}', "s");
        names.iter().position(|name| name.eq_ignore_ascii_case(&folded))
    })
}

/// Implements [`Decode`] for a record, given the names of its fields in JSON.
macro_rules! decode_object {
    ($name:ty $([$least:literal])? { $($field:ident = $key:literal,)+ }) => {
        impl $crate::wire::decode::Decode for $name {
            $(const LEAST: usize = $least;)?

            fn decode(
                &mut self,
                cursor: &mut $crate::json::cursor::Cursor<'_>,
            ) -> Result<(), $crate::json::cursor::Mismatch> {
                if cursor.null() {
                    return Ok(());
                }
                const NAMES: &[&str] = &[$($key),+];
                cursor.object(|key, cursor| {
                    let found = $crate::wire::decode::position(NAMES, key);
                    match found.map(|at| NAMES[at]) {
                        $(Some($key) => $crate::wire::decode::Decode::decode(&mut self.$field, cursor),)+
                        _ => cursor.skip().map(|_| ()),
                    }
                })
            }
        }
    };
}

pub(crate) use decode_object;
