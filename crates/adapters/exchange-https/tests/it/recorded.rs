//! What two real data exchanges of FireFly said to each other, from both sides: recorded requests are answered as they were there,
//! and recorded answers follow requests that say the same.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_ports::{
    blobs::BlobStore,
    exchange::{BlobParcel, DataExchange, Error, Receipt, Route},
    ids,
    peers::PeerId,
    stream,
};
use photinus_storage_local::blobs::Blobs;
use rustls::{ALL_VERSIONS, ServerConfig};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    inbox::{Inbox, message},
    node::{Node, until},
    stranger::{self, Papers, connect},
};

const PATH: &str = "ns1/0d5a6b5e-1111-4000-8000-000000000001";
const LONG: Duration = Duration::from_secs(20);

/// One request and its answer.
struct Recorded {
    name: &'static str,
    request: &'static [u8],
    answer: &'static [u8],
}

macro_rules! recorded {
    ($name:literal) => {
        Recorded {
            name: $name,
            request: include_bytes!(concat!("../../testdata/sidecar/", $name, ".request")),
            answer: include_bytes!(concat!("../../testdata/sidecar/", $name, ".answer")),
        }
    };
}

/// A request or an answer, taken apart.
#[derive(Debug)]
struct Http {
    first: String,
    /// With names in lower case.
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Http {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self { first, headers: lines.map(header).collect(), body: bytes[end + 4..].to_vec() }
    }

    /// The second word of an answer's first line.
    fn code(&self) -> &str {
        self.first.split(' ').nth(1).unwrap()
    }

    /// The reason of a refusal, up to where it lists what would be right.
    fn reason(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let reason = body["error"].as_str().unwrap_or_default();
        reason.split(" expected=").next().unwrap().split(" recieved=").next().unwrap().to_owned()
    }

    /// The parts of the form: each one's head without the order of its lines, and its content.
    async fn form(&self) -> Vec<(String, Option<String>, Option<String>, Bytes)> {
        assert_eq!(self.headers["content-length"], self.body.len().to_string());
        let boundary = multer::parse_boundary(&self.headers["content-type"]).unwrap();
        let body = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(self.body.clone()))]);
        let mut form = multer::Multipart::new(body, boundary);
        let mut parts = Vec::new();
        while let Some(part) = form.next_field().await.unwrap() {
            let (name, file) = (part.name().unwrap().to_owned(), part.file_name().map(str::to_owned));
            let kind = part.content_type().map(ToString::to_string);
            parts.push((name, file, kind, part.bytes().await.unwrap()));
        }
        parts
    }
}

/// This node in the place of `org_b`, which was asked in the recordings, and the papers of `org_a`.
struct Asked {
    node: Node,
    inbox: Arc<Inbox>,
    blobs: Blobs,
    papers: Papers,
}

impl Asked {
    /// Knows the node of `org_a` by this name.
    async fn knowing(name: &str) -> Self {
        let (node, papers) = (Node::new("org_b").await, stranger::papers("org_a"));
        let profile =
            serde_json::json!({"id": format!("org_a/{name}"), "endpoint": "https://127.0.0.1:1", "cert": papers.pem});
        node.handle.add_node("ns1", name, profile.as_object().unwrap()).await.unwrap();
        let inbox = Inbox::new();
        node.handle.receive(&PeerId("org_b/node_b".to_owned()), inbox.clone());
        let blobs = Blobs::open(node.dir.path().join("blobs"), Arc::new(ids::Random)).unwrap();
        node.handle.keep_blobs_in(Arc::new(blobs.clone()));
        Self { node, inbox, blobs, papers }
    }

    /// Sends a recorded request as it is, and compares the answer with the recorded one.
    async fn answers(&self, recorded: Recorded) {
        let mut tls =
            connect(self.node.options.listen, Some(&self.papers), &[b"http/1.1"], ALL_VERSIONS).await.unwrap();
        tls.write_all(recorded.request).await.unwrap();
        let mut answer = Vec::new();
        // The reference ends connections in the same way, without a farewell of TLS.
        let _ = tokio::time::timeout(LONG, tls.read_to_end(&mut answer)).await.expect(recorded.name);
        let (answer, expected) = (Http::parse(&answer), Http::parse(recorded.answer));
        assert_eq!((answer.code(), answer.reason()), (expected.code(), expected.reason()), "{}", recorded.name);
        assert_eq!(answer.body.is_empty(), expected.body.is_empty(), "{}", recorded.name);
        for header in ["connection", "transfer-encoding"] {
            assert_eq!(answer.headers.get(header), expected.headers.get(header), "{}: {header}", recorded.name);
        }
    }
}

