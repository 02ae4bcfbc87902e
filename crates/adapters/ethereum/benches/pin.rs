//! How long it takes to put a pin into the words of the contract.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use photinus_ethereum::contract;
use photinus_model::{Hash, Uuid};
use photinus_ports::blockchain::BatchPin;

fn encode(c: &mut Criterion) {
    for contexts in [1, 500] {
        let pin = BatchPin {
            network: "default".to_owned(),
            transaction: Uuid::from_u128(1),
            batch: Uuid::from_u128(2),
            batch_hash: Hash::of("batch"),
            payload_ref: "QmcRsNnvWJDFq7mTx9hmWqmZJXwzaSqHGzfXQPRXhFtGcK".to_owned(),
            contexts: (0..contexts).map(|number: u32| Hash::of(number.to_string())).collect(),
        };
        c.bench_function(&format!("call data of a pin of {contexts}"), |b| {
            b.iter(|| contract::pin_batch(black_box(&pin)));
        });
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
