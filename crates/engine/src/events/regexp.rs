//! Regular expressions as FireFly's clients write them: Go's, for Rust's engine.
//!
//! Both are linear-time engines of one family; they differ in what a few spellings mean. Where a spelling means the same, it
//! is left alone; where Go refuses what Rust takes, the pattern is taken.

use regex::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
const MAX: usize = 4_096;
/// Largest compiled program, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{pattern}' is not a regular expression: {reason}")]
pub struct Error {
    /// The pattern.
    pub pattern: String,
    /// What is wrong.
    pub reason: String,
}

/// Compiles a pattern. An empty one tests nothing.
pub(super) fn compile(pattern: &str) -> Result<Option<Regex>, Error> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let fail = |reason: String| Error { pattern: pattern.chars().take(100).collect(), reason };
    if pattern.len() > MAX {
        return Err(fail(format!("it is longer than {MAX} bytes")));
    }
    let translated = translate(pattern).map_err(|reason| fail(reason.to_owned()))?;
    RegexBuilder::new(&translated)
        .octal(true)
        .size_limit(MAX_COMPILED)
        .build()
        .map(Some)
        .map_err(|error| fail(error.to_string().lines().last().unwrap_or_default().to_owned()))
}

/// ASCII classes, which Go's shorthands are and Rust's are not.
fn shorthand(letter: char) -> Option<(&'static str, bool)> {
    match letter {
        'd' => Some(("0-9", false)),
        'D' => Some(("0-9", true)),
        'w' => Some(("0-9A-Za-z_", false)),
        'W' => Some(("0-9A-Za-z_", true)),
        's' => Some((r"\t\n\f\r ", false)),
        'S' => Some((r"\t\n\f\r ", true)),
        _ => None,
    }
}

fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let tail = &rest[first.len_utf8()..];
        rest = match first {
            '\\' => escape(tail, &mut out)?,
            '[' => class(tail, &mut out)?,
            '{' if !is_repetition(tail) => {
                out.push_str(r"\{");
                tail
            }
            other => {
                out.push(other);
                tail
            }
        };
    }
    Ok(out)
}

/// What follows a backslash outside a class. Returns what is left.
fn escape<'a>(tail: &'a str, out: &mut String) -> Result<&'a str, &'static str> {
    let letter = tail.chars().next().ok_or("it ends with a backslash")?;
    let rest = &tail[letter.len_utf8()..];
    if let Some((set, negated)) = shorthand(letter) {
        out.push_str(if negated { "[^" } else { "[" });
        out.push_str(set);
        out.push(']');
        return Ok(rest);
    }
    match letter {
        'b' => out.push_str(r"(?-u:\b)"),
        'B' => out.push_str(r"(?-u:\B)"),
        '<' | '>' => out.push(letter),
        'Q' => {
            let (literal, rest) = rest.split_once(r"\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(literal));
            return Ok(rest);
        }
        _ => {
            out.push('\\');
            out.push(letter);
        }
    }
    Ok(rest)
}

/// A class behind its opening bracket. Returns what is left behind its closing one.
fn class<'a>(tail: &'a str, out: &mut String) -> Result<&'a str, &'static str> {
    out.push('[');
    let mut rest = tail;
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let mut first = true;
    let mut behind_shorthand = false;
    loop {
        let letter = rest.chars().next().ok_or("a class is not closed")?;
        let tail = &rest[letter.len_utf8()..];
        let was_shorthand = std::mem::take(&mut behind_shorthand);
        rest = match letter {
            ']' if first => {
                out.push_str(r"\]");
                tail
            }
            ']' => {
                out.push(']');
                return Ok(tail);
            }
            '[' if tail.starts_with(':') => {
                let end = tail.find(":]").ok_or("a named class is not closed")?;
                out.push('[');
                out.push_str(&tail[..end + 2]);
                &tail[end + 2..]
            }
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(letter);
                tail
            }
            '-' if was_shorthand => {
                out.push_str(r"\-");
                tail
            }
            '-' if tail.starts_with('-') && !first => return Err("a class has two dashes in a row"),
            '\\' => {
                let escaped = tail.chars().next().ok_or("it ends with a backslash")?;
                match shorthand(escaped) {
                    Some((set, false)) => out.push_str(set),
                    Some((set, true)) => {
                        out.push_str("[^");
                        out.push_str(set);
                        out.push(']');
                    }
                    None => {
                        out.push('\\');
                        out.push(escaped);
                    }
                }
                behind_shorthand = shorthand(escaped).is_some();
                &tail[escaped.len_utf8()..]
            }
            other => {
                out.push(other);
                tail
            }
        };
        first = false;
    }
}

/// Whether a repetition such as `2}`, `2,}` or `2,3}` follows an opening brace.
fn is_repetition(tail: &str) -> bool {
    let Some((inside, _)) = tail.split_once('}') else { return false };
    let (from, to) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !from.is_empty() && digits(from) && digits(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let regex = compile(pattern).unwrap().unwrap();
        for text in matching {
            assert!(regex.is_match(text), "{pattern} must match {text:?}");
        }
        for text in other {
            assert!(!regex.is_match(text), "{pattern} must not match {text:?}");
        }
    }

    #[test]
    fn shorthands_are_ascii() {
        check(r"^\d+$", &["12"], &["٣", "a"]);
        check(r"^\w$", &["a", "_"], &["é"]);
        check(r"^\s$", &[" ", "\t"], &["\u{b}", "\u{a0}"]);
        check(r"^[\d-z]$", &["1", "-", "z"], &["a"]);
        check(r"^[\D]$", &["a", "٣"], &["1"]);
        check(r"\bx\b", &["éx é"], &["ax"]);
    }

    #[test]
    fn brackets_and_set_operators_are_literals() {
        check(r"^[[]$", &["["], &["]"]);
        check(r"^[^[]$", &["a"], &["["]);
        check(r"^[a&&b]$", &["a", "&", "b"], &["c"]);
        check(r"^[a~~b]$", &["~"], &["c"]);
        check(r"^[]a]$", &["]", "a"], &["b"]);
        check(r"^[[:alpha:]]$", &["a"], &["1"]);
        assert!(compile("[a--c]").is_err());
    }

    #[test]
    fn braces_quotes_and_angles() {
        check(r"a{,2}", &["a{,2}"], &["aa"]);
        check(r"^a{2}$", &["aa"], &["a{2}"]);
        check(r"a{", &["a{"], &["a"]);
        check(r"\Qa.b\E.", &["a.bc"], &["axbc"]);
        check(r"^\<x\>$", &["<x>"], &["x"]);
        check(r"\07", &["\u{7}"], &["07"]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for pattern in ["[", "(", r"\", "[[:alpha", "a(?!b)"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert!(compile(&"a".repeat(5_000)).is_err());
        assert_eq!(compile("").unwrap().map(|regex| regex.to_string()), None);
    }
}
