//! Attacks below the requests: on TLS and on the framing of HTTP.

use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::StatusCode;
use photinus_exchange_https::Options;
use photinus_model::Hash;
use photinus_ports::{ids, peers::Peers};
use photinus_storage_local::blobs::Blobs;
use rustls::ALL_VERSIONS;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    inbox::Inbox,
    node::{Echo, Node, Sink, pair},
    stranger::{self, Body, Papers, body, connect, enter},
};

const LONG: Duration = Duration::from_secs(20);
const PATH: &str = "ns1/0d5a6b5e-1111-4000-8000-000000000001";
/// The patience of nodes that are dripped on.
const IDLE: Duration = Duration::from_millis(400);

/// A node, a member that stays connected to it, and that member's papers in the wrong hands.
async fn under_attack(set: impl Fn(&mut Options)) -> (Node, Node, Papers) {
    let (node, member) = pair(set).await;
    node.handle.serve("echo", Arc::new(Echo::default()));
    node.handle.serve("sink", Arc::new(Sink));
    let papers = stranger::of(&member.options.dir);
    (node, member, papers)
}

/// Asks for a sign of life over TLS 1.2, then for new keys on the same connection, and tells what came of it.
const RENEGOTIATE: &str = r#"
const [port, dir] = process.argv.slice(1), fs = require("fs");
const options = {port, maxVersion: "TLSv1.2", rejectUnauthorized: false, ALPNProtocols: ["http/1.1"],
                 cert: fs.readFileSync(dir + "/cert.pem"), key: fs.readFileSync(dir + "/key.pem")};
const tell = (what) => { console.log(what); process.exit(); };
const tls = require("tls").connect(options, () => tls.write("HEAD /api/v1/ping HTTP/1.1\r\nhost: x\r\n\r\n"));
tls.on("error", (error) => tell(error.code));
tls.once("data", (answer) => {
  console.log(tls.getProtocol(), answer.toString().split("\r\n")[0]);
  tls.renegotiate({}, (error) => tell(error ? error.code : "renegotiated"));
});
setTimeout(() => tell("nothing"), 10000);
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_not_renegotiated() {
    let (node, member, _) = under_attack(|_| ()).await;
    let mut script = Command::new("node");
    script.args(["-e", RENEGOTIATE, &node.options.listen.port().to_string()]).arg(&member.options.dir);
    let told = tokio::task::spawn_blocking(move || script.output()).await.unwrap().expect("node is installed");
    let told = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    assert_eq!(told, "TLSv1.2 HTTP/1.1 204 No Content\nERR_SSL_NO_RENEGOTIATION\n");
    assert!(member.ask(&node, "echo", "x").await.is_ok(), "nobody else notices");
}

/// Content that comes a byte at a time, each long before the patience is at its end, for ever.
fn drip(first: impl Into<Bytes>) -> Body {
    let drops = stream::unfold((), |()| async {
        tokio::time::sleep(IDLE / 8).await;
        Some((Bytes::from_static(b" "), ()))
    });
    // The timer is not shared, so that the stream can be.
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let content = stream::iter([first.into()]).chain(drops);
    tokio::spawn(async move {
        let mut content = std::pin::pin!(content);
        while let Some(piece) = content.next().await {
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    body(tokio_stream(receiver))
}

fn tokio_stream(receiver: tokio::sync::mpsc::Receiver<Bytes>) -> impl stream::Stream<Item = Bytes> + Send + Sync {
    stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|piece| (piece, receiver)) })
}

#[tokio::test]
async fn bodies_that_drip_are_cut_off() {
    let (node, member, good) = under_attack(|options| options.limits.idle = IDLE).await;
    let _inbox = Inbox::of(&node);
    node.handle.keep_blobs_in(Arc::new(Blobs::open(node.dir.path().join("blobs"), Arc::new(ids::Random)).unwrap()));
    let mut guest = enter(node.options.listen, &good).await;
    let (code, text) = timeout(LONG, guest.post("/photinus/v1/sink", drip(&b"\0\0\0\x01xbody"[..]))).await.unwrap();
    assert_eq!((code, text.contains("stopped flowing")), (StatusCode::UNPROCESSABLE_ENTITY, true), "{text}");
    let names = [("photinus-from", "node"), ("photinus-to", "node")];
    for what in ["message", "question"] {
        let (code, text) = timeout(LONG, guest.deliver(what, &names, Some(60_000), drip("{"))).await.unwrap();
        assert_eq!((code, text.contains("stopped flowing")), (StatusCode::BAD_REQUEST, true), "{what}: {text}");
    }
    let hash = Hash::of("x").to_string();
    let blob = [("photinus-path", PATH), ("photinus-hash", &hash), ("photinus-length", "5000000")];
    let headers: Vec<_> = names.into_iter().chain(blob).collect();
    let (code, text) = timeout(LONG, guest.upload("blob", &headers, drip(vec![0; 100_000]))).await.unwrap();
    assert_eq!((code, text.contains("stopped flowing")), (StatusCode::REQUEST_TIMEOUT, true), "{text}");
    assert!(member.ask(&node, "echo", "x").await.is_ok());
}

