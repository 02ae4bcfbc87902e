//! The receiver's side of a blob.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use photinus_model::Hash;
use photinus_ports::{
    blobs::Stored,
    exchange::{ReceivedBlob, Refusal, Route},
};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{OFFSET, Ticket, partial::Partial, partials::Held, place};
use crate::{
    answer::Caller,
    delivery::{Refused, refused, route},
    frame::{self, Outgoing, Pieces},
    shared::Shared,
    traffic::Traffic,
};

/// Bytes that are written at a time.
const PIECE: u64 = 1 << 20;

impl Caller {
    /// From which byte on this blob is lacking here.
    pub(in crate::delivery) async fn blob_offset(
        &self,
        route: &Route,
        headers: &HeaderMap,
    ) -> Result<Response<Outgoing>, Refused> {
        let ticket = self.admitted(route, headers).await?;
        let mut held = self.shared.partials.hold(&ticket, self.shared.now()).await.map_err(refused)?;
        let offset = match held.partial() {
            Some(partial) => partial.offset(),
            None if adopted(&self.shared, &ticket).await?.is_some() => ticket.size,
            None => 0,
        };
        Ok(Response::new(frame::text(offset.to_string())))
    }

    /// Takes the rest of a blob.
    pub(in crate::delivery) async fn blob(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Response<Outgoing>, Refused> {
        let too_many = || Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many blobs of this peer are arriving");
        let _place = self.guest.blob().ok_or_else(too_many)?;
        let ticket = self.admitted(route, headers).await?;
        let offset = route::number(headers, OFFSET)?.unwrap_or(0);
        let mut held = self.shared.partials.hold(&ticket, self.shared.now()).await.map_err(refused)?;
        if held.partial().is_none() {
            if let Some(stored) = adopted(&self.shared, &ticket).await? {
                // It was delivered before, and the sender did not hear of it.
                check_offset(ticket.size, offset)?;
                self.shared.receivers.blob(received(route, &ticket, stored)).await.map_err(refused)?;
                return Ok(Response::new(frame::text(ticket.hash.to_string())));
            }
            check_offset(0, offset)?;
            held = self.shared.partials.begin(held, &ticket).await.map_err(refused)?;
        }
        let arrival = Arrival::resume(held, offset).await?;
        let held = arrival.take(Pieces::new(body, self.shared.limits.idle), &self.shared.traffic).await?;
        self.keep(held, route, &ticket).await?;
        Ok(Response::new(frame::text(ticket.hash.to_string())))
    }

    /// The ticket of a request, if a namespace takes the blob.
    async fn admitted(&self, route: &Route, headers: &HeaderMap) -> Result<Ticket, Refused> {
        let ticket = Ticket::read(route, headers)?;
        let limit = self.shared.limits.body;
        if ticket.size > limit {
            let reason = format!("the blob has {} bytes, and {limit} are taken", ticket.size);
            return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, reason));
        }
        self.shared.receivers.admit_blob(route, &ticket.path, ticket.size).await.map_err(refused)?;
        Ok(ticket)
    }

    /// Hands a whole blob to the blob store and to the namespace that takes it.
    async fn keep(&self, mut held: Held, route: &Route, ticket: &Ticket) -> Result<(), Refused> {
        if held.partial().is_none_or(|partial| partial.hash() != ticket.hash) {
            self.shared.partials.end(held).await;
            let reason = "the blob does not have the hash that was announced";
            return Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, reason));
        }
        let (store, namespace) = (self.shared.blob_store()?, namespace(ticket)?);
        let content = self.shared.partials.content(ticket);
        let stored = store.adopt(namespace, &content, ticket.hash, ticket.id()).await.map_err(disk)?;
        let payload_ref = stored.payload_ref.clone();
        let verdict = self.shared.receivers.blob(received(route, ticket, stored)).await;
        if verdict.is_err()
            && let Err(error) = store.delete(&payload_ref).await
        {
            tracing::warn!(%error, payload_ref, "a blob that nobody takes stays behind");
        }
        // What is to come again later need not travel again.
        if !matches!(verdict, Err(Refusal::Later(_) | Refusal::NotMine)) {
            self.shared.partials.end(held).await;
        }
        verdict.map_err(refused)
    }
}

/// What was stored of an earlier delivery of the same.
async fn adopted(shared: &Shared, ticket: &Ticket) -> Result<Option<Stored>, Refused> {
    shared.blob_store()?.adopted(namespace(ticket)?, ticket.hash, ticket.id()).await.map_err(disk)
}

fn namespace(ticket: &Ticket) -> Result<&str, Refused> {
    let place = place(&ticket.path);
    place.map(|(namespace, _)| namespace).ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "the path is wrong"))
}

fn received(route: &Route, ticket: &Ticket, stored: Stored) -> ReceivedBlob {
    let Stored { hash, size, payload_ref } = stored;
    ReceivedBlob { route: route.clone(), path: ticket.path.clone(), hash, size, payload_ref }
}

