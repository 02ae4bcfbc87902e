//! Blobs between nodes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream as futures_stream};
use http::StatusCode;
use photinus_exchange_https::Options;
use photinus_model::{Hash, Uuid};
use photinus_ports::{
    blobs::{self, BlobStore, Stored},
    exchange::{BlobParcel, DataExchange, Error, Receipt, Refusal},
    ids,
    stream::{self, ByteStream},
};
use photinus_storage_local::blobs::Blobs;
use tokio::sync::watch;

use crate::{
    inbox::{Inbox, route},
    node::{Node, pair, until},
    stranger::{self, body, enter, whole},
};

const CHUNK: usize = 4 << 20;
const PATH: &str = "ns1/0d5a6b5e-1111-4000-8000-000000000001";

/// Bytes that do not repeat within a chunk.
fn content(size: usize) -> Bytes {
    (0..size as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect::<Vec<_>>().into()
}

fn store(node: &Node) -> Blobs {
    Blobs::open(node.dir.path().join("blobs"), Arc::new(ids::Random)).unwrap()
}

struct Two {
    a: Node,
    b: Node,
    from: Blobs,
    to: Blobs,
    inbox: Arc<Inbox>,
}

impl Two {
    async fn new(set: impl Fn(&mut Options)) -> Self {
        let (a, b) = pair(set).await;
        let (from, to) = (store(&a), store(&b));
        a.handle.keep_blobs_in(Arc::new(from.clone()));
        b.handle.keep_blobs_in(Arc::new(to.clone()));
        let inbox = Inbox::of(&b);
        Self { a, b, from, to, inbox }
    }

    async fn parcel(&self, content: &Bytes) -> BlobParcel {
        let stored = self.from.put("ns1", stream::once(content.clone()), content.len() as u64).await.unwrap();
        parcel(self, stored)
    }

    /// The content that the receiver was handed last, and what it was told of it.
    async fn arrived(&self, content: &Bytes) {
        let blob = self.inbox.blobs.lock().pop().unwrap();
        assert_eq!((&blob.route, blob.path.as_str()), (&route(&self.a, &self.b), PATH));
        assert_eq!((blob.hash, blob.size), (Hash::of(content), content.len() as u64));
        let (size, read) = self.to.open(&blob.payload_ref).await.unwrap();
        assert_eq!(size, content.len() as u64);
        assert!(stream::collect(read, content.len()).await.unwrap() == content);
    }

    fn leftovers(&self) -> usize {
        std::fs::read_dir(self.b.options.dir.join("incoming")).unwrap().count()
    }
}

fn parcel(two: &Two, stored: Stored) -> BlobParcel {
    BlobParcel {
        id: "ns1:0d5a6b5e-1111-4000-8000-000000000002".to_owned(),
        route: route(&two.a, &two.b),
        payload_ref: stored.payload_ref,
        path: PATH.to_owned(),
        hash: stored.hash,
        size: stored.size,
    }
}

#[tokio::test]
async fn blobs_of_any_size_arrive_and_leave_nothing_behind() {
    let two = Two::new(|_| ()).await;
    for size in [0, 1, 31, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 12_345] {
        let content = content(size);
        let parcel = two.parcel(&content).await;
        let receipt = two.a.handle.send_blob(parcel).await.unwrap();
        assert_eq!(receipt, Receipt::Stored(Hash::of(&content).to_string()), "{size}");
        two.arrived(&content).await;
        assert_eq!(two.leftovers(), 0, "{size}");
    }
}

#[tokio::test]
async fn a_blob_delivered_before_does_not_travel_again() {
    let two = Two::new(|_| ()).await;
    let content = content(2 * CHUNK);
    let parcel = two.parcel(&content).await;
    two.a.handle.send_blob(parcel.clone()).await.unwrap();
    two.arrived(&content).await;
    // The sender did not hear of it, and has lost its own copy's bytes beyond what it must still prove.
    two.a.handle.send_blob(parcel).await.unwrap();
    two.arrived(&content).await;
    assert_eq!(two.leftovers(), 0);
}

/// A blob store whose streams end or stop at a byte.
struct Tripwire {
    inner: Blobs,
    /// From which byte on streams wait.
    at: u64,
    open: watch::Sender<bool>,
    reached: AtomicU64,
}

impl Tripwire {
    fn new(inner: Blobs, at: usize) -> Arc<Self> {
        Arc::new(Self { inner, at: at as u64, open: watch::Sender::new(false), reached: AtomicU64::new(0) })
    }
}

#[async_trait]
impl BlobStore for Tripwire {
    async fn put(&self, namespace: &str, content: ByteStream, limit: u64) -> Result<Stored, blobs::Error> {
        self.inner.put(namespace, content, limit).await
    }

    async fn open(&self, payload_ref: &str) -> Result<(u64, ByteStream), blobs::Error> {
        self.inner.open(payload_ref).await
    }

    async fn open_unchecked(&self, payload_ref: &str) -> Result<(u64, ByteStream), blobs::Error> {
        let (size, content) = self.inner.open_unchecked(payload_ref).await?;
        let (at, open) = (self.at, self.open.subscribe());
        let mut passed = 0;
        let content = content.then(move |chunk| {
            let mut open = open.clone();
            passed += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
            let wait = passed > at;
            async move {
                if wait {
                    let _ = open.wait_for(|open| *open).await;
                }
                chunk
            }
        });
        self.reached.fetch_add(1, Ordering::SeqCst);
        Ok((size, Box::pin(content)))
    }

    async fn adopt(&self, ns: &str, file: &std::path::Path, hash: Hash, id: Uuid) -> Result<Stored, blobs::Error> {
        self.inner.adopt(ns, file, hash, id).await
    }

    async fn adopted(&self, namespace: &str, hash: Hash, id: Uuid) -> Result<Option<Stored>, blobs::Error> {
        self.inner.adopted(namespace, hash, id).await
    }

    async fn delete(&self, payload_ref: &str) -> Result<(), blobs::Error> {
        self.inner.delete(payload_ref).await
    }
}

/// Bytes of unfinished blobs on a node's disk.
fn arriving(two: &Two) -> u64 {
    let files = std::fs::read_dir(two.b.options.dir.join("incoming")).unwrap();
    let parts = files.map(Result::unwrap).filter(|file| file.path().extension().is_some_and(|e| e == "part"));
    parts.map(|file| file.metadata().unwrap().len()).sum()
}

/// Two nodes between which a blob of five chunks stops after four, and its sender has given up.
async fn interrupted() -> (Two, Bytes, BlobParcel) {
    let (a, b) = pair(|_| ()).await;
    let (from, to) = (store(&a), store(&b));
    let tripwire = Tripwire::new(from.clone(), 4 * CHUNK + 1000);
    a.handle.keep_blobs_in(Arc::clone(&tripwire) as _);
    b.handle.keep_blobs_in(Arc::new(to.clone()));
    let inbox = Inbox::of(&b);
    let two = Two { a, b, from, to, inbox };
    let content = content(5 * CHUNK - 7);
    let parcel = two.parcel(&content).await;
    let sending = tokio::spawn({
        let (handle, parcel) = (two.a.handle.clone(), parcel.clone());
        async move { handle.send_blob(parcel).await }
    });
    until("four chunks are there", || arriving(&two) >= 4 * CHUNK as u64).await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    tripwire.open.send_replace(true);
    (two, content, parcel)
}

#[tokio::test]
async fn a_blob_that_broke_off_is_continued() {
    let (two, content, parcel) = interrupted().await;
    two.a.handle.send_blob(parcel).await.unwrap();
    two.arrived(&content).await;
    assert_eq!(two.leftovers(), 0);
}

#[tokio::test]
async fn a_receiver_that_was_killed_continues_with_what_it_has_and_nothing_that_is_wrong() {
    for damaged in [None, Some(CHUNK as u64 + 5)] {
        let (two, content, parcel) = interrupted().await;
        let Two { a, b, to, from, .. } = two;
        let (dir, options) = b.stop().await;
        if let Some(at) = damaged {
            use std::os::unix::fs::FileExt;
            for file in std::fs::read_dir(options.dir.join("incoming")).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "part") {
                    std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(b"xyz", at).unwrap();
                }
            }
        }
        let b = Node::on(dir, options).await;
        b.handle.keep_blobs_in(Arc::new(to.clone()));
        let inbox = Inbox::of(&b);
        a.reaches(&b).await;
        let two = Two { a, b, from, to, inbox };
        let mut guest = enter(two.b.options.listen, &stranger::of(&two.a.options.dir)).await;
        let (hash, size) = (parcel.hash.to_string(), parcel.size.to_string());
        let headers = [
            ("photinus-from", "node"),
            ("photinus-to", "node"),
            ("photinus-path", PATH),
            ("photinus-hash", &hash),
            ("photinus-length", &size),
        ];
        let (code, offset) = guest.deliver("blob-offset", &headers, Some(0), whole("")).await;
        assert_eq!(code, StatusCode::OK);
        let offset: usize = offset.parse().unwrap();
        let expected = if damaged.is_some() { CHUNK..CHUNK + 1 } else { 3 * CHUNK..4 * CHUNK + 1 };
        assert!(expected.contains(&offset), "{offset}");
        two.a.handle.send_blob(parcel).await.unwrap();
        two.arrived(&content).await;
        assert_eq!(two.leftovers(), 0);
    }
}

