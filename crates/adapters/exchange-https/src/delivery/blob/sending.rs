//! The sender's side of a blob.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, Request, StatusCode, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use photinus_model::Hash;
use photinus_ports::{
    blobs::{self, BlobStore},
    exchange::{BlobParcel, Error, Receipt},
    stream::ByteStream,
};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{BLOB, BLOB_OFFSET, CHUNK, OFFSET, Ticket, place};
use crate::{
    call::{self, Progress},
    delivery::{DELIVERIES, refused_here, route, sending::Errand, understood},
    frame::{self, Outgoing},
    shared::Shared,
    sidecar,
    traffic::Traffic,
};

/// Pieces that are read and hashed ahead of what the connection takes.
const AHEAD: usize = 4;
/// How often a receiver may name another offset than it just did.
const CORRECTIONS: usize = 3;

/// Delivers a blob; the receipt is its hash.
pub(crate) async fn send(shared: &Shared, parcel: BlobParcel) -> Result<Receipt, Error> {
    let ticket = Ticket::of(&parcel);
    route::leaves(shared, &parcel.route)?;
    let refused = |reason: String| Error::Refused { peer: parcel.route.to.0.clone(), reason };
    if place(&ticket.path).is_none() {
        return Err(refused(format!("not sent: '{}' is not of the form namespace/id", ticket.path)));
    }
    let limit = shared.limits.body;
    if ticket.size > limit {
        return Err(refused(format!("not sent: it has {} bytes, and blobs may have {limit}", ticket.size)));
    }
    let store = shared.blob_store().map_err(|refused| Error::Failed(refused.1))?;
    let peer = route::base(&parcel.route.to);
    if peer.0 == shared.identity.id() {
        let passed = shared.receivers.pass_blob(&*store, &parcel).await;
        let stored = || Receipt::Stored(ticket.hash.to_string());
        return passed.map(|()| stored()).map_err(|refusal| refused_here(&parcel.route.to.0, refusal));
    }
    let errand = Errand::new(shared, &peer)?;
    let _place = errand.place(&errand.link.blobs).await?;
    if let Some(pool) = errand.sidecar().await? {
        return errand.sent(sidecar::blob(shared, &pool, &store, parcel).await);
    }
    for _ in 0..CORRECTIONS {
        let offset = if ticket.size <= CHUNK { 0 } else { offset(&errand, &parcel, &ticket).await? };
        if upload(shared, &errand, &*store, &parcel, &ticket, offset).await? {
            return Ok(Receipt::Stored(ticket.hash.to_string()));
        }
        tracing::debug!(peer = peer.0, offset, "the receiver of a blob names another offset");
    }
    // A small one that was offered from its start, and of which more is there.
    let offset = offset(&errand, &parcel, &ticket).await?;
    if upload(shared, &errand, &*store, &parcel, &ticket, offset).await? {
        return Ok(Receipt::Stored(ticket.hash.to_string()));
    }
    Err(Error::Failed(format!("peer '{}' does not say where to go on with the blob", peer.0)))
}

/// Asks the receiver from which byte on it lacks the blob.
async fn offset(errand: &Errand<'_>, parcel: &BlobParcel, ticket: &Ticket) -> Result<u64, Error> {
    let request = ticket.write(route::write(errand.post(BLOB_OFFSET), &parcel.route)).header(header::CONTENT_LENGTH, 0);
    let answer = errand.send(request, frame::text(""), &Progress::default(), 32).await?;
    let offset = std::str::from_utf8(&answer).ok().and_then(|text| text.parse().ok());
    let usable = offset.filter(|offset| *offset == ticket.size || *offset < ticket.size && *offset % CHUNK == 0);
    usable.ok_or_else(|| Error::Failed(format!("peer '{}' named no offset that can be used", parcel.route.to.0)))
}

/// Sends the rest of a blob. `false`: the receiver wants it from another offset.
async fn upload(
    shared: &Shared,
    errand: &Errand<'_>,
    store: &dyn BlobStore,
    parcel: &BlobParcel,
    ticket: &Ticket,
    offset: u64,
) -> Result<bool, Error> {
    let (size, content) = store.open_unchecked(&parcel.payload_ref).await.map_err(|e| unreadable(parcel, &e))?;
    if size != ticket.size {
        return Err(damaged(parcel));
    }
    let progress = Progress::default();
    let damage = Arc::new(OnceLock::new());
    let body = body(content, ticket, offset, (&progress, &shared.traffic), Arc::clone(&damage));
    let uri = format!("{DELIVERIES}{BLOB}");
    let request = Request::builder().method(Method::PUT).uri(uri).header(OFFSET, offset);
    let request = ticket.write(route::write(request, &parcel.route));
    let channel = errand.channel().await?;
    let response = call::send(channel, request, body, &progress, shared.limits.answer).await;
    if damage.get().is_some() {
        return Err(damaged(parcel));
    }
    let response = response.map_err(|reason| errand.unreachable(reason))?;
    let (code, body) = (response.status(), response.into_body());
    match code {
        StatusCode::OK => {
            let hash = frame::collect(body, 64, shared.limits.idle).await;
            let hash = hash.map_err(|e| errand.unreachable(e.to_string()))?;
            if hash == ticket.hash.to_string() {
                return Ok(true);
            }
            Err(Error::Failed(format!("peer '{}' stored another blob than was sent", parcel.route.to.0)))
        }
        StatusCode::CONFLICT => Ok(false),
        _ => Err(understood(&parcel.route.to.0, code, call::reason(code, body, shared.limits.idle).await)),
    }
}

