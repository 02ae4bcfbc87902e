//! Room for what requests hold at the same time. Who finds none is told to come back; nobody waits for it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    failure::Failure,
    metrics::{Metrics, Refusal},
    options::Limits,
    route::Verb,
};

/// What a place for bytes holds: bytes are counted in pieces of this size.
const PIECE: usize = 1 << 10;

/// Bytes that an upload holds while it streams to disk.
pub(crate) const STREAM: usize = 1 << 20;

/// The room of a node.
pub(crate) struct Rooms {
    writes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// A place in a room, until it is dropped.
pub(crate) type Place = OwnedSemaphorePermit;

impl Rooms {
    pub(crate) fn new(limits: &Limits) -> Self {
        let room = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { writes: room(limits.requests), reads: room(limits.queries), bodies: room(limits.bodies / PIECE) }
    }

    /// A place for a request.
    pub(crate) fn request(&self, verb: Option<Verb>, metrics: &Metrics) -> Result<Place, Failure> {
        let (room, refusal) =
            if verb == Some(Verb::Get) { (&self.reads, Refusal::Queries) } else { (&self.writes, Refusal::Requests) };
        Arc::clone(room).try_acquire_owned().map_err(|_| {
            metrics.refused(refusal);
            Failure::overloaded()
        })
    }

    /// A place for so many bytes of a body.
    pub(crate) fn body(&self, bytes: usize, metrics: &Metrics) -> Result<Place, Failure> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX);
        Arc::clone(&self.bodies).try_acquire_many_owned(pieces).map_err(|_| {
            metrics.refused(Refusal::Bodies);
            Failure::overloaded()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_room_and_gives_it_back() {
        let metrics = Metrics::new().unwrap();
        let rooms = Rooms::new(&Limits { requests: 1, queries: 1, bodies: 4 * PIECE, ..Limits::default() });
        let write = rooms.request(Some(Verb::Post), &metrics).unwrap();
        let refused = rooms.request(Some(Verb::Post), &metrics).unwrap_err();
        assert_eq!(refused.status, http::StatusCode::TOO_MANY_REQUESTS);
        let read = rooms.request(Some(Verb::Get), &metrics).unwrap();
        assert!(rooms.request(Some(Verb::Get), &metrics).is_err());
        drop((write, read));
        drop(rooms.request(Some(Verb::Post), &metrics).unwrap());
        let body = rooms.body(3 * PIECE + 1, &metrics).unwrap();
        assert!(rooms.body(1, &metrics).is_err());
        drop(body);
        drop(rooms.body(1, &metrics).unwrap());
    }
}
