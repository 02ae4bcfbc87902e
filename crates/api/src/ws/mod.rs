//! Events over WebSockets, as applications of FireFly know them: `/ws` for all namespaces, and a socket for one namespace
//! beneath its path.
//!
//! `frame` reads and writes frames, `protocol` has the rules of a socket without any I/O, `socket` serves one, and
//! `connections` lists those that are open.
//!
//! Deliberately not here: choosing and reading events, which is the engine's, and the stream of changes of the database.

mod connections;
mod frame;
mod protocol;
mod socket;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, OriginalUri, Path, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::Response,
    routing::any,
};
use http::{HeaderMap, StatusCode, header};
use tokio_util::sync::CancellationToken;

pub(crate) use self::connections::Connections;
use crate::{failure::Failure, patient::Lasting, reply, server::Shared, uri};

/// Largest frame of a client, in bytes: starts and acknowledgements are small.
const MAX_FRAME: usize = 64 << 10;
/// Bytes that are gathered before the system is asked to send them.
const WRITE_BUFFER: usize = 32 << 10;

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;
/// Who is at the other end, and the end itself.
type Peer = (ConnectInfo<SocketAddr>, Extension<Lasting>);

/// The routes that become WebSockets.
pub(crate) fn router(shared: &Arc<Shared>, stopping: &CancellationToken) -> Router {
    let (owner, token) = (Arc::clone(shared), stopping.clone());
    let everywhere = move |upgrade: Upgrade, peer: Peer, uri: OriginalUri, headers: HeaderMap| {
        let (shared, stopping) = (Arc::clone(&owner), token.clone());
        async move { open(&shared, stopping, None, upgrade, peer, &uri, headers) }
    };
    let (owner, token) = (Arc::clone(shared), stopping.clone());
    let scoped =
        move |Path(namespace): Path<String>, upgrade: Upgrade, peer: Peer, uri: OriginalUri, headers: HeaderMap| {
            let (shared, stopping) = (Arc::clone(&owner), token.clone());
            async move {
                if let Err(refused) = shared.namespaces.admit(&namespace, &headers).await {
                    return refused.into_response();
                }
                open(&shared, stopping, Some(namespace), upgrade, peer, &uri, headers)
            }
        };
    Router::new().route("/ws", any(everywhere)).route("/api/v1/namespaces/{ns}/ws", any(scoped))
}

fn open(
    shared: &Arc<Shared>,
    stopping: CancellationToken,
    scope: Option<String>,
    upgrade: Upgrade,
    (ConnectInfo(peer), Extension(lasting)): Peer,
    uri: &OriginalUri,
    headers: HeaderMap,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return reply::of(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", "Bad Request\n");
    };
    if scope.as_ref().is_some_and(|namespace| shared.namespaces.running(namespace).is_err()) {
        return Failure::not_found().into_response();
    }
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(place) = shared.connections.open(peer, agent, shared.options.limits.connections) else {
        return Failure::overloaded().into_response();
    };
    let socket = socket::Socket {
        namespaces: shared.namespaces.clone(),
        place,
        stopping,
        headers,
        scope,
        start: frame::in_query(&uri::pairs(uri.query().unwrap_or_default())),
    };
    lasting.set();
    upgrade
        .max_frame_size(MAX_FRAME)
        .max_message_size(MAX_FRAME)
        .write_buffer_size(WRITE_BUFFER)
        .on_upgrade(|websocket| socket.serve(websocket))
}
