//! The calls to a Kubo node.

use std::sync::Arc;

use parking_lot::Mutex;
use photinus_model::cid;
use photinus_ports::{content::Reference, stream::ByteStream};
use photinus_remote::{Remote, chain, text};
use reqwest::{Body, Method, Response, StatusCode, header, multipart};
use serde::Deserialize;

use crate::reference::Path;

/// The largest answer that is read, other than a content.
const MAX_ANSWER: usize = 64 * 1024;
/// The shape that references are computed for, whatever the node's own settings for imports. Pinned or not is said apart.
const SHAPE: &str =
    "cid-version=0&raw-leaves=false&chunker=size-262144&hash=sha2-256&trickle=false&max-file-links=174&quieter=true";

/// A Kubo node.
#[derive(Clone, Debug)]
pub(crate) struct Kubo {
    pub(crate) api: Remote,
    pub(crate) gateway: Remote,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The node, or the way to it.
    #[error("{0}")]
    Node(String),
    /// What was to be added.
    #[error("{0}")]
    Content(String),
}

/// Where a gateway looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// In its own node.
    Here,
    /// In its own node and in others'.
    Everywhere,
}

/// A content that flows, and its length if that is known.
pub(crate) struct Found {
    pub(crate) size: Option<u64>,
    pub(crate) content: ByteStream,
}

#[derive(Deserialize)]
struct Added {
    #[serde(rename = "Hash")]
    hash: String,
}

impl Kubo {
    /// Whether it answers.
    pub(crate) async fn alive(&self) -> Result<(), String> {
        let answered = self.api.request(Method::POST, "/api/v0/version").send().await.map_err(|error| chain(&error))?;
        if answered.status().is_success() { Ok(()) } else { Err(refusal("its API", answered).await) }
    }

    /// Adds a content, and gives its reference, which was computed here as well. `pin` keeps it from its garbage collection.
    pub(crate) async fn add(&self, content: ByteStream, pin: bool) -> Result<Reference, Error> {
        let (content, seen) = witnessed(content);
        let part = multipart::Part::stream(Body::wrap_stream(content)).file_name("file.bin");
        let part = part.mime_str("application/octet-stream").map_err(|error| Error::Node(chain(&error)))?;
        let request = self.api.unlimited(Method::POST, &format!("/api/v0/add?pin={pin}&{SHAPE}"));
        let request = request.multipart(multipart::Form::new().part("document", part));
        let answered = request.send().await;
        if let Some(broken) = seen.lock().broken.take() {
            return Err(Error::Content(broken));
        }
        let answered = answered.map_err(|error| Error::Node(chain(&error)))?;
        if !answered.status().is_success() {
            return Err(Error::Node(refusal("to add a content, it", answered).await));
        }
        let answer = text(answered, MAX_ANSWER).await.map_err(Error::Node)?;
        // One line for each thing that was added.
        let added = answer.lines().rfind(|line| !line.is_empty()).map(serde_json::from_str::<Added>);
        let Some(Ok(Added { hash })) = added else {
            return Err(Error::Node(format!("to add a content, it answered '{}'", first(&answer))));
        };
        let computed = Reference::of(std::mem::take(&mut seen.lock().digest));
        if hash == computed.as_str() {
            return Ok(computed);
        }
        Err(Error::Node(format!("it gives the reference '{hash}' to a content whose reference is '{computed}'")))
    }

    /// Keeps a content from its garbage collection.
    pub(crate) async fn pin(&self, reference: &Reference) -> Result<(), Error> {
        let request = self.api.request(Method::POST, &format!("/api/v0/pin/add?arg={reference}"));
        let answered = request.send().await.map_err(|error| Error::Node(chain(&error)))?;
        if answered.status().is_success() {
            Ok(())
        } else {
            Err(Error::Node(refusal("to pin a content, it", answered).await))
        }
    }

    /// Opens a content. `None` when it is not found there.
    pub(crate) async fn open(&self, path: &Path, place: Where) -> Result<Option<Found>, Error> {
        let mut request = self.gateway.unlimited(Method::GET, &format!("/ipfs/{}", path.as_str()));
        if place == Where::Here {
            request = request.header(header::CACHE_CONTROL, "only-if-cached");
        }
        let answered = self.gateway.answered(request).await.map_err(Error::Node)?;
        match answered.status() {
            StatusCode::OK => {
                let size = answered.content_length();
                Ok(Some(Found { size, content: Box::pin(self.gateway.flowing(answered)) }))
            }
            StatusCode::PRECONDITION_FAILED
            | StatusCode::NOT_FOUND
            | StatusCode::GONE
            | StatusCode::GATEWAY_TIMEOUT => Ok(None),
            _ => Err(Error::Node(refusal("its gateway", answered).await)),
        }
    }
}

/// What passed by.
#[derive(Default)]
struct Witness {
    digest: cid::Builder,
    broken: Option<String>,
}

/// The same bytes, and a witness of them.
fn witnessed(content: ByteStream) -> (ByteStream, Arc<Mutex<Witness>>) {
    let seen = Arc::new(Mutex::new(Witness::default()));
    let witness = Arc::clone(&seen);
    let content = futures::StreamExt::inspect(content, move |piece| match piece {
        Ok(bytes) => witness.lock().digest.update(bytes),
        Err(error) => witness.lock().broken = Some(error.to_string()),
    });
    (Box::pin(content), seen)
}

async fn refusal(what: &str, answered: Response) -> String {
    let code = answered.status();
    let text = text(answered, MAX_ANSWER).await.unwrap_or_default();
    format!("{what} answered {code}: {}", first(&text))
}

fn first(text: &str) -> String {
    text.trim().chars().take(200).collect()
}
