//! No input yields a failure of the node: requests to every route of the description, with whatever clients and attackers put
//! into paths, queries, headers and bodies. The seed is fixed, so that what fails fails again.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};

use super::Api;

/// Requests of a run.
const REQUESTS: u32 = 1_000;
/// No request takes longer: each of them says that it waits for a second at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// What stands for a variable of a path. Nothing here may hold a space or a line's end: the request would be another.
const VARIABLES: &[&str] = &[
    "01a1ff03-59f2-7680-bb2d-ae499cfad5f0",
    "00000000-0000-0000-0000-000000000000",
    "urn:uuid:x",
    "default",
    "later",
    "did:firefly:org/org_0",
    "did:firefly:org/nobody",
    "did:web:x",
    "did:",
    "org_0",
    "node_0",
    "%00",
    "%ff%fe",
    "%2e%2e",
    "..",
    ".",
    "%2F",
    "+",
    "%",
    "%zz",
    "!bad!",
    "null",
    "-1",
    "1e999",
    "messages",
    "\u{1F4A9}",
    "a%20b",
    "'--",
    "%27%3B",
    "0xb5e27a38436677e66cd59ec7fbd3e3fe1d887e2117a9fd2cc93ea28974e6f504",
    "zz",
    "{id}",
    "",
];

const NAMES: &[&str] = &[
    "id",
    "type",
    "tag",
    "topics",
    "created",
    "confirmed",
    "sequence",
    "state",
    "author",
    "group",
    "hash",
    "value",
    "name",
    "version",
    "limit",
    "skip",
    "sort",
    "count",
    "ascending",
    "descending",
    "fields",
    "confirm",
    "fetchdata",
    "profile",
    "fetchreferences",
    "fetchverifiers",
    "fetchstatus",
    "startTime",
    "endTime",
    "buckets",
    "startsequence",
    "endsequence",
    "blob.name",
    "tx.id",
    "LIMIT",
    "Created",
    "%00",
    "",
    "messages.claim",
    "updated",
    "options",
    "filters",
    "nonce",
    "input",
];

const VALUES: &[&str] = &[
    "",
    "x",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "25",
    "1000",
    "1001",
    "99999999999999999999999999",
    "-9223372036854775808",
    "9223372036854775807",
    "1e400",
    "NaN",
    "%00",
    "%ff",
    "%F0%9F%92%A9",
    "!",
    "!!",
    "[",
    "[]",
    "?",
    "!?",
    "@",
    ":=",
    "!:@x",
    "%3E",
    "%3E=",
    "%3C1",
    "%5Ea",
    "$z",
    "?%3E",
    "%3E!1",
    "now",
    "%3E-1h",
    "-1h30m",
    "-99999999999999h",
    "9999-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "1732200000",
    "-created,tag",
    "sequence",
    "nope",
    "01a1ff03-59f2-7680-bb2d-ae499cfad5f0",
    "zzzzzzzz-59f2-7680-bb2d-ae499cfad5f0",
    "%25",
    "a%27%20OR%201=1--",
    "100",
    "101",
    "b5e27a38436677e66cd59ec7fbd3e3fe1d887e2117a9fd2cc93ea28974e6f504",
    "%5C",
    "_",
    "%25%25",
    "confirmed",
    "broadcast",
];

const MEDIA: &[&str] = &[
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "multipart/form-data; boundary=",
    "application/x-www-form-urlencoded",
    "",
    "\u{e9}",
];

const TIMES: &[&str] = &["1", "1s", "0", "-1", "1ns", "NaN", "999999999999999999999", "", "1h-1m", "\u{e9}"];

/// Parts of bodies: fields that inputs have, with values that they should not have.
const FIELDS: &[&str] = &[
    "header",
    "data",
    "group",
    "members",
    "identity",
    "node",
    "name",
    "version",
    "value",
    "type",
    "parent",
    "key",
    "profile",
    "description",
    "filter",
    "options",
    "transport",
    "firstEvent",
    "readAhead",
    "batch",
    "batchTimeout",
    "withData",
    "url",
    "topics",
    "tag",
    "cid",
    "author",
    "id",
    "hash",
    "validator",
    "datatype",
    "blob",
    "idempotencyKey",
    "equal",
    "field",
    "sort",
    "in",
    "values",
    "or",
    "limit",
    "sequence",
    "status",
    "output",
    "events",
    "message",
    "headers",
    "input",
    "retry",
    "count",
    "grace",
    "txtype",
    "HEADER",
    "Data",
    "$serde_json::private::RawValue",
];

