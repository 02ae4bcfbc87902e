//! Answers the calls of peers.

use std::sync::{Arc, atomic::Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use photinus_model::cid;
use photinus_ports::{
    content::{self as wire, Answer, Reference, Request},
    peers::{Parcel, PeerId, PeerService},
    stream::{self, ByteStream},
};

use super::flights::Outcome;
use crate::{
    disk::{self, Place},
    shared::Inner,
    transfer::{self, blocking},
};

/// This node's side of the protocol.
pub(crate) struct Answers(pub(crate) Arc<Inner>);

#[async_trait]
impl PeerService for Answers {
    async fn call(&self, from: &PeerId, request: Parcel) -> Result<Parcel, String> {
        match wire::read(&request.head)? {
            Request::Push { reference, size } => self.push(from, reference, size, request.body).await,
            Request::Announce { reference, size } => self.announce(from, reference, size).await,
            Request::Pull { reference } => self.pull(reference).await,
            Request::Have { reference } => self.have(reference).await,
        }
    }
}

impl Answers {
    async fn push(&self, from: &PeerId, reference: Reference, size: u64, body: ByteStream) -> Result<Parcel, String> {
        let inner = &self.0;
        if size > inner.options.inline {
            return Err(format!("content of {size} bytes is too large to be pushed, announce it"));
        }
        if self.has(&reference).await? {
            return answer(&Answer::Stored);
        }
        let accepted = store(inner, from, &reference, size, body, |_| Place::Offered(from.clone())).await;
        if let Err(reason) = accepted {
            inner.counts.refused_pushes.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(peer = %from.0, %reference, reason, "push refused");
            return Err(reason);
        }
        answer(&Answer::Stored)
    }

    async fn announce(&self, from: &PeerId, reference: Reference, size: u64) -> Result<Parcel, String> {
        if !self.has(&reference).await? {
            self.0.hints.lock().add(&reference, from);
            // A waiting search asks who announced; otherwise it is pulled ahead, as far as the peer's share allows.
            if self.0.flights.wanted(&reference) {
                self.0.announced.send_modify(|count| *count = count.wrapping_add(1));
            } else if size <= self.0.options.offered_per_peer.min(self.0.options.max_content) {
                self.0.ahead(from, reference, size);
            }
        }
        answer(&Answer::Noted)
    }

    async fn pull(&self, reference: Reference) -> Result<Parcel, String> {
        let inner = Arc::clone(&self.0);
        let sought = reference.clone();
        let found = blocking(move || inner.disk.find(&sought)).await.map_err(|e| failed(&e))?;
        let Some(found) = found else { return answer(&Answer::Absent) };
        let head = wire::write(&Answer::Found { size: found.size })?;
        Ok(Parcel { head, body: disk::read(&self.0.disk, &reference, found) })
    }

    async fn have(&self, reference: Reference) -> Result<Parcel, String> {
        let inner = Arc::clone(&self.0);
        let found = blocking(move || inner.disk.find(&reference)).await.map_err(|e| failed(&e))?;
        answer(&found.map_or(Answer::Absent, |found| Answer::Found { size: found.size }))
    }

    async fn has(&self, reference: &Reference) -> Result<bool, String> {
        let (inner, reference) = (Arc::clone(&self.0), reference.clone());
        blocking(move || Ok(inner.disk.has(&reference))).await.map_err(|e| failed(&e))
    }
}

/// Stores a body that should be the content of a reference, and wakes who waits for it.
///
/// What somebody here waits for is placed as wanted, whatever `place` says.
pub(crate) async fn store(
    inner: &Arc<Inner>,
    from: &PeerId,
    reference: &Reference,
    size: u64,
    body: ByteStream,
    place: impl FnOnce(&Reference) -> Place,
) -> Result<(), String> {
    let keep = Arc::clone(inner);
    let file = blocking(move || keep.disk.create()).await.map_err(|e| failed(&e))?;
    let received = transfer::receive(body, file, cid::Builder::new(), size).await;
    let (file, digest, received) = received.map_err(|e| e.to_string())?;
    let (keep, expected) = (Arc::clone(inner), reference.clone());
    let place = if inner.flights.wanted(reference) { Place::Wanted } else { place(reference) };
    let matches = blocking(move || {
        if received != size || Reference::of(digest) != expected {
            return Ok(false);
        }
        keep.disk.place(file, &expected, size, &place)?;
        Ok(true)
    });
    if !matches.await.map_err(|e| failed(&e))? {
        inner.counts.wrong_contents.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(peer = %from.0, %reference, "a peer sent bytes that are not those of the reference");
        return Err(format!("the bytes are not those of {reference}"));
    }
    inner.flights.end(reference, Outcome::Arrived);
    Ok(())
}

fn answer(answer: &Answer) -> Result<Parcel, String> {
    Ok(Parcel { head: wire::write(answer)?, body: stream::once(Bytes::new()) })
}

/// What a peer may know of a failing disk.
fn failed(error: &std::io::Error) -> String {
    tracing::error!(%error, "the disk of the shared storage failed");
    "the storage failed".to_owned()
}
