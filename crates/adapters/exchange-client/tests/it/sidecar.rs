//! FireFly's data exchange, as far as this client and its peers see it: a small server that answers as the real one was seen to.
//!
//! Between two of them there is no network but a function call. What the real one loses when it falls over, this one loses too:
//! messages under way, and events that were not acknowledged. Peers, destinations and blobs are on its disk.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Multipart, Path, State, WebSocketUpgrade, ws},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, get, post, put},
};
use parking_lot::Mutex;
use photinus_model::{Hash, Uuid};
use serde_json::{Map, Value, json};
use tokio::{
    runtime::Runtime,
    sync::{Notify, mpsc},
};

/// Events on their way at once.
const WINDOW: usize = 100;

/// Who listens at which endpoint.
#[derive(Clone, Default)]
pub(crate) struct Wires(Arc<Mutex<HashMap<String, Weak<Process>>>>);

#[derive(Clone, Default)]
struct Peer {
    endpoint: String,
    destinations: Vec<String>,
}

/// What survives.
#[derive(Default)]
pub(crate) struct Disk {
    peers: Mutex<Vec<(String, Peer)>>,
    destinations: Mutex<Vec<String>>,
    /// Certificates of peers, by base id.
    pub(crate) certificates: Mutex<HashMap<String, String>>,
    pub(crate) blobs: Mutex<HashMap<String, Bytes>>,
}

impl Disk {
    /// Endpoint and destinations of a peer.
    pub(crate) fn listed(&self, base: &str) -> Option<(String, Vec<String>)> {
        let peers = self.peers.lock();
        peers.iter().find(|(id, _)| id == base).map(|(_, peer)| (peer.endpoint.clone(), peer.destinations.clone()))
    }
}

#[derive(Default)]
struct Events {
    queue: VecDeque<Value>,
    in_flight: Vec<Value>,
    /// The connection that gets them, and those behind it.
    connections: Vec<(u64, mpsc::UnboundedSender<Value>)>,
    next: u64,
}

/// What is said of it besides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// It says of messages and blobs that were delivered what the other node acknowledged, as other makers' do.
    pub(crate) acknowledges: bool,
    /// It wants to be told of all nodes at first.
    pub(crate) init: bool,
}

pub(crate) struct Process {
    id: String,
    endpoint: String,
    disk: Arc<Disk>,
    wires: Wires,
    manners: Manners,
    events: Mutex<Events>,
    outbox: mpsc::UnboundedSender<Outgoing>,
    /// Manifests that its client said, by event.
    pub(crate) acknowledged: Mutex<Vec<(String, Option<String>)>>,
    acks: Notify,
    pub(crate) initialised: Mutex<usize>,
}

enum Outgoing {
    Message { message: String, sender: String, recipient: String, request: String },
    Blob { path: String, sender: String, recipient: String, request: String },
}

/// A data exchange that can fall over.
pub(crate) struct Sidecar {
    pub(crate) id: String,
    pub(crate) disk: Arc<Disk>,
    pub(crate) address: SocketAddr,
    pub(crate) manners: Manners,
    wires: Wires,
    running: Option<(Runtime, Arc<Process>)>,
}

impl Sidecar {
    pub(crate) fn new(id: &str, wires: &Wires, manners: Manners) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut sidecar =
            Self { id: id.to_owned(), disk: Arc::default(), address, manners, wires: wires.clone(), running: None };
        sidecar.start();
        sidecar
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn process(&self) -> &Arc<Process> {
        &self.running.as_ref().unwrap().1
    }

