//! A configuration file as a tree whose every key and value knows its line.
//!
//! Keys are compared without regard to case, as in FireFly; the tree keeps them in lower case beside the spelling of the
//! file. Plain scalars are not interpreted here: `0x12…` without quotes stays the text of an address.

use saphyr::{MarkedYamlOwned, Marker, ScalarStyle, YamlDataOwned, YamlLoader};
use saphyr_parser::Parser;
use serde_json::{Map, Number, Value as Json};

use super::problem::{Place, Problem};

/// Longest file that is read, in bytes. A real one has a few kilobytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// Deepest nesting of maps and lists.
const MAX_DEPTH: usize = 32;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing: `key:`, `~` or `null`.
    Null,
    /// Text as written. Quoted text is never a number, a boolean or null.
    Scalar { text: String, quoted: bool },
    /// `- …`
    List(Vec<Node>),
    /// `key: …`
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// In lower case.
    pub(crate) key: String,
    /// As the file spells it.
    pub(crate) spelled: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Node {
    /// The value under a key in lower case, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The value as JSON, for the parts of a configuration whose form belongs to a plug-in.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Scalar { text, quoted: true } => Json::String(text.clone()),
            Value::Scalar { text, quoted: false } => plain(text),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                let map: Map<String, Json> =
                    entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect();
                Json::Object(map)
            }
        }
    }
}

/// What an unquoted scalar means where nobody says which type is wanted.
fn plain(text: &str) -> Json {
    match text {
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        _ => text.parse::<Number>().map_or_else(|_| Json::String(text.to_owned()), Json::Number),
    }
}

/// Reads a file's text. An empty file is an empty map.
pub(crate) fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > MAX_BYTES {
        return Err(Problem::whole(format!("is larger than {MAX_BYTES} bytes")));
    }
    let mut loader = YamlLoader::<MarkedYamlOwned>::default();
    loader.early_parse(false);
    let mut parser = Parser::new_from_str(text);
    let loaded = parser.load(&mut loader, true);
    if let Some(error) = loaded.as_ref().err().or(loader.error()) {
        return Err(at(place(error.marker()), format!("is not YAML: {}", error.info())));
    }
    let mut documents = loader.into_documents();
    if documents.len() > 1 {
        return Err(Problem::whole("holds more than one YAML document"));
    }
    match documents.pop() {
        None => Ok(Node { place: Place::START, value: Value::Map(Vec::new()) }),
        Some(root) => {
            let root = convert(root, 0)?;
            match root.value {
                Value::Map(_) => Ok(root),
                Value::Null => Ok(Node { value: Value::Map(Vec::new()), ..root }),
                _ => Err(at(root.place, "must be a map of settings")),
            }
        }
    }
}

fn convert(yaml: MarkedYamlOwned, depth: usize) -> Result<Node, Problem> {
    let place = place(&yaml.span.start);
    if depth > MAX_DEPTH {
        return Err(at(place, format!("is nested deeper than {MAX_DEPTH} levels")));
    }
    let value = match yaml.data {
        YamlDataOwned::Representation(text, style, _) => scalar(text, style),
        YamlDataOwned::Sequence(items) => {
            Value::List(items.into_iter().map(|item| convert(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        YamlDataOwned::Mapping(pairs) => {
            let mut entries: Vec<Entry> = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                let key_place = self::place(&key.span.start);
                let YamlDataOwned::Representation(spelled, ..) = key.data else {
                    return Err(at(key_place, "has a key that is not plain text"));
                };
                let lower = spelled.to_lowercase();
                if entries.iter().any(|entry| entry.key == lower) {
                    return Err(at(key_place, format!("has the key '{spelled}' twice (case does not matter)")));
                }
                entries.push(Entry { key: lower, spelled, place: key_place, node: convert(value, depth + 1)? });
            }
            Value::Map(entries)
        }
        YamlDataOwned::Tagged(_, inner) => return convert(*inner, depth + 1),
        YamlDataOwned::Value(_) | YamlDataOwned::Alias(_) | YamlDataOwned::BadValue => {
            return Err(at(place, "has a value that cannot be read"));
        }
    };
    Ok(Node { place, value })
}

fn place(mark: &Marker) -> Place {
    Place::File { line: mark.line().max(1), column: mark.col() + 1 }
}

fn at(place: Place, text: impl Into<String>) -> Problem {
    Problem::of("", place, text)
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    let quoted = style != ScalarStyle::Plain;
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" if !quoted => Value::Null,
        _ => Value::Scalar { text, quoted },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_text_and_places() {
        let root = parse("Http:\n  port: 5000\n  address: '1'\nkey: 0x00aB\n").unwrap();
        let port = root.get("http").unwrap().get("port").unwrap();
        assert_eq!(port.value, Value::Scalar { text: "5000".into(), quoted: false });
        assert_eq!(port.place, Place::File { line: 2, column: 9 });
        assert_eq!(root.to_json(), serde_json::json!({"http": {"port": 5000, "address": "1"}, "key": "0x00aB"}));
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        for text in ["", "---\n", "# nothing\n", "~"] {
            assert_eq!(parse(text).unwrap().to_json(), serde_json::json!({}), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_ambiguous() {
        for (text, line, says) in [
            ("a: 1\nA: 2\n", 2, "twice"),
            ("a: 1\na: 2\n", 2, "duplicated"),
            ("a: [1\n", 2, "not YAML"),
            ("- a\n", 1, "map of settings"),
            ("a: 1\n---\nb: 2\n", 1, "more than one"),
            ("? [a]\n: b\n", 1, "plain text"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.to_string().contains(says), "{text:?}: {problem}");
            assert!(problem.to_string().starts_with(&format!("line {line},")), "{text:?}: {problem}");
        }
        let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
        assert!(parse(&deep).unwrap_err().to_string().contains("nested deeper"));
        assert!(parse(&" ".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn aliases_cannot_expand_without_end() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 9].join(", ");
            text += &format!("a{i}: &a{i} [{refs}]\n");
        }
        assert!(parse(&text).is_err());
    }
}
