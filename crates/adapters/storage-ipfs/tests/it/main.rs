//! Shared storage on a small server that answers as a real Kubo node was seen to, and members that keep other kinds of storage.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod wires;

use std::time::Duration;

use bytes::Bytes;
use photinus_model::cid;
use photinus_ports::{
    health::Health,
    peers::Peers,
    storage::{Error, SharedStorage},
    stream,
};
use photinus_standins::kubo::Kubo;
use photinus_storage_ipfs::{Handle, Options, Service};
use photinus_testkit::conformance::{self, chunks, pattern};
use tokio_util::sync::CancellationToken;
use wires::Wires;

fn options(kubo: &Kubo) -> Options {
    let mut options = Options::new(kubo.url(), kubo.url());
    options.wait = Duration::from_secs(5);
    options.heartbeat = Duration::from_millis(5);
    options
}

/// A member on IPFS, and its Kubo node.
async fn member(wires: &Wires, name: &str) -> (Kubo, Handle) {
    let kubo = Kubo::start().await;
    let service = Service::new(options(&kubo), Some(wires.seat(name))).unwrap();
    (kubo, service.handle())
}

/// A member with the embedded storage.
fn embedded(wires: &Wires, name: &str) -> (tempfile::TempDir, photinus_storage_local::shared::Handle) {
    let dir = tempfile::tempdir().unwrap();
    let service = photinus_storage_local::shared::Service::open(
        photinus_storage_local::Options::new(dir.path()),
        wires.seat(name),
    );
    let service = service.unwrap();
    let handle = service.handle();
    tokio::spawn(service.run(CancellationToken::new()));
    (dir, handle)
}

async fn read(storage: &dyn SharedStorage, reference: &str) -> Bytes {
    stream::collect(storage.download(reference, 1 << 30).await.unwrap(), 1 << 30).await.unwrap()
}

#[tokio::test]
async fn on_ipfs_the_promises_are_kept() {
    let (kubo, storage) = member(&Wires::default(), "a").await;
    conformance::storage::check(&storage).await;
    assert!(kubo.pins().contains("QmVUbzigHKQR2y8wSt2KwZp92AC9Utfms5nEUHwttK4Yq9"), "what is published is kept");
}

/// `PHOTINUS_KUBO` is the API's and the gateway's address of a Kubo node, with a space between.
#[tokio::test]
#[ignore = "needs a Kubo node: PHOTINUS_KUBO='http://127.0.0.1:5001 http://127.0.0.1:8080'"]
async fn on_a_real_node_the_promises_are_kept() {
    let addresses = std::env::var("PHOTINUS_KUBO").unwrap();
    let (api, gateway) = addresses.split_once(' ').unwrap();
    let wires = Wires::default();
    let service = Service::new(Options::new(api, gateway), Some(wires.seat("a"))).unwrap();
    let storage = service.handle();
    conformance::storage::check(&storage).await;
    let (_dir, other) = embedded(&wires, "b");
    let content = pattern(3_000_000);
    let ours = storage.upload_stream(chunks(&content)).await.unwrap();
    assert_eq!(read(&other, &ours).await, content);
    let unique = format!("{:?}", std::time::SystemTime::now());
    let theirs = other.upload(unique.clone().into()).await.unwrap();
    assert_eq!(read(&storage, &theirs).await, unique);
}

#[tokio::test]
async fn a_member_on_ipfs_and_one_on_embedded_storage_read_each_other() {
    let wires = Wires::default();
    let (kubo, storage) = member(&wires, "a").await;
    let (_dir, other) = embedded(&wires, "b");
    for size in [0, 12, 300_000, 3_000_000] {
        let content = pattern(size);
        let ours = storage.upload_stream(chunks(&content)).await.unwrap();
        assert_eq!(read(&other, &ours).await, content, "{size}");
        let more = [&content[..], b"."].concat();
        let theirs = other.upload(more.clone().into()).await.unwrap();
        assert_eq!(read(&storage, &theirs).await, more, "{size}");
        assert!(kubo.pins().contains(&theirs), "what was fetched is kept");
    }
}

#[tokio::test]
async fn what_is_not_the_content_is_not_handed_out() {
    let wires = Wires::default();
    let (kubo, storage) = member(&wires, "a").await;
    for size in [100, 3_000_000] {
        let reference = cid::of(&pattern(size));
        kubo.put(&reference, vec![b'x'; size]);
        let read = match storage.download(&reference, 1 << 30).await {
            Ok(content) => stream::collect(content, 1 << 30).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        assert!(read.unwrap_err().contains("not those of"), "{size}");
    }
    // Nor taken from a peer.
    let reference = cid::of(b"wanted");
    wires.seat("evil").serve("content", wires::Liar::of(b"other."));
    assert!(matches!(storage.download(&reference, 100).await, Err(Error::Unavailable(_))));
    assert!(kubo.pins().is_empty());
}

#[tokio::test]
async fn references_of_other_shapes_are_read_as_the_node_gives_them() {
    let (kubo, storage) = member(&Wires::default(), "a").await;
    let reference = "bafybeicn7i3soqdgr7dwnrwytgq4zxy7a5jpkizrvhm5mv6bgjd32wm3q4";
    kubo.put(reference, b"of another shape".to_vec());
    assert_eq!(read(&storage, reference).await, "of another shape");
    assert!(matches!(storage.download(reference, 3).await, Err(Error::TooLarge(3))));
}

#[tokio::test]
async fn a_node_that_makes_other_references_is_found_out() {
    let (kubo, storage) = member(&Wires::default(), "a").await;
    kubo.shape_differently();
    let error = storage.upload(Bytes::from_static(b"x")).await.unwrap_err().to_string();
    assert!(error.contains("gives the reference"), "{error}");
}

#[tokio::test]
async fn a_node_that_is_away_is_told_by_health_until_it_is_back() {
    let kubo = Kubo::start().await;
    let service = Service::new(options(&kubo), None).unwrap();
    let storage = service.handle();
    tokio::spawn(service.run(CancellationToken::new()));
    let until = async |up: bool| {
        let waiting = async {
            while (storage.health() == Health::Up) != up {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("health follows");
    };
    until(true).await;
    kubo.fail(true);
    until(false).await;
    assert!(matches!(storage.upload(Bytes::from_static(b"x")).await, Err(Error::Failed(_))));
    assert!(matches!(storage.download(&cid::of(b"x"), 10).await, Err(Error::Failed(_))));
    kubo.fail(false);
    until(true).await;
    storage.upload(Bytes::from_static(b"x")).await.unwrap();
}
