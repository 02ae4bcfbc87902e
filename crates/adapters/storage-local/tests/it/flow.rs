//! Large contents pass without being held.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use photinus_model::cid;
use photinus_ports::{
    peers::{Parcel, PeerId, PeerService, Peers},
    storage::SharedStorage,
    stream::ByteStream,
};

use crate::fake::{Network, files};

const SIZE: u64 = 64 << 20;
const PIECE: u64 = 16 << 10;
/// What may be between the source and the disk.
const HELD: u64 = 2 * cid::CHUNK as u64;

/// 64 MiB in small pieces. Before each piece it looks how much of what was given so far is on disk already.
fn source(folder: PathBuf, peak: Arc<AtomicU64>) -> ByteStream {
    Box::pin(stream::iter(0..SIZE / PIECE).map(move |n| {
        if n % 64 == 0 {
            let written: u64 = files(&folder).iter().map(|path| fs::metadata(path).map_or(0, |m| m.len())).sum();
            peak.fetch_max((n * PIECE).saturating_sub(written), Ordering::Relaxed);
        }
        Ok(Bytes::from(vec![(n % 256) as u8; PIECE as usize]))
    }))
}

fn reference() -> String {
    let mut builder = cid::Builder::new();
    for n in 0..SIZE / PIECE {
        builder.update(&vec![(n % 256) as u8; PIECE as usize]);
    }
    builder.finish()
}

#[tokio::test]
async fn a_large_upload_and_download_hold_one_chunk() {
    let network = Network::default();
    let node = network.node("a");
    let peak = Arc::new(AtomicU64::new(0));
    let content = source(node.dir.path().join("incoming"), Arc::clone(&peak));
    let uploaded = node.storage.upload_stream(content).await.unwrap();
    assert_eq!(uploaded, reference());
    assert!(peak.load(Ordering::Relaxed) <= HELD, "{peak:?} bytes were held");

    let mut read = node.storage.download(&uploaded, SIZE).await.unwrap();
    let mut total = 0;
    while let Some(chunk) = read.next().await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= cid::CHUNK);
        total += chunk.len() as u64;
    }
    assert_eq!(total, SIZE);
}

/// A peer that sends the content piece by piece.
struct Holder {
    folder: PathBuf,
    peak: Arc<AtomicU64>,
}

#[async_trait]
impl PeerService for Holder {
    async fn call(&self, _from: &PeerId, _request: Parcel) -> Result<Parcel, String> {
        let head = format!(r#"{{"status":"found","size":{SIZE}}}"#).into();
        Ok(Parcel { head, body: source(self.folder.clone(), Arc::clone(&self.peak)) })
    }
}

#[tokio::test]
async fn a_large_pull_holds_one_chunk() {
    let network = Network::default();
    let node = network.node("b");
    let peak = Arc::new(AtomicU64::new(0));
    let folder = node.dir.path().join("incoming");
    network.seat("a").serve("content", Arc::new(Holder { folder, peak: Arc::clone(&peak) }));
    assert!(node.storage.download(&reference(), SIZE).await.is_ok());
    assert!(peak.load(Ordering::Relaxed) <= HELD, "{peak:?} bytes were held");
}
