//! The canonical text of a free JSON value: no white space outside strings, five characters escaped inside strings,
//! nothing else touched.

use std::borrow::Cow;

/// Nesting beyond which a value is refused, the limit of Go's decoder.
pub(crate) const MAX_DEPTH: usize = 10_000;

/// Why a text is not one JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text ends within a value.
    #[error("unexpected end of JSON")]
    End,
    /// A byte that cannot stand at this offset.
    #[error("unexpected character at byte {0} of JSON")]
    Unexpected(usize),
    /// Arrays and objects nested deeper than the limit: 10 000 to be read, less where the text says so.
    #[error("JSON nested too deep")]
    Depth,
}

/// The canonical text of one JSON value, borrowed when the text is canonical already.
///
/// # Errors
/// When the text is not exactly one JSON value, with or without white space around it.
pub fn canonical(text: &str) -> Result<Cow<'_, str>, Error> {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0, copied: 0, out: String::new(), text };
    scan.document()?;
    if scan.copied == 0 && scan.out.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    scan.copy_until(text.len());
    Ok(Cow::Owned(scan.out))
}

/// One pass over the text: checks the grammar and copies what changes, without recursion.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    copied: usize,
    out: String,
}

impl Scan<'_> {
    /// Copies the text from the last change up to a place.
    fn copy_until(&mut self, place: usize) {
        if let Some(part) = self.text.get(self.copied..place) {
            self.out.push_str(part);
        }
        self.copied = place;
    }

    /// Replaces bytes at the current place.
    fn replace(&mut self, length: usize, by: &str) {
        if self.copied == 0 && self.out.is_empty() {
            self.out.reserve(self.bytes.len() + 16);
        }
        self.copy_until(self.at);
        self.out.push_str(by);
        self.at += length;
        self.copied = self.at;
    }

    fn peek(&self) -> Result<u8, Error> {
        self.bytes.get(self.at).copied().ok_or(Error::End)
    }

    fn space(&mut self) {
        let length = self.bytes[self.at..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        if length > 0 {
            self.replace(length, "");
        }
    }

    fn document(&mut self) -> Result<(), Error> {
        // The closing brackets still owed, from the outside in.
        let mut open: Vec<u8> = Vec::new();
        'value: loop {
            self.space();
            match self.peek()? {
                bracket @ (b'{' | b'[') => {
                    if open.len() == MAX_DEPTH {
                        return Err(Error::Depth);
                    }
                    let close = if bracket == b'{' { b'}' } else { b']' };
                    self.at += 1;
                    self.space();
                    if self.peek()? == close {
                        self.at += 1;
                    } else {
                        open.push(close);
                        if close == b'}' {
                            self.key()?;
                        }
                        continue 'value;
                    }
                }
                b'"' => self.string()?,
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => self.number()?,
            }
            // A value is complete: close what it completes.
            loop {
                self.space();
                let Some(close) = open.last().copied() else {
                    return if self.at == self.bytes.len() { Ok(()) } else { Err(Error::Unexpected(self.at)) };
                };
                let byte = self.peek()?;
                if byte == close {
                    open.pop();
                    self.at += 1;
                } else if byte == b',' {
                    self.at += 1;
                    if close == b'}' {
                        self.key()?;
                    }
                    continue 'value;
                } else {
                    return Err(Error::Unexpected(self.at));
                }
            }
        }
    }

    fn key(&mut self) -> Result<(), Error> {
        self.space();
        if self.peek()? != b'"' {
            return Err(Error::Unexpected(self.at));
        }
        self.string()?;
        self.space();
        if self.peek()? != b':' {
            return Err(Error::Unexpected(self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Error> {
        for byte in word {
            if self.peek()? != *byte {
                return Err(Error::Unexpected(self.at));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Error> {
        if !self.peek()?.is_ascii_digit() {
            return Err(Error::Unexpected(self.at));
        }
        self.at += self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Error> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Error> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                ..=0x1f => return Err(Error::Unexpected(self.at)),
                b'<' => self.replace(1, "\\u003c"),
                b'>' => self.replace(1, "\\u003e"),
                b'&' => self.replace(1, "\\u0026"),
                0xe2 if self.bytes[self.at..].starts_with("\u{2028}".as_bytes()) => self.replace(3, "\\u2028"),
                0xe2 if self.bytes[self.at..].starts_with("\u{2029}".as_bytes()) => self.replace(3, "\\u2029"),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Error> {
        self.at += 1;
        match self.peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek()?.is_ascii_hexdigit() {
                        return Err(Error::Unexpected(self.at));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(Error::Unexpected(self.at)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_one_value() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "-",
            "1.",
            "1e",
            "tru",
            "nul",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "1 2",
            "]",
            "{\"a\" 1}",
            "\"",
            "+1",
            ".5",
            "[1}",
            "{\"a\":1]",
            "\u{feff}1",
            ",",
        ] {
            assert!(canonical(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn depth_is_limited_without_recursion() {
        let nest = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(canonical(&nest(MAX_DEPTH)).is_ok());
        assert_eq!(canonical(&nest(MAX_DEPTH + 1)), Err(Error::Depth));
    }

    #[test]
    fn canonical_text_is_borrowed() {
        assert!(matches!(canonical("{\"a\":[1,\"é\"]}"), Ok(Cow::Borrowed(_))));
        assert_eq!(canonical(" 1").unwrap(), "1");
        assert_eq!(canonical("1 ").unwrap(), "1");
    }
}
