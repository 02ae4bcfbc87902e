//! Compares a file with the catalogue: what nobody knows, what must not be, what has no meaning here.

use super::{
    catalogue::{Key, ROOT, Rule},
    document::{Node, Value},
    problem::{Place, Problem},
};

/// A setting that was accepted without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its path, in the spelling of the file.
    pub path: String,
    /// Where it stands.
    pub place: Place,
}

/// What the comparison found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) problems: Vec<Problem>,
    pub(crate) ignored: Vec<Ignored>,
}

/// Compares a whole file.
pub(crate) fn check(root: &Node) -> Found {
    let mut found = Found::default();
    section(ROOT, root, "", &mut found);
    found
}

fn section(blocks: &[&[Key]], node: &Node, path: &str, found: &mut Found) {
    let entries = match &node.value {
        Value::Map(entries) => entries,
        Value::Null => return,
        _ => {
            found.problems.push(Problem::of(path, node.place.clone(), "must be a section with keys of its own"));
            return;
        }
    };
    for entry in entries {
        let inner = join(path, &entry.spelled);
        match find(blocks, &entry.key) {
            None => {
                let nearest = nearest(blocks, path, &entry.key);
                found.problems.push(Problem::of(inner, entry.place.clone(), unknown(nearest)));
            }
            Some(Rule::Used | Rule::Free) => {}
            Some(Rule::Ignored) => found.ignored.push(Ignored { path: inner, place: entry.place.clone() }),
            Some(Rule::Refused(why)) => {
                if is_on(&entry.node) {
                    found.problems.push(Problem::of(inner, entry.place.clone(), *why));
                }
            }
            Some(Rule::Section(blocks)) => section(blocks, &entry.node, &inner, found),
            Some(Rule::List(blocks)) => match &entry.node.value {
                Value::Null => {}
                Value::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        section(blocks, item, &format!("{inner}[{index}]"), found);
                    }
                }
                _ => found.problems.push(Problem::of(inner, entry.node.place.clone(), "must be a list")),
            },
        }
    }
}

fn unknown(nearest: Option<String>) -> String {
    match nearest {
        Some(key) => format!("is not a known setting; did you mean {key}?"),
        None => "is not a known setting; remove it".into(),
    }
}

/// The rule of a key in lower case.
pub(crate) fn find<'a>(blocks: &[&'a [Key]], key: &str) -> Option<&'a Rule> {
    blocks.iter().flat_map(|block| block.iter()).find(|known| known.0.eq_ignore_ascii_case(key)).map(|known| &known.1)
}

/// Whether a setting asks for something. `false`, nothing and empty do not.
fn is_on(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar { text, .. } => !text.is_empty() && !text.eq_ignore_ascii_case("false"),
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => entries.iter().any(|entry| is_on(&entry.node)),
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The known key that somebody who wrote `key` in this section most likely meant: a sibling that is spelled alike, or a
/// key of that name elsewhere.
pub(crate) fn nearest(blocks: &[&[Key]], path: &str, key: &str) -> Option<String> {
    let sibling = blocks
        .iter()
        .flat_map(|block| block.iter())
        .map(|known| (strsim::normalized_damerau_levenshtein(&known.0.to_lowercase(), key), known.0))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((_, name)) = sibling {
        return Some(join(path, name));
    }
    let wanted = join(&path.to_lowercase(), key);
    let mut best: Option<(f64, String)> = None;
    visit(ROOT, "", &mut |candidate, _| {
        let last = candidate.rsplit('.').next().unwrap_or(candidate);
        let same_name = if last.eq_ignore_ascii_case(key) { 0.5 } else { 0.0 };
        let likeness = strsim::normalized_damerau_levenshtein(&candidate.to_lowercase(), &wanted) + same_name;
        if likeness >= 0.7 && best.as_ref().is_none_or(|(so_far, _)| likeness > *so_far) {
            best = Some((likeness, candidate.to_owned()));
        }
    });
    best.map(|(_, name)| name)
}

/// Calls with the path of every key, lists written as `[]`.
pub(crate) fn visit(blocks: &[&[Key]], path: &str, call: &mut impl FnMut(&str, &Rule)) {
    for known in blocks.iter().flat_map(|block| block.iter()) {
        let inner = join(path, known.0);
        call(&inner, &known.1);
        match &known.1 {
            Rule::Section(blocks) => visit(blocks, &inner, call),
            Rule::List(blocks) => visit(blocks, &format!("{inner}[]"), call),
            _ => {}
        }
    }
}
