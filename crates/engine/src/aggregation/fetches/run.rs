//! The task that takes from the queue what is next.

use std::sync::Arc;

use futures::stream::FuturesUnordered;
use photinus_model::Uuid;
use photinus_store::{ChangeSet, Error};
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    attempt,
    attempt::Outcome,
    queue::Choice,
    rows::{self, Row, Turn},
};
use crate::{core::Core, operations, space};

/// This version. Another one looks again at what it could not use.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Rows that are read, or written anew, at once.
const PAGE: usize = 500;

/// Prepares what is taken in, and finds what was written down and not finished. Before anything is taken in.
///
/// # Errors
/// When the store cannot be read or written.
pub(in crate::aggregation) async fn recover(core: &Arc<Core>) -> Result<(), Error> {
    let fetches = core.aggregation.fetches();
    if fetches.secret.get().is_none() {
        let stored = core.store.kv_get(core.name(), space::FETCHES, rows::SECRET).await?;
        let secret = match stored {
            Some(stored) => stored,
            None => {
                let secret = core.ports.ids.next().into_bytes().to_vec();
                give_turns(core, &secret).await?;
                let mut changes = ChangeSet::new(core.name());
                changes.push(rows::put(rows::SECRET.to_vec(), secret.clone()));
                core.store.submit(changes).await?;
                secret
            }
        };
        // Nobody else sets it: a namespace recovers in one place.
        let _ = fetches.secret.set(secret);
        look_again(core).await?;
    }
    count(core).await
}

/// Starts the task.
pub(in crate::aggregation) fn start(core: &Arc<Core>) {
    let owner = Arc::clone(core);
    core.tasks.spawn("fetches", move || run(Arc::clone(&owner)));
}

/// Finds the lanes in which something waits, and how much.
async fn count(core: &Core) -> Result<(), Error> {
    let (mut lanes, mut waiting, mut after) = (std::collections::BTreeSet::new(), 0, None::<Vec<u8>>);
    loop {
        let prefix = rows::all_waiting(None);
        let page = core.store.kv_scan(core.name(), space::FETCHES, &prefix, after.as_deref(), PAGE * 4).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        waiting += page.len();
        lanes.extend(page.iter().filter_map(|(key, value)| Some(rows::waiting(key, value)?.turn.lane())));
    }
    core.aggregation.fetches().queue.lock().restart(lanes, waiting);
    core.aggregation.fetches().arrived.notify_one();
    Ok(())
}

/// Gives turns to what a version wrote down that had none.
async fn give_turns(core: &Core, secret: &[u8]) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Note {
        payload_ref: String,
        operation: Uuid,
        refused_by: Option<String>,
    }
    let mut from = Vec::new();
    loop {
        let page = core.store.kv_range(core.name(), space::FETCHES, &from, None, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        let mut changes = ChangeSet::new(core.name());
        for (key, value) in page {
            let Some((kind, id, hash)) = rows::before_turns(&key) else { continue };
            changes.push(rows::delete(key));
            let Ok(Note { payload_ref, operation, refused_by }) = serde_json::from_slice(&value) else { continue };
            let turn = Turn::first(secret, kind, &payload_ref);
            let row = Row { turn, kind, id, hash, operation, payload_ref };
            changes.extend(row.remember());
            changes.extend(refused_by.iter().flat_map(|version| row.refuse(version)));
        }
        core.store.submit(changes).await?;
    }
}

/// Gives turns again to what another version could not use, and counts what this one cannot.
async fn look_again(core: &Core) -> Result<(), Error> {
    let (prefix, mut after) = (rows::all_refused(), None::<Vec<u8>>);
    loop {
        let page = core.store.kv_scan(core.name(), space::FETCHES, &prefix, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        let mut changes = ChangeSet::new(core.name());
        for (row, version) in page.iter().filter_map(|(key, value)| rows::refused(key, value)) {
            if version == VERSION {
                // Anybody can pin what nobody can use: it is not fetched again at each start.
                core.aggregation.refused_content();
            } else {
                changes.extend(row.restore());
            }
        }
        core.store.submit(changes).await?;
    }
}

async fn run(core: Arc<Core>) -> Result<(), Error> {
    let fetches = core.aggregation.fetches();
    // What was under way when this task failed is in the rows, and begins anew.
    let failed = fetches.queue.lock().forget_work();
    if failed {
        count(&core).await?;
    }
    let mut at_work = FuturesUnordered::new();
    let mut backoff = core.tasks.backoff(core.options.retry);
    loop {
        while at_work.len() < fetches.parallel {
            match next(&core).await {
                Ok(Some(row)) => at_work.push(work(Arc::clone(&core), row)),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(namespace = core.name(), %error, "what is to be fetched cannot be read");
                    if !core.tasks.pause(backoff.advance()).await {
                        return Ok(());
                    }
                    continue;
                }
            }
            backoff.reset();
        }
        let due = fetches.queue.lock().next_due(Instant::now());
        if !core.tasks.turn(&mut at_work, &fetches.arrived, due).await {
            return Ok(());
        }
    }
}

