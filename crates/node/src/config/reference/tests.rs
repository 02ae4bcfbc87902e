use std::collections::BTreeSet;

use super::{Default, groups, page, whole};
use crate::config::{
    catalogue::{ROOT, Rule},
    check::visit,
    document::{self, Node, Value},
    tests::{BESIDES, FULL, altered, every_leaf, outcome},
};

/// Every documented key with its default, by path.
fn told() -> Vec<(String, Default)> {
    groups()
        .flat_map(|group| {
            group.at.iter().flat_map(|section| group.docs.iter().map(|doc| (whole(section, doc.path), doc.default)))
        })
        .collect()
}

#[test]
fn every_used_key_is_told_of_once_and_no_other() {
    let mut used = BTreeSet::new();
    visit(ROOT, "", &mut |path, rule| {
        if matches!(rule, Rule::Used | Rule::Free) {
            used.insert(path.to_owned());
        }
    });
    let mut known = BTreeSet::new();
    for (path, _) in told() {
        assert!(known.insert(path.clone()), "{path} stands twice");
    }
    let missing: Vec<_> = used.difference(&known).collect();
    assert!(missing.is_empty(), "add to config/reference what these keys mean: {missing:#?}");
    let idle: Vec<_> = known.difference(&used).collect();
    assert!(idle.is_empty(), "not used: {idle:#?}");
}

/// The file with the leaf at these indices set.
fn with(node: &Node, at: &[usize], text: &str) -> Node {
    let mut copy = node.clone();
    match (&mut copy.value, at) {
        (Value::Map(entries), [last]) => {
            entries[*last].node.value = Value::Scalar { text: text.to_owned(), quoted: false };
        }
        (Value::Map(entries), [first, rest @ ..]) => entries[*first].node = with(&entries[*first].node, rest, text),
        (Value::List(items), [first, rest @ ..]) => items[*first] = with(&items[*first], rest, text),
        _ => {}
    }
    copy
}

/// The file without the leaf at these indices.
fn without(node: &Node, at: &[usize]) -> Node {
    // A text, so that it is removed and not turned round.
    altered(&with(node, at, "-"), at)
}

/// What is read, and what is wrong, wherever it stands.
fn told_apart(root: &Node) -> (String, Vec<(String, String)>) {
    let (read, problems) = outcome(root);
    (read, problems.into_iter().map(|problem| (problem.path, problem.text)).collect())
}

#[test]
fn a_default_that_is_told_is_the_one_that_holds() {
    let told = told();
    let mut checked = BTreeSet::new();
    for text in std::iter::once(FULL).chain(BESIDES) {
        let root = document::parse(text).unwrap();
        for (path, at) in every_leaf(&root) {
            let Some((_, Default::Is(value))) = told.iter().find(|(known, _)| known.eq_ignore_ascii_case(&path)) else {
                continue;
            };
            let (told, silent) = (told_apart(&with(&root, &at, value)), told_apart(&without(&root, &at)));
            assert!(told == silent, "{path} is not {value} by default: {:?} {:?}", told.1, silent.1);
            checked.insert(path);
        }
    }
    assert!(checked.len() > 100, "{checked:#?}");
}

#[test]
fn the_page_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration-keys.md");
    let page = page();
    if std::env::var_os("PHOTINUS_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/configuration-keys.md is stale: PHOTINUS_BLESS=1 cargo test -p photinus-node --lib writes it"
    );
}
