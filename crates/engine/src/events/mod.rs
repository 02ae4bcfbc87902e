//! Events for applications: subscriptions, and the delivery of what they select.
//!
//! A subscription is served by one connection at a time. Events come from memory while a subscriber keeps up, and from the
//! store while it does not; nobody polls, and a slow subscriber slows nobody else. How far a subscription was acknowledged
//! is written down behind the delivery: after a crash the last events come again, and none is missed.
//!
//! Deliberately not here: WebSocket frames, and webhooks, which are not built yet.

mod attach;
mod dispatch;
mod enrich;
mod filter;
mod regexp;
mod registry;
mod service;
mod source;
mod subscription;
mod window;

use std::sync::Arc;

pub use dispatch::{Acknowledger, Delivery};
pub use enrich::{Delivered, Enriched};
use photinus_store::{Change, ChangeSet, Store};
use registry::Registry;
use source::Source;
pub use subscription::{Error, Input};

use crate::core::Core;

/// The subscriptions of a namespace.
pub(crate) struct Handle {
    source: Arc<Source>,
    registry: Registry,
}

impl Handle {
    pub(crate) fn new(store: Store, namespace: &str) -> Self {
        Self { source: Arc::new(Source::new(store, namespace)), registry: Registry::default() }
    }
}

/// Starts the subscriptions.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn start(core: &Arc<Core>) -> Result<(), photinus_store::Error> {
    let (source, stopping) = (Arc::clone(&core.events.source), core.tasks.stopping().clone());
    core.tasks.spawn("events", move || {
        let (source, stopping) = (Arc::clone(&source), stopping.clone());
        async move {
            tokio::select! {
                () = stopping.cancelled() => Ok(()),
                ended = source.follow() => ended,
            }
        }
    });
    let owner = Arc::clone(core);
    core.tasks.spawn("offsets", move || {
        let core = Arc::clone(&owner);
        async move { write_offsets(&core).await }
    });
    service::load(core).await
}

/// Writes down how far subscriptions have come. While one commit is under way the next offsets gather.
async fn write_offsets(core: &Core) -> Result<(), photinus_store::Error> {
    let registry = &core.events.registry;
    loop {
        let (offsets, last) = tokio::select! {
            biased;
            () = core.tasks.stopping().cancelled() => (registry.take_dirty(), true),
            offsets = registry.dirty() => (offsets, false),
        };
        let mut changes = ChangeSet::new(core.name());
        for (id, offset) in &offsets {
            changes.push(Change::SetOffset { kind: attach::OFFSETS, name: id.to_string(), current: *offset });
        }
        if let Err(error) = core.store.submit(changes).await {
            registry.put_back(offsets);
            return Err(error);
        }
        if last {
            return Ok(());
        }
    }
}
