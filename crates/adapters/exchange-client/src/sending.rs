//! Deliveries to peers, by way of the data exchange.

use std::sync::Arc;

use photinus_model::name;
use photinus_ports::{
    blobs,
    exchange::{BlobParcel, Error, MessageParcel, Receipt, Refusal, Route},
};
use reqwest::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    api,
    directory::split,
    pending::Outcome,
    service::Shared,
    wire::{Message, Transfer},
};

/// What is known of the way to one peer.
pub(crate) struct Way {
    messages: Arc<Semaphore>,
    blobs: Arc<Semaphore>,
    /// Why the last delivery to it failed.
    trouble: parking_lot::Mutex<Option<String>>,
}

impl Way {
    pub(crate) fn new(messages: usize, blobs: usize) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.max(1)));
        Self { messages: places(messages), blobs: places(blobs), trouble: parking_lot::Mutex::default() }
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }
}

/// Delivers a message.
pub(crate) async fn message(shared: &Shared, parcel: MessageParcel) -> Result<Receipt, Error> {
    let MessageParcel { id, route, payload } = parcel;
    let peer = || route.to.0.clone();
    let limit = shared.options.message;
    if payload.len() as u64 > limit {
        let reason = format!("not sent: it has {} bytes, and messages may have {limit}", payload.len());
        return Err(Error::Refused { peer: peer(), reason });
    }
    if leaves(shared, &route)? {
        let manifest = shared.receivers.message(&route, payload).await;
        return manifest.map(Receipt::Stored).map_err(|refusal| refused_here(&route.to.0, refusal));
    }
    let text = std::str::from_utf8(&payload)
        .map_err(|_| Error::Refused { peer: peer(), reason: "not sent: the message is not a text".to_owned() })?;
    let delivery = Delivery::begin(shared, &route, |way| &way.messages).await?;
    let wait = shared.pending.expect(&id);
    let body = Message { message: text, recipient: &route.to.0, request_id: &id, sender: &route.from.0 };
    shared.api.message(&body).await.map_err(|error| delivery.given(error))?;
    let outcome = shared.pending.outcome(&id, wait, shared.options.message_time).await;
    delivery.end(outcome)
}

/// Delivers a blob.
pub(crate) async fn blob(shared: &Shared, parcel: BlobParcel) -> Result<Receipt, Error> {
    let (route, id, path) = (&parcel.route, &parcel.id, &parcel.path);
    let refused = |reason: String| Error::Refused { peer: route.to.0.clone(), reason };
    if place(path).is_none() {
        return Err(refused(format!("not sent: '{path}' is not of the form namespace/id")));
    }
    let limit = shared.options.blob;
    if parcel.size > limit {
        return Err(refused(format!("not sent: it has {} bytes, and blobs may have {limit}", parcel.size)));
    }
    let store = shared.blob_store().map_err(Error::Failed)?;
    if leaves(shared, route)? {
        let passed = shared.receivers.pass_blob(&*store, &parcel).await;
        let stored = Receipt::Stored(parcel.hash.to_string());
        return passed.map(|()| stored).map_err(|refusal| refused_here(&route.to.0, refusal));
    }
    let delivery = Delivery::begin(shared, route, |way| &way.blobs).await?;
    let uploading = async {
        let (size, content) = store.open(&parcel.payload_ref).await.map_err(|error| match error {
            blobs::Error::NotFound(_) => {
                refused(format!("not sent: this node has no blob at '{}' any more", parcel.payload_ref))
            }
            error => Error::Failed(format!("the blob cannot be read: {error}")),
        })?;
        shared.api.upload(path, size, content).await.map_err(|error| delivery.given(error))
    };
    let hash = shared.uploads.begin(path, uploading).await?;
    let sent = async {
        if !hash.eq_ignore_ascii_case(&parcel.hash.to_string()) {
            return Err(refused(format!("not sent: this node's copy of the blob '{}' is damaged", parcel.payload_ref)));
        }
        let wait = shared.pending.expect(id);
        let there = format!("/{path}");
        let body = Transfer { path: &there, recipient: &route.to.0, request_id: id, sender: &route.from.0 };
        shared.api.transfer(&body).await.map_err(|error| delivery.given(error))?;
        delivery.end(shared.pending.outcome(id, wait, shared.options.blob_time).await)
    };
    let sent = sent.await;
    let remove = async {
        if let Err(error) = shared.api.delete_blob(path).await {
            tracing::warn!(path, %error, "a blob stays with the data exchange behind its transfer");
        }
    };
    shared.uploads.done(path, remove).await;
    sent
}

/// Namespace and id of a blob's path.
pub(crate) fn place(path: &str) -> Option<(&str, &str)> {
    let (namespace, id) = path.split_once('/')?;
    let is_id = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (name::is_valid(namespace) && is_id && !namespace.contains("..")).then_some((namespace, id))
}

/// Whether a delivery stays in this node. Its sender must be a node of this data exchange.
fn leaves(shared: &Shared, route: &Route) -> Result<bool, Error> {
    let own = shared.own().ok_or_else(|| Error::Failed(shared.trouble()))?;
    if split(&route.from.0).0 != own {
        let from = &route.from.0;
        return Err(Error::Failed(format!("'{from}' is no node of this data exchange, whose id is '{own}'")));
    }
    Ok(split(&route.to.0).0 == own)
}

