//! Failed calls, sorted by what can be done about them.

use alloy::{
    primitives::Bytes,
    transports::{RpcError, TransportError, TransportErrorKind},
};

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The service answered with an error.
    #[error("{message}")]
    Refused {
        /// JSON-RPC error code.
        code: i64,
        /// Its words.
        message: String,
        /// What a reverted call returned, when the service says it.
        data: Option<Bytes>,
    },
    /// No answer, or none that makes sense.
    #[error("{0}")]
    Unreachable(String),
}

/// Longest piece of a service's text that is kept.
const MAX_TEXT: usize = 400;

/// Error code of a method that the service does not have.
const METHOD_NOT_FOUND: i64 = -32601;
/// Error code with which nodes report that a call reverted.
const REVERTED: i64 = 3;

/// What a refused transaction means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendFailure {
    /// The chain has this very transaction already.
    AlreadyKnown,
    /// A transaction with this nonce is mined: this one, or somebody else's with the same key.
    NonceTooLow,
    /// Another transaction with this nonce waits, and this one does not pay enough to take its place.
    ReplacementUnderpriced,
    /// It pays less than the chain takes now.
    Underpriced,
    /// The account cannot pay for it now.
    InsufficientFunds,
    /// The chain will never take it.
    Invalid,
    /// Anything else: try again later.
    Other,
}

impl Error {
    pub(crate) fn timeout() -> Self {
        Self::Unreachable("no answer in time".to_owned())
    }

    pub(crate) fn null() -> Self {
        Self::Unreachable("the answer is empty".to_owned())
    }

    pub(crate) fn is_method_not_found(&self) -> bool {
        match self {
            Self::Refused { code, message, .. } => {
                let message = message.to_lowercase();
                *code == METHOD_NOT_FOUND || message.contains("method not found") || message.contains("does not exist")
            }
            Self::Unreachable(_) => false,
        }
    }

    /// Whether the call was executed and reverted.
    pub(crate) fn is_revert(&self) -> bool {
        match self {
            Self::Refused { code, message, data } => {
                *code == REVERTED || data.is_some() || message.to_lowercase().contains("revert")
            }
            Self::Unreachable(_) => false,
        }
    }

    /// What a failure to send a transaction means; nodes say it in words only, and each in its own.
    pub(crate) fn send_failure(&self) -> SendFailure {
        const WORDS: [(&str, SendFailure); 21] = [
            ("already known", SendFailure::AlreadyKnown),
            ("known transaction", SendFailure::AlreadyKnown),
            ("already imported", SendFailure::AlreadyKnown),
            ("already in mempool", SendFailure::AlreadyKnown),
            ("already exists", SendFailure::AlreadyKnown),
            ("nonce too low", SendFailure::NonceTooLow),
            ("nonce is too low", SendFailure::NonceTooLow),
            ("nonce below current", SendFailure::NonceTooLow),
            ("replacement", SendFailure::ReplacementUnderpriced),
            ("underpriced", SendFailure::Underpriced),
            ("less than block base fee", SendFailure::Underpriced),
            ("gas price below", SendFailure::Underpriced),
            ("fee too low", SendFailure::Underpriced),
            ("insufficient funds", SendFailure::InsufficientFunds),
            ("upfront cost exceeds", SendFailure::InsufficientFunds),
            ("intrinsic gas", SendFailure::Invalid),
            ("exceeds block gas limit", SendFailure::Invalid),
            ("gas limit is too", SendFailure::Invalid),
            ("oversized data", SendFailure::Invalid),
            ("invalid sender", SendFailure::Invalid),
            ("transaction type not supported", SendFailure::Invalid),
        ];
        let Self::Refused { message, .. } = self else { return SendFailure::Other };
        let message = message.to_lowercase();
        WORDS.iter().find(|(words, _)| message.contains(words)).map_or(SendFailure::Other, |(_, failure)| *failure)
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        match error {
            RpcError::ErrorResp(payload) => {
                let data = payload.data.as_ref().and_then(|raw| revert_data(raw.get()));
                Self::Refused { code: payload.code, message: shorten(&payload.message), data }
            }
            RpcError::Transport(kind) => Self::Unreachable(shorten(&transport_text(&kind))),
            // Neither the text that did not parse nor an address belongs into a log.
            RpcError::DeserError { err, .. } => Self::Unreachable(format!("the answer does not parse: {err}")),
            RpcError::NullResp => Self::null(),
            other => Self::Unreachable(shorten(&other.to_string())),
        }
    }
}

