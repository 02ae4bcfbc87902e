//! What peers send: offered to the namespaces of this node until one takes it, then acknowledged.
//!
//! The data exchange has at most a hundred events on their way and sends each of them again when it is connected to anew, so an
//! event that waits is kept there and not here. One that nobody takes for long is given up only when such events fill almost
//! all of that window, for then nothing else could arrive.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_ports::{
    exchange::{ReceivedBlob, Refusal, Route},
    peers::PeerId,
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::Instant,
};

use crate::{
    directory::split,
    sending::place,
    service::Shared,
    wire::{Ack, What},
};

/// Events that wait, of the hundred that may be on their way, beyond which the oldest are given up.
const PRESSURE: usize = 80;
/// How long an event is kept at least.
const PATIENCE: Duration = Duration::from_secs(600);
/// Events that are remembered as taken.
const REMEMBERED: usize = 1024;

/// A blob that was moved here, and the path and the recipient under which it had come.
struct Moved {
    path: String,
    blob: ReceivedBlob,
}

/// What is arriving.
pub(crate) struct Arriving {
    /// Blobs that were moved lately. One that is sent again at once may be removed with its predecessor.
    moved: Mutex<VecDeque<Moved>>,
    /// Events that somebody works on.
    open: Mutex<HashSet<String>>,
    /// Events that were taken lately, with their acknowledgements: the way there may have been cut.
    taken: Mutex<VecDeque<Ack>>,
    /// The end of each peer's queue of messages: they are offered in their order.
    turns: Mutex<HashMap<String, oneshot::Receiver<()>>>,
    blobs: Semaphore,
    waiting: AtomicUsize,
    given_up: AtomicUsize,
}

impl Arriving {
    pub(crate) fn new(blobs: usize) -> Self {
        Self {
            moved: Mutex::default(),
            open: Mutex::default(),
            taken: Mutex::default(),
            turns: Mutex::default(),
            blobs: Semaphore::new(blobs.max(1)),
            waiting: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
        }
    }

    /// Events that no namespace takes yet, if they are so many that they are in the way of others.
    pub(crate) fn pressure(&self) -> Option<usize> {
        Some(self.waiting.load(Ordering::Relaxed)).filter(|waiting| *waiting >= PRESSURE)
    }
}

/// Begins to take an event. Gives its acknowledgement if that was done before.
pub(crate) fn take(shared: &Arc<Shared>, id: String, what: What) -> Option<Ack> {
    let arriving = &shared.arriving;
    if let Some(ack) = arriving.taken.lock().iter().find(|ack| ack.id == id) {
        return Some(ack.clone());
    }
    if !arriving.open.lock().insert(id.clone()) {
        return None; // sent again while it is worked on
    }
    let turn = match &what {
        What::Message { sender, .. } => {
            let (over, end) = oneshot::channel();
            Some((arriving.turns.lock().insert(sender.clone(), end), over))
        }
        _ => None,
    };
    let owner = Arc::clone(shared);
    shared.spawn(async move {
        let manifest = offered(&owner, &id, &what, turn).await;
        let ack = Ack { manifest, ..Ack::of(&*id) };
        {
            let mut taken = owner.arriving.taken.lock();
            if taken.len() >= REMEMBERED {
                taken.pop_front();
            }
            taken.push_back(ack.clone());
        }
        owner.arriving.open.lock().remove(&id);
        owner.acknowledge(ack).await;
    });
    None
}

type Turn = (Option<oneshot::Receiver<()>>, oneshot::Sender<()>);

/// Offers an event until it is taken or refused for good. Gives the manifest of a message that was taken.
async fn offered(shared: &Shared, id: &str, what: &What, turn: Option<Turn>) -> Option<String> {
    let (before, over) = turn.unzip();
    if let Some(before) = before.flatten() {
        // The end of the turn before, whatever became of it.
        let _ = before.await;
    }
    let since = Instant::now();
    let mut said = offer(shared, what).await;
    drop(over);
    let mut waiting = None;
    let mut wait = shared.options.offer.initial;
    loop {
        match said {
            Ok(manifest) => return manifest,
            Err(Refusal::Never(reason)) => {
                tracing::warn!(id, reason, "what a peer sent is refused");
                return None;
            }
            // It is asked again: a namespace may start soon.
            Err(refusal) => {
                let here = waiting.get_or_insert_with(|| Waiting::new(&shared.arriving.waiting));
                if here.0.load(Ordering::Relaxed) >= PRESSURE && since.elapsed() > PATIENCE {
                    shared.arriving.given_up.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(id, %refusal, "what a peer sent is given up: too much waits that nobody takes");
                    return None;
                }
                if wait > Duration::from_secs(1) {
                    tracing::warn!(id, %refusal, "what a peer sent waits");
                }
            }
        }
        tokio::time::sleep(wait).await;
        wait = shared.options.offer.after(wait);
        said = offer(shared, what).await;
    }
}

/// Counts one that waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn offer(shared: &Shared, what: &What) -> Result<Option<String>, Refusal> {
    match what {
        What::Message { sender, recipient, message } => {
            let route = route(shared, sender, recipient)?;
            shared.receivers.message(&route, Bytes::copy_from_slice(message.as_bytes())).await.map(Some)
        }
        What::Blob { sender, recipient, path, hash, size } => {
            let route = route(shared, sender, recipient)?;
            blob(shared, route, path, hash, *size).await.map(|()| None)
        }
        _ => Ok(None),
    }
}

