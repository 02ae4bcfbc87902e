//! The signals that end a process: the first asks for an orderly stop, the second forces it.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Error;

/// Listens for SIGINT and SIGTERM.
#[derive(Debug)]
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Begins to listen; from now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(Error::Signal);
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next signal; returns its name.
    pub async fn requested(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Waits for an orderly stop, or for a second signal. `false`: the second signal came first.
    pub async fn or_forced(&mut self, stop: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = stop => true,
            _ = self.requested() => false,
        }
    }
}
