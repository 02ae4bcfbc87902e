//! A Kubo node, as far as this storage sees it: answers as those of Kubo 0.44 were seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Multipart, Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use parking_lot::Mutex;
use photinus_model::cid;

#[derive(Default)]
struct Node {
    contents: Mutex<BTreeMap<String, Bytes>>,
    pins: Mutex<BTreeSet<String>>,
    failing: AtomicBool,
    differently: AtomicBool,
}

/// A running one. It serves until the runtime that started it ends.
pub struct Kubo {
    node: Arc<Node>,
    address: SocketAddr,
}

impl Kubo {
    /// Starts one that is empty.
    pub async fn start() -> Self {
        let node = Arc::new(Node::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/api/v0/version", post(version))
            .route("/api/v0/add", post(add))
            .route("/api/v0/pin/add", post(pin))
            .route("/ipfs/{reference}", get(content))
            .layer(DefaultBodyLimit::max(1 << 30))
            .with_state(Arc::clone(&node));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { node, address }
    }

    /// Where API and gateway are.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What its garbage collection leaves.
    pub fn pins(&self) -> BTreeSet<String> {
        self.node.pins.lock().clone()
    }

    /// Puts bytes under a reference, whether it is theirs or not.
    pub fn put(&self, reference: &str, content: Vec<u8>) {
        self.node.contents.lock().insert(reference.to_owned(), content.into());
    }

    /// Refuses everything, or no more.
    pub fn fail(&self, failing: bool) {
        self.node.failing.store(failing, Ordering::SeqCst);
    }

    /// Gives contents other references than theirs.
    pub fn shape_differently(&self) {
        self.node.differently.store(true, Ordering::SeqCst);
    }
}

type Parameters = Query<BTreeMap<String, String>>;

impl Node {
    fn refuses(&self) -> Option<Response> {
        let refusal = || (StatusCode::BAD_GATEWAY, "it is being moved").into_response();
        self.failing.load(Ordering::SeqCst).then(refusal)
    }
}

async fn version(State(node): State<Arc<Node>>) -> Response {
    node.refuses().unwrap_or_else(|| r#"{"Version":"0.44.0-dev"}"#.into_response())
}

async fn add(State(node): State<Arc<Node>>, Query(parameters): Parameters, mut form: Multipart) -> Response {
    if let Some(refusal) = node.refuses() {
        return refusal;
    }
    for (name, value) in
        [("cid-version", "0"), ("raw-leaves", "false"), ("chunker", "size-262144"), ("hash", "sha2-256")]
    {
        assert_eq!(parameters.get(name).map(String::as_str), Some(value), "the shape does not depend on its settings");
    }
    let field = form.next_field().await.unwrap().unwrap();
    assert_eq!(field.name(), Some("document"));
    let Ok(content) = field.bytes().await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, r#"{"Message":"unexpected EOF","Code":0,"Type":"error"}"#)
            .into_response();
    };
    let mut reference = cid::of(&content);
    if node.differently.load(Ordering::SeqCst) {
        reference = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e".to_owned();
    }
    let size = content.len() + 8;
    node.contents.lock().insert(reference.clone(), content);
    if parameters["pin"] == "true" {
        node.pins.lock().insert(reference.clone());
    }
    format!("{{\"Name\":\"file.bin\",\"Hash\":\"{reference}\",\"Size\":\"{size}\"}}\n").into_response()
}

async fn pin(State(node): State<Arc<Node>>, Query(parameters): Parameters) -> Response {
    let reference = &parameters["arg"];
    if !node.contents.lock().contains_key(reference) {
        return (StatusCode::INTERNAL_SERVER_ERROR, r#"{"Message":"pin: not found","Code":0,"Type":"error"}"#)
            .into_response();
    }
    node.pins.lock().insert(reference.clone());
    format!("{{\"Pins\":[\"{reference}\"]}}\n").into_response()
}

async fn content(State(node): State<Arc<Node>>, Path(reference): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refusal) = node.refuses() {
        return refusal;
    }
    match node.contents.lock().get(&reference).cloned() {
        Some(content) => content.into_response(),
        None if headers.get("cache-control").is_some_and(|value| value == "only-if-cached") => {
            (StatusCode::PRECONDITION_FAILED, format!("/ipfs/{reference} not in local datastore\n")).into_response()
        }
        None => (StatusCode::NOT_FOUND, "block was not found locally (offline)\n").into_response(),
    }
}