#[tokio::test]
async fn refusals_come_before_the_first_byte_and_leave_nothing() {
    let two = Two::new(|o| o.limits.body = 3 * CHUNK as u64).await;
    let content = content(CHUNK + 1);
    let parcel = two.parcel(&content).await;
    two.inbox.refuse(Refusal::Never("the quota is used up".to_owned()));
    let error = two.a.handle.send_blob(parcel.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason == "the quota is used up"), "{error}");
    assert_eq!(two.leftovers(), 0);
    two.inbox.refuse(Refusal::Later("busy".to_owned()));
    assert!(matches!(two.a.handle.send_blob(parcel.clone()).await, Err(Error::Failed(_))));
    two.inbox.refuse(None);
    let large = BlobParcel { size: 3 * CHUNK as u64 + 1, ..parcel.clone() };
    assert!(matches!(two.a.handle.send_blob(large).await, Err(Error::Refused { .. })));
    let lost = BlobParcel { payload_ref: "ns1/gone".to_owned(), ..parcel.clone() };
    assert!(matches!(two.a.handle.send_blob(lost).await, Err(Error::Refused { .. })));
    let climbing = BlobParcel { path: "../etc/passwd".to_owned(), ..parcel.clone() };
    assert!(matches!(two.a.handle.send_blob(climbing).await, Err(Error::Refused { .. })));
    let wrong = BlobParcel { hash: Hash::of("other"), ..parcel.clone() };
    let error = two.a.handle.send_blob(wrong).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("damaged")), "{error}");
    two.a.handle.send_blob(parcel).await.unwrap();
    two.arrived(&content).await;
}

