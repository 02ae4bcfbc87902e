//! One attempt to fetch one thing.

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{blob::Blob, cid, wire};
use photinus_ports::{blobs, storage, stream};
use photinus_sequencing::facts::{BatchKey, Source};
use photinus_store::ChangeSet;
use serde_json::{Value, json};

use super::{
    Done,
    rows::{Kind, Row},
    run::VERSION,
};
use crate::{
    aggregation::inbox::{Content, Job},
    core::Core,
};

/// Largest batch that is read. Twice what senders of the reference may write, because a batch that others read and we do not
/// would stop our topics.
const MAX_BATCH: usize = 4 << 20;

/// How an attempt went.
pub(super) enum Outcome {
    /// Nothing is left to do, and no row of it. What its operation came to, unless that was written with what it brought.
    Done(Option<Value>),
    /// Try again.
    Later(String),
    /// The namespace stops.
    Stopping,
}

/// Why an attempt did not bring the content.
enum Failure {
    Later(String),
    Stopping,
}

fn later(error: impl std::fmt::Display) -> Failure {
    Failure::Later(error.to_string())
}

/// Attempts a fetch once.
pub(super) async fn once(core: &Arc<Core>, row: &Row) -> Outcome {
    let result = match row.kind {
        Kind::Batch => batch(core, row).await,
        Kind::Blob => blob(core, row).await.map(|()| None),
    };
    match result {
        Ok(output) => Outcome::Done(output),
        Err(Failure::Later(why)) => Outcome::Later(why),
        Err(Failure::Stopping) => Outcome::Stopping,
    }
}

fn done(row: &Row, output: Value) -> Done {
    Done { row: row.clone(), output }
}

/// The content of a fetch that has not begun, if it is here: what is published is pushed to the members, and often
/// comes before its pin. What is here and cannot be used is left to the fetch, which tells why.
pub(in crate::aggregation) async fn at_hand(core: &Core, row: &Row) -> Option<Content> {
    if row.kind != Kind::Batch {
        return None;
    }
    let bytes = core.ports.storage.at_hand(&row.payload_ref, MAX_BATCH as u64).await?;
    Some(content(read(&bytes, wanted(row), &core.options.network_namespace).ok()?))
}

fn wanted(row: &Row) -> BatchKey {
    BatchKey { id: row.id, hash: row.hash }
}

fn content(accepted: wire::Accepted) -> Content {
    Content { batch: Arc::new(accepted.batch), manifest: Some(accepted.manifest_text), source: Source::Storage }
}

async fn batch(core: &Arc<Core>, row: &Row) -> Result<Option<Value>, Failure> {
    let known = core.store.read(core.name()).batch_with_hash(row.id, row.hash).await.map_err(later)?;
    // A received batch is written, with its time, in the commit that takes its content. One that was sealed here has a record
    // without it, and a crash may have come between the seal and the taking: that one is fetched like any other.
    if known.is_some_and(|batch| batch.confirmed.is_some()) {
        let mut changes = ChangeSet::new(core.name());
        changes.extend(done(row, json!({ "batch": row.id })).changes(core.ports.clock.now()));
        return core.store.submit(changes).await.map(|_| None).map_err(later);
    }
    let content = match core.ports.storage.download(&row.payload_ref, MAX_BATCH as u64).await {
        Ok(content) => content,
        Err(error @ (storage::Error::InvalidReference(_) | storage::Error::TooLarge(_))) => {
            return refused(core, row, &error.to_string()).await.map(Some);
        }
        Err(error) => return Err(later(error)),
    };
    let bytes = match stream::collect(content, MAX_BATCH).await {
        Ok(bytes) => bytes,
        Err(error @ stream::CollectError::TooLarge(_)) => {
            return refused(core, row, &error.to_string()).await.map(Some);
        }
        Err(error) => return Err(later(error)),
    };
    let accepted = match read(&bytes, wanted(row), &core.options.network_namespace) {
        Ok(accepted) => accepted,
        // Storage gave something else than it was asked for; the right content may still come.
        Err(why) if cid::is_valid(&row.payload_ref) && cid::of(&bytes) != row.payload_ref => {
            return Err(Failure::Later(format!("shared storage gave another content: {why}")));
        }
        Err(why) => return refused(core, row, &why).await.map(Some),
    };
    let job = Job::Content(self::content(accepted), Some(done(row, json!({ "batch": row.id }))));
    core.aggregation.take(job).await.map_err(|_| Failure::Stopping)?;
    Ok(None)
}

/// Reads a content, if it is the batch that the ledger names.
fn read(bytes: &Bytes, wanted: BatchKey, network_namespace: &str) -> Result<wire::Accepted, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let batch = wire::parse_batch(text, MAX_BATCH).map_err(|error| error.to_string())?;
    let accepted = wire::accept(batch, Some(wanted.hash), network_namespace).map_err(|error| error.to_string())?;
    // Content is found by id and hash; the hash alone would let one batch pass for another.
    if accepted.batch.id == wanted.id { Ok(accepted) } else { Err("it is another batch".to_owned()) }
}

/// Content that no member can use: its place stays closed, as on every member, and the operation says so.
async fn refused(core: &Arc<Core>, row: &Row, why: &str) -> Result<Value, Failure> {
    let mut changes = ChangeSet::new(core.name());
    changes.extend(row.refuse(VERSION));
    core.store.submit(changes).await.map_err(later)?;
    tracing::warn!(namespace = core.name(), batch = %row.id, why, "the content of a pin was refused");
    core.aggregation.refused_content();
    Ok(json!({ "batch": null, "reason": why }))
}

async fn blob(core: &Arc<Core>, row: &Row) -> Result<(), Failure> {
    let held = core.store.read(core.name()).blobs_by_hash(row.hash).await.map_err(later)?;
    if let Some(held) = held.into_iter().next() {
        // It came another way, of which the machine need not have heard: an upload here tells nobody.
        let job = Job::Blob(held, Some(done(row, json!({ "hash": row.hash }))));
        return core.aggregation.take(job).await.map_err(|_| Failure::Stopping);
    }
    let limit = core.options.limits.blob_size;
    let content = core.ports.storage.download(&row.payload_ref, limit).await.map_err(later)?;
    let stored = match core.ports.blobs.put(core.name(), content, limit).await {
        Ok(stored) => stored,
        Err(error @ (blobs::Error::Io(_) | blobs::Error::TooLarge(_) | blobs::Error::NotFound(_))) => {
            return Err(later(error));
        }
    };
    if stored.hash != row.hash {
        let why = format!("the blob at '{}' hashes to {}, not {}", row.payload_ref, stored.hash, row.hash);
        if let Err(error) = core.ports.blobs.delete(&stored.payload_ref).await {
            tracing::warn!(namespace = core.name(), %error, "a wrong blob could not be deleted");
        }
        return Err(Failure::Later(why));
    }
    let output = json!({ "hash": stored.hash, "size": stored.size, "dxPayloadRef": stored.payload_ref });
    let blob = Blob {
        namespace: core.name().to_owned(),
        hash: stored.hash,
        payload_ref: stored.payload_ref,
        created: core.ports.clock.now(),
        peer: String::new(),
        size: i64::try_from(stored.size).unwrap_or(i64::MAX),
        data_id: Some(row.id),
    };
    core.aggregation.take(Job::Blob(blob, Some(done(row, output)))).await.map_err(|_| Failure::Stopping)
}
