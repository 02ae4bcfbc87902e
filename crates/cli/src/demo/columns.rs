//! A column for each member, a row for each event of the play: row `n` holds the `n`th event of every member, and is printed as
//! soon as all have it. Plain text, so that a log file reads like a terminal.
//!
//! Claims of identities are kept but not shown: the members registered at the same moment, each on a topic of its own, and
//! only the order within a topic is the same for all.

use super::watch::Seen;

/// Tag of what members say when they register.
const CLAIM: &str = "ff_identity_claim";
/// Width of a column without the space between.
const WIDTH: usize = 36;

/// What the members saw so far.
#[derive(Debug)]
pub(crate) struct Columns {
    all: Vec<Vec<Seen>>,
    shown: Vec<Vec<Seen>>,
    printed: usize,
}

impl Columns {
    /// Columns for this many members.
    pub(crate) fn new(members: usize) -> Self {
        Self { all: vec![Vec::new(); members], shown: vec![Vec::new(); members], printed: 0 }
    }

    /// The heading.
    pub(crate) fn heading(names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let rules = vec!["-".repeat(WIDTH); names.len()];
        format!("     {}\n     {}", row(&names), row(&rules))
    }

    /// Takes an event; returns the rows that became complete.
    pub(crate) fn take(&mut self, member: usize, seen: Seen) -> Vec<String> {
        self.all[member].push(seen.clone());
        if seen.tag != CLAIM {
            self.shown[member].push(seen);
        }
        let complete = self.shown.iter().map(Vec::len).min().unwrap_or_default();
        let rows = (self.printed..complete)
            .map(|index| {
                let cells: Vec<String> = self.shown.iter().map(|column| cell(&column[index])).collect();
                let same = self.shown.iter().all(|column| column[index] == self.shown[0][index]);
                format!("{:>3}{} {}", index + 1, if same { ' ' } else { '!' }, row(&cells))
            })
            .collect();
        self.printed = complete;
        rows
    }

    /// Everything that a member saw, in order.
    pub(crate) fn all_of(&self, member: usize) -> &[Seen] {
        &self.all[member]
    }

    /// What a member saw of the play, in order.
    pub(crate) fn shown_of(&self, member: usize) -> &[Seen] {
        &self.shown[member]
    }

    /// Whether every member has seen the end of this message.
    pub(crate) fn all_saw(&self, message: &str) -> bool {
        self.all.iter().all(|column| column.iter().any(|seen| seen.message == message))
    }
}

fn row(cells: &[String]) -> String {
    let mut text = String::new();
    for cell in cells {
        let cut: String = cell.chars().take(WIDTH).collect();
        text.push_str(&format!("{cut:WIDTH$} "));
    }
    text.trim_end().to_owned()
}

/// Author, tag and the beginning of the hash.
fn cell(seen: &Seen) -> String {
    let author = seen.author.rsplit('/').next().unwrap_or(&seen.author);
    let tag = seen.tag.strip_prefix("ff_").unwrap_or(&seen.tag);
    let hash: String = seen.hash.chars().take(8).collect();
    let rejected = if seen.kind == "message_rejected" { " REJECTED" } else { "" };
    format!("{author} {tag}{rejected} {hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(message: &str) -> Seen {
        Seen {
            kind: "message_confirmed".into(),
            topic: "t".into(),
            message: message.into(),
            hash: format!("{message}0123456789"),
            author: "did:firefly:org/carrier".into(),
            tag: "ff_issued".into(),
            private: false,
        }
    }

    #[test]
    fn a_row_is_printed_when_all_have_it() {
        let mut columns = Columns::new(2);
        assert!(columns.take(0, seen("a")).is_empty());
        assert!(columns.take(0, seen("b")).is_empty());
        assert!(!columns.all_saw("a"));
        let cell = "carrier issued a0123456";
        assert_eq!(columns.take(1, seen("a")), [format!("  1  {cell:36} {cell}")]);
        assert!(columns.all_saw("a"));
        let rows = columns.take(1, seen("c"));
        assert!(rows[0].starts_with("  2! "), "{rows:?}");
        let claim = Seen { tag: CLAIM.into(), ..seen("d") };
        assert!(columns.take(0, claim.clone()).is_empty() && columns.take(1, claim).is_empty());
        assert_eq!((columns.all_of(1).len(), columns.shown_of(1).len()), (3, 2));
        let heading = Columns::heading(&["a", "b"]);
        assert_eq!(heading.lines().next().unwrap(), format!("     {:36} b", "a"));
    }
}
