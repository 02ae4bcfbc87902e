//! How nodes come to know each other.

use std::sync::Arc;

use photinus_exchange_https::Given;
use photinus_ports::{
    exchange::{DataExchange, Error},
    peers::Peers,
};

use crate::{
    node::{Echo, Node, pair, prepared, until},
    stranger,
};

#[tokio::test]
async fn bootstrap_peers_find_each_other_without_the_ledger() {
    let ((dir_a, mut a, boot_a), (dir_b, mut b, boot_b)) = (prepared("org_a"), prepared("org_b"));
    // One list for both, as a local network writes it.
    a.bootstrap = vec![boot_a.clone(), boot_b.clone()];
    b.bootstrap = vec![boot_a, boot_b];
    let (a, b) = (Node::on(dir_a, a).await, Node::on(dir_b, b).await);
    until("they know each other", || a.handle.peers() == [b.id()] && b.handle.peers() == [a.id()]).await;
    b.handle.serve("echo", Arc::new(Echo::default()));
    a.reaches(&b).await;
    assert_eq!(a.ask(&b, "echo", "hi").await.unwrap(), "org_a:hi");
    // The ledger then says the same.
    a.learn(&b).await;
    assert_eq!(a.handle.peers(), [b.id()]);
    assert_eq!(a.ask(&b, "echo", "hi").await.unwrap(), "org_a:hi");
}

#[tokio::test]
async fn a_stranger_at_the_endpoint_of_a_bootstrap_peer_is_not_taken_for_it() {
    let b = Node::new("org_b").await;
    let mut boot = b.bootstrap();
    boot.fingerprint = "ab".repeat(32).parse().unwrap();
    let a = Node::with("org_a", |o| o.bootstrap = vec![boot.clone()]).await;
    b.learn(&a).await;
    boot.fingerprint = b.handle.identity().fingerprint();
    let c = Node::with("org_c", |o| o.bootstrap = vec![boot]).await;
    b.learn(&c).await;
    until("the right fingerprint works", || c.handle.peers() == [b.id()]).await;
    assert!(a.handle.peers().is_empty());
}

#[tokio::test]
async fn a_peer_is_called_only_when_it_is_who_it_should_be() {
    let (a, b) = (Node::new("org_a").await, Node::new("org_b").await);
    b.learn(&a).await;
    // org_c's certificate, and org_b's address.
    let c = Node::new("org_c").await;
    let mut profile = c.handle.profile().await.unwrap();
    profile.insert("endpoint".to_owned(), b.handle.endpoint().to_string().into());
    a.handle.add_node("net", "node_c", &profile).await.unwrap();
    until("it was tried", || a.handle.reachable(&c.id()).is_err_and(|reason| reason.contains("certificate"))).await;
}

#[tokio::test]
async fn a_wrong_profile_is_refused_at_once() {
    let (a, b) = (Node::new("org_a").await, Node::new("org_b").await);
    let mut profile = b.handle.profile().await.unwrap();
    profile.insert("id".to_owned(), "org_c/node".into());
    let refused = a.handle.add_node("net", "node", &profile).await;
    assert!(matches!(refused, Err(Error::InvalidProfile(_))), "{refused:?}");
    assert!(a.handle.peers().is_empty());
}

#[tokio::test]
async fn a_rotated_certificate_works_before_and_after_the_ledger_says_so() {
    let (a, b) = pair(|_| ()).await;
    let before = b.handle.identity().fingerprint();
    let old = stranger::of(&b.options.dir);
    let (dir, options) = b.stop().await;
    for file in ["cert.pem", "key.pem"] {
        std::fs::remove_file(options.dir.join(file)).unwrap();
    }
    let b = Node::on(dir, options).await;
    assert_ne!(b.handle.identity().fingerprint(), before);
    until("the unknown certificate is refused", || {
        a.handle.reachable(&b.id()).is_err_and(|reason| reason.contains("certificate"))
    })
    .await;
    a.learn(&b).await;
    a.reaches(&b).await;
    b.reaches(&a).await;
    // For a while, the old one is good, too.
    let listen = a.options.listen;
    assert!(stranger::is_let_in(listen, Some(&old), rustls::ALL_VERSIONS).await);
    a.clock.move_by(8 * 24 * 3600);
    assert!(!stranger::is_let_in(listen, Some(&old), rustls::ALL_VERSIONS).await);
    let new = stranger::of(&b.options.dir);
    assert!(stranger::is_let_in(listen, Some(&new), rustls::ALL_VERSIONS).await);
}

#[tokio::test]
async fn an_operators_own_authority_works() {
    let dir = tempfile::tempdir().unwrap();
    let authority = stranger::authority("Consortium");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let given = |id: &str| {
        let papers = stranger::signed(id, &authority);
        let key = rcgen::KeyPair::try_from(papers.key.secret_der()).unwrap().serialize_pem();
        Given {
            certificate: write(&format!("{id}.crt"), &papers.pem),
            key: write(&format!("{id}.key"), &key),
            ca: Some(write("ca.crt", &authority.pem())),
        }
    };
    let a = Node::with("org_a", |o| o.given = Some(given("org_a"))).await;
    let b = Node::with("org_b", |o| o.given = Some(given("org_b"))).await;
    a.learn(&b).await;
    b.learn(&a).await;
    a.reaches(&b).await;
    // A renewed leaf of the same authority needs no news on the ledger; another member's leaf is still another's.
    let renewed = stranger::signed("org_b", &authority);
    assert!(stranger::is_let_in(a.options.listen, Some(&renewed), rustls::ALL_VERSIONS).await);
    let unregistered = stranger::signed("org_c", &authority);
    assert!(!stranger::is_let_in(a.options.listen, Some(&unregistered), rustls::ALL_VERSIONS).await);
}

#[tokio::test]
async fn an_announced_certificate_is_accepted_from_the_moment_when_it_is_used() {
    let (a, b) = pair(|_| ()).await;
    let (dir, mut options) = b.stop().await;
    let next = dir.path().join("next");
    let made = photinus_exchange_https::Identity::load_or_create(&next, "org_b", "127.0.0.1").unwrap();
    options.next = Some(next.join("cert.pem"));
    let b = Node::on(dir, options).await;
    a.learn(&b).await;
    a.reaches(&b).await;
    let (dir, mut options) = b.stop().await;
    options.next = None;
    options.given = Some(Given { certificate: next.join("cert.pem"), key: next.join("key.pem"), ca: None });
    let b = Node::on(dir, options).await;
    assert_eq!(b.handle.identity().fingerprint(), made.fingerprint());
    a.reaches(&b).await;
    b.reaches(&a).await;
    // Nobody announces the certificate of somebody else.
    let other = tempfile::tempdir().unwrap();
    photinus_exchange_https::Identity::load_or_create(other.path(), "org_c", "127.0.0.1").unwrap();
    let mut options = b.options.clone();
    options.next = Some(other.path().join("cert.pem"));
    options.listen.set_port(0);
    let clock = Arc::new(photinus_ports::clock::System);
    assert!(photinus_exchange_https::Service::bind(options, clock).await.is_err());
}
