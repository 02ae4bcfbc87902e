//! The calls of the local API.

use photinus_ports::stream::ByteStream;
use photinus_remote::{Remote, chain, text};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, multipart};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::wire::{Identity, Listed, Message, Transfer, Uploaded};

/// The largest answer that is read, other than a blob.
const MAX_ANSWER: usize = 4 << 20;
/// The slowest upload to a process beside this one that is waited for, in bytes a second.
const MIN_RATE: u64 = 256 * 1024;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// It answered with something else than success.
    #[error("it answered {code}: {reason}")]
    Status { code: StatusCode, reason: String },
    /// Its answer is not understood.
    #[error("its answer is not understood: {0}")]
    Answer(String),
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(chain(&error))
    }
}

/// The local API of one data exchange.
#[derive(Clone, Debug)]
pub(crate) struct Api(Remote);

impl Api {
    pub(crate) const fn new(remote: Remote) -> Self {
        Self(remote)
    }

    pub(crate) const fn remote(&self) -> &Remote {
        &self.0
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.0.request(method, &format!("/api/v1/{path}"))
    }

    /// Who it is, as it publishes itself.
    pub(crate) async fn identity(&self) -> Result<(Identity, Map<String, Value>), Error> {
        let profile: Map<String, Value> = json(success(self.call(Method::GET, "id")).await?).await?;
        let identity = serde_json::from_value(Value::Object(profile.clone()));
        identity.map(|identity| (identity, profile)).map_err(|error| Error::Answer(error.to_string()))
    }

    /// The peers that it knows.
    pub(crate) async fn peers(&self) -> Result<Vec<Listed>, Error> {
        json(success(self.call(Method::GET, "peers")).await?).await
    }

    /// Tells it of a node.
    pub(crate) async fn put_peer(&self, id: &str, profile: &Map<String, Value>) -> Result<(), Error> {
        success(self.call(Method::PUT, &format!("peers/{id}")).json(profile)).await.map(drop)
    }

    /// Makes it forget a peer with all nodes behind it.
    pub(crate) async fn delete_peer(&self, base: &str) -> Result<(), Error> {
        success(self.call(Method::DELETE, &format!("peers/{base}"))).await.map(drop)
    }

    /// Tells it of all nodes at once.
    pub(crate) async fn init(&self, profiles: &[Map<String, Value>]) -> Result<(), Error> {
        let answer: Value = json(success(self.call(Method::POST, "init").json(profiles)).await?).await?;
        match answer.get("status").and_then(Value::as_str) {
            Some("ready") => Ok(()),
            _ => Err(Error::Answer(format!("to be initialised it said {answer}"))),
        }
    }

    /// Gives it a message.
    pub(crate) async fn message(&self, message: &Message<'_>) -> Result<(), Error> {
        success(self.call(Method::POST, "messages").json(message)).await.map(drop)
    }

    /// Makes it send an uploaded blob.
    pub(crate) async fn transfer(&self, transfer: &Transfer<'_>) -> Result<(), Error> {
        success(self.call(Method::POST, "transfers").json(transfer)).await.map(drop)
    }

    /// Uploads a blob, and gives the hash that it found.
    pub(crate) async fn upload(&self, path: &str, size: u64, content: ByteStream) -> Result<String, Error> {
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let part = multipart::Part::stream_with_length(Body::wrap_stream(content), size);
        let part = part.file_name(name).mime_str("application/octet-stream").map_err(Error::from)?;
        let time = self.0.timeout() + std::time::Duration::from_secs(size / MIN_RATE);
        let request = self.0.unlimited(Method::PUT, &format!("/api/v1/blobs/{path}")).timeout(time);
        let request = request.multipart(multipart::Form::new().part("file", part));
        let uploaded: Uploaded = json(success(request).await?).await?;
        Ok(uploaded.hash)
    }

    /// Content of a blob. `None` if it has none at that path.
    pub(crate) async fn blob(&self, path: &str) -> Result<Option<ByteStream>, Error> {
        let request = self.0.unlimited(Method::GET, &format!("/api/v1/blobs/{path}"));
        let response = self.0.answered(request).await.map_err(Error::Unreachable)?;
        match checked(response).await {
            Ok(response) => Ok(Some(Box::pin(self.0.flowing(response)))),
            Err(Error::Status { code: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a blob.
    pub(crate) async fn delete_blob(&self, path: &str) -> Result<(), Error> {
        success(self.call(Method::DELETE, &format!("blobs/{path}"))).await.map(drop)
    }
}

async fn success(request: RequestBuilder) -> Result<Response, Error> {
    checked(request.send().await?).await
}

async fn checked(response: Response) -> Result<Response, Error> {
    let code = response.status();
    if code.is_success() {
        return Ok(response);
    }
    let text = text(response, MAX_ANSWER).await.map_err(Error::Unreachable)?;
    let error = serde_json::from_str::<Value>(&text).ok();
    let error = error.as_ref().and_then(|error| error.get("error")).and_then(Value::as_str);
    let reason = error.unwrap_or(&text).chars().take(256).collect();
    Err(Error::Status { code, reason })
}

async fn json<T: DeserializeOwned>(response: Response) -> Result<T, Error> {
    let text = text(response, MAX_ANSWER).await.map_err(Error::Unreachable)?;
    serde_json::from_str(&text).map_err(|error| Error::Answer(error.to_string()))
}