    pub(crate) fn start(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (outbox, work) = mpsc::unbounded_channel();
        let process = Arc::new(Process {
            id: self.id.clone(),
            endpoint: format!("https://{}.example:3001", self.id),
            disk: Arc::clone(&self.disk),
            wires: self.wires.clone(),
            manners: self.manners,
            events: Mutex::default(),
            outbox,
            acknowledged: Mutex::default(),
            acks: Notify::new(),
            initialised: Mutex::default(),
        });
        self.wires.0.lock().insert(process.endpoint.clone(), Arc::downgrade(&process));
        let (address, server, sender) = (self.address, Arc::clone(&process), Arc::clone(&process));
        runtime.spawn(async move {
            let listener = loop {
                match tokio::net::TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
            axum::serve(listener, router(server)).await
        });
        runtime.spawn(async move { sender.send(work).await });
        self.running = Some((runtime, process));
    }

    /// Falls over: its connections break, and what is in its memory is gone.
    pub(crate) fn stop(&mut self) {
        if let Some((runtime, process)) = self.running.take() {
            self.wires.0.lock().remove(&process.endpoint);
            runtime.shutdown_background();
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop();
    }
}

fn router(process: Arc<Process>) -> Router {
    Router::new()
        .route("/api/v1/id", get(id))
        .route("/api/v1/peers", get(peers))
        .route("/api/v1/peers/{*id}", put(add_peer).delete(remove_peer))
        .route("/api/v1/init", post(init))
        .route("/api/v1/messages", post(message))
        .route("/api/v1/transfers", post(transfer))
        .route("/api/v1/blobs/{*path}", put(upload).get(download).delete(remove_blob))
        .fallback(any(stream))
        .layer(DefaultBodyLimit::max(1 << 30))
        .with_state(process)
}

type Answer = Result<Json<Value>, Response>;

fn error(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}

fn split(id: &str) -> (&str, Option<&str>) {
    let mut parts = id.split('/');
    (parts.next().unwrap_or_default(), parts.next())
}

fn unknown(which: &str, known: &[String], name: &str) -> String {
    let known = if known.is_empty() { "none".to_owned() } else { known.join("|") };
    format!("Unknown {which} destination expected={known} recieved={name}")
}

async fn id(State(process): State<Arc<Process>>) -> Json<Value> {
    let certificate = include_str!("certificate.pem");
    Json(json!({"id": process.id, "endpoint": process.endpoint, "cert": certificate}))
}

async fn peers(State(process): State<Arc<Process>>) -> Json<Value> {
    let of = |(id, peer): &(String, Peer)| {
        let mut entry = json!({"id": id, "endpoint": peer.endpoint});
        if !peer.destinations.is_empty() {
            entry["destinations"] = json!(peer.destinations);
        }
        entry
    };
    Json(process.disk.peers.lock().iter().map(of).collect())
}

async fn add_peer(
    State(process): State<Arc<Process>>,
    Path(id): Path<String>,
    Json(body): Json<Map<String, Value>>,
) -> Answer {
    let (base, destination) = split(&id);
    if base == process.id {
        let mut own = process.disk.destinations.lock();
        let new = destination.filter(|name| !own.iter().any(|known| known == name)).map(str::to_owned);
        own.extend(new);
        return Ok(Json(json!({"status": "added"})));
    }
    let mut peers = process.disk.peers.lock();
    if !peers.iter().any(|(id, _)| id == base) {
        let endpoint = body.get("endpoint").and_then(Value::as_str);
        let endpoint = endpoint.ok_or_else(|| error(StatusCode::BAD_REQUEST, "Missing endpoint"))?;
        peers.push((base.to_owned(), Peer { endpoint: endpoint.to_owned(), ..Peer::default() }));
    }
    let (_, peer) = peers.iter_mut().find(|(id, _)| id == base).unwrap();
    let new = destination.filter(|name| !peer.destinations.iter().any(|known| known == name)).map(str::to_owned);
    peer.destinations.extend(new);
    if let Some(certificate) = body.get("cert").and_then(Value::as_str) {
        process.disk.certificates.lock().insert(base.to_owned(), certificate.to_owned());
    }
    Ok(Json(json!({"status": "added"})))
}

async fn remove_peer(State(process): State<Arc<Process>>, Path(base): Path<String>) -> Answer {
    let mut peers = process.disk.peers.lock();
    if !peers.iter().any(|(id, _)| *id == base) {
        return Err(error(StatusCode::NOT_FOUND, "Peer not found"));
    }
    peers.retain(|(id, _)| *id != base);
    Ok(Json(json!({"status": "removed"})))
}

async fn init(State(process): State<Arc<Process>>, body: Bytes) -> Answer {
    if !process.manners.init {
        return Err((StatusCode::NOT_FOUND, "<html>Cannot POST /api/v1/init</html>").into_response());
    }
    let profiles: Vec<Map<String, Value>> = serde_json::from_slice(&body).unwrap();
    *process.initialised.lock() = profiles.len() + 1;
    for profile in profiles {
        let id = profile["id"].as_str().unwrap().to_owned();
        let _added = add_peer(State(Arc::clone(&process)), Path(id), Json(profile)).await?;
    }
    Ok(Json(json!({"status": "ready"})))
}

/// Checks what messages and transfers have in common; gives sender, recipient and request id.
async fn checked(process: &Process, body: &Value) -> Result<(String, String, String), Response> {
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    let bad = |text: &str| error(StatusCode::BAD_REQUEST, text);
    let sender = text("sender").unwrap();
    let (base, name) = split(&sender);
    if base != process.id {
        return Err(bad(&format!("Sender ID mismatch expected={} recieved={base}", process.id)));
    }
    let own = process.disk.destinations.lock();
    if let Some(name) = name.filter(|name| !own.iter().any(|known| known == name)) {
        return Err(bad(&unknown("sender", &own, name)));
    }
    let recipient = text("recipient").ok_or_else(|| bad("Missing recipient"))?;
    let (base, name) = split(&recipient);
    assert_ne!(base, process.id, "this client never sends to itself by way of the process");
    let peers = process.disk.peers.lock();
    let peer = peers.iter().find(|(id, _)| id == base);
    let (_, peer) = peer.ok_or_else(|| bad(&format!("Unknown recipient {base}")))?;
    if let Some(name) = name.filter(|name| !peer.destinations.iter().any(|known| known == name)) {
        return Err(bad(&unknown("recipient", &peer.destinations, name)));
    }
    Ok((sender, recipient, text("requestId").unwrap_or_else(|| Uuid::new_v4().to_string())))
}

async fn message(State(process): State<Arc<Process>>, body: Bytes) -> Answer {
    if body.len() > 1 << 20 {
        return Err(error(StatusCode::INTERNAL_SERVER_ERROR, "request entity too large"));
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let message = body["message"].as_str().ok_or_else(|| error(StatusCode::BAD_REQUEST, "Missing message"))?.to_owned();
    let (sender, recipient, request) = checked(&process, &body).await?;
    process.outbox.send(Outgoing::Message { message, sender, recipient, request: request.clone() }).unwrap();
    Ok(Json(json!({ "requestId": request })))
}

async fn transfer(State(process): State<Arc<Process>>, Json(body): Json<Value>) -> Answer {
    let path = body["path"].as_str().unwrap().to_owned();
    assert!(path.starts_with('/'));
    if !process.disk.blobs.lock().contains_key(&path[1..]) {
        return Err(error(StatusCode::NOT_FOUND, "Blob not found"));
    }
    let (sender, recipient, request) = checked(&process, &body).await?;
    process.outbox.send(Outgoing::Blob { path, sender, recipient, request: request.clone() }).unwrap();
    Ok(Json(json!({ "requestId": request })))
}

async fn upload(State(process): State<Arc<Process>>, Path(path): Path<String>, mut form: Multipart) -> Answer {
    let field = form.next_field().await.unwrap().ok_or_else(|| error(StatusCode::BAD_REQUEST, "Missing blob"))?;
    assert!(field.file_name().is_some() && field.name() == Some("file"));
    let content =
        field.bytes().await.map_err(|_| error(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected end of form"))?;
    let answer =
        json!({"hash": Hash::of(&content).to_string(), "size": content.len(), "lastUpdate": 1_700_000_000_000_u64});
    process.disk.blobs.lock().insert(path, content);
    Ok(Json(answer))
}

async fn download(State(process): State<Arc<Process>>, Path(path): Path<String>) -> Response {
    match process.disk.blobs.lock().get(&path).cloned() {
        Some(content) => ([("dx-hash", Hash::of(&content).to_string())], content).into_response(),
        None => error(StatusCode::NOT_FOUND, "Blob not found"),
    }
}

async fn remove_blob(State(process): State<Arc<Process>>, Path(path): Path<String>) -> Response {
    match process.disk.blobs.lock().remove(&path) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => error(StatusCode::INTERNAL_SERVER_ERROR, "ENOENT: no such file or directory"),
    }
}

async fn stream(State(process): State<Arc<Process>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if headers.contains_key("x-api-key") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    upgrade.on_upgrade(move |socket| async move { process.serve(socket).await })
}

impl Process {
    /// One client. Only the first gets events; when it leaves, the next gets all that were not acknowledged.
    async fn serve(self: Arc<Self>, mut socket: ws::WebSocket) {
        let (tell, mut events) = mpsc::unbounded_channel();
        let number = {
            let mut state = self.events.lock();
            state.next += 1;
            let number = state.next;
            state.connections.push((number, tell));
            if state.connections.len() == 1 {
                state.resend();
            }
            number
        };
        self.dispatch();
        loop {
            tokio::select! {
                Some(event) = events.recv() => {
                    if socket.send(ws::Message::Text(event.to_string().into())).await.is_err() {
                        break;
                    }
                }
                frame = socket.recv() => match frame {
                    Some(Ok(ws::Message::Text(text))) => self.acknowledge(&serde_json::from_str(&text).unwrap()),
                    Some(Ok(_)) => {}
                    _ => break,
                },
            }
        }
        let mut state = self.events.lock();
        let was_first = state.connections.first().is_some_and(|(first, _)| *first == number);
        state.connections.retain(|(other, _)| *other != number);
        if was_first {
            state.resend();
        }
    }

    fn acknowledge(&self, ack: &Value) {
        assert_eq!(ack["action"], "ack");
        let id = ack["id"].as_str().unwrap();
        self.acknowledged.lock().push((id.to_owned(), ack["manifest"].as_str().map(str::to_owned)));
        self.events.lock().in_flight.retain(|event| event["id"] != id);
        self.acks.notify_waiters();
        self.dispatch();
    }

    fn dispatch(&self) {
        let mut state = self.events.lock();
        while state.in_flight.len() < WINDOW && !state.connections.is_empty() {
            let Some(event) = state.queue.pop_front() else { return };
            state.in_flight.push(event.clone());
            let _ = state.connections[0].1.send(event);
        }
    }

    /// Says something to its client. Gives the event's id.
    pub(crate) fn tell(&self, mut event: Value) -> String {
        let id = Uuid::new_v4().to_string();
        event["id"] = json!(id);
        self.events.lock().queue.push_back(event);
        self.dispatch();
        id
    }

    /// Events that its client has not acknowledged.
    pub(crate) fn open(&self) -> usize {
        let state = self.events.lock();
        state.queue.len() + state.in_flight.len()
    }

    /// What its client said of an event, once it has.
    async fn said(&self, id: &str) -> Option<String> {
        loop {
            let notified = self.acks.notified();
            if let Some((_, manifest)) = self.acknowledged.lock().iter().find(|(known, _)| known == id) {
                return manifest.clone();
            }
            notified.await;
        }
    }

    /// Sends what waits, one after the other.
    async fn send(self: Arc<Self>, mut work: mpsc::UnboundedReceiver<Outgoing>) {
        while let Some(outgoing) = work.recv().await {
            match outgoing {
                Outgoing::Message { message, sender, recipient, request } => {
                    let all =
                        json!({"message": message, "sender": sender, "recipient": recipient, "requestId": request});
                    let arriving = json!({"type": "message-received", "message": message});
                    let there = self.pass(&sender, &recipient, arriving, None);
                    self.report("message", all, there).await;
                }
                Outgoing::Blob { path, sender, recipient, request } => {
                    let all = json!({"path": path, "sender": sender, "recipient": recipient, "requestId": request});
                    let Some(content) = self.disk.blobs.lock().get(&path[1..]).cloned() else { continue };
                    let hash = Hash::of(&content).to_string();
                    let here = format!("received/{sender}{path}");
                    let arriving = json!({"type": "blob-received", "path": here, "hash": hash, "size": content.len(), "lastUpdate": 1});
                    let there = self.pass(&sender, &recipient, arriving, Some((here, content)));
                    self.report("blob", all, there).await;
                }
            }
        }
    }

    /// Puts something into the other's queue of events.
    fn pass(
        &self,
        sender: &str,
        recipient: &str,
        mut event: Value,
        blob: Option<(String, Bytes)>,
    ) -> Result<(Arc<Process>, String), String> {
        let base = split(recipient).0;
        let endpoint = self.disk.peers.lock().iter().find(|(id, _)| id == base).map(|(_, peer)| peer.endpoint.clone());
        let other = self.wires.0.lock().get(&endpoint.unwrap_or_default()).and_then(Weak::upgrade);
        let other = other.ok_or_else(|| "connect ECONNREFUSED 127.0.0.1:3001".to_owned())?;
        let peers = other.disk.peers.lock();
        let known = peers.iter().find(|(id, _)| *id == self.id).map(|(_, peer)| peer.destinations.clone());
        let known = known.ok_or_else(|| format!("Unknown sender {}", self.id))?;
        let (sender_name, name) = (split(sender).1.unwrap(), split(recipient).1.unwrap());
        if !known.iter().any(|known| known == sender_name) {
            return Err(unknown("sender", &known, sender_name));
        }
        let own = other.disk.destinations.lock().clone();
        if !own.iter().any(|known| known == name) {
            return Err(unknown("recipient", &own, name));
        }
        drop(peers);
        if let Some((path, content)) = blob {
            other.disk.blobs.lock().insert(path, content);
        }
        event["sender"] = json!(sender);
        event["recipient"] = json!(recipient);
        let id = other.tell(event);
        Ok((other, id))
    }

    async fn report(self: &Arc<Self>, what: &str, mut event: Value, there: Result<(Arc<Process>, String), String>) {
        let kind = |end: &str| json!(format!("{what}-{end}"));
        match there {
            Err(reason) => {
                event["type"] = kind("failed");
                event["error"] = json!(reason);
                self.tell(event);
            }
            Ok((other, id)) => {
                event["type"] = kind("delivered");
                self.tell(event.clone());
                if self.manners.acknowledges {
                    let said = other.said(&id).await;
                    let hash = self
                        .disk
                        .blobs
                        .lock()
                        .get(event["path"].as_str().unwrap_or_default().trim_start_matches('/'))
                        .map(|c| Hash::of(c).to_string());
                    event["type"] = kind("acknowledged");
                    event["manifest"] = json!(said);
                    event["hash"] = json!(hash);
                    self.tell(event);
                }
            }
        }
    }
}

impl Events {
    /// To the one who is first now.
    fn resend(&self) {
        if let Some((_, first)) = self.connections.first() {
            for event in &self.in_flight {
                let _ = first.send(event.clone());
            }
        }
    }
}
