//! Environment variables that override keys: `FIREFLY_` and the key's path in capitals with `_` between its parts.
//!
//! `FIREFLY_HTTP_PORT` is `http.port`, `FIREFLY_PLUGINS_DATABASE_0_SQLITE3_URL` the URL of the first database. A list entry
//! can be changed, not added. An empty variable is no override. A variable with the prefix that names no key is not an error,
//! since other programs use the prefix too; the start mentions it.

use super::{
    catalogue::{Key, ROOT, Rule},
    check::{find, nearest},
    document::{Entry, Node, Value},
    problem::{Place, Problem},
};

const PREFIX: &str = "FIREFLY_";

/// Writes the variables that name a key into the tree. Returns those that name none, with a hint.
pub(crate) fn apply(root: &mut Node, variables: impl IntoIterator<Item = (String, String)>) -> Vec<Problem> {
    let mut variables: Vec<_> = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    variables.sort();
    let mut strangers = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let path = rest.to_lowercase();
        let parts: Vec<&str> = path.split('_').collect();
        let place = Place::Variable(name.clone());
        let leaf = Node { place: place.clone(), value: Value::Scalar { text: value, quoted: false } };
        if let Err(why) = set(root, ROOT, &parts, leaf) {
            strangers.push(Problem::of(parts.join("."), place, why));
        }
    }
    strangers
}

fn set(node: &mut Node, blocks: &[&[Key]], parts: &[&str], leaf: Node) -> Result<(), String> {
    let Some((key, rest)) = parts.split_first() else { return Err("names a section, not a setting".into()) };
    match find(blocks, key) {
        None => Err(match nearest(blocks, "", key) {
            Some(known) => format!("is not a known setting; is it {known}?"),
            None => "is not a known setting".into(),
        }),
        Some(Rule::Section(inner)) => set(child(node, key, &leaf.place), inner, rest, leaf),
        Some(Rule::List(inner)) => {
            let Some((index, rest)) = rest.split_first() else { return Err("names a list, not a setting".into()) };
            let index: usize = index.parse().map_err(|_| format!("needs the number of the entry after '{key}'"))?;
            match &mut child(node, key, &leaf.place).value {
                Value::List(items) if index < items.len() => set(&mut items[index], inner, rest, leaf),
                _ => Err(format!("names entry {index}, which the file does not have")),
            }
        }
        Some(Rule::Free) => {
            let mut target = child(node, key, &leaf.place);
            for part in rest {
                target = child(target, part, &leaf.place);
            }
            *target = leaf;
            Ok(())
        }
        Some(Rule::Used | Rule::Ignored | Rule::Refused(_)) if rest.is_empty() => {
            let target = child(node, key, &leaf.place);
            *target = leaf;
            Ok(())
        }
        Some(_) => Err(format!("goes deeper than the setting '{key}'")),
    }
}

/// The value under a key, made if it is not there.
fn child<'a>(node: &'a mut Node, key: &str, place: &Place) -> &'a mut Node {
    let mut entries = match std::mem::replace(&mut node.value, Value::Null) {
        Value::Map(entries) => entries,
        _ => Vec::new(),
    };
    let index = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        let value = Node { place: place.clone(), value: Value::Null };
        entries.push(Entry { key: key.to_owned(), spelled: key.to_owned(), place: place.clone(), node: value });
        entries.len() - 1
    });
    node.value = Value::Map(entries);
    match &mut node.value {
        Value::Map(entries) => &mut entries[index].node,
        _ => unreachable!("it was just made a map"),
    }
}
