//! The worker of one queue: a few deliveries under way, a pause when the peer is away.

use std::{convert::Infallible, sync::Arc};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{
    Peer,
    attempt::{self, Outcome},
    entry::{self, Delivery},
    queue::{Next, Queue},
};
use crate::{core::Core, space};

/// Starts both workers of a peer.
pub(super) fn spawn(core: &Arc<Core>, peer: &Arc<Peer>) {
    for (lane, name) in [(entry::MESSAGES, "messages"), (entry::BLOBS, "files")] {
        let (owner, peer, tasks) = (Arc::clone(core), Arc::clone(peer), core.tasks.clone());
        tasks.spawn(format!("{name} to node {}", peer.node), move || run(Arc::clone(&owner), Arc::clone(&peer), lane));
    }
}

async fn run(core: Arc<Core>, peer: Arc<Peer>, lane: u8) -> Result<(), Infallible> {
    let options = &core.options.delivery;
    let (queue, most) = match lane {
        entry::MESSAGES => (&peer.messages, options.messages),
        _ => (&peer.blobs, options.blobs),
    };
    queue.start_over();
    let mut changes = core.ports.exchange.changes();
    let mut backoff = core.tasks.backoff(options.retry);
    let mut pause: Option<Instant> = None;
    let mut under_way = FuturesUnordered::new();
    loop {
        // A peer in trouble is asked with one delivery, not with all of them.
        let room = if queue.is_troubled() { 1 } else { most.max(1) };
        while pause.is_none() && under_way.len() < room {
            match queue.next() {
                Next::Deliver(delivery) => under_way.push(attempt::run(&core, *delivery)),
                Next::Read { limit, mark } => {
                    if let Err(error) = read(&core, queue, peer.node, lane, limit, mark).await {
                        tracing::warn!(namespace = core.name(), %error, "deliveries are read later");
                        pause = Some(Instant::now() + backoff.advance());
                    }
                }
                Next::Nothing => break,
            }
        }
        tokio::select! {
            biased;
            () = core.tasks.stopping().cancelled() => return Ok(()),
            Some(outcome) = under_way.next(), if !under_way.is_empty() => match outcome {
                Outcome::Done(place) => {
                    queue.done(place);
                    queue.answered();
                    backoff.reset();
                    pause = None;
                }
                Outcome::Again(delivery, error) => {
                    again(&core, queue, delivery, error).await;
                    pause = pause.or_else(|| Some(Instant::now() + backoff.advance()));
                }
                Outcome::Stopping => return Ok(()),
            },
            () = queue.arrived.notified(), if pause.is_none() => {}
            () = sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => pause = None,
            changed = changes.changed(), if pause.is_some() => {
                if changed.is_err() {
                    // The exchange is gone; the clock is what is left.
                    changes = never();
                } else if attempt::reachable(&core, peer.node).await {
                    pause = None;
                }
            }
        }
    }
}

/// A signal that never comes. Its sender is kept for as long as the process runs.
fn never() -> tokio::sync::watch::Receiver<u64> {
    static NEVER: std::sync::LazyLock<tokio::sync::watch::Sender<u64>> =
        std::sync::LazyLock::new(|| tokio::sync::watch::channel(0).0);
    NEVER.subscribe()
}

/// Puts a delivery back, and says in its operation what is in its way.
async fn again(core: &Arc<Core>, queue: &Queue, delivery: Delivery, error: String) {
    core.delivery.acks.settle(delivery.operation);
    let operation = delivery.operation;
    if queue.again(delivery, &error) {
        tracing::info!(namespace = core.name(), %operation, error, "delivery is tried again");
        crate::operations::pending(core, operation, &error).await;
    }
}

async fn read(
    core: &Core,
    queue: &Queue,
    node: photinus_model::Uuid,
    lane: u8,
    limit: usize,
    mark: u64,
) -> Result<(), photinus_store::Error> {
    let prefix = entry::prefix(node, lane);
    let found = core.store.kv_scan(core.name(), space::OUTBOX, &prefix, None, limit).await?;
    let complete = found.len() < limit;
    let entries = found.iter().filter_map(|(key, value)| {
        let entry = Delivery::read(key, value);
        if entry.is_none() {
            tracing::error!(namespace = core.name(), %node, "a note of a delivery cannot be read");
        }
        entry
    });
    queue.refill(entries.collect(), complete, mark);
    Ok(())
}
