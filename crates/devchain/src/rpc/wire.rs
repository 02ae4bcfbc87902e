//! JSON-RPC 2.0: requests, answers, and the errors that Ethereum clients look for.

use std::borrow::Cow;

use alloy::primitives::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::archive::Failure;
use crate::pool::Refusal;

/// One request as it came in.
#[derive(Debug, Deserialize)]
pub(crate) struct Request<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Id<'a>,
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) params: Option<&'a RawValue>,
}

/// What the answer repeats. Absent in a notification, which gets no answer.
#[derive(Debug, Default)]
struct Id<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not an `Option`: that would take a null for an absent identifier.
        <&RawValue>::deserialize(deserializer).map(|id| Self(Some(id)))
    }
}

impl<'a> Request<'a> {
    /// Reads one request, or says how to answer what is none.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Error> {
        let request: Self = serde_json::from_str(text).map_err(|error| Error::invalid_request(&error.to_string()))?;
        if request.jsonrpc.as_deref() != Some("2.0") {
            return Err(Error::invalid_request("jsonrpc must be \"2.0\""));
        }
        let scalar = |id: &RawValue| !id.get().starts_with(['{', '[', 't', 'f']);
        if request.id.0.is_some_and(|id| !scalar(id)) {
            return Err(Error::invalid_request("id must be a string or a number"));
        }
        Ok(request)
    }

    /// The identifier, if an answer is expected.
    pub(crate) fn id(&self) -> Option<&'a RawValue> {
        self.id.0
    }
}

/// What a body or a message holds.
pub(crate) enum Payload<'a> {
    One(&'a str),
    Many(Vec<&'a RawValue>),
}

/// Tells a request from a batch of them.
pub(crate) fn split(text: &str) -> Result<Payload<'_>, Error> {
    if text.trim_start().starts_with('[') {
        let many: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| Error::parse(&error))?;
        if many.is_empty() {
            return Err(Error::invalid_request("empty batch"));
        }
        return Ok(Payload::Many(many));
    }
    serde_json::from_str::<&RawValue>(text).map_err(|error| Error::parse(&error))?;
    Ok(Payload::One(text))
}

/// A JSON text that is the result of a request.
pub(crate) type Answer = Result<Box<RawValue>, Error>;

/// Turns a value into an answer.
pub(crate) fn answer<T: Serialize>(value: &T) -> Answer {
    serde_json::value::to_raw_value(value).map_err(|error| Error::internal(&error.to_string()))
}

/// The text that answers a request.
pub(crate) fn response(id: Option<&RawValue>, answer: Answer) -> String {
    #[derive(Serialize)]
    struct Response<'a> {
        jsonrpc: &'static str,
        id: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Error>,
    }
    let (result, error) = match answer {
        Ok(result) => (Some(result), None),
        Err(error) => (None, Some(error)),
    };
    let response = Response { jsonrpc: "2.0", id, result, error };
    // Strings, numbers and JSON that is already text: nothing in it can fail to be written.
    serde_json::to_string(&response).unwrap_or_default()
}

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Error {
    code: i64,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Bytes>,
}

impl Error {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn parse(error: &serde_json::Error) -> Self {
        Self::new(-32700, format!("parse error: {error}"))
    }

    pub(crate) fn invalid_request(why: &str) -> Self {
        Self::new(-32600, format!("invalid request: {why}"))
    }

    pub(crate) fn unknown_method(method: &str) -> Self {
        // A method's name is as long as the client likes.
        let method: String = method.chars().take(64).collect();
        Self::new(-32601, format!("the method {method} does not exist/is not available"))
    }

    pub(crate) fn invalid_params(why: impl Into<String>) -> Self {
        Self::new(-32602, why)
    }

    pub(crate) fn internal(why: &str) -> Self {
        Self::new(-32603, why)
    }

    /// More was asked for than one answer may hold.
    pub(crate) fn limit(why: impl Into<String>) -> Self {
        Self::new(-32005, why)
    }

    /// The chain's own refusals, whose text says all.
    pub(crate) fn server(why: impl Into<String>) -> Self {
        Self::new(-32000, why)
    }

    /// A contract has reverted.
    pub(crate) fn reverted(reason: Option<String>, data: Bytes) -> Self {
        let message = match reason {
            Some(reason) => format!("execution reverted: {reason}"),
            None => "execution reverted".to_owned(),
        };
        Self { code: 3, message, data: Some(data) }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::server(refusal.to_string())
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        tracing::error!(%failure, "cannot read the stored chain");
        Self::internal("the stored chain cannot be read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        match Request::parse(text) {
            Ok(_) => panic!("{text} is a request"),
            Err(error) => response(None, Err(error)),
        }
    }

    #[test]
    fn a_null_identifier_is_answered_and_an_absent_one_is_not() {
        let id = |text| Request::parse(text).unwrap().id().map(|id| id.get().to_owned());
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#).as_deref(), Some("null"));
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":"x\u0041","method":"a"}"#).as_deref(), Some(r#""x\u0041""#));
        assert_eq!(
            id(r#"{"jsonrpc":"2.0","id":18446744073709551616,"method":"a"}"#).as_deref(),
            Some("18446744073709551616")
        );
        assert_eq!(id(r#"{"jsonrpc":"2.0","method":"a"}"#), None);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "1",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
            r#"{"id":1,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":true,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
        ] {
            assert!(error_of(text).contains("-32600"), "{text}");
        }
    }

    #[test]
    fn a_body_is_one_request_or_a_batch() {
        assert!(matches!(split(r#" {"a":1} "#), Ok(Payload::One(_))));
        assert!(matches!(split("[1, 2]"), Ok(Payload::Many(many)) if many.len() == 2));
        for text in ["", "{", "[1", "{} {}", "[] []"] {
            assert!(response(None, Err(split(text).err().unwrap())).contains("-32700"), "{text}");
        }
        assert!(response(None, Err(split("[]").err().unwrap())).contains("-32600"));
    }

    #[test]
    fn a_method_that_goes_on_for_ever_is_not_repeated() {
        let text = response(None, Err(Error::unknown_method(&"é".repeat(1000))));
        assert!(text.len() < 300, "{text}");
    }
}
