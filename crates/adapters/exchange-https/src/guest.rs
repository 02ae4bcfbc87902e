//! What one peer has open at this node's listener.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Connections and calls of one peer.
pub(crate) struct Guest {
    calls: Arc<Semaphore>,
    connections: Mutex<VecDeque<CancellationToken>>,
    max_connections: usize,
}

impl Guest {
    pub(crate) fn new(max_connections: usize, max_calls: usize) -> Self {
        Self {
            calls: Arc::new(Semaphore::new(max_calls)),
            connections: Mutex::new(VecDeque::new()),
            max_connections: max_connections.max(1),
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
    pub(crate) fn call(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.calls).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_too_many_closes_the_oldest() {
        let guest = Guest::new(2, 1);
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
        let guest = Guest::new(1, 1);
        let place = guest.call();
        assert!(place.is_some());
        assert!(guest.call().is_none());
        drop(place);
        assert!(guest.call().is_some());
    }
}
