//! Messages and questions between nodes.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::StatusCode;
use photinus_exchange_https::Options;
use photinus_ports::{
    exchange::{DataExchange, Error, Receipt, Refusal, Route},
    peers::PeerId,
};

use crate::{
    inbox::{Inbox, id_of, manifest, message, route},
    node::{Node, pair, until},
    stranger::{self, enter, whole},
};

async fn receiving(set: impl Fn(&mut Options)) -> (Node, Node, std::sync::Arc<Inbox>) {
    let (a, b) = pair(set).await;
    let inbox = Inbox::of(&b);
    (a, b, inbox)
}

#[tokio::test]
async fn messages_arrive_with_their_route_and_the_receipt_comes_back() {
    let (a, b, inbox) = receiving(|_| ()).await;
    let long = "{\"batch\":{}}".repeat(80_000);
    let noise: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for payload in [Bytes::new(), Bytes::from_static(b"{}"), long.into(), noise.into()] {
        let receipt = a.handle.send_message(message(route(&a, &b), payload.clone())).await.unwrap();
        assert_eq!(receipt, Receipt::Stored(manifest(&payload)));
        assert_eq!(inbox.messages.lock().pop().unwrap(), (route(&a, &b), payload));
    }
}

#[tokio::test]
async fn many_messages_are_under_way_at_once_and_none_is_lost() {
    let (a, b, inbox) = receiving(|o| o.limits.messages_per_peer = 8).await;
    let sends = (0..1000).map(|n| a.handle.send_message(message(route(&a, &b), n.to_string())));
    assert!(join_all(sends).await.iter().all(Result::is_ok));
    let mut numbers: Vec<u32> = inbox
        .messages
        .lock()
        .iter()
        .map(|(_, payload)| std::str::from_utf8(payload).unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_refusal_says_whether_to_try_again() {
    let (a, b, inbox) = receiving(|_| ()).await;
    let send = || a.handle.send_message(message(route(&a, &b), "x"));
    inbox.refuse(Refusal::Never("it is not signed".to_owned()));
    let error = send().await.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason == "it is not signed"), "{error}");
    inbox.refuse(Refusal::Later("the disk is full".to_owned()));
    let error = send().await.unwrap_err();
    assert!(matches!(&error, Error::Failed(reason) if reason.contains("the disk is full")), "{error}");
    inbox.refuse(Refusal::NotMine);
    let error = send().await.unwrap_err();
    assert!(matches!(&error, Error::Failed(reason) if reason.contains("no namespace")), "{error}");
    // Another namespace of the same node takes it.
    let other = Inbox::of(&b);
    other.refuse(Refusal::NotMine);
    inbox.refuse(None);
    assert!(send().await.is_ok());
    assert!(other.messages.lock().is_empty());
}

#[tokio::test]
async fn a_node_that_is_not_known_yet_is_worth_another_try() {
    let (a, b, inbox) = receiving(|_| ()).await;
    let to = Route { to: PeerId("org_b/other".to_owned()), ..route(&a, &b) };
    assert!(matches!(a.handle.send_message(message(to, "x")).await, Err(Error::Failed(_))));
    let from = Route { from: PeerId("org_a/new".to_owned()), ..route(&a, &b) };
    assert!(matches!(a.handle.send_message(message(from.clone(), "x")).await, Err(Error::Failed(_))));
    let mut profile = a.handle.profile().await.unwrap();
    profile.insert("id".to_owned(), "org_a/new".into());
    b.handle.add_node("net", "new", &profile).await.unwrap();
    a.handle.send_message(message(from.clone(), "x")).await.unwrap();
    assert_eq!(inbox.messages.lock().pop().unwrap().0, from);
    let nowhere = Route { to: PeerId("nobody/node".to_owned()), ..route(&a, &b) };
    assert!(matches!(a.handle.send_message(message(nowhere, "x")).await, Err(Error::UnknownPeer(_))));
    let forged = Route { from: PeerId("org_c/node".to_owned()), ..route(&a, &b) };
    assert!(a.handle.send_message(message(forged, "x")).await.is_err());
}

#[tokio::test]
async fn nodes_of_one_data_exchange_reach_each_other() {
    let a = Node::new("org_a").await;
    let inbox = Inbox::new();
    let (one, two) = (PeerId("org_a/one".to_owned()), PeerId("org_a/two".to_owned()));
    a.handle.receive(&two, inbox.clone());
    let route = Route { from: one, to: two };
    assert!(matches!(a.handle.send_message(message(route.clone(), "x")).await, Ok(Receipt::Stored(_))));
    assert_eq!(a.handle.ask(&route, Bytes::from_static(b"who?"), 100).await.unwrap(), "org_a/one: who?");
}

