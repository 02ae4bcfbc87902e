//! Members that run FireFly's data exchange: against a small server that answers as the real one was seen to, and with requests
//! as the real one was seen to make them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_ports::{
    blobs::BlobStore,
    exchange::{BlobParcel, DataExchange, Error, Receipt, Refusal, Route},
    ids,
    peers::{self, Parcel, PeerId, Peers},
    stream,
};
use photinus_storage_local::blobs::Blobs;
use rustls::{ALL_VERSIONS, ServerConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    inbox::{Inbox, message},
    node::{Node, until},
    stranger::{self, Papers, connect},
};

const PATH: &str = "ns1/0d5a6b5e-1111-4000-8000-000000000001";

/// A request that came, its form taken apart by another reader than ours: name, whether it is a file, content.
struct Came {
    method: Method,
    path: String,
    headers: HeaderMap,
    fields: Vec<(String, bool, Bytes)>,
}

/// FireFly's data exchange, as far as its peers see it.
struct Sidecar {
    papers: Papers,
    address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    connections: Arc<AtomicUsize>,
    /// What is answered to deliveries.
    answer: Arc<Mutex<(StatusCode, &'static str)>>,
}

impl Sidecar {
    async fn start() -> Self {
        let papers = stranger::papers("member_b");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(papers.chain.clone(), papers.key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sidecar = Self {
            papers,
            address: listener.local_addr().unwrap(),
            came: Arc::default(),
            connections: Arc::default(),
            answer: Arc::new(Mutex::new((StatusCode::NO_CONTENT, ""))),
        };
        let (came, connections, answer) = (sidecar.came.clone(), sidecar.connections.clone(), sidecar.answer.clone());
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((tcp, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (came, answer, acceptor) = (came.clone(), answer.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let service = service_fn(move |request| respond(request, came.clone(), answer.clone()));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
                });
            }
        });
        sidecar
    }

    fn profile(&self) -> serde_json::Map<String, serde_json::Value> {
        let endpoint = format!("https://{}", self.address);
        let profile = serde_json::json!({"id": "member_b/node_b", "endpoint": endpoint, "cert": self.papers.pem});
        profile.as_object().unwrap().clone()
    }

    fn last(&self) -> Came {
        self.came.lock().pop().unwrap()
    }
}

async fn respond(
    request: Request<Incoming>,
    came: Arc<Mutex<Vec<Came>>>,
    answer: Arc<Mutex<(StatusCode, &'static str)>>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let reply = |code, text: String| Ok(Response::builder().status(code).body(Full::from(text)).unwrap());
    assert_eq!(request.version(), Version::HTTP_11);
    if request.method() == Method::HEAD && request.uri().path() == "/api/v1/ping" {
        return reply(StatusCode::NO_CONTENT, String::new());
    }
    let (head, body) = request.into_parts();
    let boundary = multer::parse_boundary(head.headers["content-type"].to_str().unwrap()).unwrap();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(head.headers["content-length"], body.len().to_string());
    let body = futures::stream::iter([Ok::<_, std::io::Error>(body)]);
    let mut form = multer::Multipart::new(body, boundary);
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let (name, file) = (field.name().unwrap().to_owned(), field.file_name().is_some());
        fields.push((name, file, field.bytes().await.unwrap()));
    }
    came.lock().push(Came { method: head.method, path: head.uri.path().to_owned(), headers: head.headers, fields });
    let (code, reason) = *answer.lock();
    let text = if reason.is_empty() { String::new() } else { serde_json::json!({ "error": reason }).to_string() };
    reply(code, text)
}

/// A node, and a member beside it that runs FireFly's data exchange.
async fn beside() -> (Node, Sidecar, Route) {
    let sidecar = Sidecar::start().await;
    let node = Node::new("org_a").await;
    node.handle.add_node("ns1", "node_b", &sidecar.profile()).await.unwrap();
    let route = Route { from: PeerId("org_a/node_a".to_owned()), to: PeerId("member_b/node_b".to_owned()) };
    until("it is reached", || DataExchange::reachable(&node.handle, &route.to).is_ok()).await;
    (node, sidecar, route)
}

fn field(name: &str, file: bool, content: impl Into<Bytes>) -> (String, bool, Bytes) {
    (name.to_owned(), file, content.into())
}

