//! Fetching contents and blobs from shared storage, until they are here.
//!
//! A fetch is written down in the commit that finds it missing, and forgotten in the commit that takes its content, so a
//! crash in between resumes it. At most [`Download::parallel`](crate::options::Download) run at the same time; each goes on for
//! ever, and shows in its operation what the last attempt said.

use std::sync::Arc;

use photinus_model::{Hash, JsonText, Time, Uuid, blob::Blob, cid, operation, wire};
use photinus_ports::{blobs, storage, stream};
use photinus_sequencing::facts::{BatchKey, Source};
use photinus_store::{Change, ChangeSet};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    apply,
    group::{Fetch, FetchBlob, Group},
    inbox::{Content, Job},
};
use crate::{core::Core, operations, space};

/// Largest batch that is read. Twice what senders of the reference may write, because a batch that others read and we do not
/// would stop our topics.
const MAX_BATCH: usize = 4 << 20;

/// What is written down of a fetch.
#[derive(Serialize, Deserialize)]
struct Note {
    payload_ref: String,
    operation: Uuid,
    /// The version that has seen the content and cannot use it. Another one looks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused_by: Option<String>,
}

/// This version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const BATCHES: u8 = 1;
const BLOBS: u8 = 2;

/// The key of a note. Anybody can name a content under a reference that leads nowhere, so each reference has its own.
fn key(kind: u8, id: Uuid, hash: Hash, payload_ref: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(81);
    key.push(kind);
    key.extend_from_slice(id.as_bytes());
    key.extend_from_slice(hash.as_bytes());
    key.extend_from_slice(Hash::of(payload_ref).as_bytes());
    key
}

fn parts(key: &[u8]) -> Option<(u8, Uuid, Hash)> {
    let (kind, rest) = key.split_first()?;
    let id = Uuid::from_slice(rest.get(..16)?).ok()?;
    let hash: [u8; 32] = rest.get(16..48)?.try_into().ok()?;
    Some((*kind, id, Hash::from(hash)))
}

fn note(key: Vec<u8>, payload_ref: &str, operation: Uuid) -> Result<Change, serde_json::Error> {
    let note = Note { payload_ref: payload_ref.to_owned(), operation, refused_by: None };
    Ok(Change::PutKv { space: space::FETCHES, key, value: serde_json::to_vec(&note)? })
}

/// Writes a fetch down.
pub(super) fn remember(fetch: &Fetch) -> Result<Change, serde_json::Error> {
    note(fetch.key(), &fetch.payload_ref, fetch.operation)
}

/// A fetch that brought what it was for.
#[derive(Clone, Debug)]
pub(super) struct Done {
    key: Vec<u8>,
    operation: Uuid,
    output: serde_json::Value,
}

impl Done {
    /// Forgets the fetch and ends its operation, in the commit that takes the content: a crash leaves neither behind.
    pub(super) fn changes(&self, now: Time) -> [Change; 2] {
        let output = JsonText::write(&self.output).ok();
        let ended = operations::Update::new(self.operation, operation::Status::Succeeded).output(output);
        [Change::DeleteKv { space: space::FETCHES, key: self.key.clone() }, ended.into_change(now)]
    }
}

impl Fetch {
    fn key(&self) -> Vec<u8> {
        key(BATCHES, self.batch.id, self.batch.hash, &self.payload_ref)
    }

    fn done(&self) -> Done {
        Done { key: self.key(), operation: self.operation, output: json!({ "batch": self.batch.id }) }
    }
}

impl FetchBlob {
    fn key(&self) -> Vec<u8> {
        key(BLOBS, self.data, self.hash, &self.payload_ref)
    }

    fn done(&self, output: serde_json::Value) -> Done {
        Done { key: self.key(), operation: self.operation, output }
    }
}

