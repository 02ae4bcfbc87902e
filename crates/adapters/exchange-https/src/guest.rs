//! What one peer has open at this node's listener.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::options::Limits;

/// The unit in which the memory of messages is counted, in bytes.
const UNIT: u64 = 1024;

/// Connections and requests of one peer. What is too much is refused at once and holds no memory.
pub(crate) struct Guest {
    calls: Arc<Semaphore>,
    messages: Arc<Semaphore>,
    message_memory: Arc<Semaphore>,
    questions: Arc<Semaphore>,
    blobs: Arc<Semaphore>,
    connections: Mutex<VecDeque<CancellationToken>>,
    max_connections: usize,
}

/// A place for one request. Dropping it frees it.
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] Vec<OwnedSemaphorePermit>);

fn units(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(Semaphore::MAX_PERMITS).clamp(1, Semaphore::MAX_PERMITS)
}

fn place(semaphore: &Arc<Semaphore>) -> Option<Place> {
    Arc::clone(semaphore).try_acquire_owned().ok().map(|permit| Place(vec![permit]))
}

impl Guest {
    pub(crate) fn new(limits: &Limits) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            calls: places(limits.calls_per_peer),
            messages: places(limits.messages_per_peer),
            // One message of the largest size always fits.
            message_memory: places(units(limits.message_bytes_per_peer.max(limits.message))),
            questions: places(limits.questions_per_peer),
            blobs: places(limits.blobs_per_peer),
            connections: Mutex::new(VecDeque::new()),
            max_connections: limits.connections_per_peer.max(1),
        }
    }

    /// Counts a new connection. The oldest is told to close when there are too many: after a crash of the peer its dead
    /// connections must not keep its living ones out.
    pub(crate) fn enter(&self, close: CancellationToken) {
        let mut connections = self.connections.lock();
        connections.retain(|connection| !connection.is_cancelled());
        while connections.len() >= self.max_connections {
            if let Some(oldest) = connections.pop_front() {
                oldest.cancel();
            }
        }
        connections.push_back(close);
    }

    /// A place for one call, if the peer has one left.
    pub(crate) fn call(&self) -> Option<Place> {
        place(&self.calls)
    }

    /// A place for a message of so many bytes, if there is one left.
    pub(crate) fn message(&self, size: u64) -> Option<Place> {
        let place = Arc::clone(&self.messages).try_acquire_owned().ok()?;
        let memory = u32::try_from(units(size)).ok()?;
        let memory = Arc::clone(&self.message_memory).try_acquire_many_owned(memory).ok()?;
        Some(Place(vec![place, memory]))
    }

    /// A place for one question, if there is one left.
    pub(crate) fn question(&self) -> Option<Place> {
        place(&self.questions)
    }

    /// A place for one blob, if there is one left.
    pub(crate) fn blob(&self) -> Option<Place> {
        place(&self.blobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_too_many_closes_the_oldest() {
        let guest = Guest::new(&Limits { connections_per_peer: 2, ..Limits::default() });
        let connections: Vec<_> = (0..3).map(|_| CancellationToken::new()).collect();
        for connection in &connections {
            guest.enter(connection.clone());
        }
        let closed: Vec<_> = connections.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(closed, [true, false, false]);
        connections[1].cancel();
        guest.enter(CancellationToken::new());
        assert!(!connections[2].is_cancelled(), "a connection that ended frees its place");
    }

    #[test]
    fn a_call_too_many_is_refused_until_one_ends() {
        let guest = Guest::new(&Limits { calls_per_peer: 1, ..Limits::default() });
        let place = guest.call();
        assert!(place.is_some());
        assert!(guest.call().is_none());
        drop(place);
        assert!(guest.call().is_some());
    }

    #[test]
    fn messages_share_a_bounded_memory() {
        let limits = Limits { message: 4096, message_bytes_per_peer: 8192, messages_per_peer: 3, ..Limits::default() };
        let guest = Guest::new(&limits);
        let held: Vec<_> = [4096, 3072, 1].into_iter().map(|size| guest.message(size)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(guest.message(1).is_none(), "too many");
        drop(held);
        let _large = guest.message(4097);
        assert!(guest.message(4096).is_none(), "too much");
        assert!(guest.message(3072).is_some());
    }
}
