//! What each key means: the page of the configuration, printed by `photinus config docs`.
//!
//! The catalogue says which keys there are, this says what they are for. Tests hold the two together: every used key is told
//! of here and nothing else is, and a default that is told is the one that holds.

mod keys;
mod page;
mod plugins;
#[cfg(test)]
mod tests;

pub use page::page;

/// What is told of a key.
#[derive(Debug)]
pub(crate) struct Doc {
    /// Its path within the group.
    pub(crate) path: &'static str,
    /// What its value is.
    pub(crate) form: Form,
    pub(crate) default: Default,
    /// What it does.
    pub(crate) about: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Url,
    File,
    Number,
    Flag,
    Duration,
    Size,
    List,
    Map,
    /// One of a few words.
    Words(&'static str),
}

/// What holds where the file says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Default {
    /// This value; a test compares.
    Is(&'static str),
    /// Something that is no constant.
    Said(&'static str),
    /// Nothing.
    None,
    /// It must be there.
    Needed,
}

/// Keys that are told of together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    /// What is to be said of all of them; empty for nothing.
    pub(crate) about: &'static str,
    /// The sections that have these keys; empty for the file itself.
    pub(crate) at: &'static [&'static str],
    pub(crate) docs: &'static [Doc],
}

pub(crate) const fn doc(path: &'static str, form: Form, default: Default, about: &'static str) -> Doc {
    Doc { path, form, default, about }
}

/// Every group, in the order of the page.
pub(crate) fn groups() -> impl Iterator<Item = &'static Group> {
    keys::GROUPS.iter().chain(plugins::GROUPS)
}

/// The whole path of a key of a group.
pub(crate) fn whole(section: &str, path: &str) -> String {
    if section.is_empty() { path.to_owned() } else { format!("{section}.{path}") }
}
