//! A member's REST interface, as far as the commands use it. Nothing that any application could not do.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::stack::Member;
use crate::error::Error;

/// How long a confirmation may take.
const CONFIRM: Duration = Duration::from_secs(60);
/// Between two looks at something that is not there yet.
const LOOK_AGAIN: Duration = Duration::from_millis(15);
/// Longest part of an answer that an error shows.
const SHOWN: usize = 500;

/// A member.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    name: String,
    base: String,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, member: &Member) -> Self {
        Self { http, name: member.org_name.clone(), base: format!("{}/api/v1", member.url()) }
    }

    /// A namespace of a node somewhere.
    pub(crate) fn at(url: &str, namespace: &str) -> Self {
        let url = url.trim_end_matches('/');
        let base = format!("{url}/api/v1/namespaces/{namespace}");
        Self { http: reqwest::Client::new(), name: url.to_owned(), base }
    }

    /// The administration interface of a node somewhere.
    pub(crate) fn spi(url: &str) -> Self {
        let url = url.trim_end_matches('/');
        // A password in it is for the node alone.
        let name = reqwest::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization());
        Self { http: reqwest::Client::new(), name, base: format!("{url}/spi/v1") }
    }

    /// Organisation of the member.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads something.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Error> {
        let request = self.http.get(format!("{}/{path}", self.base)).timeout(CONFIRM);
        self.json(&Method::GET, path, request.send().await).await
    }

    /// Whether there is something to read.
    pub(crate) async fn exists(&self, path: &str) -> Result<bool, Error> {
        match self.get(path).await {
            Err(Error::Refused { status: 404, .. }) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Reads bytes.
    pub(crate) async fn bytes(&self, path: &str) -> Result<Vec<u8>, Error> {
        let request = self.http.get(format!("{}/{path}", self.base)).timeout(CONFIRM);
        let response = self.checked(&Method::GET, path, request.send().await).await?;
        Ok(response.bytes().await.map_err(|error| self.unreachable(&error))?.to_vec())
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let request = self.http.post(format!("{}/{path}", self.base)).timeout(CONFIRM).json(body);
        self.json(&Method::POST, path, request.send().await).await
    }

    /// Asks for something that is answered without a body.
    pub(crate) async fn request(&self, path: &str) -> Result<(), Error> {
        let request = self.http.post(format!("{}/{path}", self.base)).timeout(CONFIRM).json(&json!({}));
        self.checked(&Method::POST, path, request.send().await).await.map(drop)
    }

    /// Uploads a file.
    pub(crate) async fn upload(&self, name: &str, mime: &str, content: Vec<u8>) -> Result<Value, Error> {
        let part = reqwest::multipart::Part::bytes(content).file_name(name.to_owned()).mime_str(mime);
        let part = part.map_err(|error| self.unreachable(&error))?;
        let form = reqwest::multipart::Form::new().text("autometa", "true").part("file", part);
        let request = self.http.post(format!("{}/data", self.base)).timeout(CONFIRM).multipart(form);
        self.json(&Method::POST, "data", request.send().await).await
    }

    /// Registers the member's organisation and node, as far as that was not done.
    pub(crate) async fn register(&self) -> Result<(), Error> {
        let registered = |status: &Value, what: &str| status[what]["registered"] == true;
        let status = self.get("status").await?;
        if !registered(&status, "org") {
            self.post("network/organizations/self?confirm=true", &json!({})).await?;
        }
        if !registered(&status, "node") {
            self.post("network/nodes/self?confirm=true", &json!({})).await?;
        }
        Ok(())
    }

    /// Waits until the member knows this many nodes of the network.
    pub(crate) async fn sees_nodes(&self, count: usize, deadline: Instant) -> Result<(), Error> {
        let path = format!("network/nodes?limit={}", count + 1);
        while self.get(&path).await?.as_array().map_or(0, Vec::len) < count {
            if Instant::now() > deadline {
                let what = format!("{} hearing of {count} nodes", self.name);
                return Err(Error::Late { what, seconds: CONFIRM.as_secs() });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Waits until the member is ready.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<(), Error> {
        while !self.is_ready().await {
            if Instant::now() > deadline {
                return Err(Error::Late { what: format!("{} answering", self.name), seconds: CONFIRM.as_secs() });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Whether the member, and nobody else at its address, answers that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let request = self.http.get(format!("{}/status", self.base)).timeout(Duration::from_secs(2));
        let Ok(response) = request.send().await.and_then(Response::error_for_status) else { return false };
        response.json::<Value>().await.is_ok_and(|status| status["org"]["name"] == self.name)
    }

    async fn json(&self, method: &Method, path: &str, sent: reqwest::Result<Response>) -> Result<Value, Error> {
        let response = self.checked(method, path, sent).await?;
        response.json().await.map_err(|error| self.unreachable(&error))
    }

    async fn checked(&self, method: &Method, path: &str, sent: reqwest::Result<Response>) -> Result<Response, Error> {
        let response = sent.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        Err(Error::Refused {
            member: self.name.clone(),
            request: format!("{method} {path}"),
            status,
            body: text.chars().take(SHOWN).collect(),
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let url = reqwest::Url::parse(&self.base)
            .map_or_else(|_| self.base.clone(), |url| format!("{}{}", url.origin().ascii_serialization(), url.path()));
        Error::Unreachable { url, reason: causes(error) }
    }
}

/// An error with its causes, which reqwest leaves out.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
