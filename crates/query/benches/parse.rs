//! How long it takes to read a query.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use photinus_model::Time;
use photinus_query::{collection::MESSAGES, json, rest};

const PAIRS: [(&str, &str); 6] = [
    ("topics", "bills"),
    ("author", "!did:firefly:org/carrier"),
    ("created", ">=2026-01-01T00:00:00Z"),
    ("state", "pending"),
    ("state", "ready"),
    ("limit", "50"),
];

fn parse(c: &mut Criterion) {
    let limits = rest::Limits::default();
    c.bench_function("query from a URL without conditions", |b| {
        b.iter(|| rest::parse(&MESSAGES, black_box(&[("limit", "25")]), limits, Time::ZERO));
    });
    c.bench_function("query from a URL with 5 conditions", |b| {
        b.iter(|| rest::parse(&MESSAGES, black_box(&PAIRS), limits, Time::ZERO));
    });
    let body = serde_json::json!({
        "equal": [{"field": "tag", "value": "bill"}],
        "greaterThan": [{"field": "created", "value": "-1h"}],
        "or": [{"in": [{"field": "state", "values": ["pending", "ready"]}]}, {"null": [{"field": "batch"}]}],
        "sort": ["-created"],
        "limit": 10,
    });
    assert!(json::parse(&MESSAGES, &body, limits, Time::ZERO).is_ok());
    c.bench_function("query from JSON", |b| {
        b.iter(|| json::parse(&MESSAGES, black_box(&body), limits, Time::ZERO));
    });
}

criterion_group!(benches, parse);
criterion_main!(benches);
