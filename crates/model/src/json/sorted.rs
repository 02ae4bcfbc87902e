//! Objects with their keys in order, as the reference writes what it holds in maps: profiles, inputs and outputs.

use std::collections::BTreeMap;

use super::{Error, JsonText, cursor::Cursor};

/// Nesting beyond which a value is refused.
const MAX_DEPTH: usize = 128;

/// The same value with the keys of all objects sorted by their bytes; of a key given twice the last stays.
///
/// Numbers and strings keep their spelling.
///
/// # Errors
/// [`Error::Depth`] when nested more than 128 deep.
pub fn sorted(value: &JsonText) -> Result<JsonText, Error> {
    let mut out = String::with_capacity(value.as_str().len());
    write(value.as_str(), 0, &mut out)?;
    JsonText::from_canonical(out)
}

fn write(text: &str, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::Depth);
    }
    let mut cursor = Cursor::new(text);
    let unexpected = |error: super::Mismatch| Error::Unexpected(error.place);
    match text.as_bytes().first() {
        Some(b'{') => {
            let mut members = BTreeMap::new();
            let visit = |key: &str, cursor: &mut Cursor<'_>| {
                members.insert(key.to_owned(), cursor.skip()?.to_owned());
                Ok(())
            };
            cursor.object(visit).map_err(unexpected)?;
            for (index, (key, value)) in members.iter().enumerate() {
                out.push(if index == 0 { '{' } else { ',' });
                out.push_str(&super::own(key));
                out.push(':');
                write(value, depth + 1, out)?;
            }
            out.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        Some(b'[') => {
            let mut elements = Vec::new();
            let visit = |_, cursor: &mut Cursor<'_>| {
                elements.push(cursor.skip()?.to_owned());
                Ok(())
            };
            cursor.array(visit).map_err(unexpected)?;
            for (index, element) in elements.iter().enumerate() {
                out.push(if index == 0 { '[' } else { ',' });
                write(element, depth + 1, out)?;
            }
            out.push_str(if elements.is_empty() { "[]" } else { "]" });
        }
        _ => out.push_str(text),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        sorted(&text.parse().unwrap()).unwrap().as_str().to_owned()
    }

    #[test]
    fn keys_are_sorted_at_every_level() {
        let text = r#"{"b":[{"z":1.0,"a":{}},[]],"a":"<\/>","é":1e400,"Z":null,"b2":{"y":2,"x":1}}"#;
        let expected = r#"{"Z":null,"a":"\u003c\/\u003e","b":[{"a":{},"z":1.0},[]],"b2":{"x":1,"y":2},"é":1e400}"#;
        assert_eq!(of(text), expected);
        assert_eq!(of(r#"{"a":1,"a":2}"#), r#"{"a":2}"#);
        assert_eq!(of("[3,1]"), "[3,1]");
    }

    #[test]
    fn depth_is_limited() {
        let nest = |depth: usize| ("[".repeat(depth) + &"]".repeat(depth)).parse().unwrap();
        assert!(sorted(&nest(100)).is_ok());
        assert_eq!(sorted(&nest(200)), Err(Error::Depth));
    }
}
