//! Answers the requests of authenticated peers.
//!
//! `POST /photinus/v1/<protocol>` over HTTP/2 are the calls between Photinus nodes, and what is below
//! [`DELIVERIES`] their private deliveries. What is below [`sidecar::API`] is the wire of FireFly's data exchange.

use std::{convert::Infallible, sync::Arc};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use photinus_ports::peers::{Parcel, PeerId};

use crate::{
    delivery::{DELIVERIES, Refused},
    frame::{self, Demands, Outgoing},
    guest::Guest,
    shared::Shared,
    sidecar,
    trust::{Presented, Target},
};

/// Where calls between Photinus nodes go.
pub(crate) const CALLS: &str = "/photinus/v1/";
/// The sign of life.
pub(crate) const PING: &str = "/api/v1/ping";

/// Who is at the other end of a connection to the listener.
pub(crate) struct Caller {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: PeerId,
    pub(crate) presented: Presented,
    pub(crate) guest: Arc<Guest>,
}

/// Whether a text names a protocol: `[a-z0-9-]{1,32}`.
pub(crate) fn is_protocol(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl Caller {
    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Outgoing>, Infallible> {
        // A certificate can be replaced, or expire, while a connection that it opened lives on.
        let target = Target::Peer(self.id.clone());
        if let Err(refused) = self.shared.trust.verify(&target, &self.presented, self.shared.now()) {
            return Ok(error(StatusCode::FORBIDDEN, &refused.to_string()));
        }
        let path = request.uri().path();
        let (delivery, sidecar) = (path.starts_with(DELIVERIES), path.starts_with(sidecar::API));
        if delivery || sidecar {
            let taken = if delivery { self.delivery(request).await } else { self.data_exchange(request).await };
            return Ok(taken.unwrap_or_else(|Refused(code, reason)| {
                tracing::debug!(peer = %self.id.0, %code, reason, "delivery refused");
                error(code, &reason)
            }));
        }
        let protocol = match path.strip_prefix(CALLS) {
            Some(protocol) if is_protocol(protocol) => protocol.to_owned(),
            _ => return Ok(error(StatusCode::NOT_FOUND, "no such path")),
        };
        if request.method() != Method::POST || request.version() != Version::HTTP_2 {
            return Ok(error(StatusCode::METHOD_NOT_ALLOWED, "calls are made with POST over HTTP/2"));
        }
        Ok(match self.call(&protocol, request.into_body()).await {
            Ok(response) => response,
            Err((code, reason)) => {
                tracing::debug!(peer = %self.id.0, protocol, %code, reason, "call refused");
                error(code, &reason)
            }
        })
    }

    async fn call(&self, protocol: &str, body: Incoming) -> Result<Response<Outgoing>, (StatusCode, String)> {
        let service = self.shared.services.read().get(protocol).cloned();
        let service = service.ok_or_else(|| (StatusCode::NOT_FOUND, format!("no protocol '{protocol}' here")))?;
        let too_many = || (StatusCode::TOO_MANY_REQUESTS, "too many calls at once".to_owned());
        let place = Arc::new(self.guest.call().ok_or_else(too_many)?);
        let limits = &self.shared.limits;
        let demands = Demands { head: limits.head, idle: limits.idle, body: limits.body };
        let request = frame::decode(body, demands).await.map_err(|e| {
            let code = match e {
                frame::Error::HeadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                frame::Error::Slow => StatusCode::REQUEST_TIMEOUT,
                _ => StatusCode::BAD_REQUEST,
            };
            (code, e.to_string())
        })?;
        let refused = |reason| (StatusCode::UNPROCESSABLE_ENTITY, reason);
        let Parcel { head, body } = service.call(&self.id, request).await.map_err(refused)?;
        let answer = Parcel { head, body: frame::holding(body, place) };
        let failed = |e: frame::Error| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string());
        Ok(status(StatusCode::OK, frame::encode(answer, || ()).map_err(failed)?))
    }
}

fn status(code: StatusCode, body: Outgoing) -> Response<Outgoing> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response
}

/// A refusal in the form of the FireFly data exchange, `{"error": reason}`.
fn error(code: StatusCode, reason: &str) -> Response<Outgoing> {
    let text = serde_json::json!({ "error": reason }).to_string();
    let length = HeaderValue::from(text.len());
    let mut response = status(code, frame::text(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_names_are_plain() {
        assert!(is_protocol("content"));
        assert!(is_protocol("a-1"));
        for wrong in ["", "Content", "a/b", "..", "a.b", "a b", &"x".repeat(33)] {
            assert!(!is_protocol(wrong), "{wrong}");
        }
    }
}
