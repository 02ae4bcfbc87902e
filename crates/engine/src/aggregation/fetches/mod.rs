//! Fetching contents and blobs from shared storage, until they are here.
//!
//! A fetch is written down in the commit that finds it missing, and forgotten in the commit that takes its content, so a
//! crash in between resumes it. What is written down is the queue: one task takes from it what is next, at most
//! [`Download::parallel`](crate::options::Download) at the same time, so that neither a long absence nor a stranger who pins
//! what is nowhere costs memory, or more than its share of the attempts. Nothing is given up; what the last attempt said is in
//! the operation.

mod attempt;
mod queue;
mod rows;
mod run;

use std::sync::OnceLock;

use parking_lot::Mutex;
use photinus_model::{Hash, JsonText, Time, Uuid, operation};
use photinus_sequencing::facts::{BatchKey, Event, Pos};
use photinus_store::Change;
use serde::Serialize;
use serde_json::json;
use tokio::{sync::Notify, time::Instant};

pub(super) use attempt::at_hand;
pub(super) use rows::Row;
use rows::{Kind, Turn};
pub(super) use run::{recover, start};

use super::{apply, group::Group};
use crate::{core::Core, operations};

/// What waits to be fetched, and what is under way.
pub(crate) struct Fetches {
    queue: Mutex<queue::Queue>,
    /// Something was written down, or is due at once.
    arrived: Notify,
    parallel: usize,
    /// Spreads sources over lanes so that nobody can choose whose lane to share.
    secret: OnceLock<Vec<u8>>,
}

/// How the fetches do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Contents and files that shared storage should have and that are not here, with those under way.
    pub missing: usize,
    /// From how many sources, each of which has its turn; about, if they are very many.
    pub sources: usize,
    /// Those that are being fetched at this moment.
    pub under_way: usize,
    /// Most that are fetched at the same time.
    pub max_under_way: usize,
}

impl Fetches {
    /// Nothing yet. At most `parallel` will be under way at the same time.
    pub(super) fn new(parallel: usize) -> Self {
        Self { queue: Mutex::default(), arrived: Notify::new(), parallel: parallel.max(1), secret: OnceLock::new() }
    }

    /// How they do.
    pub(crate) fn report(&self) -> Report {
        let queue = self.queue.lock();
        Report {
            missing: queue.waiting(),
            sources: queue.lanes(),
            under_way: queue.at_work(),
            max_under_way: self.parallel,
        }
    }

    /// Has everything that is missing asked for at once.
    pub(super) fn hurry(&self) {
        self.queue.lock().hurry(Instant::now());
        self.arrived.notify_one();
    }

    /// Rows were committed.
    pub(super) fn offer(&self, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        let mut queue = self.queue.lock();
        rows.iter().for_each(|row| queue.offer(row.turn.lane(), &row.key()));
        drop(queue);
        self.arrived.notify_one();
    }

    /// Rows were struck out because nobody waits for them any longer.
    pub(super) fn withdrawn(&self, rows: &[Row]) {
        let mut queue = self.queue.lock();
        rows.iter().for_each(|row| queue.gone(row.turn.lane(), &row.key()));
    }

    fn secret(&self) -> &[u8] {
        // Set before anything is taken in.
        self.secret.get().map_or(&[], Vec::as_slice)
    }
}

/// A fetch that brought what it was for.
#[derive(Clone, Debug)]
pub(super) struct Done {
    row: Row,
    output: serde_json::Value,
}

impl Done {
    /// Forgets the fetch and ends its operation, in the commit that takes the content: a crash leaves neither behind.
    fn changes(&self, now: Time) -> [Change; 3] {
        let output = JsonText::write(&self.output).ok();
        let ended = operations::Update::new(self.row.operation, operation::Status::Succeeded).output(output);
        let [turn, found] = self.row.forget();
        [turn, found, ended.into_change(now)]
    }
}

/// Adds to the group that a fetch brought what it was for.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn done(core: &Core, group: &mut Group<'_>, done: &Done) -> Result<(), photinus_store::Error> {
    let (row, now) = (&done.row, group.now);
    // The ledger may have withdrawn what was fetched for, and have it again in the same place: that has a fetch of its own.
    let same = |other: &Row| other.key() == row.key();
    let anew = match group.after.fetches.iter().position(same) {
        Some(index) => Some(group.after.fetches.remove(index)),
        None => find(core, row.kind, row.id, row.hash, row.turn).await?,
    };
    group.changes.extend(done.changes(now));
    if let Some(anew) = anew.filter(|anew| anew.operation != row.operation) {
        let output = JsonText::write(&done.output).ok();
        let ended = operations::Update::new(anew.operation, operation::Status::Succeeded).output(output);
        group.push(ended.into_change(now));
    }
    Ok(())
}