/// The innermost reason; the outer ones carry the service's address and with it perhaps a token.
fn transport_text(kind: &TransportErrorKind) -> String {
    match kind {
        TransportErrorKind::HttpError(error) => format!("HTTP status {}: {}", error.status, error.body),
        TransportErrorKind::HttpErrorWithRetryAfter { error, .. } => {
            format!("HTTP status {}: {}", error.status, error.body)
        }
        TransportErrorKind::Custom(error) | TransportErrorKind::NonRetryable(error) => {
            let mut reason: &dyn std::error::Error = error.as_ref();
            while let Some(source) = reason.source() {
                reason = source;
            }
            match reason.downcast_ref::<reqwest::Error>() {
                Some(error) if error.is_timeout() => "no answer in time".to_owned(),
                Some(_) => "the HTTP request failed".to_owned(),
                None => reason.to_string(),
            }
        }
        other => other.to_string(),
    }
}

/// Nodes put the returned bytes into the error's data, as a text or deeper inside an object.
fn revert_data(json: &str) -> Option<Bytes> {
    fn find(value: &serde_json::Value, depth: usize) -> Option<Bytes> {
        match value {
            serde_json::Value::String(text) if text.starts_with("0x") => text.parse().ok(),
            serde_json::Value::Object(members) if depth < 4 => {
                members.values().find_map(|member| find(member, depth + 1))
            }
            _ => None,
        }
    }
    find(&serde_json::from_str(json).ok()?, 0)
}

fn shorten(text: &str) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(MAX_TEXT).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> Error {
        Error::Refused { code: -32000, message: message.to_owned(), data: None }
    }

    #[test]
    fn understands_the_words_of_nodes() {
        for (words, meaning) in [
            ("nonce too low: next nonce 5, tx nonce 3", SendFailure::NonceTooLow),
            ("already known", SendFailure::AlreadyKnown),
            ("Known transaction", SendFailure::AlreadyKnown),
            ("transaction already imported", SendFailure::AlreadyKnown),
            ("replacement transaction underpriced", SendFailure::ReplacementUnderpriced),
            ("transaction underpriced", SendFailure::Underpriced),
            ("max fee per gas less than block base fee: address 0x…", SendFailure::Underpriced),
            ("insufficient funds for gas * price + value", SendFailure::InsufficientFunds),
            ("Insufficient funds for gas * price + value", SendFailure::InsufficientFunds),
            ("intrinsic gas too low", SendFailure::Invalid),
            ("exceeds block gas limit", SendFailure::Invalid),
            ("txpool is full", SendFailure::Other),
        ] {
            assert_eq!(refused(words).send_failure(), meaning, "{words}");
        }
        assert_eq!(Error::timeout().send_failure(), SendFailure::Other);
    }

    #[test]
    fn finds_what_a_call_returned() {
        let bytes: Bytes = "0x08c379a0".parse().unwrap();
        assert_eq!(revert_data(r#""0x08c379a0""#), Some(bytes.clone()));
        assert_eq!(revert_data(r#"{"originalError":{"code":3,"data":"0x08c379a0"}}"#), Some(bytes));
        assert_eq!(revert_data(r#""Reverted""#), None);
        assert_eq!(revert_data("7"), None);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let short = shorten(&"ä".repeat(MAX_TEXT + 1));
        assert_eq!(short.chars().count(), MAX_TEXT + 1);
        assert_eq!(shorten("ok"), "ok");
    }
}