fn unreadable(parcel: &BlobParcel, error: &blobs::Error) -> Error {
    match error {
        blobs::Error::NotFound(_) => {
            let reason = format!("not sent: this node has no blob at '{}' any more", parcel.payload_ref);
            Error::Refused { peer: parcel.route.to.0.clone(), reason }
        }
        error => Error::Failed(format!("the blob cannot be read: {error}")),
    }
}

fn damaged(parcel: &BlobParcel) -> Error {
    let reason = format!("not sent: this node's copy of the blob '{}' is damaged", parcel.payload_ref);
    Error::Refused { peer: parcel.route.to.0.clone(), reason }
}

/// The chunks from an offset on, each with its proof. All bytes are hashed, also those before the offset.
fn body(
    content: ByteStream,
    ticket: &Ticket,
    offset: u64,
    (progress, traffic): (&Progress, &Traffic),
    damage: Arc<OnceLock<()>>,
) -> Outgoing {
    let (pieces, ready) = mpsc::channel(AHEAD);
    let reader = Reader {
        hasher: Sha256::new(),
        at: 0,
        offset,
        size: ticket.size,
        hash: ticket.hash,
        pieces,
        tick: Box::new(progress.tick()),
        damage,
    };
    tokio::spawn(reader.run(content));
    let (tick, count) = (progress.tick(), traffic.sending());
    let frames = stream::unfold(ready, |mut ready| async move { ready.recv().await.map(|piece| (piece, ready)) });
    StreamBody::new(Box::pin(frames.map(move |piece: std::io::Result<Bytes>| {
        tick();
        count(piece.as_ref().map_or(0, Bytes::len));
        piece.map(Frame::data)
    })))
}

/// Reads and hashes a blob ahead of the connection.
struct Reader {
    hasher: Sha256,
    at: u64,
    offset: u64,
    size: u64,
    hash: Hash,
    pieces: mpsc::Sender<std::io::Result<Bytes>>,
    tick: Box<dyn Fn() + Send + Sync>,
    /// Set when this side's bytes are not those that were announced.
    damage: Arc<OnceLock<()>>,
}

impl Reader {
    async fn run(mut self, mut content: ByteStream) {
        while let Some(read) = content.next().await {
            // Whoever took the pieces is gone when they cannot be sent.
            let more = match read {
                Ok(bytes) => self.piece(bytes).await,
                Err(error) => self.pieces.send(Err(error)).await.map_err(drop),
            };
            if more.is_err() {
                return;
            }
        }
        if self.at < self.size {
            self.spoil().await;
        }
    }

    async fn piece(&mut self, mut bytes: Bytes) -> Result<(), ()> {
        while !bytes.is_empty() {
            let end = (self.at / CHUNK * CHUNK + CHUNK).min(self.size);
            let part = bytes.split_to(bytes.len().min(usize::try_from(end - self.at).unwrap_or(usize::MAX)));
            if part.is_empty() {
                self.spoil().await;
                return Err(());
            }
            self.hasher.update(&part);
            (self.tick)();
            let from = self.at;
            self.at += part.len() as u64;
            if from < self.offset {
                continue; // offsets are ends of chunks
            }
            self.send(part).await?;
            if self.at == end {
                let proof = Hash(self.hasher.clone().finalize().into());
                if self.at == self.size && proof != self.hash {
                    self.spoil().await;
                    return Err(());
                }
                self.send(Bytes::copy_from_slice(&proof.0)).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, piece: Bytes) -> Result<(), ()> {
        self.pieces.send(Ok(piece)).await.map_err(drop)
    }

    /// Ends the body in the middle, for a reason that is this side's.
    async fn spoil(&self) {
        let _ = self.damage.set(());
        let _ = self.pieces.send(Err(std::io::Error::other("the blob is damaged"))).await;
    }
}
