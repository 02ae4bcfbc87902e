//! A process that falls over, forgets, or says strange things.

use std::{sync::Arc, time::Duration};

use photinus_ports::{
    exchange::{DataExchange, Error, MessageParcel, Receipt, Refusal, Route},
    health::Health,
    peers::PeerId,
};
use photinus_standins::sidecar::{Manners, Sidecar, Wires};
use photinus_testkit::conformance::inbox::{Inbox, manifest};
use serde_json::{Map, Value, json};

use crate::member::{Member, options};

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "{what}");
}

fn profile(id: &str, endpoint: &str, certificate: &str) -> Map<String, Value> {
    json!({"id": id, "endpoint": endpoint, "cert": certificate}).as_object().unwrap().clone()
}

/// Two members that know each other.
struct Two {
    sidecars: [Sidecar; 2],
    left: Member,
    right: Member,
    inbox: Arc<Inbox>,
    route: Route,
}

async fn two(manners: Manners) -> Two {
    let wires = Wires::default();
    let sidecars = ["org_a", "org_b"].map(|id| Sidecar::new(id, &wires, manners));
    let member = |sidecar: &Sidecar| {
        let mut options = options(sidecar.url());
        (options.manifest, options.init) = (manners.acknowledges, manners.init);
        Member::start(options)
    };
    let (left, right) = (member(&sidecars[0]), member(&sidecars[1]));
    let route = Route { from: PeerId("org_a/node".to_owned()), to: PeerId("org_b/node".to_owned()) };
    for member in [&left, &right] {
        until("it is connected", || member.handle.health() == Health::Up).await;
        for id in ["org_a", "org_b"] {
            let endpoint = format!("https://{id}.example:3001");
            member.handle.add_node("ns1", id, &profile(&format!("{id}/node"), &endpoint, "pem")).await.unwrap();
        }
    }
    let inbox = Inbox::new();
    right.handle.receive(&route.to, inbox.clone());
    Two { sidecars, left, right, inbox, route }
}

fn message(route: &Route, payload: &str) -> MessageParcel {
    let id = "ns1:0d5a6b5e-1111-4000-8000-000000000001".to_owned();
    MessageParcel { id, route: route.clone(), payload: payload.to_owned().into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_acknowledged_comes_again_to_the_next_client_and_once_only() {
    let mut two = two(Manners::default()).await;
    two.inbox.refuse(Refusal::Later("the store is away".to_owned()));
    for n in 0..5 {
        two.left.handle.send_message(message(&two.route, &format!("{n}"))).await.unwrap();
    }
    assert_eq!(two.sidecars[1].process().open(), 5, "nothing is acknowledged before it is durable");
    two.right = two.right.restart().await;
    let inbox = Inbox::new();
    two.right.handle.receive(&two.route.to, inbox.clone());
    until("all have come", || two.sidecars[1].process().open() == 0).await;
    assert_eq!(inbox.payloads(), ["0", "1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_forgot_all_nodes_is_told_again() {
    let mut two = two(Manners::default()).await;
    two.sidecars[0].stop();
    let error = two.left.handle.send_message(message(&two.route, "x")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. } | Error::Failed(_)), "{error}");
    until("the loss is seen", || matches!(two.left.handle.health(), Health::Down(_))).await;
    two.sidecars[0].disk = Arc::default();
    two.sidecars[0].start();
    until("it is connected again", || two.left.handle.health() == Health::Up).await;
    two.left.handle.send_message(message(&two.route, "x")).await.unwrap();
    until("it has come", || two.inbox.payloads() == ["x"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_moved_is_removed_and_told_anew_with_all_its_nodes() {
    let two = two(Manners::default()).await;
    let disk = &two.sidecars[0].disk;
    let add = |id: &'static str, endpoint: &'static str| {
        let handle = two.left.handle.clone();
        async move { handle.add_node("ns1", id, &profile(id, endpoint, "pem")).await }
    };
    add("org_c/one", "https://old.example:3001").await.unwrap();
    add("org_c/two", "https://old.example:3001").await.unwrap();
    add("org_c/one", "https://new.example:3001/").await.unwrap();
    add("org_c/two", "https://new.example:3001").await.unwrap();
    let listed = disk.listed("org_c").unwrap();
    assert_eq!(listed.0, "https://new.example:3001");
    assert_eq!(listed.1, ["one", "two"]);
    // Somebody else's claim does not put another certificate in the place of theirs.
    let evil = two.left.handle.add_node("ns1", "evil", &profile("org_c/evil", "https://new.example:3001", "bad")).await;
    assert!(matches!(evil, Err(Error::InvalidProfile(_))), "{evil:?}");
    assert_eq!(disk.certificates.lock()["org_c"], "pem\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_events_are_acknowledged_and_others_go_on() {
    let two = two(Manners::default()).await;
    let process = two.sidecars[1].process();
    for event in [
        json!({"type": "blob-stored"}),
        json!({"type": "message-delivered", "requestId": "nobody's"}),
        json!({"type": "message-received", "sender": ["a", "b"], "recipient": "org_b/node", "message": "x"}),
        json!({"type": "message-received", "sender": "org_a/node", "recipient": "org_x/node", "message": "x"}),
        json!({"type": "blob-received", "sender": "org_a/node", "recipient": "org_b/node", "path": "received/../x", "hash": "x", "size": 1}),
        json!({"type": "blob-received", "sender": "org_a/node", "recipient": "org_b/node", "path": "received/org_a/node/ns1/gone",
               "hash": "ab".repeat(32), "size": 1}),
        json!({"type": "message-received", "sender": "org_a/node", "recipient": "org_b/node", "message": "last"}),
    ] {
        process.tell(event);
    }
    until("all are acknowledged", || process.open() == 0).await;
    assert_eq!(two.inbox.payloads(), ["last"]);
    assert!(two.inbox.blobs.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_carries_acknowledgements_gives_receipts_of_the_node() {
    let two = two(Manners { acknowledges: true, init: true }).await;
    let sent = two.left.handle.send_message(message(&two.route, "{}")).await.unwrap();
    assert_eq!(sent, Receipt::Stored(manifest(b"{}")));
    assert_eq!(two.inbox.payloads(), ["{}"]);
    let (_, said) = two.sidecars[1].process().acknowledged.lock().last().unwrap().clone();
    assert_eq!(said, Some(manifest(b"{}")));
    assert!(*two.sidecars[0].process().initialised.lock() > 0, "it was told of all nodes in one call");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_do_not_fit_the_process_are_told_by_health() {
    let sidecar = Sidecar::new("org_a", &Wires::default(), Manners::default());
    let mut init = options(sidecar.url());
    init.init = true;
    let mut keyed = options(sidecar.url());
    keyed.remote.headers.push(("X-API-Key".to_owned(), "secret".to_owned()));
    for (options, hint) in
        [(init, "initEnabled"), (keyed, "apiKey"), (options("http://127.0.0.1:1".to_owned()), "not connected")]
    {
        let member = Member::start(options);
        until(hint, || matches!(member.handle.health(), Health::Down(why) if why.contains(hint))).await;
        assert!(member.handle.certificate().is_none() || hint != "not connected");
        member.stop().await;
    }
    let member = Member::start(options(sidecar.url()));
    until("it is connected", || member.handle.health() == Health::Up).await;
    assert!(member.handle.certificate().is_some());
}
