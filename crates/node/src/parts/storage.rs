//! Shared storages, with the local blobs beside them.

use std::{path::PathBuf, sync::Arc};

use photinus_ports::{ids, peers::Peers, storage};
use photinus_storage_ipfs as ipfs;
use photinus_storage_local::{Options, blobs::Blobs, shared::Service};

use super::{Stored, Task, remote};
use crate::{
    Error,
    config::{Ipfs, SharedStorage, SharedStorageKind},
};

/// Opens the folder, and begins to serve contents over the connections of that exchange.
pub(super) async fn start(
    plugin: &SharedStorage,
    exchange: &str,
    peers: Option<Arc<dyn Peers>>,
) -> Result<Stored, Error> {
    let failed = |source| Error::Storage { name: plugin.name.clone(), source };
    let blobs = plugin.directory.join("blobs");
    let blobs = blocking(move || Blobs::open(blobs, Arc::new(ids::Random))).await.map_err(failed)?;
    let shared = match (&plugin.kind, peers) {
        (SharedStorageKind::Ipfs(node), peers) => on_ipfs(plugin, node, peers).await?,
        (SharedStorageKind::Embedded, Some(peers)) => {
            embedded(plugin.directory.join("shared"), plugin, peers).await.map_err(failed)?
        }
        (SharedStorageKind::Embedded, None) => {
            let (name, exchange) = (plugin.name.clone(), exchange.to_owned());
            return Err(Error::NotReplicated { name, exchange });
        }
    };
    Ok(Stored { exchange: exchange.to_owned(), shared, blobs })
}

async fn embedded(
    folder: PathBuf,
    plugin: &SharedStorage,
    peers: Arc<dyn Peers>,
) -> Result<Task<Arc<dyn storage::SharedStorage>>, std::io::Error> {
    let mut options = Options::new(folder);
    options.wait = plugin.download_timeout;
    let service = blocking(move || Service::open(options, peers)).await?;
    let handle: Arc<dyn storage::SharedStorage> = Arc::new(service.handle());
    Ok(Task::spawn(handle, |shutdown| service.run(shutdown)))
}

async fn on_ipfs(
    plugin: &SharedStorage,
    node: &Ipfs,
    peers: Option<Arc<dyn Peers>>,
) -> Result<Task<Arc<dyn storage::SharedStorage>>, Error> {
    let mut options = ipfs::Options::new("", "");
    options.api = remote::options(&node.api).await?;
    options.gateway = remote::options(&node.gateway).await?;
    options.wait = plugin.download_timeout;
    let made = ipfs::Service::new(options, peers);
    let service = made.map_err(|source| Error::Remote { name: plugin.name.clone(), source })?;
    let handle: Arc<dyn storage::SharedStorage> = Arc::new(service.handle());
    Ok(Task::spawn(handle, |shutdown| service.run(shutdown)))
}

async fn blocking<T: Send + 'static>(open: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(open).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
