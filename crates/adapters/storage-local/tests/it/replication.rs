//! Contents on their way between nodes, honest and otherwise.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream as futures_stream};
use photinus_model::cid;
use photinus_ports::{
    peers::{Error as CallError, Parcel, PeerId, PeerService, Peers},
    storage::{Error, SharedStorage},
    stream::{self, ByteStream},
};

use crate::{
    conformance::{self, pattern},
    fake::{Network, files, until},
};

/// A peer that answers everything in the same way.
struct Always<F>(F);

#[async_trait]
impl<F: Fn() -> (String, ByteStream) + Send + Sync> PeerService for Always<F> {
    async fn call(&self, _from: &PeerId, _request: Parcel) -> Result<Parcel, String> {
        let (head, body) = (self.0)();
        Ok(Parcel { head: head.into(), body })
    }
}

fn always(network: &Network, name: &str, answer: impl Fn() -> (String, ByteStream) + Send + Sync + 'static) {
    network.seat(name).serve("content", Arc::new(Always(answer)));
}

fn found(size: usize) -> String {
    format!(r#"{{"status":"found","size":{size}}}"#)
}

async fn call(network: &Network, to: &str, head: String, body: &[u8]) -> Result<String, String> {
    let request = Parcel { head: head.into(), body: stream::once(Bytes::copy_from_slice(body)) };
    match network.seat("caller").call(&PeerId(to.to_owned()), "content", request).await {
        Ok(answer) => Ok(String::from_utf8(answer.head.to_vec()).unwrap()),
        Err(CallError::Refused { reason, .. }) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

fn push(reference: &str, size: usize) -> String {
    format!(r#"{{"op":"push","ref":"{reference}","size":{size}}}"#)
}

#[tokio::test]
async fn a_lone_node_keeps_the_promises_of_the_port() {
    let node = Network::default().node_with("a", |o| o.wait = Duration::from_millis(50));
    photinus_testkit::conformance::storage::check(&node.storage).await;
}

#[tokio::test]
async fn what_is_published_is_pushed_to_all_peers() {
    let network = Network::default();
    let (a, b, c) = (network.node("a"), network.node("b"), network.node("c"));
    let reference = a.storage.upload(Bytes::from_static(b"bill of lading")).await.unwrap();
    until("both peers have it", || !files(b.dir.path()).is_empty() && !files(c.dir.path()).is_empty()).await;
    network.cut("a");
    network.cut("b");
    assert_eq!(b.read(&reference).await, b"bill of lading");
    assert_eq!(c.read(&reference).await, b"bill of lading");
}

#[tokio::test]
async fn large_contents_are_announced_and_pulled_ahead() {
    let network = Network::default();
    let (a, b) = (network.node_with("a", |o| o.inline = 1000), network.node("b"));
    let reference = a.storage.upload(pattern(700_000).into()).await.unwrap();
    until("the peer has pulled it", || !files(&b.dir.path().join("offered")).is_empty()).await;
    network.cut("a");
    assert_eq!(b.read(&reference).await, pattern(700_000));
}

#[tokio::test]
async fn a_peer_that_was_away_is_told_when_it_returns() {
    let network = Network::default();
    let (a, b) = (network.node("a"), network.node("b"));
    network.cut("b");
    let reference = a.storage.upload(Bytes::from_static(b"while you were out")).await.unwrap();
    network.mend("b");
    until("the peer has it", || !files(b.dir.path()).is_empty()).await;
    network.cut("a");
    assert_eq!(b.read(&reference).await, b"while you were out");
}

#[tokio::test]
async fn what_is_missing_is_pulled_from_whoever_has_it() {
    let network = Network::default();
    let a = network.node("a");
    let reference = a.storage.upload(pattern(2_000_000).into()).await.unwrap();
    let _empty = network.node("b");
    let c = network.node("c");
    assert_eq!(c.read(&reference).await, pattern(2_000_000));
    network.cut("c");
    assert_eq!(c.read(&reference).await, pattern(2_000_000), "it is kept");
}

#[tokio::test]
async fn a_download_waits_for_content_that_is_not_published_yet() {
    let network = Network::default();
    let (a, b) = (network.node("a"), network.node("b"));
    let reference = cid::of(b"soon");
    let waiting = tokio::spawn(async move { b.read(&reference).await });
    until("the first question was asked", || network.calls_to("a") > 0).await;
    a.storage.upload(Bytes::from_static(b"soon")).await.unwrap();
    assert_eq!(waiting.await.unwrap(), b"soon");
}

#[tokio::test]
async fn a_download_tries_again_when_a_peer_returns() {
    let network = Network::default();
    let a = network.node("a");
    let reference = a.storage.upload(Bytes::from_static(b"back again")).await.unwrap();
    network.cut("a");
    let b = network.node_with("b", |o| o.wait = Duration::from_secs(9));
    let (joined, _) = tokio::join!(b.read(&reference), async { network.mend("a") });
    assert_eq!(joined, b"back again");
}

#[tokio::test]
async fn many_readers_cause_one_search() {
    let network = Network::default();
    let a = network.node("a");
    let reference = a.storage.upload(pattern(3_000_000).into()).await.unwrap();
    let b = network.node_with("b", |o| o.hedge = Duration::from_secs(60));
    let before = network.calls_to("a");
    let all = futures::future::join_all((0..20).map(|_| b.read(&reference))).await;
    assert!(all.iter().all(|content| *content == pattern(3_000_000)));
    assert_eq!(network.calls_to("a") - before, 1);
}

#[tokio::test]
async fn wrong_bytes_never_become_visible() {
    let network = Network::default();
    let a = network.node("a");
    let reference = a.storage.upload(Bytes::from_static(b"right")).await.unwrap();
    network.cut("a");
    always(&network, "liar", || (found(5), stream::once(Bytes::from_static(b"wrong"))));
    let b = network.node_with("b", |o| o.wait = Duration::from_millis(300));
    assert!(matches!(b.storage.download(&reference, 100).await, Err(Error::Unavailable(_))));
    assert_eq!(b.storage.counts().wrong_contents, 1, "a peer that lied is not asked again in the same search");
    assert!(files(b.dir.path()).is_empty());
    network.mend("a");
    assert_eq!(b.read(&reference).await, b"right");
}

#[tokio::test]
async fn a_liar_does_not_keep_the_honest_from_answering() {
    let network = Network::default();
    let a = network.node("a");
    let reference = a.storage.upload(Bytes::from_static(b"right")).await.unwrap();
    always(&network, "absent", || (r#"{"status":"absent"}"#.to_owned(), stream::once(Bytes::new())));
    always(&network, "huge", || (found(1 << 40), stream::once(Bytes::from_static(b"wrong"))));
    always(&network, "nonsense", || ("[".to_owned(), stream::once(Bytes::new())));
    always(&network, "short", || (found(5), stream::once(Bytes::from_static(b"rig"))));
    always(&network, "silent", || (found(5), Box::pin(futures_stream::pending())));
    always(&network, "broken", || (found(5), conformance::broken(b"ri")));
    for _ in 0..5 {
        let b = network.node_with("b", |o| o.hedge = Duration::from_millis(20));
        assert_eq!(b.read(&reference).await, b"right");
        b.stop(&network, "b").await;
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_announced_size() {
    let network = Network::default();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    always(&network, "endless", move || {
        let counter = Arc::clone(&counter);
        let body = futures_stream::repeat_with(move || {
            counter.fetch_add(65_536, Ordering::Relaxed);
            Ok(Bytes::from_static(&[0; 65_536]))
        });
        (found(100_000), Box::pin(body))
    });
    let b = network.node_with("b", |o| o.wait = Duration::from_millis(100));
    let reference = cid::of(&[0; 100_000]);
    assert!(matches!(b.storage.download(&reference, 1 << 20).await, Err(Error::Unavailable(_))));
    assert_eq!(sent.load(Ordering::Relaxed), 131_072);
    assert!(files(b.dir.path()).is_empty());
}

#[tokio::test]
async fn a_peer_that_drips_is_given_up() {
    let network = Network::default();
    always(&network, "slow", || (found(5), Box::pin(futures_stream::pending())));
    let b = network.node_with("b", |o| o.wait = Duration::from_millis(100));
    assert!(matches!(b.storage.download(&cid::of(b"right"), 100).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn pushes_are_checked() {
    let network = Network::default();
    let node = network.node_with("a", |o| o.inline = 1000);
    let reference = cid::of(b"right");
    for (head, body, reason) in [
        (push(&reference, 5), &b"wrong"[..], "the bytes are not those of"),
        (push(&reference, 5), b"rightly", "larger than 5"),
        (push(&reference, 9), b"right", "the bytes are not those of"),
        (push(&reference, 2000), &[0; 2000], "too large to be pushed"),
        (push("../../../../../../../../../../../etc/shadow", 5), b"right", "not understood"),
        ("{}".to_owned(), b"", "not understood"),
        ("[".repeat(10_000), b"", "not understood"),
    ] {
        let refused = call(&network, "a", head, body).await.unwrap_err();
        assert!(refused.contains(reason), "{refused} should contain {reason}");
    }
    assert!(files(node.dir.path()).is_empty());
    let counts = node.storage.counts();
    assert_eq!((counts.refused_pushes, counts.wrong_contents), (3, 2));
    let stored = r#"{"status":"stored"}"#;
    assert_eq!(call(&network, "a", push(&reference, 5), b"right").await.as_deref(), Ok(stored));
    assert_eq!(call(&network, "a", push(&reference, 5), b"never read").await.as_deref(), Ok(stored));
    let have = format!(r#"{{"op":"have","ref":"{reference}"}}"#);
    assert_eq!(call(&network, "a", have, b"").await.unwrap(), found(5));
    let absent = format!(r#"{{"op":"pull","ref":"{}"}}"#, cid::of(b"other"));
    assert_eq!(call(&network, "a", absent, b"").await.unwrap(), r#"{"status":"absent"}"#);
}

#[tokio::test]
async fn unasked_for_content_is_bounded_per_peer_and_survives_a_restart_once_it_is_wanted() {
    let network = Network::default();
    let node = network.node_with("a", |o| o.offered_per_peer = 5_000);
    let contents: Vec<_> = (0..20_u8).map(|n| vec![n; 1_000]).collect();
    call(&network, "a", push(&cid::of(&contents[0]), 1_000), &contents[0]).await.unwrap();
    assert_eq!(node.read(&cid::of(&contents[0])).await, contents[0], "wanted, so kept");
    for content in &contents[1..] {
        call(&network, "a", push(&cid::of(content), 1_000), content).await.unwrap();
    }
    let offered = node.dir.path().join("offered");
    assert_eq!((files(&offered).len(), files(node.dir.path()).len()), (5, 6));

    let (dir, options) = node.stop(&network, "a").await;
    let node = network.node_on("a", dir, options);
    assert_eq!(files(&offered).len(), 5);
    call(&network, "a", push(&cid::of(b"more"), 4), b"more").await.unwrap();
    assert_eq!(files(&offered).len(), 5, "the restarted node still counts what is there");
    network.cut("caller");
    for content in [&contents[0], &contents[19], &b"more".to_vec()] {
        assert_eq!(node.read(&cid::of(content)).await, *content);
    }
}

#[tokio::test]
async fn a_damaged_file_is_found_and_pulled_again() {
    let network = Network::default();
    let (a, b) = (network.node("a"), network.node("b"));
    for size in [1_000, 3_000_000] {
        let reference = a.storage.upload(pattern(size).into()).await.unwrap();
        b.read(&reference).await;
        let path = files(b.dir.path()).into_iter().find(|path| path.ends_with(&reference)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[size - 1] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let before = b.storage.counts().corrupt_files;
        if size > 1 << 20 {
            // Too large to be checked beforehand: the end is withheld, and the next reader has it from a peer.
            let mut content = b.storage.download(&reference, 1 << 30).await.unwrap();
            let mut whole = Vec::new();
            let error = loop {
                match content.next().await {
                    Some(Ok(chunk)) => whole.extend_from_slice(&chunk),
                    Some(Err(error)) => break error,
                    None => panic!("damaged content was handed out"),
                }
            };
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
            assert!(whole.len() < size);
        }
        assert_eq!(b.read(&reference).await, pattern(size));
        assert_eq!(b.storage.counts().corrupt_files - before, 1);
    }
}
