//! The page itself, in Markdown.

use std::{collections::BTreeSet, fmt::Write};

use super::{Default, Doc, Form, Group, groups, whole};
use crate::config::{
    catalogue::{Key, ROOT, Rule},
    check::{join, visit},
};

/// The keys of FireFly's configuration reference, one a line, lists as `[]`.
pub(super) const FIREFLY: &str = include_str!("../catalogue/firefly-1.4-keys.txt");

const HEAD: &str = "# Every key of the configuration

Printed by `photinus config docs`, from the tables that the reader of the file uses. [Configuration](configuration.md) tells how
a file is read, and shows examples.

*Text*, *URL*, *file* and *number* are what they say; *yes/no* is `true` or `false`; a *time* is `1m30s`, or a number of milliseconds; a
*size* is `800Kb`, or a number of bytes; *list* is a list of texts; *map* is a section of names and texts. `[]` stands for each entry of
a list. **P** marks keys that are Photinus's own; all others are FireFly's, with FireFly's meaning.
";

const IGNORED: &str = "
## Accepted, without effect

Keys of FireFly that have no meaning here: they tune parts that this node does not have, or does not need to have tuned. A start
lists those that a file has. `*` stands for all keys of a section.
";

const REFUSED: &str = "
## Refused

What it would be misleading to ignore. A file that switches it on does not start the node.
";

/// Everything that can be said in a configuration file, as a page.
#[must_use]
pub fn page() -> String {
    let theirs: BTreeSet<String> = FIREFLY.lines().map(str::to_lowercase).collect();
    let mut page = HEAD.to_owned();
    for group in groups() {
        section(&mut page, group, &theirs);
    }
    page.push_str(IGNORED);
    page.push('\n');
    for (section, keys) in ignored() {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        line(&mut page, format_args!("* **{section}**: {}", keys.join(", ")));
    }
    page.push_str(REFUSED);
    page.push('\n');
    visit(ROOT, "", &mut |path, rule| {
        if let Rule::Refused(why) = rule {
            line(&mut page, format_args!("* `{path}` {why}."));
        }
    });
    page
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = writeln!(page, "{text}");
}

fn section(page: &mut String, group: &Group, theirs: &BTreeSet<String>) {
    line(page, format_args!("\n## {}\n", group.title));
    if !group.about.is_empty() {
        line(page, format_args!("{}\n", group.about));
    }
    let shared = group.at.len() > 1;
    if shared {
        let at: Vec<String> = group.at.iter().map(|section| format!("`{section}`")).collect();
        line(page, format_args!("In each of {}:\n", at.join(", ")));
    }
    line(page, format_args!("| key | | value | default | meaning |\n|---|---|---|---|---|"));
    for doc in group.docs {
        let first = whole(group.at[0], doc.path);
        let path = if shared { doc.path } else { &first };
        let mark = if group.at.iter().any(|section| theirs.contains(&whole(section, doc.path).to_lowercase())) {
            ""
        } else {
            "P"
        };
        line(page, format_args!("| `{path}` | {mark} | {} | {} | {} |", form(doc), default(doc), doc.about));
    }
}

fn form(doc: &Doc) -> &'static str {
    match doc.form {
        Form::Text => "text",
        Form::Url => "URL",
        Form::File => "file",
        Form::Number => "number",
        Form::Flag => "yes/no",
        Form::Duration => "time",
        Form::Size => "size",
        Form::List => "list",
        Form::Map => "map",
        Form::Words(words) => words,
    }
}

fn default(doc: &Doc) -> String {
    match doc.default {
        Default::Is(value) => format!("`{value}`"),
        Default::Said(text) => text.to_owned(),
        Default::None => String::new(),
        Default::Needed => "must be given".to_owned(),
    }
}

/// Ignored keys by the first part of their path, and by plug-in; sections of which nothing counts as one.
fn ignored() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for Key(name, rule) in ROOT.iter().flat_map(|block| block.iter()) {
        let mut keys = Vec::new();
        gather(name, rule, &mut keys);
        let mut keep = |section: &str, keys: Vec<String>| {
            if !keys.is_empty() {
                found.push((section.to_owned(), keys));
            }
        };
        if *name == "plugins" {
            let mut categories: Vec<&str> = keys.iter().filter_map(|key| key.split('.').nth(1)).collect();
            categories.dedup();
            for category in categories {
                let section = format!("plugins.{category}");
                let of_it = keys.iter().filter(|key| key.starts_with(&format!("{section}.")));
                keep(&section, of_it.map(|key| key[section.len() + 1..].to_owned()).collect());
            }
        } else {
            keep(name, keys);
        }
    }
    found
}

fn gather(path: &str, rule: &Rule, into: &mut Vec<String>) {
    match rule {
        Rule::Ignored => into.push(path.to_owned()),
        Rule::Section(blocks) | Rule::List(blocks) => {
            let inner = if matches!(rule, Rule::List(_)) { format!("{path}[]") } else { path.to_owned() };
            if path.contains('.') && is_idle(blocks) {
                into.push(format!("{inner}.*"));
                return;
            }
            for Key(name, rule) in blocks.iter().flat_map(|block| block.iter()) {
                gather(&join(&inner, name), rule, into);
            }
        }
        Rule::Used | Rule::Free | Rule::Refused(_) => {}
    }
}

/// Whether nothing in a section counts.
fn is_idle(blocks: &[&[Key]]) -> bool {
    blocks.iter().flat_map(|block| block.iter()).all(|Key(_, rule)| match rule {
        Rule::Ignored => true,
        Rule::Section(blocks) | Rule::List(blocks) => is_idle(blocks),
        Rule::Used | Rule::Free | Rule::Refused(_) => false,
    })
}
