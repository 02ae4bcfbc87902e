use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{EVM, Key, ROOT, Rule};
use crate::config::{
    check::{check, visit},
    document::{Node, Value},
    problem::Place,
};

/// The keys of FireFly's configuration reference, one a line, lists as `[]`.
const FIREFLY: &str = include_str!("firefly-1.4-keys.txt");

/// A file that holds nothing but this key, with a value that asks for nothing.
fn file_with(path: &str) -> Node {
    let parts: Vec<&str> = path.split('.').collect();
    parts.iter().rev().fold(Node { place: Place::START, value: Value::Null }, |inner, part| {
        let (name, node) = match part.strip_suffix("[]") {
            Some(name) => (name, Node { place: Place::START, value: Value::List(vec![inner]) }),
            None => (*part, inner),
        };
        let entry = crate::config::document::Entry {
            key: name.to_lowercase(),
            spelled: name.to_owned(),
            place: Place::START,
            node,
        };
        Node { place: Place::START, value: Value::Map(vec![entry]) }
    })
}

#[test]
fn every_key_of_firefly_is_known() {
    let is_unknown = |path: &&str| {
        check(&file_with(path)).problems.iter().any(|problem| problem.text.starts_with("is not a known setting"))
    };
    assert!(is_unknown(&"http.prot"));
    let unknown: Vec<&str> = FIREFLY.lines().filter(is_unknown).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn no_key_stands_twice() {
    let mut seen = BTreeSet::new();
    visit(ROOT, "", &mut |path, _| assert!(seen.insert(path.to_lowercase()), "{path}"));
    assert!(seen.len() > 500);
}

#[test]
fn a_variable_can_name_every_key() {
    visit(ROOT, "", &mut |path, _| assert!(!path.contains('_'), "{path} cannot be told apart in a variable"));
}

/// The keys of a section that serde would accept, as its complaint about a stranger lists them.
fn accepted(at: &[&str]) -> BTreeSet<String> {
    let stranger = at.iter().rev().fold(json!({"stranger": 1}), |inner, part| match part.strip_suffix("[]") {
        Some(name) => json!({name: [inner]}),
        None => json!({*part: inner}),
    });
    let error = serde_json::from_value::<photinus_ethereum::options::Options>(stranger).unwrap_err().to_string();
    let (_, list) = error.split_once("expected").unwrap_or_else(|| panic!("{error}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_keys_of_evm_are_those_of_its_options() {
    fn compare(blocks: &[&[Key]], at: &mut Vec<String>, compared: &mut BTreeMap<String, usize>) {
        let keys: BTreeSet<String> = blocks.iter().flat_map(|block| block.iter()).map(|key| key.0.to_owned()).collect();
        let parts: Vec<&str> = at.iter().map(String::as_str).collect();
        assert_eq!(accepted(&parts), keys, "in {}", at.join("."));
        compared.insert(at.join("."), keys.len());
        for Key(name, rule) in blocks.iter().flat_map(|block| block.iter()) {
            let (inner, part) = match rule {
                Rule::Section(inner) => (inner, (*name).to_owned()),
                Rule::List(inner) => (inner, format!("{name}[]")),
                _ => continue,
            };
            at.push(part);
            compare(inner, at, compared);
            at.pop();
        }
    }
    let mut compared = BTreeMap::new();
    compare(&[EVM], &mut Vec::new(), &mut compared);
    assert!(compared.len() >= 5, "{compared:?}");
}
