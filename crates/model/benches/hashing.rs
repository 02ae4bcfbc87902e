//! How long hashing takes: canonical JSON, data, messages, batches, pins, content ids.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use photinus_model::{
    Hash, JsonText, Time, Uuid, cid,
    data::{Data, Validator},
    message::{DataRef, Header, Message, Type},
    pin, transaction,
};

fn value(bytes: usize) -> String {
    format!(r#"{{"shipment":{{"from":"Rotterdam","weight":12.50}},"text":"{}"}}"#, "x".repeat(bytes))
}

fn data(bytes: usize) -> Data {
    Data {
        id: Uuid::from_u128(1),
        validator: Validator::Json,
        namespace: "default".to_owned(),
        hash: None,
        created: Some(Time::ZERO),
        datatype: None,
        value: JsonText::parse(&value(bytes)).ok(),
        public: String::new(),
        blob: None,
    }
}

fn message() -> Message {
    Message {
        header: Header {
            id: Uuid::from_u128(2),
            cid: None,
            kind: Type::Broadcast,
            tx_type: transaction::Type::BatchPin,
            author: "did:firefly:org/carrier".to_owned(),
            key: "0x0102030405060708091011121314151617181920".to_owned(),
            created: Some(Time::ZERO),
            namespace: "default".to_owned(),
            group: None,
            topics: vec!["bills".to_owned()],
            tag: "bill".to_owned(),
            data_hash: None,
            tx_parent: None,
        },
        local_namespace: "default".to_owned(),
        hash: None,
        batch: None,
        tx_id: None,
        state: None,
        confirmed: None,
        reject_reason: String::new(),
        data: vec![DataRef { id: Uuid::from_u128(1), hash: Hash::of("data") }],
        pins: Vec::new(),
        idempotency_key: None,
    }
}

fn json(c: &mut Criterion) {
    let mut group = c.benchmark_group("canonical JSON");
    for bytes in [100, 10_000] {
        let text = value(bytes);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("{bytes} bytes"), |b| b.iter(|| JsonText::parse(black_box(&text))));
    }
    group.finish();
}

fn seal(c: &mut Criterion) {
    c.bench_function("seal data of 100 bytes", |b| {
        b.iter_batched(|| data(100), |mut data| data.seal().map(|_| data), BatchSize::SmallInput);
    });
    c.bench_function("seal a message", |b| {
        b.iter_batched(message, |mut message| message.seal().map(|()| message), BatchSize::SmallInput);
    });
    let mut sealed = message();
    assert!(sealed.seal().is_ok());
    c.bench_function("verify a message", |b| b.iter(|| black_box(&sealed).verify()));
}

fn pins(c: &mut Criterion) {
    let group = Hash::of("group");
    c.bench_function("context of a broadcast", |b| b.iter(|| pin::broadcast_context(black_box("bills"))));
    c.bench_function("masked pin", |b| {
        b.iter(|| pin::private_pin(black_box("bills"), group, "did:firefly:org/carrier", 7));
    });
}

fn content(c: &mut Criterion) {
    let mut group = c.benchmark_group("content id");
    for bytes in [1_000, 1 << 20] {
        let content = vec![7; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("{bytes} bytes"), |b| b.iter(|| cid::of(black_box(&content))));
    }
    group.finish();
}

criterion_group!(benches, json, seal, pins, content);
criterion_main!(benches);
