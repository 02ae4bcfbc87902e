//! HTTP to a process that an operator runs beside a node, such as a data exchange or a node of IPFS: FireFly's settings of an
//! HTTP client, and requests below the address that they name.
//!
//! Deliberately not here: what is said to which process, and trying again (who asks knows what may be repeated).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod options;

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use reqwest::{
    Certificate, Client, ClientBuilder, Identity, Method, Proxy, RequestBuilder, Response, header, redirect,
};
use url::Url;

pub use options::Options;

/// Why no requests can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address.
    #[error("url '{url}' {reason}")]
    Url {
        /// What it says.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A header of the configuration.
    #[error("'{0}' cannot be sent as a header")]
    Header(String),
    /// A proxy, a certificate or a key.
    #[error("{0}")]
    Client(String),
}

/// A process beside this node. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Client,
    base: Url,
    auth: Option<(String, String)>,
    timeout: Duration,
}

impl Remote {
    /// Gets ready. Nothing is connected before the first request.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let base = parse(&options.url)?;
        let client = builder(options)?.build().map_err(|error| Error::Client(chain(&error)))?;
        Ok(Self { client, base, auth: options.auth.clone(), timeout: options.request_timeout })
    }

    /// Its address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.base
    }

    /// How long a whole small request may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A request for a path below the address, such as `/api/v1/id`, with a limit on its whole time. What is in the path must be
    /// fit for a URL.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.unlimited(method, path).timeout(self.timeout)
    }

    /// The same for a body that takes its time, without a limit: see [`Remote::answered`] and [`Remote::flowing`].
    pub fn unlimited(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        self.to(method, &url)
    }

    /// Sends a request without a limit of its own, whose answer has to begin in time.
    ///
    /// # Errors
    /// When the connection breaks or takes too long, in words.
    pub async fn answered(&self, request: RequestBuilder) -> Result<Response, String> {
        let sent = tokio::time::timeout(self.timeout, request.send()).await;
        sent.map_err(|_| "no answer in time".to_owned())?.map_err(|error| chain(&error))
    }

    /// The body of an answer, of which only the pauses are limited.
    pub fn flowing(&self, response: Response) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let idle = self.timeout;
        stream::unfold(Some(response), move |response| async move {
            let mut response = response?;
            match tokio::time::timeout(idle, response.chunk()).await {
                Ok(Ok(Some(piece))) => Some((Ok(piece), Some(response))),
                Ok(Ok(None)) => None,
                Ok(Err(error)) => Some((Err(io::Error::other(chain(&error))), None)),
                Err(_) => Some((Err(io::Error::new(io::ErrorKind::TimedOut, "the flow stopped")), None)),
            }
        })
    }

    /// A request to an address of its own, with the same headers and connections.
    pub fn to(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.client.request(method, url);
        match &self.auth {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }
}

/// An address of the configuration.
///
/// # Errors
/// When it is none that begins with `http://` or `https://`.
pub fn parse(url: &str) -> Result<Url, Error> {
    let wrong = |reason: String| Error::Url { url: url.to_owned(), reason };
    let parsed = Url::parse(url).map_err(|error| wrong(format!("is not a URL: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(wrong("must begin with http:// or https://".to_owned()));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong("must end with a path".to_owned()));
    }
    Ok(parsed)
}

fn builder(options: &Options) -> Result<ClientBuilder, Error> {
    let wrong = |what: &str, error: &dyn std::error::Error| Error::Client(format!("{what}: {}", chain(error)));
    let mut headers = header::HeaderMap::new();
    for (name, value) in &options.headers {
        let read = name.parse::<header::HeaderName>().ok().zip(value.parse::<header::HeaderValue>().ok());
        let (key, mut value) = read.ok_or_else(|| Error::Header(name.clone()))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    let mut builder = Client::builder()
        .user_agent(concat!("photinus/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .http1_only()
        .redirect(redirect::Policy::none())
        .connect_timeout(options.connection_timeout + options.tls_timeout)
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(options.idle_connections)
        .tcp_nodelay(true)
        .no_proxy();
    if let Some(url) = options.proxy.as_deref().filter(|url| !url.is_empty()) {
        builder = builder.proxy(Proxy::all(url).map_err(|error| wrong("the proxy's URL", &error))?);
    }
    if let Some(tls) = &options.tls {
        if let Some(pem) = &tls.authorities {
            let found = Certificate::from_pem_bundle(pem).map_err(|error| wrong("certificate authorities", &error))?;
            builder = builder.tls_certs_only(found);
        }
        if let Some(pem) = &tls.identity {
            builder = builder.identity(Identity::from_pem(pem).map_err(|error| wrong("certificate and key", &error))?);
        }
        builder = builder.tls_danger_accept_invalid_certs(tls.insecure);
    }
    Ok(builder)
}

/// Text of an answer, of which at most `limit` bytes are read.
///
/// # Errors
/// When the connection breaks, in words; or the answer is longer.
pub async fn text(mut response: Response, limit: usize) -> Result<String, String> {
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| chain(&error))? {
        if text.len() + piece.len() > limit {
            return Err(format!("the answer is longer than {limit} bytes"));
        }
        text.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A failure with its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::HeaderMap, routing::get};

    use super::*;

    #[test]
    fn addresses_that_cannot_be_called_are_refused() {
        for (url, reason) in [
            ("", "is not a URL"),
            ("dx:3000", "must begin with"),
            ("ws://dx:3000", "must begin with"),
            ("http://dx:3000/?a=b", "must end with a path"),
        ] {
            let error = Remote::new(&Options::new(url)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let mut options = Options::new("http://dx:3000");
        options.headers.push(("a b".to_owned(), "c".to_owned()));
        assert!(matches!(Remote::new(&options), Err(Error::Header(_))));
        assert!(
            !format!("{:?}", Options { auth: Some(("u".into(), "hunter2".into())), ..options }).contains("hunter2")
        );
    }

    #[tokio::test]
    async fn requests_go_below_the_address_with_what_is_configured() {
        let echo = |headers: HeaderMap| async move {
            format!("{:?} {:?}", headers.get("x-api-key"), headers.get("authorization"))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = Options::new(format!("http://{}/below/", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/below/id", get(echo))).await });
        options.headers.push(("X-Api-Key".to_owned(), "k".to_owned()));
        options.auth = Some(("user".to_owned(), "pass".to_owned()));
        let remote = Remote::new(&options).unwrap();
        let answer = remote.request(Method::GET, "/id").send().await.unwrap();
        assert_eq!(text(answer, 100).await.unwrap(), "Some(\"k\") Some(\"Basic dXNlcjpwYXNz\")");
        let answer = remote.request(Method::GET, "/id").send().await.unwrap();
        assert!(text(answer, 10).await.is_err());
    }
}
