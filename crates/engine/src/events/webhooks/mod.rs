//! Webhooks: events delivered by calls to applications.
//!
//! Each subscription has a worker of its own, so that a dead endpoint slows nobody else. Where FireFly skips an event that
//! its endpoint did not take, it is parked here: the stream goes on as there, and the event can be tried again or dropped by
//! whoever looks after it. A subscription with `options.delivery.guaranteed` tries each event, in order, for as long as it
//! says, before that one is parked.
//!
//! `options`, `request`, `reply`, `sign` and `attempt` are rules without I/O; `records` is what survives a crash; `worker`
//! delivers; `control` is what operators can see and do.
//!
//! Deliberately not here: HTTP, and the guard against calls into private networks, which are the adapter's.

mod attempt;
mod control;
mod options;
mod records;
mod reply;
mod request;
mod sign;
mod worker;

use std::{collections::HashMap, sync::Arc};

pub(super) use control::Shown;
pub use control::{Health, Secret};
pub(super) use options::Webhook;
use photinus_model::Uuid;
use photinus_store::Error;
pub use records::Parked;

use super::{registry::Active, subscription::WEBHOOKS};
use crate::core::Core;

/// Keeps a worker for each webhook, until the namespace stops.
pub(super) async fn run(core: Arc<Core>) {
    let mut changes = core.events.registry.changes();
    let mut served: HashMap<Uuid, Arc<Active>> = HashMap::new();
    loop {
        changes.borrow_and_update();
        let current: HashMap<Uuid, Arc<Active>> = core
            .events
            .registry
            .all()
            .into_iter()
            .filter(|active| active.subscription.transport == WEBHOOKS)
            .map(|active| (active.subscription.id, active))
            .collect();
        for (id, active) in &current {
            // A changed subscription is another form of itself; the worker of the old form ends by itself.
            if served.get(id).is_none_or(|old| !Arc::ptr_eq(old, active)) {
                let (core, active) = (Arc::clone(&core), Arc::clone(active));
                let name = format!("webhook {}", active.subscription.name);
                core.tasks.clone().spawn_once(name, worker::work(core, active));
            }
        }
        served = current;
        tokio::select! {
            () = core.tasks.stopping().cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// Forgets what is kept of a subscription that is deleted.
pub(super) async fn forget(core: &Core, subscription: Uuid) -> Result<(), Error> {
    records::Records::new(core, subscription).clear().await
}
