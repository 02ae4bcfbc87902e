//! A client beside its data exchange, with blobs of its own.

use std::{sync::Arc, time::Duration};

use photinus_exchange_client::{Handle, Options, Service};
use photinus_ports::ids;
use photinus_storage_local::blobs::Blobs;
use tokio_util::sync::CancellationToken;

/// A running client.
pub(crate) struct Member {
    pub(crate) handle: Handle,
    pub(crate) blobs: Blobs,
    pub(crate) options: Options,
    dir: Arc<tempfile::TempDir>,
    running: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
}

/// Settings that are quick.
pub(crate) fn options(url: String) -> Options {
    let mut options = Options::new(url);
    options.reconnect.initial = Duration::from_millis(5);
    options.reconnect.maximum = Duration::from_millis(50);
    options.offer.initial = Duration::from_millis(5);
    options.offer.maximum = Duration::from_millis(50);
    options
}

impl Member {
    pub(crate) fn start(options: Options) -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), options)
    }

    fn on(dir: Arc<tempfile::TempDir>, options: Options) -> Self {
        let blobs = Blobs::open(dir.path().join("blobs"), Arc::new(ids::Random)).unwrap();
        let service = Service::new(options.clone()).unwrap();
        let handle = service.handle();
        handle.keep_blobs_in(Arc::new(blobs.clone()));
        let stop = CancellationToken::new();
        let running = tokio::spawn(service.run(stop.clone()));
        Self { handle, blobs, options, dir, running, stop }
    }

    /// Stops it, and starts it with what it has on disk.
    pub(crate) async fn restart(self) -> Self {
        let (dir, options) = self.stop().await;
        Self::on(dir, options)
    }

    pub(crate) async fn stop(self) -> (Arc<tempfile::TempDir>, Options) {
        self.stop.cancel();
        self.running.await.unwrap();
        (self.dir, self.options)
    }
}
