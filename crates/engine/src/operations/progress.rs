//! Progress of operations, written behind: gathered in memory, many to a commit, in order.

use std::sync::Arc;

use parking_lot::Mutex;
use photinus_model::{JsonText, Time, Uuid, operation::Status};
use photinus_store::{Change, ChangeSet, change};
use tokio::sync::{mpsc, oneshot};

use crate::core::Core;

/// Updates that wait in memory before whoever reports them has to wait too.
const QUEUE: usize = 4_096;
/// Updates in one commit.
const GROUP: usize = 256;

/// How far an operation got.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    id: Uuid,
    status: Status,
    input: Option<JsonText>,
    output: Option<JsonText>,
    error: String,
    on_ledger: Option<(Uuid, String)>,
    with: Option<Change>,
}

impl Update {
    /// The operation is now at this status.
    pub(crate) fn new(id: Uuid, status: Status) -> Self {
        Self { id, status, input: None, output: None, error: String::new(), on_ledger: None, with: None }
    }

    /// What came of it, if anything.
    pub(crate) fn output(mut self, output: Option<JsonText>) -> Self {
        self.output = output;
        self
    }

    /// What it works on, now that it is known completely.
    pub(crate) fn input(mut self, input: Option<JsonText>) -> Self {
        self.input = input;
        self
    }

    /// Hashes of transactions on the ledger that it came to.
    pub(crate) fn on_ledger(mut self, tx: Option<Uuid>, hash: Option<String>) -> Self {
        self.on_ledger = tx.zip(hash);
        self
    }

    /// What else changes in the same commit.
    pub(crate) fn with(mut self, change: Change) -> Self {
        self.with = Some(change);
        self
    }

    /// Why it failed.
    pub(crate) fn error(mut self, error: String) -> Self {
        self.error = error;
        self
    }

    /// The change of the row. An open status never overwrites a final one.
    pub(crate) fn into_change(self, now: Time) -> Change {
        Change::UpdateOperation(change::Operation {
            id: self.id,
            status: self.status,
            input: self.input,
            output: self.output,
            error: self.error,
            updated: now,
            retry: None,
        })
    }
}

/// An operation that this node does by itself succeeded.
pub(crate) async fn succeeded(core: &Core, id: Uuid, output: &serde_json::Value) {
    lazily(core, Update::new(id, Status::Succeeded).output(JsonText::write(output).ok())).await;
}

/// An operation that this node does by itself did not succeed yet.
pub(crate) async fn pending(core: &Core, id: Uuid, why: &str) {
    lazily(core, Update::new(id, Status::Pending).error(why.to_owned())).await;
}

/// An update and whoever waits until it is durable.
struct Entry {
    update: Update,
    durable: Option<oneshot::Sender<()>>,
}

/// Where updates are handed in. All take one way, so that they are written in the order in which they happened.
pub(crate) struct Handle {
    updates: mpsc::Sender<Entry>,
    inbox: Mutex<Option<mpsc::Receiver<Entry>>>,
}

impl Handle {
    pub(crate) fn new() -> Self {
        let (updates, inbox) = mpsc::channel(QUEUE);
        Self { updates, inbox: Mutex::new(Some(inbox)) }
    }

    /// Starts writing.
    pub(crate) fn start(core: &Arc<Core>) {
        let Some(inbox) = core.operations.inbox.lock().take() else { return };
        let inbox = Arc::new(tokio::sync::Mutex::new(inbox));
        let (core, tasks) = (Arc::clone(core), core.tasks.clone());
        tasks.spawn("operation progress", move || write(Arc::clone(&core), Arc::clone(&inbox)));
    }
}

/// Hands in an update; waits only while very many are unwritten.
pub(crate) async fn lazily(core: &Core, update: Update) {
    // The receiver lives as long as the namespace. After it, what is not written is tried again by the next start.
    let _ = core.operations.updates.send(Entry { update, durable: None }).await;
}

/// Hands in an update and returns when it is durable. `false` when the namespace stops before.
pub(crate) async fn durably(core: &Core, update: Update) -> bool {
    let (durable, done) = oneshot::channel();
    core.operations.updates.send(Entry { update, durable: Some(durable) }).await.is_ok() && done.await.is_ok()
}

async fn write(
    core: Arc<Core>,
    inbox: Arc<tokio::sync::Mutex<mpsc::Receiver<Entry>>>,
) -> Result<(), std::convert::Infallible> {
    let mut inbox = inbox.lock().await;
    let mut group = Vec::new();
    loop {
        tokio::select! {
            biased;
            count = inbox.recv_many(&mut group, GROUP) => if count == 0 { return Ok(()) },
            () = core.tasks.stopping().cancelled() => return Ok(()),
        }
        commit(&core, &mut group).await;
    }
}

/// Writes a group, for as long as it takes.
async fn commit(core: &Core, group: &mut Vec<Entry>) {
    let mut backoff = core.tasks.backoff(core.options.retry);
    while !group.is_empty() {
        let now = core.ports.clock.now();
        let mut changes = ChangeSet::new(core.name());
        for entry in group.iter() {
            changes.push(entry.update.clone().into_change(now));
            changes.extend(entry.update.with.clone());
            if let Some((tx, hash)) = entry.update.on_ledger.clone() {
                changes.push(Change::AddBlockchainIds { tx, ids: vec![hash] });
            }
        }
        match core.store.submit(changes).await {
            Ok(_) => {
                for durable in group.drain(..).filter_map(|entry| entry.durable) {
                    // Whoever does not wait any more needs no answer.
                    let _ = durable.send(());
                }
            }
            Err(error) => {
                tracing::warn!(namespace = core.name(), %error, "progress of operations is written later");
                if !core.tasks.pause(backoff.advance()).await {
                    return;
                }
            }
        }
    }
}