const LEAVES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e400",
    "-0",
    "18446744073709551616",
    "123456789012345678901234567890",
    "\"\"",
    "\"x\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\u{1F4A9}\"",
    "\"01a1ff03-59f2-7680-bb2d-ae499cfad5f0\"",
    "\"org_0\"",
    "\"broadcast\"",
    "\"did:firefly:org/org_0\"",
    "\"websockets\"",
    "\"webhooks\"",
    "\"http://127.0.0.1:1/\"",
    "\"oldest\"",
    "\"newest\"",
    "\"2026-01-01T00:00:00Z\"",
    "\"-1h\"",
    "\"1s\"",
    "\"(\"",
    "\"^a$\"",
    "[]",
    "{}",
    "[null]",
    "\"private\"",
    "\"batch_pin\"",
    "\"0x0000000000000000000000000000000000000001\"",
    "\"custom\"",
    "\"tag\"",
    "\"created\"",
    "\"Succeeded\"",
];

/// Routes as the description has them: method, and path with variables.
type Routes = Arc<Vec<(String, String)>>;

/// A request as its bytes.
#[derive(Clone)]
struct Raw(Vec<u8>);

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0[..self.0.len().min(4_000)].escape_ascii())
    }
}

fn path(template: String) -> impl Strategy<Value = String> {
    let holes = template.matches('{').count();
    vec(prop_oneof![30 => select(VARIABLES).prop_map(str::to_owned), 1 => Just("a".repeat(5_000))], holes).prop_map(
        move |values| {
            let mut values = values.into_iter();
            let fill = |part: &str| {
                if part.starts_with('{') { values.next().unwrap_or_default() } else { part.to_owned() }
            };
            template.split('/').map(fill).collect::<Vec<_>>().join("/")
        },
    )
}

fn query() -> impl Strategy<Value = String> {
    let pair = (select(NAMES), select(VALUES)).prop_map(|(name, value)| format!("{name}={value}"));
    vec(pair, 0..5).prop_map(|pairs| pairs.join("&"))
}

fn json() -> impl Strategy<Value = String> {
    select(LEAVES).prop_map(str::to_owned).prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            4 => vec((select(FIELDS), inner), 0..6).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// Bodies that are nearly right, with a place for something that is not.
const NEARLY: &[&str] = &[
    r#"{"header":{"topics":["t"],"tag":"x"},"data":[{"value":#}]}"#,
    r#"{"header":{"topics":[#]},"data":[{"value":1}]}"#,
    r#"{"header":#,"data":[{"value":1}]}"#,
    r#"{"data":[#],"idempotencyKey":"k"}"#,
    r#"{"data":[{"datatype":#,"value":{}}]}"#,
    r#"{"group":{"members":[{"identity":#}]},"data":[{"value":1}]}"#,
    r#"{"group":{"members":[{"identity":"org_0","node":#}]},"header":{"tag":"t"},"data":[{"value":1}]}"#,
    r#"{"name":"w","version":"1","value":#}"#,
    r#"{"name":#,"version":"1","value":{"type":"object"}}"#,
    r#"{"name":"c","type":"custom","parent":#,"key":"0x0000000000000000000000000000000000000001"}"#,
    r#"{"name":"c","parent":"org_0","key":#}"#,
    r#"{"profile":#}"#,
    r#"{"name":"s","transport":"websockets","filter":#}"#,
    r#"{"name":"s","transport":"websockets","options":#}"#,
    r#"{"name":"s","transport":"webhooks","options":{"url":"http://127.0.0.1:1/","retry":#}}"#,
    r#"{"equal":[{"field":"type","value":#}]}"#,
    r#"{"or":[#],"sort":["created"],"limit":1}"#,
    r#"{"type":"ethereum_address","value":#}"#,
    r#"{"batch":#}"#,
    r#"{"sequence":#}"#,
    r#"{"firstEvent":#}"#,
];

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (select(NEARLY), json()).prop_map(|(form, part)| form.replace('#', &part).into_bytes()),
        4 => json().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..200),
        1 => Just("[".repeat(100_000).into_bytes()),
        1 => Just(format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000)).into_bytes()),
        1 => Just(b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xff\"\r\n\r\nabc".to_vec()),
        1 => Just(b"--x\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\r\n--x--\r\n".to_vec()),
    ]
}

fn request(routes: &Routes) -> impl Strategy<Value = Raw> + use<> {
    let place = select(routes.to_vec()).prop_flat_map(|(method, template)| (Just(method), path(template)));
    let methods = prop_oneof![12 => Just(None), 1 => select(&["PUT", "OPTIONS", "HEAD", "TRACE", "patch", "X"][..]).prop_map(Some)];
    (place, methods, query(), select(MEDIA), select(TIMES), body()).prop_map(
        |((method, path), other, query, media, time, body)| {
            let method = other.unwrap_or(&method);
            let mut raw = format!("{method} {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").into_bytes();
            // A time that cannot be read is the default, which is too long for a request that waits.
            let time = if method == "GET" { time } else { "1" };
            raw.extend_from_slice(format!("Request-Timeout: {time}\r\n").as_bytes());
            if !media.is_empty() {
                raw.extend_from_slice(format!("Content-Type: {media}\r\n").as_bytes());
            }
            if method != "GET" && method != "HEAD" {
                raw.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                raw.extend_from_slice(&body);
            } else {
                raw.extend_from_slice(b"\r\n");
            }
            Raw(raw)
        },
    )
}

