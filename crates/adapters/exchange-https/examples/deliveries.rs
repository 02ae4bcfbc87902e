//! How fast two nodes in this process deliver to each other over loopback:
//! `cargo run --release -p photinus-exchange-https --example deliveries [mebibytes of the blob]`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use photinus_exchange_https::{Handle, Options, Service};
use photinus_ports::{
    blobs::BlobStore,
    clock,
    exchange::{BlobParcel, DataExchange, MessageParcel, ReceivedBlob, Receiver, Refusal, Route},
    ids,
    peers::PeerId,
};
use photinus_storage_local::blobs::Blobs;

struct Sink;

#[async_trait]
impl Receiver for Sink {
    async fn message(&self, _: &Route, payload: Bytes) -> Result<String, Refusal> {
        Ok(payload.len().to_string())
    }

    async fn admit_blob(&self, _: &Route, _: &str, _: u64) -> Result<(), Refusal> {
        Ok(())
    }

    async fn blob(&self, _: ReceivedBlob) -> Result<(), Refusal> {
        Ok(())
    }

    async fn answer(&self, _: &Route, question: Bytes) -> Result<Bytes, Refusal> {
        Ok(question)
    }
}

async fn node(dir: &std::path::Path, id: &str) -> (Handle, Blobs) {
    let service = Service::bind(Options::new(dir.join(id), id), Arc::new(clock::System)).await.unwrap();
    let handle = service.handle();
    tokio::spawn(service.run(tokio_util::sync::CancellationToken::new()));
    let blobs = Blobs::open(dir.join(id).join("blobs"), Arc::new(ids::Random)).unwrap();
    handle.keep_blobs_in(Arc::new(blobs.clone()));
    handle.receive(&PeerId(format!("{id}/node")), Arc::new(Sink));
    (handle, blobs)
}

async fn learn(a: &Handle, b: &Handle, id: &str) {
    let mut profile = b.profile().await.unwrap();
    profile.insert("id".to_owned(), format!("{id}/node").into());
    a.add_node("net", id, &profile).await.unwrap();
}

/// Waits until a node of that id can be reached, which knows this one, too, by then.
async fn reach(a: &Handle, id: &str) {
    while DataExchange::reachable(a, &PeerId(format!("{id}/node"))).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let mebibytes: u64 = std::env::args().nth(1).map_or(100, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let ((a, blobs), (b, _)) = (node(dir.path(), "org_a").await, node(dir.path(), "org_b").await);
    learn(&a, &b, "org_b").await;
    learn(&b, &a, "org_a").await;
    reach(&a, "org_b").await;
    let route = Route { from: PeerId("org_a/node".to_owned()), to: PeerId("org_b/node".to_owned()) };
    for (size, at_once, count) in [(2_000, 1, 3_000), (2_000, 32, 50_000), (200_000, 8, 2_000)] {
        let text: String = (0..size / 10).map(|n: u32| format!("{:010x}", n.wrapping_mul(2_654_435_761))).collect();
        let payload = Bytes::from(text);
        let begun = Instant::now();
        stream::iter(0..count)
            .for_each_concurrent(at_once, |_| async {
                let parcel = MessageParcel { id: String::new(), route: route.clone(), payload: payload.clone() };
                a.send_message(parcel).await.unwrap();
            })
            .await;
        let seconds = begun.elapsed().as_secs_f64();
        println!("messages of {size} bytes, {at_once} at once: {:.0} a second", f64::from(count) / seconds);
    }
    let piece = Bytes::from((0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>());
    let content = stream::iter((0..mebibytes).map(move |_| Ok(piece.clone())));
    let stored = blobs.put("ns", Box::pin(content), u64::MAX).await.unwrap();
    let before = resident();
    for _ in 0..3 {
        let parcel = BlobParcel {
            id: String::new(),
            route: route.clone(),
            payload_ref: stored.payload_ref.clone(),
            path: format!("ns/{}", ids::Ids::next(&ids::Random)),
            hash: stored.hash,
            size: stored.size,
        };
        let begun = Instant::now();
        a.send_blob(parcel).await.unwrap();
        println!("blob of {mebibytes} MiB: {:.3} s", begun.elapsed().as_secs_f64());
    }
    println!("peak memory: {} KiB before, {} KiB after", before, resident());
}