#[tokio::test]
async fn recorded_requests_are_answered_as_they_were() {
    let asked = Asked::knowing("node_a").await;
    let exchanges = [
        recorded!("ping"),
        recorded!("message"),
        recorded!("blob"),
        recorded!("message-unknown-recipient"),
        recorded!("message-unknown-sender-node"),
        recorded!("blob-unknown-recipient"),
        recorded!("message-missing"),
        recorded!("blob-missing"),
    ];
    // At once, because what may become known is waited for a while.
    join_all(exchanges.map(|recorded| asked.answers(recorded))).await;
    let sent = Http::parse(recorded!("message").request).form().await;
    let (route, payload) = asked.inbox.messages.lock().pop().unwrap();
    assert_eq!((route.from.0.as_str(), route.to.0.as_str()), ("org_a/node_a", "org_b/node_b"));
    assert_eq!(payload, sent[2].3);
    let sent = Http::parse(recorded!("blob").request).form().await;
    let blob = asked.inbox.blobs.lock().pop().unwrap();
    assert_eq!((blob.path.as_str(), blob.hash, blob.route), (PATH, Hash::of(&sent[2].3), route));
    let (_, content) = asked.blobs.open(&blob.payload_ref).await.unwrap();
    assert_eq!(stream::collect(content, 1_000).await.unwrap(), sent[2].3);
    assert!(asked.inbox.messages.lock().is_empty() && asked.inbox.blobs.lock().is_empty(), "nothing else was taken");
}

#[tokio::test]
async fn an_unknown_sender_is_told_so() {
    let asked = Asked::knowing("node_other").await;
    let (mut tls, mut answer) = (
        connect(asked.node.options.listen, Some(&asked.papers), &[b"http/1.1"], ALL_VERSIONS).await.unwrap(),
        Vec::new(),
    );
    let Recorded { request, answer: expected, name } = recorded!("message-unknown-sender");
    tls.write_all(request).await.unwrap();
    let _ = tokio::time::timeout(LONG, tls.read_to_end(&mut answer)).await.expect(name);
    let (answer, expected) = (Http::parse(&answer), Http::parse(expected));
    assert_eq!(answer.code(), expected.code());
    // Here a certificate that is known belongs to a member, so that it is the node which is not known.
    assert_eq!(expected.reason(), "Unknown sender org_a");
    assert_eq!(answer.reason(), "Unknown sender destination");
    // A request that no data exchange makes; the reference answers with a page.
    let mut tls = connect(asked.node.options.listen, Some(&asked.papers), &[b"http/1.1"], ALL_VERSIONS).await.unwrap();
    let Recorded { request, answer: expected, name } = recorded!("ping-by-get");
    tls.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LONG, tls.read_to_end(&mut answer)).await.expect(name);
    assert_eq!(Http::parse(&answer).code(), Http::parse(expected).code());
}

/// `org_b` as it was recorded: it answers as it is told, whatever the request.
struct Replay {
    address: SocketAddr,
    papers: Papers,
    came: Arc<Mutex<Vec<Vec<u8>>>>,
    answer: Arc<Mutex<&'static [u8]>>,
}

impl Replay {
    async fn start() -> Self {
        let papers = stranger::papers("org_b");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(papers.chain.clone(), papers.key.clone_key())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let replay =
            Self { address, papers, came: Arc::default(), answer: Arc::new(Mutex::new(recorded!("message").answer)) };
        let (came, told, acceptor) = (replay.came.clone(), replay.answer.clone(), TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (came, told, acceptor) = (came.clone(), told.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                    let Some(request) = read_request(&mut tls).await else { return };
                    let ping = request.starts_with(b"HEAD ");
                    let answer = if ping { recorded!("ping").answer } else { *told.lock() };
                    came.lock().push(request);
                    let _ = tls.write_all(answer).await;
                    let _ = tls.shutdown().await;
                });
            }
        });
        replay
    }

    /// The last request besides signs of life.
    fn last(&self) -> Http {
        let came = std::mem::take(&mut *self.came.lock());
        let requests: Vec<_> = came.iter().filter(|request| !request.starts_with(b"HEAD ")).collect();
        assert_eq!(requests.len(), 1);
        Http::parse(requests[0])
    }
}