#[tokio::test]
async fn messages_go_out_as_the_reference_writes_them() {
    let (node, sidecar, route) = beside().await;
    for payload in ["{\"batch\":{\"id\":\"é\"}}".to_owned(), "y".repeat(1 << 20)] {
        let sent = node.handle.send_message(message(route.clone(), payload.clone())).await.unwrap();
        assert_eq!(sent, Receipt::Transport);
        let Came { method, path, headers, fields } = sidecar.last();
        assert_eq!((method, path.as_str()), (Method::POST, "/api/v1/messages"));
        assert!(headers["content-type"].to_str().unwrap().starts_with("multipart/form-data; boundary="));
        assert_eq!(headers["host"], sidecar.address.to_string());
        let expected = [
            field("senderDestination", false, "node_a"),
            field("recipientDestination", false, "node_b"),
            field("message", false, payload),
        ];
        assert!(fields == expected);
    }
    // One more byte would be cut there without a word.
    let error = node.handle.send_message(message(route.clone(), "y".repeat((1 << 20) + 1))).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let error = node.handle.send_message(message(route, vec![0xff])).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("text")), "{error}");
    assert!(sidecar.came.lock().is_empty());
}

#[tokio::test]
async fn blobs_go_out_with_the_file_last() {
    let (node, sidecar, route) = beside().await;
    let blobs = Blobs::open(node.dir.path().join("blobs"), Arc::new(ids::Random)).unwrap();
    node.handle.keep_blobs_in(Arc::new(blobs.clone()));
    let content = Bytes::from((0..700_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    let stored = blobs.put("ns1", stream::once(content.clone()), 1 << 20).await.unwrap();
    let parcel = BlobParcel {
        id: "ns1:x".to_owned(),
        route,
        payload_ref: stored.payload_ref,
        path: PATH.to_owned(),
        hash: stored.hash,
        size: stored.size,
    };
    assert_eq!(node.handle.send_blob(parcel.clone()).await.unwrap(), Receipt::Transport);
    let Came { method, path, fields, .. } = sidecar.last();
    assert_eq!((method, path), (Method::PUT, format!("/api/v1/blobs/{PATH}")));
    let expected = [
        field("senderDestination", false, "node_a"),
        field("recipientDestination", false, "node_b"),
        field("blob", true, content),
    ];
    assert!(fields == expected);
    let lost = BlobParcel { payload_ref: "ns1/gone".to_owned(), ..parcel };
    assert!(node.handle.send_blob(lost).await.is_err());
}

#[tokio::test]
async fn its_refusals_are_understood() {
    let (node, sidecar, route) = beside().await;
    let send = || node.handle.send_message(message(route.clone(), "{}"));
    for (code, reason, final_) in [
        (StatusCode::NOT_FOUND, "Unknown sender org_a", false),
        (StatusCode::NOT_FOUND, "Unknown sender destination expected=none recieved=node_a", false),
        (StatusCode::NOT_FOUND, "Unknown recipient destination expected=x recieved=node_b", false),
        (StatusCode::INTERNAL_SERVER_ERROR, "", false),
        (StatusCode::NOT_FOUND, "Not found", true),
        (StatusCode::BAD_REQUEST, "Missing message", true),
    ] {
        *sidecar.answer.lock() = (code, reason);
        let error = send().await.unwrap_err();
        assert_eq!(matches!(error, Error::Refused { .. }), final_, "{reason}: {error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    *sidecar.answer.lock() = (StatusCode::NO_CONTENT, "");
    assert!(send().await.is_ok());
}

#[tokio::test]
async fn connections_are_used_again_and_what_only_nodes_do_is_refused() {
    let (node, sidecar, route) = beside().await;
    let before = sidecar.connections.load(Ordering::SeqCst);
    for _ in 0..20 {
        node.handle.send_message(message(route.clone(), "{}")).await.unwrap();
    }
    let opened = sidecar.connections.load(Ordering::SeqCst) - before;
    assert!(opened <= 2, "{opened} connections for messages one after another");
    let asked = node.handle.ask(&route, Bytes::new(), 10).await;
    assert!(matches!(&asked, Err(Error::Refused { reason, .. }) if reason.contains("FireFly")), "{asked:?}");
    assert_eq!(node.handle.answers(&route.to), Some(false));
    let request = Parcel { head: Bytes::new(), body: stream::once(Bytes::new()) };
    let called = node.handle.call(&PeerId("member_b".to_owned()), "content", request).await;
    assert!(matches!(called, Err(peers::Error::Refused { .. })));
}

/// A node with an inbox, and the papers of a member that runs FireFly's data exchange.
async fn before() -> (Node, Arc<Inbox>, Papers) {
    let papers = stranger::papers("member_b");
    let node = Node::new("org_a").await;
    let profile = serde_json::json!({"id": "member_b/node_b", "endpoint": "https://127.0.0.1:1", "cert": papers.pem});
    node.handle.add_node("ns1", "node_b", profile.as_object().unwrap()).await.unwrap();
    let inbox = Inbox::new();
    node.handle.receive(&PeerId("org_a/node_a".to_owned()), inbox.clone());
    (node, inbox, papers)
}

const BOUNDARY: &str = "--------------------------804112632216718116456637";

/// A form as `form-data` for Node.js writes it.
fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (head, content) in fields {
        text += &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    }
    text + &format!("--{BOUNDARY}--\r\n")
}

const SENDER: (&str, &str) = ("name=\"senderDestination\"", "node_b");
const RECIPIENT: (&str, &str) = ("name=\"recipientDestination\"", "node_a");
const FILE: &str =
    "name=\"blob\"; filename=\"0d5a6b5e-1111-4000-8000-000000000001\"\r\nContent-Type: application/octet-stream";

/// Sends one request with the headers that the reference was seen to send, and gives the answer's first line and its body.
async fn send(node: &Node, papers: &Papers, line: &str, kind: &str, body: &str) -> (String, String) {
    let mut tls = connect(node.options.listen, Some(papers), &[b"http/1.1"], ALL_VERSIONS).await.unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nAccept: application/json, text/plain, */*\r\nContent-Type: {kind}\r\nUser-Agent: axios/1.8.3\r\n\
         Content-Length: {}\r\nAccept-Encoding: gzip, compress, deflate, br\r\nHost: localhost:15001\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), tls.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

const MULTIPART: &str = "multipart/form-data; boundary=--------------------------804112632216718116456637";

#[tokio::test]
async fn its_messages_are_taken_and_answered_once_they_are_stored() {
    let (node, inbox, papers) = before().await;
    let payload = "{\"batch\":{\"id\":\"é\"}}";
    let body = form(&[SENDER, RECIPIENT, ("name=\"message\"", payload)]);
    let (line, text) = send(&node, &papers, "POST /api/v1/messages", MULTIPART, &body).await;
    assert_eq!((line.as_str(), text.as_str()), ("HTTP/1.1 204 No Content", ""));
    let (route, taken) = inbox.messages.lock().pop().unwrap();
    assert_eq!((route.from.0.as_str(), route.to.0.as_str()), ("member_b/node_b", "org_a/node_a"));
    assert_eq!(taken, payload);
    // What is refused for good is told so that the sender goes on at once.
    inbox.refuse(Refusal::Never("it is not signed".to_owned()));
    let (line, text) = send(&node, &papers, "POST /api/v1/messages", MULTIPART, &body).await;
    assert_eq!((line.as_str(), text.contains("it is not signed")), ("HTTP/1.1 404 Not Found", true));
    // What may pass is waited for.
    inbox.refuse(Refusal::Later("starting".to_owned()));
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        inbox.refuse(None);
    };
    let ((line, _), ()) = tokio::join!(send(&node, &papers, "POST /api/v1/messages", MULTIPART, &body), later);
    assert_eq!(line, "HTTP/1.1 204 No Content");
}

#[tokio::test]
async fn its_blobs_are_taken_and_kept_once() {
    let (node, inbox, papers) = before().await;
    let blobs = Blobs::open(node.dir.path().join("blobs"), Arc::new(ids::Random)).unwrap();
    node.handle.keep_blobs_in(Arc::new(blobs.clone()));
    let content = "some\r\n--bytes\r\n".repeat(100_000);
    let body = form(&[SENDER, RECIPIENT, (FILE, &content)]);
    let put = async |path: &str, body: &str| {
        let (line, text) = send(&node, &papers, &format!("PUT /api/v1/blobs/{path}"), MULTIPART, body).await;
        (line.split(' ').nth(1).unwrap_or_default().to_owned(), text)
    };
    assert_eq!(put(PATH, &body).await.0, "204");
    assert_eq!(put(PATH, &body).await.0, "204", "sent again");
    let taken = std::mem::take(&mut *inbox.blobs.lock());
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0], taken[1]);
    assert_eq!((taken[0].path.as_str(), taken[0].route.from.0.as_str()), (PATH, "member_b/node_b"));
    assert_eq!((taken[0].hash, taken[0].size), (Hash::of(&content), content.len() as u64));
    let (_, read) = blobs.open(&taken[0].payload_ref).await.unwrap();
    assert_eq!(stream::collect(read, 10 << 20).await.unwrap(), content);
    let incoming = || std::fs::read_dir(node.options.dir.join("incoming")).unwrap().count();
    assert_eq!(incoming(), 0);

    for path in [
        "../../x",
        "ns1/..%2f..%2fx",
        "%2e%2e/x",
        "ns1/x",
        "ns1",
        "",
        "ns1/0d5a6b5e-1111-4000-8000-000000000001.metadata.json",
    ] {
        let (code, _) = put(path, &body).await;
        assert!(code == "400" || code == "404", "{path}: {code}");
    }
    let (code, text) = put(PATH, &form(&[SENDER, RECIPIENT])).await;
    assert_eq!((code.as_str(), text.contains("Missing blob")), ("400", true));
    assert_eq!(put(PATH, &body[..body.len() / 2]).await.0, "400", "a form that ends too early");
    inbox.refuse(Refusal::Never("the quota is used up".to_owned()));
    assert_eq!(put("ns1/0d5a6b5e-1111-4000-8000-000000000002", &body).await.0, "404");
    assert!(inbox.blobs.lock().is_empty());
    assert_eq!(incoming(), 0);
}

#[tokio::test]
async fn forms_that_are_none_get_an_answer_that_says_so() {
    let (node, inbox, papers) = before().await;
    let whole = form(&[SENDER, RECIPIENT, ("name=\"message\"", "{}")]);
    let bare = form(&[SENDER, RECIPIENT]);
    let forged = form(&[("name=\"senderDestination\"", "../x"), RECIPIENT, ("name=\"message\"", "{}")]);
    for (line, kind, body, code, reason) in [
        // This one ends the reference's process.
        ("POST /api/v1/messages", "application/json", "{}", "415", "multipart/form-data"),
        ("POST /api/v1/messages", MULTIPART, &bare, "400", "Missing message"),
        ("POST /api/v1/messages", MULTIPART, &whole[..40], "400", "ends too early"),
        ("POST /api/v1/messages", MULTIPART, &forged, "400", "no node name"),
        ("GET /api/v1/ping", MULTIPART, "", "404", "there is no GET"),
        ("POST /api/v1/nothing", MULTIPART, &whole, "404", "there is no POST"),
    ] {
        let (first, text) = send(&node, &papers, line, kind, body).await;
        assert_eq!((first.split(' ').nth(1), text.contains(reason)), (Some(code), true), "{line}: {first} {text}");
    }
    let large = form(&[SENDER, RECIPIENT, ("name=\"message\"", &"x".repeat((1 << 20) + 1))]);
    let (first, text) = send(&node, &papers, "POST /api/v1/messages", MULTIPART, &large).await;
    assert_eq!((first.split(' ').nth(1), text.contains("larger than")), (Some("413"), true), "{first} {text}");
    assert!(inbox.messages.lock().is_empty());
}

#[tokio::test]
async fn a_claim_that_is_read_a_little_later_is_waited_for() {
    let (node, inbox, papers) = before().await;
    let body = form(&[("name=\"senderDestination\"", "node_new"), RECIPIENT, ("name=\"message\"", "{}")]);
    let claim = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let profile =
            serde_json::json!({"id": "member_b/node_new", "endpoint": "https://127.0.0.1:1", "cert": papers.pem});
        node.handle.add_node("ns1", "node_new", profile.as_object().unwrap()).await.unwrap();
    };
    let (sent, ()) = tokio::join!(send(&node, &papers, "POST /api/v1/messages", MULTIPART, &body), claim);
    assert_eq!(sent.0, "HTTP/1.1 204 No Content");
    assert_eq!(inbox.messages.lock().pop().unwrap().0.from.0, "member_b/node_new");
    // Another member's node name does not become its own.
    let forged = form(&[("name=\"senderDestination\"", "node_c"), RECIPIENT, ("name=\"message\"", "{}")]);
    let (line, text) = send(&node, &papers, "POST /api/v1/messages", MULTIPART, &forged).await;
    assert_eq!((line.as_str(), text.contains("Unknown sender destination")), ("HTTP/1.1 404 Not Found", true));
}
