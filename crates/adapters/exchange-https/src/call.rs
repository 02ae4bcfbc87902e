//! Calls to peers.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use photinus_ports::peers::{Error, Parcel, PeerId};
use tokio::time::{Instant, timeout};

use crate::{
    answer::CALLS,
    frame::{self, Demands, Outgoing},
    link::{Channel, Link},
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
        let channel = self.link.channel().await.map_err(|reason| self.unreachable(reason))?;
        let target = Target::Peer(self.peer.clone());
        self.shared
            .trust
            .verify(&target, &channel.presented, self.shared.now())
            .map_err(|e| self.unreachable(e.to_string()))?;
        let progress = Arc::new(Mutex::new(Instant::now()));
        let ticking = Arc::clone(&progress);
        let body = frame::encode(request, move || *ticking.lock() = Instant::now())
            .map_err(|e| self.refused(format!("not sent: {e}")))?;
        let response = self.send(channel, protocol, body, &progress).await?;
        if response.status() != StatusCode::OK {
            let code = response.status();
            return Err(self.refused(reason(code, response.into_body(), self.shared.limits.idle).await));
        }
        let limits = &self.shared.limits;
        let demands = Demands { head: limits.head, idle: limits.idle, body: limits.body };
        frame::decode(response.into_body(), demands).await.map_err(|e| self.unreachable(e.to_string()))
    }

    /// Sends, and waits for the answer's first byte as long as the request's body flows and a while after.
    async fn send(
        &self,
        mut channel: Channel,
        protocol: &str,
        body: Outgoing,
        progress: &Mutex<Instant>,
    ) -> Result<Response<Incoming>, Error> {
        let endpoint = &channel.endpoint;
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://{}{}{CALLS}{protocol}", endpoint.authority(), endpoint.prefix()))
            .body(body)
            .map_err(|e| self.unreachable(e.to_string()))?;
        let mut response = std::pin::pin!(channel.sender.send_request(request));
        loop {
            let deadline = *progress.lock() + self.shared.limits.answer;
            tokio::select! {
                response = response.as_mut() => return response.map_err(|e| self.unreachable(cause(&e))),
                () = tokio::time::sleep_until(deadline) => {
                    if *progress.lock() + self.shared.limits.answer <= Instant::now() {
                        return Err(self.unreachable("no answer in time"));
                    }
                }
            }
        }
    }
}

/// The error with what caused it, which is where the library keeps the interesting part.
fn cause(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What the peer said, made fit for a log.
async fn reason(code: StatusCode, body: Incoming, within: Duration) -> String {
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
