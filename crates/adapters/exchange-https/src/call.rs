//! Calls to peers.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use photinus_ports::peers::{Error, Parcel, PeerId};
use tokio::time::{Instant, timeout};

use crate::{
    answer::CALLS,
    frame::{self, Demands, Outgoing},
    link::{Channel, Link, Way},
    shared::Shared,
    trust::Target,
};

/// The largest refusal that is read.
const MAX_REFUSAL: usize = 4096;

/// Calls a peer's service and gives its answer, whose body still flows.
pub(crate) async fn call(shared: &Shared, peer: &PeerId, protocol: &str, request: Parcel) -> Result<Parcel, Error> {
    let link = shared.link(peer).ok_or_else(|| Error::UnknownPeer(peer.0.clone()))?;
    let call = Call { shared, peer, link: &link };
    let place = timeout(shared.limits.answer, Arc::clone(&link.calls).acquire_owned())
        .await
        .map_err(|_| call.unreachable("too many calls are under way"))?
        .map_err(|_| call.unreachable("the data exchange has stopped"))?;
    let answer = call.make(protocol, request).await?;
    Ok(Parcel { head: answer.head, body: frame::holding(answer.body, Arc::new(place)) })
}

struct Call<'a> {
    shared: &'a Shared,
    peer: &'a PeerId,
    link: &'a Link,
}

impl Call<'_> {
    fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Unreachable { peer: self.peer.0.clone(), reason: reason.into() }
    }

    fn refused(&self, reason: impl Into<String>) -> Error {
        Error::Refused { peer: self.peer.0.clone(), reason: reason.into() }
    }

    async fn make(&self, protocol: &str, request: Parcel) -> Result<Parcel, Error> {
        let limits = &self.shared.limits;
        let channel = open(self.shared, self.link, self.peer).await.map_err(|closed| match closed {
            Closed::Unreachable(reason) => self.unreachable(reason),
            Closed::OtherKind => self.refused(OTHER_KIND),
        })?;
        let progress = Progress::default();
        let body = frame::encode(request, progress.tick()).map_err(|e| self.refused(format!("not sent: {e}")))?;
        let request = Request::builder().method(Method::POST).uri(format!("{CALLS}{protocol}"));
        let response = send(channel, request, body, &progress, limits.answer).await;
        let response = response.map_err(|reason| self.unreachable(reason))?;
        if response.status() != StatusCode::OK {
            let code = response.status();
            return Err(self.refused(reason(code, response.into_body(), limits.idle).await));
        }
        let demands = Demands { head: limits.head, idle: limits.idle, body: limits.body };
        frame::decode(response.into_body(), demands).await.map_err(|e| self.unreachable(e.to_string()))
    }
}

/// When the connection last took something of a request's body.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Instant>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Progress {
    /// To be called when it takes something.
    pub(crate) fn tick(&self) -> impl Fn() + Send + Sync + 'static {
        let last = Arc::clone(&self.0);
        move || *last.lock() = Instant::now()
    }

    /// Waits for an answer as long as the request's body flows and a while after.
    pub(crate) async fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, hyper::Error>>,
        patience: Duration,
    ) -> Result<T, String> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let deadline = *self.0.lock() + patience;
            tokio::select! {
                answer = answer.as_mut() => return answer.map_err(|e| cause(&e)),
                () = tokio::time::sleep_until(deadline) => {
                    if Instant::now() >= *self.0.lock() + patience {
                        return Err("no answer in time".to_owned());
                    }
                }
            }
        }
    }
}

/// Why a peer cannot be asked for what only Photinus nodes do.
pub(crate) enum Closed {
    /// There is no connection, for this reason.
    Unreachable(String),
    /// It runs the FireFly data exchange.
    OtherKind,
}

/// What is said of such a peer.
pub(crate) const OTHER_KIND: &str = "it runs a FireFly data exchange, which answers no calls and no questions";

/// The open connection to a peer whose certificate is good still.
pub(crate) async fn open(shared: &Shared, link: &Link, peer: &PeerId) -> Result<Arc<Channel>, Closed> {
    let channel = match link.way().await.map_err(Closed::Unreachable)? {
        Way::Node(channel) => channel,
        Way::Sidecar(_) => return Err(Closed::OtherKind),
    };
    let target = Target::Peer(peer.clone());
    let good = shared.trust.verify(&target, &channel.presented, shared.now());
    good.map_err(|e| Closed::Unreachable(e.to_string()))?;
    Ok(channel)
}

/// Sends a request whose URI is a path, and waits for the answer's first byte as long as the request's body flows and a while
/// after.
pub(crate) async fn send(
    channel: Arc<Channel>,
    request: request::Builder,
    body: Outgoing,
    progress: &Progress,
    patience: Duration,
) -> Result<Response<Incoming>, String> {
    let mut request = request.body(body).map_err(|e| e.to_string())?;
    let endpoint = &channel.endpoint;
    let uri = format!("https://{}{}{}", endpoint.authority(), endpoint.prefix(), request.uri().path());
    *request.uri_mut() = uri.parse().map_err(|_| "the address cannot be used".to_owned())?;
    progress.wait(channel.sender.clone().send_request(request), patience).await
}

/// The error with what caused it, which is where the library keeps the interesting part.
fn cause(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What the peer said, made fit for a log.
pub(crate) async fn reason(code: StatusCode, body: Incoming, within: Duration) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        error: String,
    }
    let collected = timeout(within, Limited::new(body, MAX_REFUSAL).collect()).await;
    let said = match collected {
        Ok(Ok(body)) => serde_json::from_slice::<Refusal>(&body.to_bytes()).map(|r| r.error).unwrap_or_default(),
        _ => String::new(),
    };
    let said: String = said.chars().filter(|c| !c.is_control()).take(512).collect();
    if said.is_empty() { code.to_string() } else { said }
}