/// Writes the fetch of a blob down, with its operation.
pub(super) fn begin_blob(core: &Core, group: &mut Group<'_>, fetch: FetchBlob, tx: Uuid) -> Result<(), apply::Error> {
    let input = JsonText::write(&json!({ "dataId": fetch.data, "payloadRef": fetch.payload_ref }))?;
    group.push(Change::InsertOperation(operation::Operation {
        id: fetch.operation,
        namespace: group.namespace().to_owned(),
        tx: Some(tx),
        kind: operation::Type::SharedStorageDownloadBlob,
        status: operation::Status::Initialized,
        plugin: core.ports.storage.plugin_type().to_owned(),
        input: Some(input),
        output: None,
        error: String::new(),
        created: group.now,
        updated: group.now,
        retry: None,
    }));
    group.push(note(fetch.key(), &fetch.payload_ref, fetch.operation)?);
    group.after.blobs.push(fetch);
    Ok(())
}

/// Resumes what was written down and not finished.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn resume(core: &Arc<Core>) -> Result<(), super::Error> {
    let mut from = Vec::new();
    loop {
        let page = core.store.kv_range(core.name(), space::FETCHES, &from, None, 500).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        for (key, value) in page {
            let (Some((kind, id, hash)), Ok(note)) = (parts(&key), serde_json::from_slice::<Note>(&value)) else {
                tracing::error!(namespace = core.name(), "a note of a fetch cannot be read");
                continue;
            };
            let Note { payload_ref, operation, refused_by } = note;
            if refused_by.as_deref() == Some(VERSION) {
                // Anybody can pin what nobody can use: it is not fetched again at each start.
                core.aggregation.refused_content();
                continue;
            }
            match kind {
                BATCHES => spawn(core, Fetch { batch: BatchKey { id, hash }, payload_ref, operation }),
                _ => spawn_blob(core, FetchBlob { data: id, hash, payload_ref, operation }),
            }
        }
    }
}

/// The operations that fetch a batch.
pub(super) async fn of_batch(core: &Core, batch: BatchKey) -> Result<Vec<Uuid>, photinus_store::Error> {
    operations_under(core, BATCHES, batch.id, batch.hash).await
}

/// The operations that fetch the blob of data.
pub(super) async fn of_blob(core: &Core, data: Uuid, hash: Hash) -> Result<Vec<Uuid>, photinus_store::Error> {
    operations_under(core, BLOBS, data, hash).await
}

async fn operations_under(core: &Core, kind: u8, id: Uuid, hash: Hash) -> Result<Vec<Uuid>, photinus_store::Error> {
    /// References of one content that are looked at; anybody can name more.
    const MOST: usize = 16;
    let mut prefix = key(kind, id, hash, "");
    prefix.truncate(1 + 16 + 32);
    let notes = core.store.kv_scan(core.name(), space::FETCHES, &prefix, None, MOST).await?;
    let operation = |(_, note): (Vec<u8>, Vec<u8>)| Some(serde_json::from_slice::<Note>(&note).ok()?.operation);
    Ok(notes.into_iter().filter_map(operation).collect())
}

/// Fetches a batch in the background.
pub(super) fn spawn(core: &Arc<Core>, fetch: Fetch) {
    let owner = Arc::clone(core);
    core.tasks.spawn_once(format!("fetch batch {}", fetch.batch.id), async move {
        let (id, reference) = (fetch.operation, fetch.payload_ref.clone());
        until_done(&owner, id, || attempt(&owner, &fetch, &reference)).await;
    });
}

/// Fetches a blob in the background.
pub(super) fn spawn_blob(core: &Arc<Core>, fetch: FetchBlob) {
    let owner = Arc::clone(core);
    core.tasks.spawn_once(format!("fetch blob of data {}", fetch.data), async move {
        until_done(&owner, fetch.operation, || attempt_blob(&owner, &fetch)).await;
    });
}

/// Why an attempt did not bring the content.
enum Failure {
    /// Try again.
    Later(String),
    /// The namespace stops.
    Stopping,
}

