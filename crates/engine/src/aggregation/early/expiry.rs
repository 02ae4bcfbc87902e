//! Throwing away what came early and is too old.
//!
//! Nothing is thrown away before the ledger has told something since the start, nor while old logs come, because a pin may stand
//! in what is still to be read.

use std::{sync::Arc, time::Duration};

use photinus_model::Time;
use photinus_ports::health::Health;

use super::super::inbox::Job;
use crate::core::Core;

/// Longest pause between two looks, and how long a node runs before the first.
const PAUSE: Duration = Duration::from_secs(600);
/// Items that one commit throws away.
const MOST: usize = 50;
/// A log that is older than this when it is taken shows that the ledger is being caught up with.
const OLD_LOG: Duration = Duration::from_secs(600);
/// For how many times the life of content its name is kept.
const NAMES: u32 = 4;

/// Starts the task.
pub(in super::super) fn spawn(core: &Arc<Core>) {
    let (owner, tasks) = (Arc::clone(core), core.tasks.clone());
    tasks.spawn("expiry", move || {
        let core = Arc::clone(&owner);
        async move {
            run(&core).await;
            Ok::<(), std::convert::Infallible>(())
        }
    });
}

async fn run(core: &Arc<Core>) {
    let expiry = core.options.delivery.early.expiry;
    if !core.tasks.pause(expiry.min(PAUSE)).await {
        return;
    }
    loop {
        while is_up_to_date(core) {
            let now = core.ports.clock.now();
            let due =
                core.aggregation.early().due(before(now, expiry), before(now, expiry.saturating_mul(NAMES)), MOST);
            if due.is_empty() {
                break;
            }
            if core.aggregation.take(Job::Expire(due)).await.is_err() {
                return;
            }
        }
        if !core.tasks.pause((expiry / 10).clamp(Duration::from_millis(10), PAUSE)).await {
            return;
        }
    }
}

fn before(now: Time, ago: Duration) -> Time {
    Time::from_unix_nanos(now.as_unix_nanos().saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX)))
}

/// Whether a log of this time shows that there is more to be read.
pub(in super::super) fn is_old(log: Time, now: Time) -> bool {
    log < before(now, OLD_LOG)
}

/// Whether all pins that the ledger has are here, as far as can be told.
fn is_up_to_date(core: &Core) -> bool {
    let reads = core.multiparty.is_listening() && core.multiparty.held().is_none() && core.aggregation.was_told();
    let quiet = core.aggregation.last_old_log() < before(core.ports.clock.now(), Duration::from_secs(60));
    reads && quiet && core.ports.blockchain.health() == Health::Up
}
