//! Clients that are slow, greedy or mean, browsers from other origins, and a node that starts and stops.

use std::{net::SocketAddr, time::Duration};

use photinus_api::{Namespaces, Options, Server, State, options::Listener};
use photinus_testkit::network::NAMESPACE;
use reqwest::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::Api;

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(30);
/// The patience of the servers of this file.
const SHORT: Duration = Duration::from_millis(300);

async fn impatient(namespaces: Namespaces) -> (photinus_api::Handle, SocketAddr) {
    let mut options = Options { http: Listener::new("127.0.0.1", 0), ..Options::default() };
    options.limits.read_timeout = SHORT;
    options.limits.write_timeout = SHORT;
    let server = Server::start(options, namespaces).await.unwrap();
    let address = server.addresses.http;
    (server, address)
}

/// What the server still says, until it closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn say(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let (server, address) = impatient(Namespaces::new(NAMESPACE)).await;
    let mut stream = say(address, "GET /api/v1/namespaces HTTP/1.1\r\nHost: x\r\n").await;
    let started = Instant::now();
    // A byte now and then does not make it longer.
    while stream.write_all(b"X").await.is_ok() && started.elapsed() < LIMIT {
        tokio::time::sleep(SHORT / 6).await;
    }
    assert!(started.elapsed() < LIMIT, "the connection is given up");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_408() {
    let api = Api::start().await;
    let (server, address) = impatient(api.namespaces.clone()).await;
    let head = "POST /api/v1/messages/broadcast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n";
    let mut stream = say(address, head).await;
    stream.write_all(b"{\"data\":").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("FF00166"), "{answer}");
    server.stop().await;
    api.stop().await;
}

