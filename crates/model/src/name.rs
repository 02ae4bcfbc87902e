//! Names: what topics, tags, namespaces, datatypes and identities may be called.

use uuid::Uuid;

/// The longest name, in bytes.
pub const MAX: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Other characters than `0-9 a-z A-Z . _ -`, a wrong first or last character, or a wrong length (`FF00140`).
    #[error(
        "field '{field}' must be 1-64 characters of a-z, A-Z, 0-9, dot, dash and underscore, and start and end with a letter or digit"
    )]
    Form {
        /// Where the text was found, for example `header.tag`.
        field: String,
    },
    /// Other characters than `0-9 a-z A-Z . _ -` (`FF00139`).
    #[error("field '{field}' may only have letters, digits, dot, dash and underscore")]
    Characters {
        /// Where the text was found.
        field: String,
    },
    /// A name that can be read as a UUID, where that would be ambiguous (`FF00141`).
    #[error("field '{field}' must not be a UUID")]
    Uuid {
        /// Where the text was found.
        field: String,
    },
}

impl Error {
    /// The error code of the REST interface.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form { .. } => "FF00140",
            Self::Characters { .. } => "FF00139",
            Self::Uuid { .. } => "FF00141",
        }
    }
}

/// Checks that a text has no other characters than names have, whatever its length and ends.
///
/// # Errors
/// [`Error::Characters`], naming the field.
pub fn check_characters(text: &str, field: &str) -> Result<(), Error> {
    if text.bytes().all(is_inner) { Ok(()) } else { Err(Error::Characters { field: field.to_owned() }) }
}

/// Whether a character may stand within a name.
const fn is_inner(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Whether a text is a name.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    bytes.len() <= MAX && first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && text.bytes().all(is_inner)
}

/// Checks the name rule.
///
/// # Errors
/// [`Error::Form`], naming the field.
pub fn check(text: &str, field: &str) -> Result<(), Error> {
    if is_valid(text) { Ok(()) } else { Err(Error::Form { field: field.to_owned() }) }
}

/// Checks the name rule, and that the name cannot be taken for a UUID in any of its spellings.
///
/// # Errors
/// [`Error::Form`] or [`Error::Uuid`], naming the field.
pub fn check_no_uuid(text: &str, field: &str) -> Result<(), Error> {
    if read_uuid(text).is_some() {
        return Err(Error::Uuid { field: field.to_owned() });
    }
    check(text, field)
}

/// Reads a UUID in the spellings of the reference: 36 characters with hyphens, the same between any two characters or
/// after `urn:uuid:`, or 32 digits.
#[must_use]
pub fn read_uuid(text: &str) -> Option<Uuid> {
    let canonical = match text.len() {
        32 | 36 => text,
        38 => text.get(1..37)?,
        45 => text.get(..9).filter(|urn| urn.eq_ignore_ascii_case("urn:uuid:")).and_then(|_| text.get(9..))?,
        _ => return None,
    };
    Uuid::try_parse(canonical).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_in_every_spelling() {
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        for text in [
            id.to_string(),
            id.simple().to_string(),
            id.to_string().to_uppercase(),
            format!("{{{id}}}"),
            format!("x{id}y"),
            format!("URN:UUID:{id}"),
        ] {
            assert_eq!(read_uuid(&text), Some(id), "{text}");
            assert!(check_no_uuid(&text, "name").is_err());
        }
        for text in
            [id.to_string()[1..].to_owned(), format!("urn:uuie:{id}"), format!("{{{}}}", id.simple()), "é".repeat(18)]
        {
            assert_eq!(read_uuid(&text), None, "{text}");
        }
    }
}