/// A whole request, by the length that it tells.
async fn read_request(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let (mut request, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        if let Some(end) = request.windows(4).position(|four: &[u8]| four == b"\r\n\r\n") {
            let length =
                Http::parse(&request).headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                return Some(request);
            }
        }
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
}

/// What a receiver reads of a request is the same: method, path, fields in their order with their contents.
async fn same(came: &Http, recorded: &Recorded) {
    let expected = Http::parse(recorded.request);
    assert_eq!(came.first, expected.first);
    assert_eq!(came.form().await, expected.form().await);
    let kind = |http: &Http| http.headers["content-type"].split(';').next().unwrap().to_owned();
    assert_eq!(kind(came), kind(&expected));
    for header in ["transfer-encoding", "content-encoding", "expect"] {
        assert_eq!((header, came.headers.get(header)), (header, expected.headers.get(header)));
    }
}

#[tokio::test]
async fn requests_to_a_data_exchange_say_what_recorded_ones_do_and_its_answers_are_understood() {
    let (replay, node) = (Replay::start().await, Node::new("org_a").await);
    let endpoint = format!("https://{}", replay.address);
    let profile = serde_json::json!({"id": "org_b/node_b", "endpoint": endpoint, "cert": replay.papers.pem});
    node.handle.add_node("ns1", "node_b", profile.as_object().unwrap()).await.unwrap();
    let route = Route { from: PeerId("org_a/node_a".to_owned()), to: PeerId("org_b/node_b".to_owned()) };
    until("it is reached", || DataExchange::reachable(&node.handle, &route.to).is_ok()).await;
    let ping = Http::parse(replay.came.lock().first().unwrap());
    assert_eq!(ping.first, Http::parse(recorded!("ping").request).first);
    assert!(ping.body.is_empty() && !ping.headers.contains_key("transfer-encoding"));

    let payload = Http::parse(recorded!("message").request).form().await[2].3.clone();
    replay.came.lock().clear();
    let sent = node.handle.send_message(message(route.clone(), payload.clone())).await.unwrap();
    assert_eq!(sent, Receipt::Transport);
    same(&replay.last(), &recorded!("message")).await;

    let blobs = Blobs::open(node.dir.path().join("blobs"), Arc::new(ids::Random)).unwrap();
    node.handle.keep_blobs_in(Arc::new(blobs.clone()));
    let content = Http::parse(recorded!("blob").request).form().await[2].3.clone();
    let stored = blobs.put("ns1", stream::once(content), 1_000).await.unwrap();
    let parcel = BlobParcel {
        id: "ns1:x".to_owned(),
        route: route.clone(),
        payload_ref: stored.payload_ref,
        path: PATH.to_owned(),
        hash: stored.hash,
        size: stored.size,
    };
    *replay.answer.lock() = recorded!("blob").answer;
    assert_eq!(node.handle.send_blob(parcel.clone()).await.unwrap(), Receipt::Transport);
    same(&replay.last(), &recorded!("blob")).await;

    // Nodes that are not known may become so, and are tried again; what is malformed is not.
    for (recorded, is_final) in [
        (recorded!("message-unknown-recipient"), false),
        (recorded!("message-unknown-sender-node"), false),
        (recorded!("message-unknown-sender"), false),
        (recorded!("message-missing"), true),
    ] {
        *replay.answer.lock() = recorded.answer;
        let error = node.handle.send_message(message(route.clone(), payload.clone())).await.unwrap_err();
        assert_eq!(matches!(error, Error::Refused { .. }), is_final, "{}: {error}", recorded.name);
        assert!(error.to_string().contains(&Http::parse(recorded.answer).reason()), "{}: {error}", recorded.name);
    }
    for (recorded, is_final) in [(recorded!("blob-unknown-recipient"), false), (recorded!("blob-missing"), true)] {
        *replay.answer.lock() = recorded.answer;
        let error = node.handle.send_blob(parcel.clone()).await.unwrap_err();
        assert_eq!(matches!(error, Error::Refused { .. }), is_final, "{}: {error}", recorded.name);
        assert!(error.to_string().contains(&Http::parse(recorded.answer).reason()), "{}: {error}", recorded.name);
    }
}