/// Tries until it is done or the namespace stops, one of a bounded number at a time.
async fn until_done<F>(core: &Arc<Core>, operation: Uuid, mut attempt: impl FnMut() -> F)
where
    F: Future<Output = Result<serde_json::Value, Failure>>,
{
    let mut backoff = core.tasks.backoff(core.options.download.retry);
    let mut told = String::new();
    loop {
        let result = {
            // Waiting for a place, an attempt holds nothing; between attempts it gives its place to others.
            let Ok(_place) = core.aggregation.downloads().acquire().await else { return };
            attempt().await
        };
        match result {
            Ok(output) => return operations::succeeded(core, operation, &output).await,
            Err(Failure::Stopping) => return,
            Err(Failure::Later(why)) => {
                if why != told {
                    tracing::info!(namespace = core.name(), %operation, why, "content is not available yet");
                    operations::pending(core, operation, &why).await;
                    told = why;
                }
            }
        }
        tokio::select! {
            biased;
            going = core.tasks.pause(backoff.advance()) => if !going { return },
            () = core.aggregation.hurried() => backoff = core.tasks.backoff(core.options.download.retry),
        }
    }
}

/// Forgets a fetch whose content came another way.
async fn overtaken(core: &Core, fetch: &Fetch) -> Result<(), Failure> {
    let mut changes = ChangeSet::new(core.name());
    changes.extend(fetch.done().changes(core.ports.clock.now()));
    core.store.submit(changes).await.map(|_| ()).map_err(|error| Failure::Later(error.to_string()))
}

/// The content of a fetch that is not spawned yet, if it is here: what is published is pushed to the members, and often
/// comes before its pin. What is here and cannot be used is left to the fetch, which tells why.
pub(super) async fn at_hand(core: &Core, fetch: &Fetch) -> Option<Content> {
    let bytes = core.ports.storage.at_hand(&fetch.payload_ref, MAX_BATCH as u64).await?;
    Some(content(read(&bytes, fetch.batch, &core.options.network_namespace).ok()?))
}

/// What is written of a fetch that was not needed: in the commit that would begin it.
pub(super) fn end(group: &mut Group<'_>, fetch: &Fetch) {
    let now = group.now;
    group.changes.extend(fetch.done().changes(now));
}

fn fetched(fetch: &Fetch) -> serde_json::Value {
    json!({ "batch": fetch.batch.id })
}

fn content(accepted: wire::Accepted) -> Content {
    Content { batch: Arc::new(accepted.batch), manifest: Some(accepted.manifest_text), source: Source::Storage }
}

async fn attempt(core: &Arc<Core>, fetch: &Fetch, reference: &str) -> Result<serde_json::Value, Failure> {
    let known = core.store.read(core.name()).batch_with_hash(fetch.batch.id, fetch.batch.hash).await;
    let known = known.map_err(|error| Failure::Later(error.to_string()))?;
    // A received batch is written, with its time, in the commit that takes its content. One that was sealed here has a record
    // without it, and a crash may have come between the seal and the taking: that one is fetched like any other.
    if known.is_some_and(|batch| batch.confirmed.is_some()) {
        overtaken(core, fetch).await?;
        return Ok(fetched(fetch));
    }
    let content = match core.ports.storage.download(reference, MAX_BATCH as u64).await {
        Ok(content) => content,
        Err(error @ (storage::Error::InvalidReference(_) | storage::Error::TooLarge(_))) => {
            return refused(core, fetch, &error.to_string()).await;
        }
        Err(error) => return Err(Failure::Later(error.to_string())),
    };
    let bytes = match stream::collect(content, MAX_BATCH).await {
        Ok(bytes) => bytes,
        Err(error @ stream::CollectError::TooLarge(_)) => return refused(core, fetch, &error.to_string()).await,
        Err(error) => return Err(Failure::Later(error.to_string())),
    };
    let accepted = match read(&bytes, fetch.batch, &core.options.network_namespace) {
        Ok(accepted) => accepted,
        // Storage gave something else than it was asked for; the right content may still come.
        Err(why) if cid::is_valid(reference) && cid::of(&bytes) != reference => {
            return Err(Failure::Later(format!("shared storage gave another content: {why}")));
        }
        Err(why) => return refused(core, fetch, &why).await,
    };
    let job = Job::Content(self::content(accepted), Some(fetch.done()));
    core.aggregation.take(job).await.map_err(|_| Failure::Stopping)?;
    Ok(fetched(fetch))
}

