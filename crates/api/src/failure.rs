//! Failures as clients see them: a status, a FireFly code and a sentence that says what to do.

use http::StatusCode;
use photinus_engine::{Kind, events};

use crate::lenient;

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    /// Code and sentence; empty for an answer without a body.
    pub(crate) text: String,
    /// What only the log is told.
    pub(crate) detail: Option<String>,
}

impl Failure {
    /// A failure with a status, a code and a sentence.
    pub(crate) fn new(status: StatusCode, code: &str, sentence: impl std::fmt::Display) -> Self {
        Self { status, text: format!("{code}: {sentence}"), detail: None }
    }

    pub(crate) fn bad(code: &str, sentence: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, sentence)
    }

    /// `FF00164`: a record that is not here.
    pub(crate) fn absent() -> Self {
        Self::new(StatusCode::NOT_FOUND, "FF00164", "Not found")
    }

    /// `FF10109`: the other "not found" that clients know, for unknown routes and some collections.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "FF10109", "Not found")
    }

    pub(crate) fn no_namespace(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "FF10436", format_args!("namespace '{name}' does not exist"))
    }

    pub(crate) fn initializing(name: &str, error: Option<&str>) -> Self {
        let why = error.map(|error| format!("; the last attempt failed: {error}")).unwrap_or_default();
        let sentence = format_args!("namespace '{name}' is starting: repeat the request later{why}");
        Self::new(StatusCode::PRECONDITION_FAILED, "FF10441", sentence)
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "FF00166", "the request took longer than it may")
    }

    pub(crate) fn media_type(expected: &str) -> Self {
        let sentence = format_args!("the request's Content-Type is not supported here: send {expected}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "FF00162", sentence)
    }

    pub(crate) fn too_large(what: &str, limit: usize) -> Self {
        let sentence = format_args!("{what} is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "FF00161", sentence)
    }

    pub(crate) fn overloaded() -> Self {
        let sentence = "too many requests at once: repeat the request later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "FF00166", sentence)
    }

    /// A client that sends more than it may.
    pub(crate) fn too_fast(seconds: f64) -> Self {
        let sentence = format_args!("more requests than this client may send: repeat the request after {seconds:.0} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "FF00166", sentence)
    }

    /// A fault of this node: the client learns that it is one, the log what it is.
    pub(crate) fn internal(detail: impl std::fmt::Display) -> Self {
        let mut failure =
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "FF00177", "internal failure; the node's log has the details");
        failure.detail = Some(detail.to_string());
        failure
    }

    fn of(kind: Kind, code: &str, error: &dyn std::error::Error) -> Self {
        let status = match kind {
            Kind::BadInput => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::NotAllowed => StatusCode::FORBIDDEN,
            Kind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            Kind::Internal => return Self::internal(error),
        };
        Self::new(status, code, error)
    }
}

macro_rules! from_engine {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::of(error.kind(), error.code(), &error)
            }
        })*
    };
}

from_engine!(
    photinus_engine::Error,
    photinus_engine::identity::Error,
    photinus_engine::data::Error,
    photinus_engine::operations::Error,
    events::Error
);

impl From<photinus_store::Error> for Failure {
    fn from(error: photinus_store::Error) -> Self {
        if error.is_retryable() || matches!(error, photinus_store::Error::Closed) {
            let sentence = "the database is not available: repeat the request later";
            let mut failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, "FF00177", sentence);
            failure.detail = Some(error.to_string());
            return failure;
        }
        Self::internal(error)
    }
}

impl From<photinus_query::rest::Error> for Failure {
    fn from(error: photinus_query::rest::Error) -> Self {
        Self::bad(error.code(), error)
    }
}

impl From<lenient::Failure> for Failure {
    fn from(error: lenient::Failure) -> Self {
        Self::bad("FF00161", error)
    }
}
