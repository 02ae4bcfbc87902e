//! Events for applications: subscriptions, and the delivery of what they select.
//!
//! A subscription is served by one connection at a time. Events come from memory while a subscriber keeps up, and from the
//! store while it does not; nobody polls, and a slow subscriber slows nobody else. How far a subscription was acknowledged
//! is written down behind the delivery: after a crash the last events come again, and none is missed.
//!
//! Deliberately not here: WebSocket frames and HTTP.

mod attach;
mod balance;
mod dispatch;
mod enrich;
mod filter;
mod position;
mod regexp;
mod registry;
mod service;
mod source;
mod subscription;
mod webhooks;
mod window;

use std::{collections::HashMap, sync::Arc, time::Duration};

pub use dispatch::{Acknowledger, Delivery};
pub use enrich::{Delivered, Enriched, Shared};
use photinus_model::Uuid;
use photinus_store::{Change, ChangeSet, Store};
pub use regexp::Error as PatternError;
use registry::Registry;
use source::Source;
pub use subscription::{Error, Input};
pub use webhooks::{Health, Parked, Secret};

use crate::core::Core;

/// Compiles a pattern of status lines, written as Go's regular expressions. An empty one tests nothing.
///
/// # Errors
/// When it is none.
pub fn status_pattern(pattern: &str) -> Result<Option<regex::Regex>, PatternError> {
    regexp::compile(pattern)
}

/// The subscriptions of a namespace.
pub(crate) struct Handle {
    source: Arc<Source>,
    registry: Registry,
    /// Held while offsets are written, so that they are written in the order in which they were reached.
    writing: tokio::sync::Mutex<()>,
}

impl Handle {
    pub(crate) fn new(store: Store, namespace: &str) -> Self {
        Self {
            source: Arc::new(Source::new(store, namespace)),
            registry: Registry::default(),
            writing: tokio::sync::Mutex::new(()),
        }
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
                biased;
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
    service::load(core).await?;
    core.tasks.spawn_once("webhooks", webhooks::run(Arc::clone(core)));
    Ok(())
}

/// Writes down what subscribers acknowledged while the tasks of the namespace ended.
pub(crate) async fn finish(core: &Core) {
    let changes = offsets(core, &core.events.registry.take_dirty());
    if let Err(error) = core.store.submit(changes).await {
        tracing::warn!(namespace = core.name(), %error, "the last events of some subscriptions come again");
    }
}

fn offsets(core: &Core, offsets: &HashMap<Uuid, i64>) -> ChangeSet {
    let mut changes = ChangeSet::new(core.name());
    for (id, offset) in offsets {
        changes.push(Change::SetOffset { kind: attach::OFFSETS, name: id.to_string(), current: *offset });
    }
    changes
}

/// How long offsets gather between two commits.
const GATHER: Duration = Duration::from_millis(10);

/// Writes down how far subscriptions have come. While one commit is under way the next offsets gather.
async fn write_offsets(core: &Core) -> Result<(), photinus_store::Error> {
    let registry = &core.events.registry;
    loop {
        tokio::select! {
            biased;
            // What is left is written when all tasks have ended.
            () = core.tasks.stopping().cancelled() => return Ok(()),
            () = registry.dirty() => {}
        }
        let writing = core.events.writing.lock().await;
        let dirty = registry.take_dirty();
        if let Err(error) = core.store.submit(offsets(core, &dirty)).await {
            registry.put_back(dirty);
            return Err(error);
        }
        drop(writing);
        // More gather meanwhile: what a commit costs is paid for many, and a crash repeats a little more.
        if !core.tasks.pause(GATHER).await {
            return Ok(());
        }
    }
}
