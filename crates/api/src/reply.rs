//! Answers: compact JSON with a newline at its end, and the headers that every answer has.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use photinus_store::Page;
use serde::Serialize;

use crate::failure::Failure;

/// What a handler gives.
pub(crate) type Answer = Result<Response, Failure>;

/// A value with status 200.
pub(crate) fn ok<T: Serialize + ?Sized>(value: &T) -> Answer {
    json(StatusCode::OK, value)
}

/// A value with a status.
pub(crate) fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Answer {
    sized(status, value, USUAL)
}

/// Bytes that are set aside for an answer whose length nobody guesses.
const USUAL: usize = 512;
/// Bytes of a record in a listing, roughly: one that is a little longer costs less than growing many times.
const RECORD: usize = 1024;

/// A value whose text has about this length.
fn sized<T: Serialize + ?Sized>(status: StatusCode, value: &T, length: usize) -> Answer {
    let mut text = photinus_model::json::to_bytes_of(value, length).map_err(Failure::internal)?;
    text.push(b'\n');
    Ok(of(status, "application/json", text))
}

/// A value of a request that may have waited: 200 if it did, else 202.
pub(crate) fn submitted<T: Serialize + ?Sized>(waited: bool, value: &T) -> Answer {
    json(if waited { StatusCode::OK } else { StatusCode::ACCEPTED }, value)
}

/// A record, or 404.
pub(crate) fn found<T: Serialize>(value: Option<T>) -> Answer {
    value.map_or_else(|| Err(Failure::absent()), |value| ok(&value))
}

/// Nothing, successfully.
pub(crate) fn empty() -> Answer {
    Ok(bare(StatusCode::NO_CONTENT))
}

/// A listing: an array, or with `count` an object around it.
pub(crate) fn page<T: Serialize>(page: &Page<T>) -> Answer {
    let length = USUAL + page.items.len() * RECORD;
    match page.total {
        None => sized(StatusCode::OK, &page.items, length),
        Some(total) => {
            let envelope = Envelope { count: page.items.len(), total: Some(total), items: &page.items };
            sized(StatusCode::OK, &envelope, length)
        }
    }
}

/// The object around a listing.
#[derive(Serialize)]
pub(crate) struct Envelope<'a, T> {
    pub(crate) count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u64>,
    pub(crate) items: &'a [T],
}

/// A body of a media type.
pub(crate) fn of(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// An answer without a body.
pub(crate) fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

impl Failure {
    /// The failure as a client sees it.
    pub(crate) fn into_response(self) -> Response {
        let error = serde_json::json!({ "error": cut(self.text) });
        let mut response = json(self.status, &error).unwrap_or_else(|_| bare(self.status));
        let later = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS, StatusCode::PRECONDITION_FAILED];
        if later.contains(&self.status) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Longest sentence of a failure, in bytes.
const LONGEST: usize = 2048;

fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
    }
    text
}