/// What a refusal by a receiver of this node itself means to a sender in it.
fn refused_here(node: &str, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Never(reason) => Error::Refused { peer: node.to_owned(), reason },
        refusal => Error::Failed(refusal.to_string()),
    }
}

/// One delivery to a peer, with a place in the queue of the data exchange.
struct Delivery<'a> {
    shared: &'a Shared,
    peer: String,
    way: Arc<Way>,
    _place: OwnedSemaphorePermit,
}

impl<'a> Delivery<'a> {
    async fn begin(
        shared: &'a Shared,
        route: &Route,
        places: impl FnOnce(&Way) -> &Arc<Semaphore>,
    ) -> Result<Self, Error> {
        let peer = route.to.0.clone();
        if !shared.directory.knows(&peer) {
            return Err(Error::UnknownPeer(peer));
        }
        let way = shared.ways.to(split(&peer).0);
        let stopped = || Error::Failed("the data exchange's client has stopped".to_owned());
        let place = Arc::clone(places(&way)).acquire_owned().await.map_err(|_| stopped())?;
        if !shared.is_up() {
            return Err(Error::Unreachable { peer, reason: shared.trouble() });
        }
        Ok(Self { shared, peer, way, _place: place })
    }

    /// What it means that the data exchange was not given something.
    fn given(&self, error: api::Error) -> Error {
        let refused = |reason: String| Error::Refused { peer: self.peer.clone(), reason };
        match error {
            // Its parser's own limit.
            api::Error::Status { reason, .. } if reason.contains("request entity too large") => {
                refused("not sent: the data exchange takes no message of this size (its jsonParserLimit)".to_owned())
            }
            // It has not heard of a node yet; when it forgets all, it is told of them as it is connected to anew.
            api::Error::Status { code: StatusCode::BAD_REQUEST, reason } if is_about_nodes(&reason) => {
                Error::Failed(format!("data exchange: {reason}"))
            }
            api::Error::Status { code: StatusCode::BAD_REQUEST, reason } => refused(reason),
            error => Error::Failed(format!("data exchange: {error}")),
        }
    }

    /// What a delivery came to. Remembers whether the peer can be reached.
    fn end(&self, outcome: Outcome) -> Result<Receipt, Error> {
        let was_in_trouble = self.way.trouble.lock().is_some();
        let peer = || self.peer.clone();
        let trouble = |reason: &str| *self.way.trouble.lock() = Some(reason.to_owned());
        match outcome {
            Outcome::Delivered | Outcome::Acknowledged(_) => {
                *self.way.trouble.lock() = None;
                if was_in_trouble {
                    self.shared.changed();
                }
                Ok(match outcome {
                    Outcome::Acknowledged(stored) => Receipt::Stored(stored),
                    _ => Receipt::Transport,
                })
            }
            Outcome::Failed(reason) if is_refusal(&reason) => Err(Error::Refused { peer: peer(), reason }),
            Outcome::Failed(reason) if is_about_nodes(&reason) => {
                Err(Error::Failed(format!("peer '{}': {reason}", self.peer)))
            }
            Outcome::Failed(reason) | Outcome::Unknown(reason) => {
                trouble(&reason);
                Err(Error::Unreachable { peer: peer(), reason })
            }
        }
    }
}

/// Whether an error says that a node is not known, on this side or the other: not yet, most of the time.
fn is_about_nodes(reason: &str) -> bool {
    reason.starts_with("Unknown sender") || reason.starts_with("Unknown recipient") || reason.starts_with("Sender ID")
}

/// What its own network library says when a peer is away or in trouble, as far as it was seen; and every error of the system
/// has a name such as ECONNREFUSED.
const TROUBLE: [&str; 14] = [
    "timeout",
    "status code",
    "socket",
    "aborted",
    "certificate",
    "cert",
    "ssl",
    "tls",
    "network",
    "parse error",
    "stream",
    "try again",
    "not one of this data exchange",
    "takes it",
];

/// Whether a peer refused for good: what the other side says goes through as it is, among errors of the network.
fn is_refusal(reason: &str) -> bool {
    let is_system = |word: &str| {
        word.len() > 4 && word.starts_with('E') && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
    };
    let names_system = reason.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(is_system);
    let lower = reason.to_lowercase();
    !reason.is_empty() && !is_about_nodes(reason) && !names_system && !TROUBLE.iter().any(|sign| lower.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_trouble() {
        for trouble in [
            "connect ECONNREFUSED 127.0.0.1:1",
            "timeout of 5000ms exceeded",
            "Request failed with status code 503",
            "socket hang up",
            "self-signed certificate",
            "getaddrinfo ENOTFOUND dataexchange_1",
            "Unknown sender destination expected=none recieved=node_a",
            "write EPIPE",
            "",
        ] {
            assert!(!is_refusal(trouble), "{trouble}");
        }
        for refusal in
            ["there is no batch in the message", "'did:firefly:org/a' is not a member of group 12ab", "Missing blob"]
        {
            assert!(is_refusal(refusal), "{refusal}");
        }
    }

    #[test]
    fn paths_have_one_form() {
        assert_eq!(place("ns1/0d5a6b5e-1111-4000-8000-000000000001").unwrap().0, "ns1");
        for wrong in ["", "ns1", "ns1/", "/x", "ns1/../x", "../x", "ns1/a/b", "n..s/x", "ns1/a.metadata"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