#[tokio::test]
async fn two_deliveries_of_one_blob_at_once_are_one() {
    let two = Two::new(|_| ()).await;
    let content = content(2 * CHUNK + 9);
    let parcel = two.parcel(&content).await;
    let sends = (0..3).map(|_| two.a.handle.send_blob(parcel.clone()));
    for sent in futures::future::join_all(sends).await {
        assert!(sent.is_ok(), "{sent:?}");
    }
    two.arrived(&content).await;
    let references = std::fs::read_dir(two.b.dir.path().join("blobs/ns1")).unwrap().count();
    assert_eq!((references, two.leftovers()), (1, 0));
}

#[tokio::test]
async fn nodes_of_one_data_exchange_pass_blobs_on() {
    let two = Two::new(|_| ()).await;
    let content = content(100_000);
    let inbox = Inbox::new();
    let other = photinus_ports::peers::PeerId("org_a/other".to_owned());
    two.a.handle.receive(&other, inbox.clone());
    let mut parcel = two.parcel(&content).await;
    parcel.route.to = other;
    two.a.handle.send_blob(parcel).await.unwrap();
    let blob = inbox.blobs.lock().pop().unwrap();
    let (_, read) = two.from.open(&blob.payload_ref).await.unwrap();
    assert_eq!(stream::collect(read, 100_000).await.unwrap(), content);
}