#[tokio::test]
async fn forms_that_drip_are_cut_off() {
    let (node, member, good) = under_attack(|options| options.limits.idle = IDLE).await;
    let part = "--b\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\n";
    let tls = connect(node.options.listen, Some(&good), &[b"http/1.1"], ALL_VERSIONS).await.unwrap();
    let (mut hears, mut says) = tokio::io::split(tls);
    let head = "POST /api/v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n\
                content-length: 60000\r\n\r\n";
    says.write_all(format!("{head}{part}").as_bytes()).await.unwrap();
    let drip = async {
        while says.write_all(b" ").await.is_ok() {
            tokio::time::sleep(IDLE / 8).await;
        }
    };
    let mut answer = [0; 12];
    tokio::select! {
        answered = hears.read_exact(&mut answer) => drop(answered.unwrap()),
        () = drip => panic!("the connection ends without a word"),
        () = tokio::time::sleep(LONG) => panic!("nothing ends it"),
    }
    assert_eq!(&answer, b"HTTP/1.1 400");
    assert!(member.ask(&node, "echo", "x").await.is_ok());
}

#[tokio::test]
async fn heads_that_drip_are_cut_off() {
    let (node, member, good) = under_attack(|options| {
        options.limits.head = IDLE;
        options.limits.keep_alive = IDLE;
    })
    .await;
    // A line of a head, and a frame of which more and more is there.
    let older = b"POST /api/v1/messages HTTP/1.1\r\nhost: x\r\nx-more: ".to_vec();
    let newer = [PREFACE, &frame(SETTINGS, 0, 0, b""), &frame(HEADERS, 0, 1, &[b' '; 9_000])[..100]].concat();
    for (protocol, begun) in [(&b"http/1.1"[..], older), (b"h2", newer)] {
        let tls = connect(node.options.listen, Some(&good), &[protocol], ALL_VERSIONS).await.unwrap();
        let (mut hears, mut says) = tokio::io::split(tls);
        says.write_all(&begun).await.unwrap();
        let drip = async {
            while says.write_all(b" ").await.is_ok() {
                tokio::time::sleep(IDLE / 8).await;
            }
        };
        let mut heard = Vec::new();
        tokio::select! {
            _ = hears.read_to_end(&mut heard) => {}
            () = drip => {}
            () = tokio::time::sleep(LONG) => panic!("nothing ends it: {}", String::from_utf8_lossy(protocol)),
        }
    }
    assert!(member.ask(&node, "echo", "x").await.is_ok(), "nobody else notices");
}

/// A frame of HTTP/2: length, type, flags, stream.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Writes until the node ends the connection; how many bytes it took.
async fn flood(to: SocketAddr, papers: &Papers, first: Vec<u8>, mut more: impl FnMut(u32) -> Vec<u8>) -> usize {
    let tls = connect(to, Some(papers), &[b"h2"], ALL_VERSIONS).await.unwrap();
    let (mut hears, mut says) = tokio::io::split(tls);
    // What is answered must be read, or the node would wait with its own.
    let hearing = tokio::spawn(async move {
        let mut heard = vec![0; 16 * 1024];
        while let Ok(1..) = hears.read(&mut heard).await {}
    });
    says.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, b""), &first].concat()).await.unwrap();
    let (mut written, mut round) = (0, 0);
    let flooding = async {
        while written < 256 << 20 {
            let piece = more(round);
            round += 1;
            if says.write_all(&piece).await.is_err() || hearing.is_finished() {
                return true;
            }
            written += piece.len();
        }
        false
    };
    assert!(timeout(LONG, flooding).await.expect("it ends"), "{written} bytes were taken");
    written
}

#[tokio::test]
async fn headers_that_go_on_for_ever_end_the_connection() {
    let (node, member, good) = under_attack(|_| ()).await;
    // A field that is never indexed, with a name and a value of a hundred bytes each.
    let field = [&[0x10, 100][..], &[b'x'; 100], &[100], &[b'y'; 100]].concat();
    let block = field.repeat(60);
    let taken = flood(node.options.listen, &good, frame(HEADERS, 0, 1, &field), |_| frame(CONTINUATION, 0, 1, &block));
    let taken = taken.await;
    assert!(taken < 64 << 20, "{taken}");
    assert!(member.ask(&node, "echo", "x").await.is_ok(), "nobody else notices");
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let (node, member, good) = under_attack(|_| ()).await;
    // POST, https, path `/`, from the table that every connection begins with.
    let request = [0x83, 0x87, 0x84];
    let taken = flood(node.options.listen, &good, Vec::new(), |round| {
        let stream = 2 * round + 1;
        [frame(HEADERS, END_HEADERS, stream, &request), frame(RESET, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    let taken = taken.await;
    assert!(taken < 16 << 20, "{taken}");
    assert!(member.ask(&node, "echo", "x").await.is_ok(), "nobody else notices");
}
