//! Walks JSON text that is known to be canonical.

use std::borrow::Cow;

use super::JsonText;

/// Why text that is JSON is not what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected at byte {place}")]
pub struct Mismatch {
    /// Where, in bytes of the canonical text.
    pub place: usize,
    /// What.
    pub expected: &'static str,
}

/// A place in canonical JSON text. Every step is total: on other text it ends in a [`Mismatch`].
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a text that [`super::canonical`] gave.
    pub(crate) const fn new(canonical: &'a str) -> Self {
        Self { text: canonical, at: 0 }
    }

    /// The length of the whole text in bytes.
    pub(crate) const fn length(&self) -> usize {
        self.text.len()
    }

    pub(crate) const fn mismatch(&self, expected: &'static str) -> Mismatch {
        Mismatch { place: self.at, expected }
    }

    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    /// Steps over `null`, if it stands here.
    pub(crate) fn null(&mut self) -> bool {
        let found = self.peek() == b'n';
        if found {
            self.at += 4;
        }
        found
    }

    /// Steps over one value and gives its text.
    pub(crate) fn skip(&mut self) -> Result<&'a str, Mismatch> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                b'"' => self.skip_string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => self.at += 1,
                0 | b',' | b':' => return Err(self.mismatch("a value")),
                _ => {
                    let rest = bytes.get(self.at..).unwrap_or_default();
                    self.at += rest.iter().take_while(|b| !matches!(b, b',' | b'}' | b']')).count();
                }
            }
            if depth == 0 {
                return self.text.get(start..self.at).ok_or(self.mismatch("a value"));
            }
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while !matches!(self.peek(), b'"' | 0) {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    /// Reads a number's digits.
    pub(crate) fn number(&mut self) -> Result<&'a str, Mismatch> {
        match self.peek() {
            b'-' | b'0'..=b'9' => self.skip(),
            _ => Err(self.mismatch("a number")),
        }
    }

    /// Reads `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool, Mismatch> {
        match self.peek() {
            b't' | b'f' => Ok(self.skip()? == "true"),
            _ => Err(self.mismatch("true or false")),
        }
    }

    /// Reads a string. Half a surrogate pair becomes U+FFFD, as in Go.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Mismatch> {
        if self.peek() != b'"' {
            return Err(self.mismatch("a string"));
        }
        let start = self.at + 1;
        self.skip_string();
        let inner = self.text.get(start..self.at - 1).ok_or(self.mismatch("a string"))?;
        Ok(if inner.contains('\\') { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) })
    }

    /// Visits the members of an object; the visitor must step over each value.
    pub(crate) fn object(
        &mut self,
        mut visit: impl FnMut(&str, &mut Self) -> Result<(), Mismatch>,
    ) -> Result<(), Mismatch> {
        if !self.eat(b'{') {
            return Err(self.mismatch("an object"));
        }
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            if !self.eat(b':') {
                return Err(self.mismatch("a colon"));
            }
            visit(&key, self)?;
            if self.eat(b'}') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(self.mismatch("a comma"));
            }
        }
    }

    /// Visits the elements of an array; the visitor must step over each.
    pub(crate) fn array(
        &mut self,
        mut visit: impl FnMut(usize, &mut Self) -> Result<(), Mismatch>,
    ) -> Result<usize, Mismatch> {
        if !self.eat(b'[') {
            return Err(self.mismatch("an array"));
        }
        if self.eat(b']') {
            return Ok(0);
        }
        let mut index = 0;
        loop {
            visit(index, self)?;
            index += 1;
            if self.eat(b']') {
                return Ok(index);
            }
            if !self.eat(b',') {
                return Err(self.mismatch("a comma"));
            }
        }
    }

    /// Steps over one value and keeps it.
    pub(crate) fn json(&mut self) -> Result<JsonText, Mismatch> {
        let mismatch = self.mismatch("a value");
        JsonText::from_canonical(self.skip()?.to_owned()).map_err(|_| mismatch)
    }
}

/// Resolves the escapes of a string.
fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escaped.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let (unit, after) = hex_unit(escaped);
                let low = after.strip_prefix('\\').filter(|next| next.starts_with('u')).map(hex_unit);
                let (character, after) = match (unit, low) {
                    (0xd800..=0xdbff, Some((low @ 0xdc00..=0xdfff, after))) => {
                        (char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)), after)
                    }
                    _ => (char::from_u32(unit), after),
                };
                out.push(character.unwrap_or('\u{fffd}'));
                rest = after;
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// Reads `uXXXX`, giving the value and what follows.
fn hex_unit(text: &str) -> (u32, &str) {
    let digits = text.get(1..5).unwrap_or_default();
    (u32::from_str_radix(digits, 16).unwrap_or(0xfffd), text.get(5..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_resolved_as_go_resolves_them() {
        for (text, value) in [
            (r#""a\n\t\"\\\/\b\f\r""#, "a\n\t\"\\/\u{8}\u{c}\r"),
            (r#""\u0041\u00e9""#, "Aé"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        ] {
            assert_eq!(Cursor::new(text).string().unwrap(), value, "{text}");
        }
    }

    #[test]
    fn values_are_stepped_over() {
        for value in [r#"{"a":[1,{"b":"]}\""}],"c":null}"#, "[]", "-1.5e3", "true", r#""x\\""#, "[[],[]]"] {
            let text = format!("[{value},1]");
            let mut seen = Vec::new();
            let visited = Cursor::new(&text).array(|_, cursor| {
                seen.push(cursor.skip()?.to_owned());
                Ok(())
            });
            assert_eq!(visited, Ok(2));
            assert_eq!(seen, [value, "1"]);
        }
    }

    #[test]
    fn other_text_ends_in_a_mismatch() {
        for text in ["", "]", "[", "{\"a\"", "\"", "{\"a\":", "[1", ",", "{1}"] {
            let mut cursor = Cursor::new(text);
            assert!(cursor.object(|_, c| c.skip().map(|_| ())).is_err(), "{text}");
            let mut cursor = Cursor::new(text);
            assert!(cursor.array(|_, c| c.skip().map(|_| ())).is_err(), "{text}");
        }
    }
}