#[tokio::test]
async fn bodies_that_drip_are_cut_off() {
    let api = Api::start().await;
    let (server, address) = impatient(api.namespaces.clone()).await;
    let head = |path: &str, media: &str| {
        format!("POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Type: {media}\r\nContent-Length: 999999\r\n\r\n")
    };
    let (form, part) = ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=");
    for begun in [
        head("messages/broadcast", "application/json"),
        head("data", form) + "--b",
        head("data", form) + part + "\"metadata\"\r\n\r\n",
        head("data", form) + part + "\"file\"; filename=\"x\"\r\n\r\n" + &"y".repeat(100_000),
    ] {
        let (mut hears, mut says) = say(address, &begun).await.into_split();
        // Each byte comes long before the patience is at its end, and they never are.
        let drip = async {
            while says.write_all(b" ").await.is_ok() {
                tokio::time::sleep(SHORT / 6).await;
            }
        };
        let mut answer = [0; 12];
        let answered = async {
            hears.read_exact(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        };
        let told = tokio::select! {
            told = answered => told,
            () = drip => panic!("the connection ends without a word"),
            () = tokio::time::sleep(LIMIT) => panic!("nothing ends it"),
        };
        assert_eq!(told, "HTTP/1.1 408", "{begun:.200}");
    }
    server.stop().await;
    api.stop().await;
}

#[tokio::test]
async fn who_asks_for_much_and_reads_nothing_is_given_up() {
    let (server, address) = impatient(Namespaces::new(NAMESPACE)).await;
    let question = "GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    let asking = async { while stream.write_all(question.repeat(20).as_bytes()).await.is_ok() {} };
    timeout(LIMIT, asking).await.expect("the connection is given up");
    let other = Client::new().get(format!("http://{address}/api/v1/namespaces")).send().await.unwrap();
    assert_eq!(other.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn heads_and_bodies_have_a_size() {
    let api = Api::start().await;
    let big = "a".repeat(70 << 10);
    let head = format!("GET /api/v1/status HTTP/1.1\r\nHost: x\r\nX-Big: {big}\r\n\r\n");
    let answer = rest(&mut say(api.address, &head).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = rest(&mut say(api.address, &format!("GET /api/v1/{big} HTTP/1.1\r\nHost: x\r\n\r\n")).await).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let many = "X-A: b\r\n".repeat(200);
    let answer =
        rest(&mut say(api.address, &format!("GET /api/v1/status HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let head = "POST /api/v1/messages/broadcast HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let announced = format!("{head}Content-Length: 99999999999\r\n\r\n");
    let answer = rest(&mut say(api.address, &announced).await).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("FF00161"), "{answer}");
    // Without a word of its length before.
    let mut stream = say(api.address, &format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    let piece = format!("{:x}\r\n{}\r\n", 64 << 10, " ".repeat(64 << 10));
    for _ in 0..70 {
        if stream.write_all(piece.as_bytes()).await.is_err() {
            break;
        }
    }
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(api.get("status").await.0, 200);
    api.stop().await;
}

#[tokio::test]
async fn upgrades_are_for_sockets_alone() {
    let api = Api::start().await;
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    for (path, headers, status) in [
        ("/ws", socket.replace("13", "8"), "400"),
        ("/ws", socket.replace("websocket", "h2c"), "400"),
        ("/ws", socket.replace("Sec-WebSocket-Key", "X-Key"), "400"),
        ("/ws", "Connection: close\r\n".to_owned(), "400"),
        ("/api/v1/namespaces/nosuch/ws", socket.to_owned(), "404"),
        ("/api/v1/namespaces/later/ws", socket.to_owned(), "404"),
        ("/api/v1/status", format!("{socket}Connection: close\r\n"), "200"),
        ("/ws", socket.to_owned(), "101"),
    ] {
        let mut stream = say(api.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
        let mut first = [0; 12];
        timeout(LIMIT, stream.read_exact(&mut first)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&first), format!("HTTP/1.1 {status}"), "{path} {headers}");
    }
    // What is no frame ends the socket, and nothing else.
    let mut stream = say(api.address, &format!("GET /ws HTTP/1.1\r\nHost: x\r\n{socket}\r\n")).await;
    stream.write_all(&[0xff; 64]).await.unwrap();
    rest(&mut stream).await;
    assert_eq!(api.get("status").await.0, 200);
    api.stop().await;
}

#[tokio::test]
async fn browsers_from_elsewhere_are_answered_as_recorded() {
    let api = Api::start().await;
    let ask = |method: &str, headers: &str| {
        format!(
            "{method} /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: http://app.example\r\n{headers}\r\n"
        )
    };
    let preflight = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,x-own\r\n";
    let answer = rest(&mut say(api.address, &ask("OPTIONS", preflight)).await).await.to_lowercase();
    for line in [
        "http/1.1 204",
        "access-control-allow-origin: *",
        "access-control-allow-methods: post\r\n",
        "access-control-allow-headers: content-type,x-own\r\n",
        "access-control-allow-credentials: true",
        "access-control-max-age: 600",
        "vary: origin, access-control-request-method, access-control-request-headers",
    ] {
        assert!(answer.contains(line), "{line}\n{answer}");
    }
    let refused = rest(&mut say(api.address, &ask("OPTIONS", "Access-Control-Request-Method: TRACE\r\n")).await).await;
    assert!(!refused.to_lowercase().contains("access-control-allow"), "{refused}");
    let plain = rest(&mut say(api.address, &ask("OPTIONS", "")).await).await;
    assert!(plain.starts_with("HTTP/1.1 405"), "{plain}");
    let answer = rest(&mut say(api.address, &ask("GET", "")).await).await.to_lowercase();
    assert!(answer.contains("access-control-allow-origin: *") && answer.contains("vary: origin"), "{answer}");
    api.stop().await;
}

#[tokio::test]
async fn a_node_that_starts_or_stops_says_so() {
    let api = Api::start().await;
    let starting = api.client.get(api.url("/api/v1/namespaces/later/status")).send().await.unwrap();
    assert_eq!((starting.status().as_u16(), starting.headers()["retry-after"].to_str().unwrap()), (412, "1"));
    let State::Running(namespace) = api.namespaces.remove(NAMESPACE).unwrap() else { panic!("it runs") };
    assert_eq!(api.get("status").await.0, 404);
    api.namespaces.set(NAMESPACE, State::Running(namespace));
    // The namespace has stopped, and the listener has not heard of it yet.
    api.network.members[0].namespace().stop().await;
    api.network.members[0].store.close().await;
    for (method, path, body) in [
        (reqwest::Method::POST, "messages/broadcast", r#"{"data":[{"value":1}]}"#),
        (reqwest::Method::POST, "data", r#"{"value":1}"#),
        (reqwest::Method::POST, "subscriptions", r#"{"name":"a","transport":"websockets"}"#),
        (reqwest::Method::GET, "messages", ""),
    ] {
        let (status, answer) = api.send(method, path, "application/json", body).await;
        assert_eq!(status, 503, "{path}: {answer}");
    }
    api.server.stop().await;
    assert!(Client::new().get(format!("http://{}/api/v1/status", api.address)).send().await.is_err());
}