/// Reads a content, if it is the batch that the ledger names.
fn read(bytes: &[u8], wanted: BatchKey, network_namespace: &str) -> Result<wire::Accepted, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let batch = wire::parse_batch(text, MAX_BATCH).map_err(|error| error.to_string())?;
    let accepted = wire::accept(batch, Some(wanted.hash), network_namespace).map_err(|error| error.to_string())?;
    // Content is found by id and hash; the hash alone would let one batch pass for another.
    if accepted.batch.id == wanted.id { Ok(accepted) } else { Err("it is another batch".to_owned()) }
}

/// Content that no member can use: its place stays closed, as on every member, and the operation says so.
async fn refused(core: &Core, fetch: &Fetch, why: &str) -> Result<serde_json::Value, Failure> {
    let note = Note {
        payload_ref: fetch.payload_ref.clone(),
        operation: fetch.operation,
        refused_by: Some(VERSION.to_owned()),
    };
    let later = |error: &dyn std::fmt::Display| Failure::Later(error.to_string());
    let value = serde_json::to_vec(&note).map_err(|error| later(&error))?;
    let mut changes = ChangeSet::new(core.name());
    changes.push(Change::PutKv { space: space::FETCHES, key: fetch.key(), value });
    core.store.submit(changes).await.map_err(|error| later(&error))?;
    tracing::warn!(namespace = core.name(), batch = %fetch.batch.id, why, "the content of a pin was refused");
    core.aggregation.refused_content();
    Ok(json!({ "batch": null, "reason": why }))
}

async fn attempt_blob(core: &Arc<Core>, fetch: &FetchBlob) -> Result<serde_json::Value, Failure> {
    let held = core.store.read(core.name()).blobs_by_hash(fetch.hash).await;
    if let Some(held) = held.map_err(|error| Failure::Later(error.to_string()))?.into_iter().next() {
        // It came another way, of which the machine need not have heard: an upload here tells nobody.
        core.aggregation
            .take(Job::Blob(held, Some(fetch.done(json!({ "hash": fetch.hash })))))
            .await
            .map_err(|_| Failure::Stopping)?;
        return Ok(json!({ "hash": fetch.hash }));
    }
    let limit = core.options.limits.blob_size;
    let content = core
        .ports
        .storage
        .download(&fetch.payload_ref, limit)
        .await
        .map_err(|error| Failure::Later(error.to_string()))?;
    let stored = match core.ports.blobs.put(core.name(), content, limit).await {
        Ok(stored) => stored,
        Err(error @ (blobs::Error::Io(_) | blobs::Error::TooLarge(_) | blobs::Error::NotFound(_))) => {
            return Err(Failure::Later(error.to_string()));
        }
    };
    if stored.hash != fetch.hash {
        let why = format!("the blob at '{}' hashes to {}, not {}", fetch.payload_ref, stored.hash, fetch.hash);
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
        data_id: Some(fetch.data),
    };
    core.aggregation.take(Job::Blob(blob, Some(fetch.done(output.clone())))).await.map_err(|_| Failure::Stopping)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        let (id, hash) = (Uuid::from_u128(7), Hash::of("x"));
        assert_eq!(parts(&key(BLOBS, id, hash, "ref")), Some((BLOBS, id, hash)));
        assert_ne!(key(BLOBS, id, hash, "ref"), key(BLOBS, id, hash, "other"));
        assert_eq!(parts(&[]), None);
        assert_eq!(parts(&key(BLOBS, id, hash, "ref")[..40]), None);
    }
}