/// Begins to fetch the content of an event; it is written down with the group unless it is taken before.
pub(super) fn begin(
    core: &Core,
    group: &mut Group<'_>,
    event: (Pos, BatchKey, &str),
    payload_ref: String,
    tx: Option<Uuid>,
) -> Result<(), apply::Error> {
    let (pos, batch, signer) = event;
    let input = JsonText::write(&json!({ "payloadRef": payload_ref }))?;
    let turn = Turn::of_event(core.aggregation.fetches().secret(), signer, pos, &payload_ref);
    let operation = group.id();
    let kind = operation::Type::SharedStorageDownloadBatch;
    group.push(download(core, group, (operation, kind), tx, input));
    group.after.fetches.push(Row { turn, kind: Kind::Batch, id: batch.id, hash: batch.hash, operation, payload_ref });
    Ok(())
}

/// Begins to fetch the blob of data that an author published.
pub(super) fn begin_blob(
    core: &Core,
    group: &mut Group<'_>,
    (data, hash): (Uuid, Hash),
    author: &str,
    payload_ref: String,
    tx: Uuid,
) -> Result<(), apply::Error> {
    let input = JsonText::write(&json!({ "dataId": data, "payloadRef": payload_ref }))?;
    let turn = Turn::of_blob(core.aggregation.fetches().secret(), author, group.now, &payload_ref);
    let operation = group.id();
    let kind = operation::Type::SharedStorageDownloadBlob;
    group.push(download(core, group, (operation, kind), Some(tx), input));
    group.after.fetches.push(Row { turn, kind: Kind::Blob, id: data, hash, operation, payload_ref });
    Ok(())
}

fn download(
    core: &Core,
    group: &Group<'_>,
    (id, kind): (Uuid, operation::Type),
    tx: Option<Uuid>,
    input: JsonText,
) -> Change {
    Change::InsertOperation(operation::Operation {
        id,
        namespace: group.namespace().to_owned(),
        tx,
        kind,
        status: operation::Status::Initialized,
        plugin: core.ports.storage.plugin_type().to_owned(),
        input: Some(input),
        output: None,
        error: String::new(),
        created: group.now,
        updated: group.now,
        retry: None,
    })
}

/// What is written of a fetch that goes on after the commit.
pub(super) fn remember(row: &Row) -> [Change; 2] {
    row.remember()
}

/// What is written of a fetch that was not needed: in the commit that would begin it.
pub(super) fn end(group: &mut Group<'_>, row: &Row) {
    let output = JsonText::write(&json!({ "batch": row.id })).ok();
    let ended = operations::Update::new(row.operation, operation::Status::Succeeded).output(output);
    let now = group.now;
    group.push(ended.into_change(now));
}

/// Strikes out the fetch for an event that the ledger withdrew, if there is one.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn withdraw(core: &Core, group: &mut Group<'_>, event: &Event) -> Result<(), photinus_store::Error> {
    let turn =
        Turn::of_event(core.aggregation.fetches().secret(), event.signer.as_str(), event.pos, &event.payload_ref);
    let begun = group.after.fetches.iter().position(|row| row.turn == turn);
    let row = match begun {
        Some(index) => Some(group.after.fetches.remove(index)),
        None => find(core, Kind::Batch, event.batch.id, event.batch.hash, turn).await?,
    };
    let Some(row) = row else { return Ok(()) };
    if begun.is_none() {
        group.changes.extend(row.forget());
        group.after.withdrawn.push(row.clone());
    }
    let ended = operations::Update::new(row.operation, operation::Status::Failed);
    let ended = ended.error("the ledger withdrew the pin that names this content".to_owned());
    let now = group.now;
    group.push(ended.into_change(now));
    Ok(())
}

async fn find(core: &Core, kind: Kind, id: Uuid, hash: Hash, turn: Turn) -> Result<Option<Row>, photinus_store::Error> {
    let sought = Row { turn, kind, id, hash, operation: Uuid::nil(), payload_ref: String::new() };
    let key = rows::stored(&sought.key());
    let found = core.store.kv_get(core.name(), crate::space::FETCHES, &key).await?;
    Ok(found.and_then(|value| rows::waiting(&key, &value)))
}

/// The operations that fetch a batch.
pub(super) async fn of_batch(core: &Core, batch: BatchKey) -> Result<Vec<Uuid>, photinus_store::Error> {
    operations_of(core, Kind::Batch, batch.id, batch.hash).await
}

/// The operations that fetch the blob of data.
pub(super) async fn of_blob(core: &Core, data: Uuid, hash: Hash) -> Result<Vec<Uuid>, photinus_store::Error> {
    operations_of(core, Kind::Blob, data, hash).await
}

async fn operations_of(core: &Core, kind: Kind, id: Uuid, hash: Hash) -> Result<Vec<Uuid>, photinus_store::Error> {
    /// Fetches of one content that are looked at; anybody can name more.
    const MOST: usize = 16;
    let prefix = rows::prefix(kind, id, hash);
    let found = core.store.kv_scan(core.name(), crate::space::FETCHES, &prefix, None, MOST).await?;
    Ok(found.into_iter().filter_map(|(_, operation)| Uuid::from_slice(&operation).ok()).collect())
}