#[tokio::test]
async fn questions_are_answered_within_the_limit() {
    let (a, b, inbox) = receiving(|_| ()).await;
    let question = Bytes::from("x".repeat(20_000));
    let answer = a.handle.ask(&route(&a, &b), question.clone(), 30_000).await.unwrap();
    assert_eq!(answer, [b"org_a/node: ", &question[..]].concat());
    let error = a.handle.ask(&route(&a, &b), question, 20_000).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let large = Bytes::from(vec![0; 65_537]);
    assert!(matches!(a.handle.ask(&route(&a, &b), large, 1).await, Err(Error::Refused { .. })));
    inbox.refuse(Refusal::Never("secret".to_owned()));
    let refused = a.handle.ask(&route(&a, &b), Bytes::new(), 100).await;
    assert!(matches!(refused, Err(Error::Refused { .. })));
}

#[tokio::test]
async fn messages_have_a_size_limit_on_both_sides() {
    let (a, b, _inbox) = receiving(|o| o.limits.message = 10_000).await;
    let send = async |size: usize| a.handle.send_message(message(route(&a, &b), vec![b'x'; size])).await;
    assert!(send(10_000).await.is_ok());
    let error = send(10_001).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("may have 10000")), "{error}");
    // One that does not keep to it, with the plain and with the squeezed size.
    let mut guest = enter(b.options.listen, &stranger::of(&a.options.dir)).await;
    let headers = [("photinus-from", "node"), ("photinus-to", "node")];
    let large = guest.deliver("message", &headers, Some(10_001), whole(vec![0; 10_001])).await;
    assert_eq!(large.0, StatusCode::PAYLOAD_TOO_LARGE, "{}", large.1);
    let bomb = [&headers[..], &[("content-encoding", "zstd"), ("photinus-size", "1000000")]].concat();
    assert_eq!(guest.deliver("message", &bomb, Some(10), whole(vec![0; 10])).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let lie = [&headers[..], &[("content-encoding", "zstd"), ("photinus-size", "100")]].concat();
    assert_eq!(guest.deliver("message", &lie, Some(10), whole(vec![0; 10])).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(guest.deliver("message", &headers, None, whole("x")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_flood_is_told_to_come_later() {
    let (a, b, inbox) = receiving(|o| o.limits.messages_per_peer = 4).await;
    inbox.open.send_replace(false);
    let good = stranger::of(&a.options.dir);
    let guest = enter(b.options.listen, &good).await;
    let headers = [("photinus-from", "node"), ("photinus-to", "node")];
    let sent = (0..20).map(|_| {
        let mut guest = guest.clone();
        async move { guest.deliver("message", &headers, Some(1), whole("x")).await.0 }
    });
    let sent = tokio::spawn(join_all(sent));
    let mut other = enter(b.options.listen, &good).await;
    let refused = async {
        while other.deliver("message", &headers, Some(1), whole("x")).await.0 != StatusCode::SERVICE_UNAVAILABLE {}
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    inbox.open.send_replace(true);
    let codes = sent.await.unwrap();
    let taken = codes.iter().filter(|code| **code == StatusCode::OK).count();
    assert!(taken >= 1 && codes.iter().all(|c| matches!(*c, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE)));
    assert!(a.handle.send_message(message(route(&a, &b), "x")).await.is_ok(), "and it is over when it is over");
}

#[tokio::test]
async fn a_valid_certificate_does_not_send_as_another_node() {
    let (a, b, inbox) = receiving(|_| ()).await;
    let mut guest = enter(b.options.listen, &stranger::of(&a.options.dir)).await;
    for (from, code) in [
        (Some("../org_c/node"), StatusCode::BAD_REQUEST),
        (Some("org_c/node"), StatusCode::BAD_REQUEST),
        (Some("other"), StatusCode::SERVICE_UNAVAILABLE),
        (None, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let headers: Vec<_> =
            from.map(|from| ("photinus-from", from)).into_iter().chain([("photinus-to", "node")]).collect();
        let (found, text) = guest.deliver("message", &headers, Some(1), whole("x")).await;
        assert_eq!(found, code, "{from:?}: {text}");
    }
    assert!(inbox.messages.lock().is_empty());
    assert_eq!(id_of(&a).0, "org_a/node");
}

#[tokio::test]
async fn a_stopped_peer_is_unreachable_and_reached_again_without_a_new_registration() {
    let (a, b, _inbox) = receiving(|_| ()).await;
    let to = route(&a, &b);
    assert_eq!(a.handle.answers(&PeerId("org_x/node".to_owned())), None);
    let (dir, options) = b.stop().await;
    until("the loss is noticed", || DataExchange::reachable(&a.handle, &to.to).is_err()).await;
    let error = a.handle.send_message(message(to.clone(), "x")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(a.handle.answers(&to.to), Some(true), "what it was is remembered");
    let b = Node::on(dir, options).await;
    let inbox = Inbox::of(&b);
    until("it is back", || DataExchange::reachable(&a.handle, &to.to).is_ok()).await;
    a.handle.send_message(message(to, "x")).await.unwrap();
    assert_eq!(inbox.messages.lock().len(), 1);
}

#[tokio::test]
async fn the_certificate_tells_when_it_ends() {
    let node = Node::new("org_a").await;
    let state = node.handle.certificate().unwrap();
    let left = state.not_after.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(3649 * 24 * 3600) && left <= Duration::from_secs(3650 * 24 * 3600));
}
