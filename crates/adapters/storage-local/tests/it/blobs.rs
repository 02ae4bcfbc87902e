//! Blobs in folders.

use std::{fs, sync::Arc};

use photinus_ports::{blobs::BlobStore, ids, stream};
use photinus_storage_local::blobs::Blobs;

use crate::{
    conformance::{self, broken, chunks, pattern},
    fake::files,
};

fn open(dir: &std::path::Path) -> Blobs {
    Blobs::open(dir, Arc::new(ids::Random)).unwrap()
}

#[tokio::test]
async fn keeps_the_promises_of_the_port() {
    let dir = tempfile::tempdir().unwrap();
    conformance::blob_store(&open(dir.path())).await;
    conformance::adopting(&open(&dir.path().join("other"))).await;
}

#[tokio::test]
async fn one_copy_per_content_and_none_after_the_last_delete() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let content = pattern(300_000);
    let mut stored = Vec::new();
    for _ in 0..5 {
        stored.push(store.put("ns1", chunks(&content), 1 << 20).await.unwrap());
    }
    let inodes: std::collections::BTreeSet<_> =
        files(dir.path()).iter().map(|path| fs::metadata(path).unwrap().ino()).collect();
    assert_eq!((files(dir.path()).len(), inodes.len()), (5, 1));
    for blob in &stored {
        store.delete(&blob.payload_ref).await.unwrap();
    }
    assert!(files(dir.path()).is_empty());
}

#[tokio::test]
async fn puts_and_deletes_at_once_never_lose_a_reference() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let work = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                let stored = store.put("ns1", chunks(b"shared"), 100).await.unwrap();
                let (_, content) = store.open(&stored.payload_ref).await.unwrap();
                assert_eq!(stream::collect(content, 100).await.unwrap(), "shared");
                store.delete(&stored.payload_ref).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(work).await.unwrap();
    assert!(files(dir.path()).is_empty());
}

#[tokio::test]
async fn what_fails_leaves_nothing_and_what_was_stored_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(store.put("ns1", broken(&pattern(600_000)), 1 << 20).await.is_err());
    assert!(store.put("ns1", chunks(&pattern(600_000)), 500_000).await.is_err());
    assert!(files(dir.path()).is_empty());
    let stored = store.put("ns1", chunks(b"kept"), 100).await.unwrap();
    drop(store);
    let (_, content) = open(dir.path()).open(&stored.payload_ref).await.unwrap();
    assert_eq!(stream::collect(content, 100).await.unwrap(), "kept");
}

#[tokio::test]
async fn a_damaged_blob_is_never_handed_out_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let stored = store.put("ns1", chunks(&pattern(600_000)), 1 << 20).await.unwrap();
    let path = dir.path().join(format!("ns1/{}", &stored.hash.to_string()[..2])).join(&stored.payload_ref[4..]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[599_999] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (_, content) = store.open(&stored.payload_ref).await.unwrap();
    assert!(stream::collect(content, 1 << 20).await.is_err());
}