/// The row whose turn it is. None while nothing is due.
async fn next(core: &Core) -> Result<Option<Row>, Error> {
    let fetches = core.aggregation.fetches();
    loop {
        let Some(choice) = fetches.queue.lock().choose(Instant::now()) else { return Ok(None) };
        match choice {
            Choice::Row(lane, key) => {
                let stored = rows::stored(&key);
                let value = core.store.kv_get(core.name(), space::FETCHES, &stored).await;
                let mut queue = fetches.queue.lock();
                let value = value.inspect_err(|_| queue.put_back(lane, &key, Instant::now()))?;
                match value.and_then(|value| rows::waiting(&stored, &value)) {
                    Some(row) if queue.take_again(lane, &key) => return Ok(Some(row)),
                    Some(_) => {}
                    None => queue.vanished(lane, &key),
                }
            }
            Choice::Behind { lane, cursor, offered } => {
                let prefix = rows::all_waiting(Some(lane));
                let after = cursor.map(|cursor| rows::stored(&cursor));
                let found = core.store.kv_scan(core.name(), space::FETCHES, &prefix, after.as_deref(), 1).await?;
                let mut queue = fetches.queue.lock();
                let Some((key, value)) = found.first() else {
                    let backoff = || core.tasks.backoff(core.options.download.retry);
                    queue.end(lane, offered, Instant::now(), backoff);
                    continue;
                };
                let taken = queue.take(lane, &key[1..]);
                match rows::waiting(key, value) {
                    Some(row) if taken => return Ok(Some(row)),
                    Some(_) => {}
                    None => {
                        tracing::error!(namespace = core.name(), "a note of a fetch cannot be read");
                        queue.vanished(lane, &key[1..]);
                    }
                }
            }
        }
    }
}

/// Attempts a fetch, and says how it went.
async fn work(core: Arc<Core>, row: Row) {
    let (lane, key) = (row.turn.lane(), row.key());
    let (owner, operation) = (Arc::clone(&core), row.operation);
    // On a task of its own: contents are read and hashed beside one another.
    let outcome = core.tasks.finish("fetch", async move { attempt::once(&owner, &row).await }).await;
    let fetches = core.aggregation.fetches();
    match outcome {
        Some(Outcome::Done(output)) => {
            fetches.queue.lock().done(lane, &key, Instant::now());
            if let Some(output) = output {
                operations::succeeded(&core, operation, &output).await;
            }
        }
        Some(Outcome::Later(why)) => {
            let backoff = || core.tasks.backoff(core.options.download.retry);
            fetches.queue.lock().failed(lane, &key, Instant::now(), backoff);
            tell(&core, operation, &why).await;
        }
        // It is in the rows, and goes on at the next start.
        _ if core.tasks.stopping().is_cancelled() => {}
        // Whoever should have taken it failed, or the attempt did.
        Some(Outcome::Stopping) | None => {
            let backoff = || core.tasks.backoff(core.options.download.retry);
            fetches.queue.lock().failed(lane, &key, Instant::now(), backoff);
        }
    }
}

/// Writes down what the last attempt said, unless the one before said the same.
async fn tell(core: &Core, operation: Uuid, why: &str) {
    match core.store.read(core.name()).operation(operation).await {
        Ok(Some(known)) if known.error == why => {}
        Ok(_) => {
            tracing::info!(namespace = core.name(), %operation, why, "content is not available yet");
            operations::pending(core, operation, why).await;
        }
        Err(error) => tracing::warn!(namespace = core.name(), %error, "an operation cannot be read"),
    }
}
