//! Typed reading of a tree: each getter notes what is wrong with its setting and goes on, so that one start tells all.

use std::{cell::RefCell, fmt::Display, str::FromStr, time::Duration};

use photinus_model::Duration as DurationText;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::{
    catalogue::{Key, Rule},
    check::join,
    document::{Node, Value},
    problem::{Place, Problem},
    size,
};

/// A section of the file, or the absence of one.
pub(crate) struct Section<'a> {
    node: Option<&'a Node>,
    path: String,
    around: Place,
    problems: &'a RefCell<Vec<Problem>>,
}

impl<'a> Section<'a> {
    pub(crate) fn root(node: &'a Node, problems: &'a RefCell<Vec<Problem>>) -> Self {
        Self { node: Some(node), path: String::new(), around: node.place.clone(), problems }
    }

    /// Notes that a setting of this section is wrong.
    pub(crate) fn problem(&self, key: &str, text: impl Into<String>) {
        let place = self.value(key).map_or_else(|| self.around.clone(), |node| node.place.clone());
        let path = if key.is_empty() { self.path.clone() } else { join(&self.path, key) };
        self.problems.borrow_mut().push(Problem::of(path, place, text));
    }

    fn value(&self, key: &str) -> Option<&'a Node> {
        self.node?.get(&key.to_lowercase()).filter(|node| node.value != Value::Null)
    }

    /// A section in this one.
    pub(crate) fn section(&self, key: &str) -> Section<'a> {
        let node = self.value(key);
        Section {
            node,
            path: join(&self.path, key),
            around: node.map_or_else(|| self.around.clone(), |node| node.place.clone()),
            problems: self.problems,
        }
    }

    /// The entries of a list of sections.
    pub(crate) fn list(&self, key: &str) -> Vec<Section<'a>> {
        match self.value(key).map(|node| &node.value) {
            Some(Value::List(items)) => items
                .iter()
                .enumerate()
                .map(|(index, node)| Section {
                    node: Some(node),
                    path: format!("{}[{index}]", join(&self.path, key)),
                    around: node.place.clone(),
                    problems: self.problems,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        match &self.value(key)?.value {
            Value::Scalar { text, .. } => Some(text.clone()).filter(|text| !text.is_empty()),
            _ => {
                self.problem(key, "must be a single value");
                None
            }
        }
    }

    /// A text that must be there.
    pub(crate) fn required(&self, key: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            if self.value(key).is_none_or(|node| matches!(node.value, Value::Scalar { .. })) {
                self.problem(key, "is missing");
            }
            String::new()
        })
    }

    /// A value of some type, if it is there.
    pub(crate) fn optional<T: FromStr<Err: Display>>(&self, key: &str) -> Option<T> {
        let text = self.text(key)?;
        text.parse().map_err(|error| self.problem(key, format!("cannot be '{text}': {error}"))).ok()
    }

    /// A number within bounds.
    pub(crate) fn number<T>(&self, key: &str, default: T, least: T, most: T) -> T
    where
        T: FromStr<Err: Display> + PartialOrd + Display + Copy,
    {
        match self.optional(key) {
            Some(number) if number < least || number > most => {
                self.problem(key, format!("cannot be {number}: it must be from {least} to {most}"));
                default
            }
            Some(number) => number,
            None => default,
        }
    }

    /// `true` or `false`, also in the short forms that FireFly takes.
    pub(crate) fn flag(&self, key: &str, default: bool) -> bool {
        match self.text(key).as_deref() {
            None => default,
            Some("true" | "True" | "TRUE" | "t" | "T" | "1") => true,
            Some("false" | "False" | "FALSE" | "f" | "F" | "0") => false,
            Some(other) => {
                self.problem(key, format!("cannot be '{other}': it must be true or false"));
                default
            }
        }
    }

    /// A length of time: `1m30s`, or a bare number of milliseconds.
    pub(crate) fn duration(&self, key: &str, default: Duration) -> Duration {
        self.optional::<DurationText>(key).map_or(default, |duration| duration.0)
    }

    /// A number of bytes: `800Kb`, or a bare number.
    pub(crate) fn size(&self, key: &str, default: u64) -> u64 {
        let Some(text) = self.text(key) else { return default };
        size::parse(&text).unwrap_or_else(|| {
            self.problem(key, format!("cannot be '{text}': it must be a number of bytes such as 800Kb"));
            default
        })
    }

    /// A list of texts. A single value is split at white space, so that a variable can hold a list.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        match &self.value(key)?.value {
            Value::Scalar { text, .. } => Some(text.split_whitespace().map(str::to_owned).collect()),
            Value::List(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    match &item.value {
                        Value::Scalar { text, .. } => texts.push(text.clone()),
                        _ => self.problem(key, "must be a list of texts"),
                    }
                }
                Some(texts)
            }
            _ => {
                self.problem(key, "must be a list of texts");
                None
            }
        }
    }

    /// A value whose form belongs to a plug-in.
    pub(crate) fn json(&self, key: &str) -> Option<Json> {
        self.value(key).map(Node::to_json)
    }
}

impl Section<'_> {
    /// The section as a text, equal for equal sections.
    pub(crate) fn to_text(&self) -> String {
        self.node.map(|node| node.to_json().to_string()).unwrap_or_default()
    }

    /// The section as a type of a plug-in, whose keys `blocks` spells.
    pub(crate) fn typed<T: DeserializeOwned>(&self, blocks: &[&[Key]]) -> Option<T> {
        let json = self.node.map_or_else(|| Json::Object(Map::new()), |node| spelled(blocks, node));
        serde_json::from_value(json).map_err(|error| self.problem("", format!("cannot be used: {error}"))).ok()
    }
}

/// A section as JSON, with keys in the spelling of the catalogue. Keys that it does not know are left out: they are
/// reported elsewhere.
fn spelled(blocks: &[&[Key]], node: &Node) -> Json {
    let Value::Map(entries) = &node.value else { return node.to_json() };
    let known =
        |key: &str| blocks.iter().flat_map(|block| block.iter()).find(|known| known.0.eq_ignore_ascii_case(key));
    let fields = entries.iter().filter(|entry| entry.node.value != Value::Null).filter_map(|entry| {
        let Key(name, rule) = known(&entry.key)?;
        let value = match (rule, &entry.node.value) {
            (Rule::Section(inner), _) => spelled(inner, &entry.node),
            (Rule::List(inner), Value::List(items)) => items.iter().map(|item| spelled(inner, item)).collect(),
            _ => entry.node.to_json(),
        };
        Some(((*name).to_owned(), value))
    });
    Json::Object(fields.collect())
}
