//! Calls between nodes that trust each other.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use photinus_ports::{
    exchange::DataExchange,
    health::Health,
    peers::{Error, Parcel, PeerId, Peers},
    stream,
};

use crate::node::{Echo, Gate, Node, Sink, pair, until};

#[tokio::test]
async fn calls_carry_heads_and_bodies_both_ways() {
    let (a, b) = pair(|_| ()).await;
    let echo = Arc::new(Echo::default());
    b.handle.serve("echo", Arc::clone(&echo) as _);
    a.handle.serve("echo", Arc::new(Echo::default()));
    let content = Bytes::from(vec![7; 3_000_000]);
    let request = Parcel { head: Bytes::from_static(b"hello"), body: stream::once(content.clone()) };
    let answer = a.handle.call(&b.id(), "echo", request).await.unwrap();
    assert_eq!(answer.head, "org_a:hello");
    assert_eq!(stream::collect(answer.body, 4_000_000).await.unwrap(), content);
    assert_eq!(b.ask(&a, "echo", "back").await.unwrap(), "org_b:back");
    assert_eq!(a.ask(&b, "echo", "").await.unwrap(), "org_a:");

    let many = (0..500).map(|n| {
        let (a, b) = (&a, &b);
        async move { a.ask(b, "echo", &n.to_string()).await.unwrap() }
    });
    let answers = futures::future::join_all(many).await;
    assert!(answers.iter().enumerate().all(|(n, answer)| *answer == format!("org_a:{n}")));
    assert_eq!(echo.calls.load(Ordering::SeqCst), 502);
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (a, b) = pair(|_| ()).await;
    b.handle.serve("echo", Arc::new(Echo::default()));
    let reason = |error| match error {
        Error::Refused { peer, reason } => (peer, reason),
        other => panic!("{other}"),
    };
    let refused = |reason: &str| ("org_b".to_owned(), reason.to_owned());
    let asked = async |protocol: &str, head: &str| reason(a.ask(&b, protocol, head).await.unwrap_err());
    assert_eq!(asked("echo", "refuse").await, refused("because it was asked to"));
    assert_eq!(asked("other", "x").await, refused("no protocol 'other' here"));
    assert_eq!(asked("../x", "x").await, refused("'../x' is no protocol name"));
    let (_, large) = asked("echo", &"x".repeat(65_537)).await;
    assert!(large.contains("larger than 65536"), "{large}");
    let nobody = PeerId("nobody".to_owned());
    let request = Parcel { head: Bytes::new(), body: stream::once(Bytes::new()) };
    assert!(matches!(a.handle.call(&nobody, "echo", request).await, Err(Error::UnknownPeer(_))));
}

#[tokio::test]
async fn bodies_are_limited_and_a_break_is_no_end() {
    let (a, b) = pair(|o| o.limits.body = 1_000_000).await;
    b.handle.serve("sink", Arc::new(Sink));
    let send = async |body| a.handle.call(&b.id(), "sink", Parcel { head: Bytes::new(), body }).await.map(|p| p.head);
    assert_eq!(send(stream::once(vec![0; 1_000_000].into())).await.unwrap(), "1000000");
    let error = send(stream::once(vec![0; 1_000_001].into())).await.unwrap_err();
    assert!(error.to_string().contains("larger than 1000000"), "{error}");
    let first = futures::stream::iter([Ok(Bytes::from_static(b"half"))]);
    let then = futures::stream::iter([Err(std::io::Error::other("lost"))]);
    assert!(send(Box::pin(first.chain(then))).await.is_err());
    assert_eq!(send(stream::once(Bytes::from_static(b"on"))).await.unwrap(), "2", "the connection goes on");
}

#[tokio::test]
async fn a_restarted_peer_is_reached_again_and_knows_its_peers_without_being_told() {
    let (a, b) = pair(|_| ()).await;
    b.handle.serve("echo", Arc::new(Echo::default()));
    let (mut changes, fingerprint) = (Peers::changes(&a.handle), b.handle.identity().fingerprint());
    let (dir, options) = b.stop().await;
    until("the loss is noticed", || a.handle.reachable(&PeerId("org_b".to_owned())).is_err()).await;
    let request = || Parcel { head: Bytes::new(), body: stream::once(Bytes::new()) };
    let lost = a.handle.call(&PeerId("org_b".to_owned()), "echo", request()).await;
    assert!(matches!(lost, Err(Error::Unreachable { .. })));
    changes.mark_unchanged();
    let b = Node::on(dir, options).await;
    b.handle.serve("echo", Arc::new(Echo::default()));
    assert_eq!(b.handle.identity().fingerprint(), fingerprint);
    assert_eq!(b.handle.peers(), [a.id()]);
    tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.unwrap().unwrap();
    a.reaches(&b).await;
    b.reaches(&a).await;
    assert_eq!(a.ask(&b, "echo", "again").await.unwrap(), "org_a:again");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_not_waited_for_longer_than_configured() {
    let (a, b) = pair(|o| o.limits.answer = Duration::from_millis(200)).await;
    b.handle.serve("gate", Gate::closed());
    let error = a.ask(&b, "gate", "").await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { reason, .. } if reason == "no answer in time"), "{error}");
}

#[tokio::test]
async fn one_dead_peer_does_not_hold_up_calls_to_others() {
    let (a, b) = pair(|_| ()).await;
    b.handle.serve("echo", Arc::new(Echo::default()));
    let c = Node::new("org_c").await;
    a.learn(&c).await;
    let id = c.id();
    c.stop().await;
    until("the dead peer was tried", || a.handle.reachable(&id).is_err()).await;
    let calls = (0..100).map(|_| a.ask(&b, "echo", "x"));
    assert!(futures::future::join_all(calls).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn health_tells_of_an_expired_certificate_and_of_the_end() {
    let node = Node::new("org_a").await;
    let handle = node.handle.clone();
    until("it listens", || handle.health() == Health::Up).await;
    node.clock.move_by(4_000 * 24 * 3600);
    assert!(matches!(handle.health(), Health::Down(reason) if reason.contains("expired")));
    node.clock.move_by(-4_000 * 24 * 3600);
    node.stop().await;
    assert!(matches!(handle.health(), Health::Down(_)));
}
