//! Messages and questions to peers.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header, request};
use photinus_ports::{
    exchange::{Error, MessageParcel, Receipt, Route},
    peers::PeerId,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    DELIVERIES, MAX_ANSWER, MAX_MANIFEST, MAX_QUESTION, MESSAGE, QUESTION, refused_here, route, squeeze, understood,
};
use crate::{
    call::{self, Closed, OTHER_KIND, Progress},
    frame::{self, Outgoing},
    link::{Channel, Link, Way},
    shared::Shared,
    sidecar::{self, Pool},
};

/// Most bytes of an answer that a question asks for.
pub(super) const LIMIT: &str = "photinus-limit";

/// Delivers a message; the receipt is the manifest that the other side stored.
pub(crate) async fn message(shared: &Shared, parcel: MessageParcel) -> Result<Receipt, Error> {
    route::leaves(shared, &parcel.route)?;
    let MessageParcel { route, payload, .. } = parcel.clone();
    let limit = shared.limits.message;
    if payload.len() as u64 > limit {
        let reason = format!("not sent: it has {} bytes, and messages may have {limit}", payload.len());
        return Err(Error::Refused { peer: route.to.0, reason });
    }
    let peer = route::base(&route.to);
    if peer.0 == shared.identity.id() {
        let manifest = shared.receivers.message(&route, payload).await;
        return manifest.map(Receipt::Stored).map_err(|refusal| refused_here(&route.to.0, refusal));
    }
    let errand = Errand::new(shared, &peer)?;
    let _place = errand.place(&errand.link.messages).await?;
    if let Some(pool) = errand.sidecar().await? {
        return errand.sent(sidecar::message(shared, &pool, parcel).await);
    }
    let request = route::write(errand.post(MESSAGE), &route);
    let manifest = errand.exchange(request, payload, MAX_MANIFEST).await?;
    let text = String::from_utf8(manifest.into());
    text.map(Receipt::Stored).map_err(|_| Error::Failed(format!("peer '{}' sent a receipt that is no text", peer.0)))
}

/// Puts a question, and gives an answer of at most `limit` bytes.
pub(crate) async fn ask(shared: &Shared, route: &Route, question: Bytes, limit: u64) -> Result<Bytes, Error> {
    route::leaves(shared, route)?;
    let refused = |reason: String| Error::Refused { peer: route.to.0.clone(), reason };
    if question.len() as u64 > MAX_QUESTION {
        return Err(refused(format!("not sent: a question may have {MAX_QUESTION} bytes")));
    }
    let limit = limit.min(MAX_ANSWER);
    let peer = route::base(&route.to);
    if peer.0 == shared.identity.id() {
        let answer = shared.receivers.answer(route, question).await;
        let answer = answer.map_err(|refusal| refused_here(&route.to.0, refusal))?;
        let fits = answer.len() as u64 <= limit;
        return if fits { Ok(answer) } else { Err(refused(format!("the answer has more than {limit} bytes"))) };
    }
    let errand = Errand::new(shared, &peer)?;
    let _place = errand.place(&errand.link.questions).await?;
    let request = route::write(errand.post(QUESTION), route).header(LIMIT, limit);
    errand.exchange(request, question, limit).await
}

/// One delivery to one peer.
pub(super) struct Errand<'a> {
    shared: &'a Shared,
    peer: &'a PeerId,
    pub(super) link: Arc<Link>,
}

impl<'a> Errand<'a> {
    pub(super) fn new(shared: &'a Shared, peer: &'a PeerId) -> Result<Self, Error> {
        let link = shared.link(peer).ok_or_else(|| Error::UnknownPeer(peer.0.clone()))?;
        Ok(Self { shared, peer, link })
    }

    pub(super) fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Unreachable { peer: self.peer.0.clone(), reason: reason.into() }
    }

    /// The connections to the peer, if it runs the FireFly data exchange.
    pub(super) async fn sidecar(&self) -> Result<Option<Arc<Pool>>, Error> {
        match self.link.way().await.map_err(|reason| self.unreachable(reason))? {
            Way::Node(_) => Ok(None),
            Way::Sidecar(pool) => Ok(Some(pool)),
        }
    }

    /// What a delivery to a peer of that kind came to. Its connections are looked at when it failed.
    pub(super) fn sent(&self, result: Result<Receipt, Error>) -> Result<Receipt, Error> {
        if matches!(result, Err(Error::Unreachable { .. })) {
            self.link.wake();
        }
        result
    }

    /// A place among the deliveries under way. Each of them ends, so this does.
    pub(super) async fn place(&self, places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
        let place = Arc::clone(places).acquire_owned().await;
        place.map_err(|_| self.unreachable("the data exchange has stopped"))
    }

    /// The connection, with a peer that is trusted still.
    pub(super) async fn channel(&self) -> Result<Arc<Channel>, Error> {
        call::open(self.shared, &self.link, self.peer).await.map_err(|closed| match closed {
            Closed::Unreachable(reason) => self.unreachable(reason),
            Closed::OtherKind => Error::Refused { peer: self.peer.0.clone(), reason: OTHER_KIND.to_owned() },
        })
    }

    pub(super) fn post(&self, what: &str) -> request::Builder {
        Request::builder().method(Method::POST).uri(format!("{DELIVERIES}{what}"))
    }

    /// Sends a body and gives that of the answer, of at most `limit` bytes.
    async fn exchange(&self, request: request::Builder, body: Bytes, limit: u64) -> Result<Bytes, Error> {
        let squeezed = squeeze::squeeze(body).await;
        let mut request = request.header(header::CONTENT_LENGTH, squeezed.bytes.len());
        if let Some(plain) = squeezed.plain {
            request = request.header(header::CONTENT_ENCODING, squeeze::ENCODING).header(squeeze::SIZE, plain);
        }
        self.send(request, frame::text(squeezed.bytes), &Progress::default(), limit).await
    }

    /// Sends a request and gives the body of the answer, of at most `limit` bytes.
    pub(super) async fn send(
        &self,
        request: request::Builder,
        body: Outgoing,
        progress: &Progress,
        limit: u64,
    ) -> Result<Bytes, Error> {
        let limits = &self.shared.limits;
        let channel = self.channel().await?;
        let response = call::send(channel, request, body, progress, limits.answer).await;
        let response = response.map_err(|reason| self.unreachable(reason))?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            let reason = call::reason(head.status, body, limits.idle).await;
            return Err(understood(&self.peer.0, head.status, reason));
        }
        let plain = squeeze::plain_size(&head.headers)
            .map_err(|refused| Error::Failed(format!("peer '{}' answered wrongly: {}", self.peer.0, refused.1)))?;
        if plain.is_some_and(|size| size > limit) {
            let reason = format!("its answer has more than {limit} bytes");
            return Err(Error::Refused { peer: self.peer.0.clone(), reason });
        }
        let body = frame::collect(body, limit, limits.idle).await.map_err(|e| self.unreachable(e.to_string()))?;
        match plain {
            None => Ok(body),
            Some(size) => {
                let restored = squeeze::restore(body, size).await;
                restored.map_err(|reason| Error::Failed(format!("peer '{}': {reason}", self.peer.0)))
            }
        }
    }
}
