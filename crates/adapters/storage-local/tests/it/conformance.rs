//! What the port of blobs promises, checked on any implementation.

use std::io;

use futures::{StreamExt, stream as futures_stream};
use photinus_model::Hash;
use photinus_ports::{
    blobs::{self, BlobStore},
    stream::{self, ByteStream},
};

pub(crate) use photinus_testkit::conformance::{chunks, pattern};

/// Some bytes, and then an error.
pub(crate) fn broken(content: &[u8]) -> ByteStream {
    Box::pin(chunks(content).chain(futures_stream::iter([Err(io::Error::other("broken"))])))
}

const SIZES: [usize; 6] = [0, 1, 262_143, 262_144, 262_145, 1_000_000];

/// The promises of [`BlobStore`].
pub(crate) async fn blob_store(store: &dyn BlobStore) {
    let read = async |payload_ref: &str| {
        let (size, content) = store.open(payload_ref).await?;
        let content = stream::collect(content, 10_000_000).await.unwrap();
        assert_eq!(size, content.len() as u64);
        Ok::<_, blobs::Error>(content)
    };
    for size in SIZES {
        let content = pattern(size);
        let stored = store.put("ns1", chunks(&content), size as u64).await.unwrap();
        assert_eq!((stored.hash, stored.size), (Hash::of(&content), size as u64));
        assert_eq!(read(&stored.payload_ref).await.unwrap(), content, "{size}");
        if size > 0 {
            let limited = store.put("ns1", chunks(&content), size as u64 - 1).await;
            assert!(matches!(limited, Err(blobs::Error::TooLarge(_))), "{size}");
        }
    }
    let first = store.put("ns1", chunks(b"twice"), 100).await.unwrap();
    let second = store.put("ns1", chunks(b"twice"), 100).await.unwrap();
    let elsewhere = store.put("ns2", chunks(b"twice"), 100).await.unwrap();
    assert_ne!(first.payload_ref, second.payload_ref);
    store.delete(&first.payload_ref).await.unwrap();
    assert!(matches!(store.open(&first.payload_ref).await, Err(blobs::Error::NotFound(_))));
    assert_eq!(read(&second.payload_ref).await.unwrap(), "twice");
    store.delete(&second.payload_ref).await.unwrap();
    store.delete(&second.payload_ref).await.unwrap();
    assert!(matches!(store.open(&second.payload_ref).await, Err(blobs::Error::NotFound(_))));
    assert_eq!(read(&elsewhere.payload_ref).await.unwrap(), "twice");
    assert!(store.put("ns1", broken(b"half"), 100).await.is_err());
    for wrong in ["", "ns1", "ns1/../../etc/passwd", "../x/y"] {
        assert!(matches!(store.open(wrong).await, Err(blobs::Error::NotFound(_))), "{wrong}");
        store.delete(wrong).await.unwrap();
    }
    for wrong in ["", "..", "a/b", ".incoming"] {
        assert!(store.put(wrong, chunks(b"x"), 100).await.is_err(), "{wrong}");
    }
}

/// The promises of [`BlobStore`] about files that lie elsewhere.
pub(crate) async fn adopting(store: &dyn BlobStore) {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("whole");
    let content = pattern(300_000);
    std::fs::write(&file, &content).unwrap();
    let (hash, id) = (Hash::of(&content), "0d5a6b5e-1111-4000-8000-000000000001".parse().unwrap());
    assert_eq!(store.adopted("ns1", hash, id).await.unwrap(), None);
    let stored = store.adopt("ns1", &file, hash, id).await.unwrap();
    assert_eq!((stored.hash, stored.size), (hash, 300_000));
    assert_eq!(store.adopt("ns1", &file, hash, id).await.unwrap(), stored, "twice is once");
    assert_eq!(store.adopted("ns1", hash, id).await.unwrap().as_ref(), Some(&stored));
    std::fs::remove_file(&file).unwrap();
    for (size, read) in
        [store.open(&stored.payload_ref).await.unwrap(), store.open_unchecked(&stored.payload_ref).await.unwrap()]
    {
        assert_eq!((size, stream::collect(read, 300_000).await.unwrap().to_vec()), (300_000, content.clone()));
    }
    store.delete(&stored.payload_ref).await.unwrap();
    assert_eq!(store.adopted("ns1", hash, id).await.unwrap(), None);
    assert!(matches!(store.open_unchecked(&stored.payload_ref).await, Err(blobs::Error::NotFound(_))));
    assert!(store.adopt("ns1", &file, hash, id).await.is_err(), "a file that is not there");
    assert!(store.adopt("../x", &file, hash, id).await.is_err());
}
