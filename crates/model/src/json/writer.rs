//! Writes records with the five escapes that the protocol demands.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Compact JSON with the five escapes inside strings.
struct Escaping;

/// Bytes with which something begins that may be escaped.
const MARKED: [bool; 256] = {
    let mut marked = [false; 256];
    marked[b'<' as usize] = true;
    marked[b'>' as usize] = true;
    marked[b'&' as usize] = true;
    marked[0xe2] = true;
    marked
};

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        if !bytes.iter().any(|byte| MARKED[usize::from(*byte)]) {
            return writer.write_all(bytes);
        }
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let (escape, length): (&[u8], _) = match byte {
                b'<' => (b"\\u003c", 1),
                b'>' => (b"\\u003e", 1),
                b'&' => (b"\\u0026", 1),
                0xe2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => (b"\\u2028", 3),
                0xe2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => (b"\\u2029", 3),
                _ => continue,
            };
            writer.write_all(&bytes[start..at])?;
            writer.write_all(escape)?;
            start = at + length;
        }
        writer.write_all(&bytes[start..])
    }
}

/// Writes a record as the protocol hashes and sends it.
///
/// # Errors
/// Only when the type's own serialisation fails; none of this crate's does.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    to_bytes_of(value, 256)
}

/// As [`to_bytes`], for a value whose text has about this length.
///
/// # Errors
/// As [`to_bytes`].
pub fn to_bytes_of<T: Serialize + ?Sized>(value: &T, length: usize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(length);
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Escaping))?;
    Ok(bytes)
}

/// As [`to_bytes`], as text.
///
/// # Errors
/// As [`to_bytes`].
pub fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    String::from_utf8(to_bytes(value)?).map_err(serde::ser::Error::custom)
}

/// Writes one of this crate's own records, which cannot fail.
#[expect(clippy::expect_used, reason = "records have text keys and serialisers that only write")]
pub(crate) fn own<T: Serialize + ?Sized>(value: &T) -> String {
    to_text(value).expect("records of this crate serialise")
}

#[cfg(test)]
mod tests {
    use super::to_text;

    #[test]
    fn escapes_strings_and_keys() {
        let map =
            std::collections::BTreeMap::from([("<k>", "a&b\u{2028}\u{2029}\u{2027}\u{7f}\"\\\n\u{8}\u{c}\u{1f}é")]);
        assert_eq!(
            to_text(&map).unwrap(),
            "{\"\\u003ck\\u003e\":\"a\\u0026b\\u2028\\u2029\u{2027}\u{7f}\\\"\\\\\\n\\b\\f\\u001fé\"}"
        );
    }
}
