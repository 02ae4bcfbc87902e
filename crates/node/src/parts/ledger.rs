//! Ledgers of type `evm`.

use std::sync::Arc;

use photinus_ethereum::Ethereum;

use crate::{Error, config::Blockchain};

pub(super) async fn start(plugin: &Blockchain) -> Result<Arc<Ethereum>, Error> {
    let started = Ethereum::start(plugin.options.clone()).await;
    let ledger = started.map_err(|source| Error::Blockchain { name: plugin.name.clone(), source })?;
    tracing::info!(plugin = plugin.name, url = %plugin.options.url, keys = ledger.addresses().len(), "following the ledger");
    Ok(Arc::new(ledger))
}