/// From whom to whom. The process has proved the sender's base id by its certificate.
fn route(shared: &Shared, sender: &str, recipient: &str) -> Result<Route, Refusal> {
    let never = |reason: String| Refusal::Never(reason);
    if sender.is_empty() || !crate::directory::is_base(split(sender).0) {
        return Err(never(format!("'{sender}' is no sender that a node can have")));
    }
    if shared.own().as_deref() != Some(split(recipient).0) {
        return Err(never(format!("it is for '{recipient}', which is none of this data exchange")));
    }
    Ok(Route { from: PeerId(sender.to_owned()), to: PeerId(recipient.to_owned()) })
}

/// Moves a blob to this node's own store.
async fn blob(shared: &Shared, route: Route, path: &str, hash: &str, size: u64) -> Result<(), Refusal> {
    let never = |reason: &str| Refusal::Never(reason.to_owned());
    let later = |error: &dyn std::fmt::Display| Refusal::Later(format!("the blob cannot be fetched now: {error}"));
    if !is_received(path) {
        return Err(never("the path of the blob is none of a blob that has come"));
    }
    let ours = last_two(path).filter(|ours| place(ours).is_some());
    let ours = ours.ok_or_else(|| never("the path of a blob ends in namespace/id"))?.to_owned();
    let expected: Hash = hash.parse().map_err(|_| never("the hash of the blob is none"))?;
    let _place = shared.arriving.blobs.acquire().await.map_err(|error| later(&error))?;
    let taken = if size > shared.options.blob {
        Err(Refusal::Never(format!("blobs of up to {} bytes are taken", shared.options.blob)))
    } else {
        fetch(shared, route, path, ours, expected, size).await
    };
    if matches!(taken, Ok(()) | Err(Refusal::Never(_)))
        && let Err(error) = shared.api.delete_blob(path).await
    {
        tracing::debug!(path, %error, "a blob that was moved is not removed from the data exchange");
    }
    taken
}

async fn fetch(
    shared: &Shared,
    route: Route,
    path: &str,
    ours: String,
    expected: Hash,
    size: u64,
) -> Result<(), Refusal> {
    let later = |error: &dyn std::fmt::Display| Refusal::Later(format!("the blob cannot be fetched now: {error}"));
    shared.receivers.admit_blob(&route, &ours, size).await?;
    let store = shared.blob_store().map_err(|error| later(&error))?;
    let content = shared.api.blob(path).await.map_err(|error| later(&error))?;
    let Some(content) = content else {
        let known = |moved: &&Moved| moved.path == path && moved.blob.hash == expected && moved.blob.route == route;
        let known = shared.arriving.moved.lock().iter().find(known).map(|moved| moved.blob.clone());
        let nothing = || Refusal::Never(format!("the data exchange has no blob at '{path}'"));
        return shared.receivers.blob(known.ok_or_else(nothing)?).await;
    };
    let namespace = ours.split_once('/').map_or("", |(namespace, _)| namespace);
    let stored = store.put(namespace, content, size).await.map_err(|error| later(&error))?;
    let payload_ref = stored.payload_ref.clone();
    let taken = if stored.hash == expected {
        let (hash, size) = (stored.hash, stored.size);
        let blob = ReceivedBlob { route, path: ours, hash, size, payload_ref: stored.payload_ref };
        let taken = shared.receivers.blob(blob.clone()).await;
        if taken.is_ok() {
            let mut moved = shared.arriving.moved.lock();
            if moved.len() >= REMEMBERED {
                moved.pop_front();
            }
            moved.push_back(Moved { path: path.to_owned(), blob });
        }
        taken
    } else {
        // It may be coming once more at this moment, for it is written in place.
        Err(Refusal::Later("its bytes are not those of its hash".to_owned()))
    };
    if taken.is_err()
        && let Err(error) = store.delete(&payload_ref).await
    {
        tracing::warn!(%error, payload_ref, "a blob that nobody takes stays behind");
    }
    taken
}

/// Whether a path can be asked for: it becomes part of a URL.
fn is_received(path: &str) -> bool {
    let fit = |b: u8| b.is_ascii_alphanumeric() || b"_+.-/".contains(&b);
    path.starts_with("received/")
        && path.len() <= 1024
        && path.bytes().all(fit)
        && !path.contains("..")
        && !path.contains("//")
}

/// The last two segments of a path.
fn last_two(path: &str) -> Option<&str> {
    let last = path.rfind('/')?;
    let start = path[..last].rfind('/').map_or(0, |before| before + 1);
    Some(&path[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_blobs_are_checked() {
        assert_eq!(last_two("received/org_a/node/ns1/id"), Some("ns1/id"));
        assert_eq!(last_two("ns1/id"), Some("ns1/id"));
        assert_eq!(last_two("id"), None);
        assert!(is_received("received/org_a/node/ns1/id"));
        for wrong in ["ns1/id", "received/../ns1/id", "received//x", "received/a?b", "received/%2e", "received/a b"] {
            assert!(!is_received(wrong), "{wrong}");
        }
    }
}
