//! The API for its client.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Multipart, Path, State, WebSocketUpgrade},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, get, post, put},
};
use photinus_model::{Hash, Uuid};
use serde_json::{Map, Value, json};

use super::{Peer, Process, events::Outgoing};

pub(super) fn router(process: Arc<Process>) -> Router {
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

pub(super) fn error(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}

pub(super) fn split(id: &str) -> (&str, Option<&str>) {
    let mut parts = id.split('/');
    (parts.next().unwrap_or_default(), parts.next())
}

pub(super) fn unknown(which: &str, known: &[String], name: &str) -> String {
    let known = if known.is_empty() { "none".to_owned() } else { known.join("|") };
    format!("Unknown {which} destination expected={known} recieved={name}")
}

async fn id(State(process): State<Arc<Process>>) -> Json<Value> {
    Json(json!({"id": process.id, "endpoint": process.endpoint, "cert": process.certificate}))
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
