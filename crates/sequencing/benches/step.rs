//! How long the ordering machine takes for a batch of 500 messages.

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]
#![allow(dead_code, clippy::allow_attributes, reason = "the network of the tests can do more than is measured")]

#[path = "../tests/it/network.rs"]
mod network;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use photinus_sequencing::{
    Rows, Rules,
    facts::Fact,
    rows::{Table, drive},
};

use network::{Network, key, org_did, stored};

/// Messages of a batch.
const MESSAGES: usize = 500;

/// A table in which these facts were taken.
fn take(table: &mut Table, facts: &[Fact]) -> usize {
    let (mut rows, rules) = (Rows::default(), Rules::default());
    let mut decisions = 0;
    for fact in facts {
        let mut next = drive(table, &mut rows, &rules, fact, &mut |_| true).unwrap();
        decisions += next.decisions.len();
        while next.more {
            next = drive(table, &mut rows, &rules, &Fact::Continue, &mut |_| true).unwrap();
            decisions += next.decisions.len();
        }
    }
    decisions
}

fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide a batch of 500");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for topics in [1, 500] {
        let (mut net, mut table) = (Network::new(), Table::default());
        take(&mut table, &net.register("a", 1));
        let messages = (0..MESSAGES).map(|number| net.broadcast(&[&format!("t{}", number % topics)])).collect();
        let content = net.batch(&org_did("a"), &key("a"), messages);
        let event = Fact::Pinned(net.pin(&content, &key("a")));
        let facts = [stored(&content), event];
        assert_eq!(take(&mut table.clone(), &facts), MESSAGES);
        group.bench_function(format!("{topics} topics"), |b| {
            b.iter_batched(|| table.clone(), |mut table| take(&mut table, &facts), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
