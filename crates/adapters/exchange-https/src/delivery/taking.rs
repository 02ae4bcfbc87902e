//! Messages and questions of peers.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use photinus_ports::exchange::Route;

use super::{
    DELIVERIES, MAX_ANSWER, MAX_QUESTION, MESSAGE, QUESTION, Refused,
    blob::{BLOB, BLOB_OFFSET},
    refused, route,
    sending::LIMIT,
    squeeze,
};
use crate::{
    answer::Caller,
    frame::{self, Outgoing},
};

impl Caller {
    /// Takes a delivery and gives the answer.
    pub(crate) async fn delivery(&self, request: Request<Incoming>) -> Result<Response<Outgoing>, Refused> {
        let what = request.uri().path().strip_prefix(DELIVERIES).unwrap_or_default().to_owned();
        if request.version() != Version::HTTP_2 {
            return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "deliveries are made over HTTP/2"));
        }
        let (head, body) = request.into_parts();
        let route = route::read(&head.headers, &self.id, self.shared.identity.id())?;
        route::known_sender(&self.shared, &route).map_err(refused)?;
        match (head.method, what.as_str()) {
            (Method::POST, MESSAGE) => self.message(&route, &head.headers, body).await,
            (Method::POST, QUESTION) => self.question(&route, &head.headers, body).await,
            (Method::POST, BLOB_OFFSET) => self.blob_offset(&route, &head.headers).await,
            (Method::PUT, BLOB) => self.blob(&route, &head.headers, body).await,
            (_, MESSAGE | QUESTION | BLOB_OFFSET) => Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "use POST")),
            (_, BLOB) => Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "use PUT")),
            _ => Err(Refused::new(StatusCode::NOT_FOUND, "no such path")),
        }
    }

    async fn message(&self, route: &Route, headers: &HeaderMap, body: Incoming) -> Result<Response<Outgoing>, Refused> {
        // The memory is reserved before the first byte is read, for the body as it comes and as it will be.
        let (size, plain) = sizes(headers, self.shared.limits.message)?;
        let _place = self.guest.message(size + plain.unwrap_or(0)).ok_or_else(too_many)?;
        let payload = self.body(body, size, plain).await?;
        let manifest = self.shared.receivers.message(route, payload).await.map_err(refused)?;
        answer(manifest.into()).await
    }

    async fn question(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<Outgoing>, Refused> {
        let limit = route::number(headers, LIMIT)?.unwrap_or(MAX_ANSWER).min(MAX_ANSWER);
        let (size, plain) = sizes(headers, MAX_QUESTION)?;
        let _place = self.guest.question().ok_or_else(too_many)?;
        let question = self.body(body, size, plain).await?;
        let said = self.shared.receivers.answer(route, question).await.map_err(refused)?;
        if said.len() as u64 > limit {
            let reason = format!("the answer has {} bytes, and {limit} are asked for", said.len());
            return Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, reason));
        }
        answer(said).await
    }

    async fn body(&self, body: Incoming, size: u64, plain: Option<u64>) -> Result<Bytes, Refused> {
        let body = frame::collect(body, size, self.shared.limits.idle).await;
        let body = body.map_err(|e| Refused::new(StatusCode::BAD_REQUEST, e.to_string()))?;
        match plain {
            None => Ok(body),
            Some(size) => {
                let restored = squeeze::restore(body, size).await;
                restored.map_err(|reason| Refused::new(StatusCode::BAD_REQUEST, reason))
            }
        }
    }
}

fn too_many() -> Refused {
    Refused::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many deliveries of this peer are under way; send them again later",
    )
}

/// The size of a body as it comes, and as it will be if it is squeezed. Both are within the limit.
fn sizes(headers: &HeaderMap, limit: u64) -> Result<(u64, Option<u64>), Refused> {
    let size = route::number(headers, header::CONTENT_LENGTH.as_str())?;
    let size = size.ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "header 'content-length' is missing"))?;
    let plain = squeeze::plain_size(headers)?;
    let largest = plain.unwrap_or(0).max(size);
    if largest > limit {
        let reason = format!("it has {largest} bytes, and {limit} are taken");
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, reason));
    }
    Ok((size, plain))
}

async fn answer(body: Bytes) -> Result<Response<Outgoing>, Refused> {
    let squeezed = squeeze::squeeze(body).await;
    let mut response = Response::new(frame::text(squeezed.bytes));
    if let Some(plain) = squeezed.plain {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(squeeze::ENCODING));
        response.headers_mut().insert(squeeze::SIZE, HeaderValue::from(plain));
    }
    Ok(response)
}
