//! What strangers and dishonest members try.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, StatusCode};
use photinus_exchange_https::Options;
use photinus_ports::{exchange::DataExchange, peers::Peers};
use rustls::ALL_VERSIONS;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    node::{Echo, Gate, Node, Sink, pair, until},
    stranger::{self, Papers, body, connect, enter, is_let_in, papers, parcel, whole},
};

/// A node under attack, and a member in good standing whose papers the attacker has.
async fn under_attack(set: impl Fn(&mut Options)) -> (Node, Node, Papers) {
    let (node, member) = pair(set).await;
    node.handle.serve("echo", Arc::new(Echo::default()));
    node.handle.serve("sink", Arc::new(Sink));
    let papers = stranger::of(&member.options.dir);
    (node, member, papers)
}

#[tokio::test]
async fn only_known_certificates_are_let_in() {
    let (node, _member, good) = under_attack(|_| ()).await;
    let to = node.options.listen;
    assert!(is_let_in(to, Some(&good), ALL_VERSIONS).await);
    assert!(is_let_in(to, Some(&good), &[&rustls::version::TLS12]).await, "the check does let TLS 1.2 in");
    for versions in [ALL_VERSIONS, &[&rustls::version::TLS12][..]] {
        assert!(!is_let_in(to, None, versions).await, "no certificate");
        assert!(!is_let_in(to, Some(&papers("org_x")), versions).await, "an unknown id");
        assert!(!is_let_in(to, Some(&papers("org_b")), versions).await, "a known id with another key");
        assert!(!is_let_in(to, Some(&papers("org_a")), versions).await, "the node's own id");
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_worth_nothing() {
    let (node, _member, good) = under_attack(|_| ()).await;
    let stolen = Papers { chain: good.chain, ..papers("org_b") };
    assert!(!is_let_in(node.options.listen, Some(&stolen), ALL_VERSIONS).await);
    assert!(!is_let_in(node.options.listen, Some(&stolen), &[&rustls::version::TLS12]).await);
}

#[tokio::test]
async fn one_member_cannot_pass_for_another() {
    let (node, _member, _) = under_attack(|_| ()).await;
    // org_c's published certificate is an authority, as tools make them by default.
    let authority = stranger::authority("org_c");
    let endpoint = "https://localhost:1";
    let profile = serde_json::json!({"id": "org_c/node", "endpoint": endpoint, "cert": authority.pem()});
    node.handle.add_node("net", "node_c", profile.as_object().unwrap()).await.unwrap();
    let to = node.options.listen;
    assert!(is_let_in(to, Some(&stranger::signed("org_c", &authority)), ALL_VERSIONS).await);
    assert!(!is_let_in(to, Some(&stranger::signed("org_b", &authority)), ALL_VERSIONS).await);
    // Nor by claiming the other's id on the ledger.
    let forged = papers("org_b");
    let profile = serde_json::json!({"id": "org_b/evil", "endpoint": endpoint, "cert": forged.pem});
    assert!(node.handle.add_node("net", "evil", profile.as_object().unwrap()).await.is_err());
    assert!(!is_let_in(to, Some(&forged), ALL_VERSIONS).await);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_even_on_a_connection_that_it_opened() {
    let (node, _member, good) = under_attack(|_| ()).await;
    let mut guest = enter(node.options.listen, &good).await;
    let call = parcel(b"x", b"");
    assert_eq!(guest.post("/photinus/v1/echo", call).await.0, StatusCode::OK);
    node.clock.move_by(4_000 * 24 * 3600);
    assert!(!is_let_in(node.options.listen, Some(&good), ALL_VERSIONS).await);
    assert_eq!(guest.post("/photinus/v1/echo", parcel(b"x", b"")).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn requests_that_are_no_calls_get_an_answer_that_says_so() {
    let (node, _member, good) = under_attack(|_| ()).await;
    let mut guest = enter(node.options.listen, &good).await;
    for (path, status, reason) in [
        ("/photinus/v1/unknown", StatusCode::NOT_FOUND, "no protocol 'unknown' here"),
        ("/photinus/v1/", StatusCode::NOT_FOUND, "no such path"),
        ("/photinus/v1/a/b", StatusCode::NOT_FOUND, "no such path"),
        ("/photinus/v1/%2e%2e", StatusCode::NOT_FOUND, "no such path"),
        ("/etc/passwd", StatusCode::NOT_FOUND, "no such path"),
    ] {
        let (code, text) = guest.post(path, parcel(b"", b"")).await;
        assert_eq!((code, text.contains(reason)), (status, true), "{path}: {text}");
    }
    let get = guest.send(Method::GET, "/photinus/v1/echo", whole("")).await.unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    for short in [&b""[..], b"\0\0", b"\0\0\0\x05abc"] {
        let (code, text) = guest.post("/photinus/v1/echo", whole(short.to_vec())).await;
        assert_eq!((code, text.contains("within the head")), (StatusCode::BAD_REQUEST, true), "{text}");
    }
    let too_large = 65_537_u32.to_be_bytes();
    for length in [too_large, [0xff; 4]] {
        let (code, _) = guest.post("/photinus/v1/echo", whole(length.to_vec())).await;
        assert_eq!(code, StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(guest.post("/photinus/v1/sink", parcel(&[b'x'; 65_536], b"")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_call_over_the_older_protocol_is_refused() {
    let (node, _member, good) = under_attack(|_| ()).await;
    let mut tls = connect(node.options.listen, Some(&good), &[b"http/1.1"], ALL_VERSIONS).await.unwrap();
    let request =
        b"POST /photinus/v1/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\0\0\0\0";
    tls.write_all(request).await.unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let (node, _member, good) = under_attack(|o| o.limits.body = 1_000_000).await;
    let mut guest = enter(node.options.listen, &good).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let endless = stream::repeat_with(move || {
        counter.fetch_add(16_384, Ordering::SeqCst);
        Bytes::from_static(&[0; 16_384])
    });
    let (code, text) = guest.post("/photinus/v1/sink", body(endless)).await;
    assert_eq!((code, text.contains("larger than 1000000")), (StatusCode::UNPROCESSABLE_ENTITY, true), "{text}");
    assert!(sent.load(Ordering::SeqCst) < 16 << 20, "flow control holds the sender back");
}

#[tokio::test]
async fn a_head_or_a_body_that_drips_is_cut_off() {
    let (node, _member, good) = under_attack(|o| {
        o.limits.head = Duration::from_millis(200);
        o.limits.idle = Duration::from_millis(200);
    })
    .await;
    let mut guest = enter(node.options.listen, &good).await;
    let never = || stream::pending::<Bytes>();
    let dripping_head = stream::iter([Bytes::from_static(b"\0\0")]).chain(never());
    assert_eq!(guest.post("/photinus/v1/echo", body(dripping_head)).await.0, StatusCode::REQUEST_TIMEOUT);
    let stuck_body = stream::iter([Bytes::from_static(b"\0\0\0\x01xbody")]).chain(never());
    let (code, text) = guest.post("/photinus/v1/sink", body(stuck_body)).await;
    assert_eq!((code, text.contains("stopped flowing")), (StatusCode::UNPROCESSABLE_ENTITY, true), "{text}");
}

#[tokio::test]
async fn calls_at_once_are_limited_per_peer_over_all_its_connections() {
    let (node, member, good) = under_attack(|o| o.limits.calls_per_peer = 4).await;
    let gate = Gate::closed();
    node.handle.serve("gate", Arc::clone(&gate) as _);
    let to = node.options.listen;
    let (first, mut second) = (enter(to, &good).await, enter(to, &good).await);
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let mut guest = first.clone();
            tokio::spawn(async move { guest.post("/photinus/v1/gate", parcel(b"", b"")).await.0 })
        })
        .collect();
    until("all places are taken", || gate.entered.load(Ordering::SeqCst) == 4).await;
    let (code, text) = second.post("/photinus/v1/echo", parcel(b"", b"")).await;
    assert_eq!((code, text.contains("too many")), (StatusCode::TOO_MANY_REQUESTS, true), "{text}");
    // Another peer is not touched by it.
    let other = Node::new("org_c").await;
    node.learn(&other).await;
    other.learn(&node).await;
    other.reaches(&node).await;
    assert!(other.ask(&node, "echo", "x").await.is_ok());
    gate.open.send_replace(true);
    for call in calls {
        assert_eq!(call.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(second.post("/photinus/v1/echo", parcel(b"", b"")).await.0, StatusCode::OK);
    drop(member);
}

#[tokio::test]
async fn too_many_connections_of_one_peer_close_its_oldest() {
    let (node, member, good) = under_attack(|o| o.limits.connections_per_peer = 2).await;
    member.stop().await;
    let to = node.options.listen;
    let mut first = enter(to, &good).await;
    assert_eq!(first.post("/photinus/v1/echo", parcel(b"", b"")).await.0, StatusCode::OK);
    let mut others = vec![enter(to, &good).await, enter(to, &good).await];
    for guest in &mut others {
        assert_eq!(guest.post("/photinus/v1/echo", parcel(b"", b"")).await.0, StatusCode::OK);
    }
    let closed = async { while first.send(Method::HEAD, "/api/v1/ping", whole("")).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap();
}

#[tokio::test]
async fn strangers_who_say_nothing_or_speak_plainly_are_dropped() {
    let (node, member, _) = under_attack(|o| {
        o.limits.handshake = Duration::from_millis(300);
        o.limits.handshakes = 8;
    })
    .await;
    let to = node.options.listen;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(to).await.unwrap());
    }
    let mut plain = TcpStream::connect(to).await.unwrap();
    plain.write_all(b"POST /photinus/v1/echo HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    for mut stranger in silent.into_iter().chain([plain]) {
        let mut answer = Vec::new();
        // Whether as an end or as a reset: it is over, and nothing but a TLS alert was said.
        let ended = tokio::time::timeout(Duration::from_secs(10), stranger.read_to_end(&mut answer)).await;
        assert!(ended.is_ok() && answer.len() <= 7, "{answer:?}");
    }
    assert!(member.ask(&node, "echo", "x").await.is_ok(), "peers that are connected notice nothing");
}

#[tokio::test]
async fn a_chain_of_certificates_that_is_too_long_opens_nothing() {
    let (node, member, good) = under_attack(|_| ()).await;
    let to = node.options.listen;
    let issuer = stranger::authority("org_b");
    let forged = stranger::signed("org_b", &issuer);
    for (padding, what) in [(20, "twenty more"), (500, "more than a handshake may carry")] {
        let mut chain = forged.chain.clone();
        chain.extend(std::iter::repeat_with(|| forged.chain[1].clone()).take(padding));
        let long = Papers { chain, key: forged.key.clone_key(), pem: String::new() };
        assert!(!is_let_in(to, Some(&long), ALL_VERSIONS).await, "{what}");
    }
    assert!(is_let_in(to, Some(&good), ALL_VERSIONS).await);
    assert!(member.ask(&node, "echo", "x").await.is_ok());
}

#[tokio::test]
async fn headers_without_an_end_are_cut_off() {
    let (node, member, good) = under_attack(|_| ()).await;
    let mut tls = connect(node.options.listen, Some(&good), &[b"http/1.1"], ALL_VERSIONS).await.unwrap();
    let line = format!("x-more: {}\r\n", "y".repeat(8_000));
    let flood = async {
        let mut written = 0;
        tls.write_all(b"POST /api/v1/messages HTTP/1.1\r\nhost: x\r\n").await?;
        while written < 64 << 20 {
            tls.write_all(line.as_bytes()).await?;
            written += line.len();
        }
        Ok::<_, std::io::Error>(written)
    };
    let flooded = tokio::time::timeout(Duration::from_secs(20), flood).await.expect("it ends");
    assert!(flooded.is_err(), "the connection ends while the headers go on");
    assert!(member.ask(&node, "echo", "x").await.is_ok(), "and nobody else notices");
}
