//! Counters of messages and of the ledger, under the names that FireFly gives them. They are counted by the namespaces
//! themselves, so they are written as text here rather than kept a second time.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use photinus_engine::tally::{BOUNDS, Counts, Messages};

/// Picks the messages of a kind.
type Pick = fn(&Counts) -> &Messages;
/// Picks one count of a kind.
type Count = fn(&Messages) -> u64;
/// Picks counts by place and name.
type Pairs = fn(&Counts) -> &BTreeMap<(String, String), u64>;

/// Writes the counts of all namespaces.
pub(super) fn write(all: &[(String, Counts)], text: &mut String) -> fmt::Result {
    let kinds: [(&str, &str, Pick); 2] = [
        ("ff_broadcast", "broadcasts", |counts| &counts.broadcasts),
        ("ff_private_msg", "private messages", |counts| &counts.privates),
    ];
    for (prefix, words, pick) in kinds {
        let counters: [(&str, Count); 3] = [
            ("submitted", |messages| messages.submitted),
            ("confirmed", |messages| messages.confirmed),
            ("rejected", |messages| messages.rejected),
        ];
        for (what, count) in counters {
            let name = format!("{prefix}_{what}_total");
            head(text, &name, "counter", format_args!("Number of {what} {words}"))?;
            for (namespace, counts) in all {
                writeln!(text, "{name}{{ns=\"{}\"}} {}", Label(namespace), count(pick(counts)))?;
            }
        }
        let name = format!("{prefix}_histogram");
        head(text, &name, "histogram", format_args!("Time until own {words} were decided, in seconds"))?;
        for (namespace, counts) in all {
            histogram(text, &name, namespace, pick(counts))?;
        }
    }
    head(text, "ff_batchpin_total", "counter", format_args!("Number of batch pins submitted"))?;
    for (namespace, counts) in all {
        writeln!(text, "ff_batchpin_total{{ns=\"{}\"}} {}", Label(namespace), counts.pins)?;
    }
    let tables: [(&str, &str, &str, Pairs); 2] = [
        ("ff_blockchain_transactions_total", "Number of blockchain transactions", "methodName", |counts| {
            &counts.transactions
        }),
        ("ff_blockchain_events_total", "Number of blockchain events", "signature", |counts| &counts.logs),
    ];
    for (name, help, label, pick) in tables {
        head(text, name, "counter", format_args!("{help}"))?;
        let mut sums: BTreeMap<&(String, String), u64> = BTreeMap::new();
        for (pair, count) in all.iter().flat_map(|(_, counts)| pick(counts)) {
            *sums.entry(pair).or_default() += count;
        }
        for ((location, what), count) in sums {
            writeln!(text, "{name}{{location=\"{}\",{label}=\"{}\"}} {count}", Label(location), Label(what))?;
        }
    }
    Ok(())
}

fn head(text: &mut String, name: &str, kind: &str, help: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn histogram(text: &mut String, name: &str, namespace: &str, messages: &Messages) -> fmt::Result {
    let (took, ns) = (&messages.took, Label(namespace));
    let mut below = 0;
    for (bound, within) in BOUNDS.iter().zip(took.within) {
        below += within;
        writeln!(text, "{name}_bucket{{ns=\"{ns}\",le=\"{bound}\"}} {below}")?;
    }
    writeln!(text, "{name}_bucket{{ns=\"{ns}\",le=\"+Inf\"}} {}", took.count)?;
    writeln!(text, "{name}_sum{{ns=\"{ns}\"}} {}", took.sum.as_secs_f64())?;
    writeln!(text, "{name}_count{{ns=\"{ns}\"}} {}", took.count)
}

/// A label's value as the text form wants it.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_in_the_text_form() {
        let mut counts = Counts::default();
        counts.broadcasts.submitted = 3;
        counts.broadcasts.took.within[1] = 2;
        counts.broadcasts.took.count = 3;
        counts.logs.insert(("address=0x1".into(), "E(\"x\")".into()), 4);
        let mut text = String::new();
        write(&[("a".into(), counts.clone()), ("b".into(), counts)], &mut text).unwrap();
        for line in [
            "ff_broadcast_submitted_total{ns=\"b\"} 3",
            "ff_broadcast_histogram_bucket{ns=\"a\",le=\"0.005\"} 0",
            "ff_broadcast_histogram_bucket{ns=\"a\",le=\"0.01\"} 2",
            "ff_broadcast_histogram_bucket{ns=\"a\",le=\"10\"} 2",
            "ff_broadcast_histogram_bucket{ns=\"a\",le=\"+Inf\"} 3",
            "ff_private_msg_rejected_total{ns=\"a\"} 0",
            "ff_batchpin_total{ns=\"a\"} 0",
            "ff_blockchain_events_total{location=\"address=0x1\",signature=\"E(\\\"x\\\")\"} 8",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("# TYPE ff_broadcast_histogram histogram").count(), 1);
    }
}