/// A blob as its sender's side writes it, but with the proofs that `prove` makes.
fn chunks(content: &Bytes, prove: impl Fn(&[u8]) -> Hash) -> Bytes {
    let mut body = Vec::new();
    let mut at = 0;
    while at < content.len() {
        let end = (at + CHUNK).min(content.len());
        body.extend_from_slice(&content[at..end]);
        body.extend_from_slice(&prove(&content[..end]).0);
        at = end;
    }
    body.into()
}

#[tokio::test]
async fn dishonest_uploads_end_without_a_trace() {
    let two = Two::new(|o| o.limits.idle = Duration::from_millis(300)).await;
    let mut guest = enter(two.b.options.listen, &stranger::of(&two.a.options.dir)).await;
    let content = content(1000);
    let hash = Hash::of(&content).to_string();
    let mut put = async |path: &str, hash: &str, size: &str, offset: &str, body| {
        let headers = [
            ("photinus-from", "node"),
            ("photinus-to", "node"),
            ("photinus-path", path),
            ("photinus-hash", hash),
            ("photinus-length", size),
            ("photinus-offset", offset),
        ];
        guest.upload("blob", &headers, body).await
    };
    for path in ["../../x", "ns1/../../x", "ns1/%2e%2e%2fx", "", "ns1", "ns1/x.metadata.json", "/etc/passwd", "ns1/a/b"]
    {
        let (code, text) = put(path, &hash, "1000", "0", whole("")).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{path}: {text}");
    }
    for (hash, size) in
        [("x", "1000"), ("", "1000"), (hash.as_str(), "-1"), (&hash, ""), (&hash, "99999999999999999999")]
    {
        assert_eq!(put(PATH, hash, size, "0", whole("")).await.0, StatusCode::BAD_REQUEST, "{hash} {size}");
    }
    let too_large = put(PATH, &hash, "99999999999999", "0", whole("")).await;
    assert_eq!(too_large.0, StatusCode::PAYLOAD_TOO_LARGE, "{}", too_large.1);
    assert_eq!(put(PATH, &hash, "1000", "500", whole("")).await.0, StatusCode::CONFLICT);
    // A whole blob of another hash than announced.
    let other = Hash::of("other").to_string();
    let lie = put(PATH, &other, "1000", "0", whole(chunks(&content, |bytes| Hash::of(bytes)))).await;
    assert_eq!(lie.0, StatusCode::UNPROCESSABLE_ENTITY, "{}", lie.1);
    let damaged = put(PATH, &hash, "1000", "0", whole(chunks(&content, |_| Hash::of("wrong")))).await;
    assert_eq!(damaged.0, StatusCode::CONFLICT, "{}", damaged.1);
    let short = put(PATH, &hash, "1000", "0", whole(content.slice(..500))).await;
    assert_eq!(short.0, StatusCode::REQUEST_TIMEOUT, "{}", short.1);
    let stuck = futures_stream::iter([content.slice(..500)]).chain(futures_stream::pending());
    let stuck = put(PATH, &hash, "1000", "0", body(stuck)).await;
    assert_eq!((stuck.0, stuck.1.contains("stopped flowing")), (StatusCode::REQUEST_TIMEOUT, true), "{}", stuck.1);
    assert!(two.inbox.blobs.lock().is_empty());
    // What follows the last chunk is not read.
    let endless = futures_stream::repeat_with(|| Bytes::from_static(&[0; 16_384]));
    let whole_and_more = futures_stream::iter([chunks(&content, |bytes| Hash::of(bytes))]).chain(endless);
    assert_eq!(put(PATH, &hash, "1000", "0", body(whole_and_more)).await.0, StatusCode::OK);
    two.arrived(&content).await;
    assert_eq!(two.leftovers(), 0);
}