fn disk(error: impl std::fmt::Display) -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, format!("the blob cannot be stored now: {error}"))
}

fn check_offset(here: u64, offered: u64) -> Result<(), Refused> {
    if here == offered {
        return Ok(());
    }
    Err(Refused(StatusCode::CONFLICT, format!("go on at byte {here}, not at {offered}")))
}

/// A blob whose chunks come in. One piece is written while the next one is read from the connection, and what is proved is flushed
/// meanwhile.
struct Arrival {
    at: Step,
    flush: Option<JoinHandle<std::io::Result<()>>>,
}

enum Step {
    Idle(Held),
    Writing(JoinHandle<(Held, std::io::Result<bool>)>),
    /// Only while a step is taken, or after one failed.
    Over,
}

impl Arrival {
    /// Goes on behind what is proved, or from the start if that is what comes.
    async fn resume(held: Held, offset: u64) -> Result<Self, Refused> {
        let mut arrival = Self { at: Step::Idle(held), flush: None };
        let mut here = 0;
        arrival.look(|partial| here = partial.offset()).await?;
        if offset != 0 {
            check_offset(here, offset)?;
        }
        let restart = offset == 0;
        arrival.work(move |partial| if restart { partial.restart() } else { partial.rewind() }.map(|()| true)).await?;
        Ok(arrival)
    }

    /// Takes all chunks that are lacking.
    async fn take(mut self, mut pieces: Pieces, traffic: &Traffic) -> Result<Held, Refused> {
        loop {
            let (mut at, mut end, mut whole, mut unsynced) = (0, 0, false, Ok(None));
            self.look(|partial| {
                (at, end, whole) = (partial.offset(), partial.chunk_end(), partial.is_whole());
                unsynced = partial.unsynced();
            })
            .await?;
            if let Some(unsynced) = unsynced.map_err(disk)? {
                self.flushed().await?;
                self.flush = Some(spawn_blocking(move || unsynced.sync()));
            }
            if whole {
                break;
            }
            while at < end {
                let most = PIECE.min(end - at);
                let piece = pieces.take(most).await.map_err(broken)?;
                traffic.received(most);
                self.work(move |partial| partial.write(&piece).map(|()| true)).await?;
                at += most;
            }
            let proof = proof(&pieces.take(32).await.map_err(broken)?);
            self.work(move |partial| partial.prove(proof)).await?;
        }
        self.flushed().await?;
        match self.settled().await? {
            Step::Idle(held) => Ok(held),
            _ => Err(disk("it was interrupted")),
        }
    }

    /// Waits for the flush that was begun: the system tells of what it could not write only once.
    async fn flushed(&mut self) -> Result<(), Refused> {
        match self.flush.take() {
            Some(flush) => flush.await.map_err(disk)?.map_err(disk),
            None => Ok(()),
        }
    }

    /// Begins a piece of work on a thread for such work, once the one before it is done.
    async fn work(
        &mut self,
        work: impl FnOnce(&mut Partial) -> std::io::Result<bool> + Send + 'static,
    ) -> Result<(), Refused> {
        let Step::Idle(mut held) = self.settled().await? else { return Err(disk("it was interrupted")) };
        self.at = Step::Writing(spawn_blocking(move || {
            let done = held.partial().map_or_else(|| Err(std::io::Error::other("it was dropped")), work);
            (held, done)
        }));
        Ok(())
    }

    /// Looks at what has arrived, once all work is done.
    async fn look(&mut self, look: impl FnOnce(&mut Partial)) -> Result<(), Refused> {
        let Step::Idle(mut held) = self.settled().await? else { return Err(disk("it was interrupted")) };
        match held.partial() {
            Some(partial) => look(partial),
            None => return Err(disk("it was dropped")),
        }
        self.at = Step::Idle(held);
        Ok(())
    }

    /// Waits for the work that was begun. It goes on to its end even if nobody waits for it any more.
    async fn settled(&mut self) -> Result<Step, Refused> {
        match std::mem::replace(&mut self.at, Step::Over) {
            Step::Writing(work) => {
                let (held, done) = work.await.map_err(disk)?;
                if !done.map_err(disk)? {
                    return Err(Refused::new(StatusCode::CONFLICT, "a chunk arrived damaged; ask where to go on"));
                }
                Ok(Step::Idle(held))
            }
            step => Ok(step),
        }
    }
}

fn broken(error: frame::Error) -> Refused {
    Refused::new(StatusCode::REQUEST_TIMEOUT, format!("the blob broke off: {error}"))
}

fn proof(pieces: &[Bytes]) -> Hash {
    let mut proof = [0; 32];
    for (to, from) in proof.iter_mut().zip(pieces.iter().flat_map(|piece| piece.iter())) {
        *to = *from;
    }
    Hash(proof)
}
