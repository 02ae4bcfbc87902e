//! The port: JSON-RPC by `POST /`, WebSocket by upgrading `GET /`.
//!
//! The chain signs for whoever reaches it, and any web page that a developer opens can reach a port on the developer's own
//! machine. So a request that a page of another site has made is refused: `POST` must say that it carries JSON, which a
//! page cannot do without asking first and nobody answers it, and an `Origin` must be this machine.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::options::{MAX_CONNECTIONS, MAX_REQUEST_BYTES};
use crate::rpc::Api;
use crate::websocket;

#[derive(Clone)]
struct Port {
    api: Arc<Api>,
    stop: CancellationToken,
    connections: Arc<Semaphore>,
}

pub(crate) fn router(api: Arc<Api>, stop: CancellationToken) -> Router {
    let port = Port { api, stop, connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)) };
    Router::new()
        .route("/", post(request).get(upgrade))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(port)
}

async fn request(State(port): State<Port>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_local(&headers) {
        return (StatusCode::FORBIDDEN, "requests from web pages of other sites are refused").into_response();
    }
    if !is_json(&headers) {
        let hint = "send the header Content-Type: application/json";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, hint).into_response();
    }
    let Ok(text) = std::str::from_utf8(&body) else {
        return (StatusCode::BAD_REQUEST, "the body is not UTF-8").into_response();
    };
    match port.api.handle(text).await {
        Some(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn upgrade(State(port): State<Port>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !is_local(&headers) {
        return (StatusCode::FORBIDDEN, "connections from web pages of other sites are refused").into_response();
    }
    let Ok(permit) = Arc::clone(&port.connections).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many WebSocket connections").into_response();
    };
    upgrade.max_message_size(MAX_REQUEST_BYTES).max_frame_size(MAX_REQUEST_BYTES).on_upgrade(async move |socket| {
        let _permit = permit;
        websocket::serve(socket, port.api, port.stop).await;
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether the request was made by a program, or by a page that this machine serves.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some((_, host)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    matches!(name, Some("localhost" | "127.0.0.1" | "::1"))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let local = |origin| is_local(&with(header::ORIGIN, origin));
        assert!(is_local(&HeaderMap::new()));
        for origin in ["http://localhost", "http://localhost:3000", "https://127.0.0.1:5000", "http://[::1]:80"] {
            assert!(local(origin), "{origin}");
        }
        for origin in [
            "null",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com:80",
            "",
            "http://[::2]",
        ] {
            assert!(!local(origin), "{origin}");
        }
    }

    #[test]
    fn only_json_is_json() {
        assert!(is_json(&with(header::CONTENT_TYPE, "application/json")));
        assert!(is_json(&with(header::CONTENT_TYPE, "Application/JSON; charset=utf-8")));
        assert!(!is_json(&with(header::CONTENT_TYPE, "text/plain")));
        assert!(!is_json(&HeaderMap::new()));
    }
}
