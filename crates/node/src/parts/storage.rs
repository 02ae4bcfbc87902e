//! Shared storages of type `embedded`, with the local blobs beside them.

use std::sync::Arc;

use photinus_ports::ids;
use photinus_storage_local::{Options, blobs::Blobs, shared::Service};

use super::{Stored, Task};
use crate::{Error, config::SharedStorage};

/// Opens the folder and begins to serve contents over the connections of that exchange.
pub(super) async fn start(
    plugin: &SharedStorage,
    exchange: &str,
    peers: photinus_exchange_https::Handle,
) -> Result<Stored, Error> {
    let mut options = Options::new(plugin.directory.join("shared"));
    options.wait = plugin.download_timeout;
    let blobs = plugin.directory.join("blobs");
    let open = move || {
        let service = Service::open(options, Arc::new(peers))?;
        Ok((service, Blobs::open(blobs, Arc::new(ids::Random))?))
    };
    let opened = tokio::task::spawn_blocking(open).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let (service, blobs) = opened.map_err(|source| Error::Storage { name: plugin.name.clone(), source })?;
    let shared = Task::spawn(service.handle(), |shutdown| service.run(shutdown));
    Ok(Stored { exchange: exchange.to_owned(), shared, blobs })
}