/// Sends bytes and reads the answer to its end; an empty one when the connection was closed without a word.
async fn exchange(address: SocketAddr, raw: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Who refuses a request early need not read it to its end.
    let _ = stream.write_all(raw).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// What is wrong with an answer, if something is.
fn fault(answer: &[u8]) -> Option<String> {
    let head = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status: u16 = std::str::from_utf8(head).ok()?.split(' ').nth(1)?.parse().ok()?;
    if status >= 500 {
        return Some(format!("{}", answer[..answer.len().min(2_000)].escape_ascii()));
    }
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| &answer[at + 4..])?;
    if status < 400 || body.is_empty() {
        return None;
    }
    let sentence =
        serde_json::from_slice::<Value>(body).ok().and_then(|body| Some(body.get("error")?.as_str()?.to_owned()));
    let coded = sentence.as_deref().is_some_and(|sentence| sentence.starts_with("FF") && sentence.contains(": "));
    // The sockets' doors answer in plain text, as FireFly's do.
    (!coded && body != b"Bad Request\n").then(|| format!("no code: {}", body.escape_ascii()))
}

async fn routes(api: &Api, address: SocketAddr) -> Vec<(String, String)> {
    let described = api.client.get(api.url("/api/openapi.json")).send().await.unwrap().text().await.unwrap();
    let described: Value = serde_json::from_str(&described).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.push((method.to_uppercase(), format!("/api/v1{path}")));
        }
    }
    assert!(routes.len() > 140, "{}", routes.len());
    for (method, path) in [
        ("GET", "/ws"),
        ("GET", "/api/v1/namespaces/{ns}/ws"),
        ("GET", "/api/{page}"),
        ("GET", "/{any}/{thing}"),
        ("POST", "/api/v1/{any}"),
    ] {
        routes.push((method.to_owned(), path.to_owned()));
    }
    assert!(!exchange(address, b"GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.is_empty());
    routes
}

/// Sends requests until one is answered by a failure. Returns how many succeeded.
fn hunt(runtime: &Runtime, address: SocketAddr, requests: u32, strategy: &impl Strategy<Value = Raw>) -> usize {
    let succeeded = AtomicUsize::new(0);
    let config = Config { cases: requests, failure_persistence: None, max_shrink_iters: 30, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(strategy, |request| {
        let answer = runtime.block_on(async { timeout(PATIENCE, exchange(address, &request.0)).await });
        match answer {
            Err(_) => Err(TestCaseError::fail("no answer in time")),
            Ok(answer) => {
                succeeded.fetch_add(usize::from(answer.starts_with(b"HTTP/1.1 2")), Ordering::Relaxed);
                fault(&answer).map_or(Ok(()), |fault| Err(TestCaseError::fail(fault)))
            }
        }
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    succeeded.into_inner()
}

#[test]
fn no_input_yields_a_failure_of_the_node() {
    let runtime = Runtime::new().unwrap();
    let api = runtime.block_on(Api::start());
    let (http, spi) = (api.address, api.server.addresses.spi.unwrap());
    let all: Routes = Arc::new(runtime.block_on(routes(&api, http)));
    let succeeded = hunt(&runtime, http, REQUESTS, &request(&all));
    assert!(succeeded > REQUESTS as usize / 20, "{succeeded}: requests must come as far as what they ask for");
    let admin = [
        ("GET", "/spi/v1/namespaces"),
        ("GET", "/spi/v1/namespaces/{ns}"),
        ("GET", "/spi/v1/namespaces/{ns}/operations"),
        ("GET", "/spi/v1/operations/{id}"),
        ("PATCH", "/spi/v1/operations/{id}"),
        ("POST", "/spi/v1/reset"),
        ("GET", "/spi/ws"),
    ];
    let admin: Routes = Arc::new(admin.map(|(method, path)| (method.to_owned(), path.to_owned())).to_vec());
    hunt(&runtime, spi, REQUESTS / 10, &request(&admin));
    // Not HTTP at all, and the node still answers.
    hunt(
        &runtime,
        http,
        50,
        &vec(any::<u8>(), 0..300).prop_map(|mut raw| {
            raw.extend_from_slice(b"\r\n\r\n");
            Raw(raw)
        }),
    );
    runtime.block_on(async {
        assert_eq!(api.get("status").await.0, 200);
        let (status, sent) = api.post("messages/broadcast?confirm", r#"{"data":[{"value":1}]}"#).await;
        assert_eq!(status, 200, "{sent}");
        api.stop().await;
    });
}
