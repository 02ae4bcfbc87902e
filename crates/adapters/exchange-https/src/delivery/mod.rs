//! Private deliveries between Photinus nodes: messages, questions and blobs, as requests on the connection that calls use.
//!
//! ```text
//! POST /photinus/delivery/v1/message    body: the payload      answer: the manifest, once the receiver has it durably
//! POST /photinus/delivery/v1/question   body: the question     answer: the answer
//! ```
//!
//! Blobs have more to say: see [`blob`].
//!
//! Headers `photinus-from` and `photinus-to` carry the node names behind the base ids that the certificates prove. A body may
//! be squeezed (see [`squeeze`]). An answer other than 200 is `{"error": reason}`; its status says whether to try again, see
//! [`refused`] and [`understood`].

pub(crate) mod blob;
pub(crate) mod route;
mod sending;
mod squeeze;
mod taking;

use http::StatusCode;
use photinus_ports::exchange::{Error, Refusal};

pub(crate) use sending::{ask, message};

/// Where deliveries go.
pub(crate) const DELIVERIES: &str = "/photinus/delivery/v1/";
const MESSAGE: &str = "message";
const QUESTION: &str = "question";

/// The largest question, in bytes.
const MAX_QUESTION: u64 = 64 * 1024;
/// Most bytes that an answer may be asked to have.
const MAX_ANSWER: u64 = 64 << 20;
/// The largest manifest that is read, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;

/// Why a request is not served, for the one who sent it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) String);

impl Refused {
    fn new(code: StatusCode, reason: impl Into<String>) -> Self {
        Self(code, reason.into())
    }
}

/// How a receiver's refusal is told to a peer.
pub(crate) fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::Never(reason) => Refused(StatusCode::UNPROCESSABLE_ENTITY, reason),
        Refusal::Later(reason) => Refused(StatusCode::SERVICE_UNAVAILABLE, reason),
        Refusal::NotMine => {
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, "no namespace of this node takes it; one may start soon")
        }
    }
}

/// What a peer's refusal means to this node.
fn understood(peer: &str, code: StatusCode, reason: String) -> Error {
    match code {
        StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::NOT_FOUND => Error::Refused { peer: peer.to_owned(), reason },
        _ => Error::Failed(format!("peer '{peer}': {reason}")),
    }
}

/// What a refusal by a receiver of this node itself means to a sender in this node.
fn refused_here(node: &str, refusal: Refusal) -> Error {
    let Refused(code, reason) = refused(refusal);
    understood(node, code, reason)
}
