//! What other members' nodes send to this one: private batches, files, questions.
//!
//! Everything is parsed at the door, and its sender is proved: certificate, node, organisation and the author of the batch must
//! fit together. What does not fit is refused with a reason, which the sender reads and operators see. What fits is durable
//! before the sender is told so. A batch that comes before its author, its node or its group is known is kept, up to a bound.
//!
//! Deliberately not here: when a message counts. Pinned messages are content for the ledger's order, like any other.

mod answer;
pub(crate) use answer::Question;
mod blobs;
mod messages;
mod sender;

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_model::{Hash, Uuid};
use photinus_ports::{
    exchange::{ReceivedBlob, Receiver, Refusal, Route},
    peers::PeerId,
};
use serde_json::Value;

use crate::{core::Core, delivery::status::Refused};

/// Refusals kept for the status; older ones are in the log.
const REFUSED: usize = 20;

/// What the door remembers.
#[derive(Default)]
pub(crate) struct Handle {
    refused: Mutex<VecDeque<Refused>>,
    count: AtomicU64,
    /// Files that are being sent to nodes that missed them.
    serving: Mutex<HashSet<(Uuid, Hash)>>,
}

impl Handle {
    /// What was refused lately.
    pub(crate) fn refused(&self) -> Vec<Refused> {
        self.refused.lock().iter().cloned().collect()
    }

    /// How much was refused since the start.
    pub(crate) fn refusals(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn refuse(&self, core: &Core, peer: &PeerId, reason: &str) {
        tracing::warn!(namespace = core.name(), peer = peer.0, reason, "what a peer sent was refused");
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut refused = self.refused.lock();
        if refused.len() >= REFUSED {
            refused.pop_front();
        }
        let (peer, reason) = (peer.0.clone(), reason.to_owned());
        refused.push_back(Refused { peer, reason, time: core.ports.clock.now() });
    }
}

/// Opens the door to the data exchange. If the exchange does not tell yet who this node is, it is asked again.
pub(crate) async fn start(core: &Arc<Core>) {
    if core.options.node.name.is_empty() || attach(core).await.is_ok() {
        return;
    }
    let (owner, tasks) = (Arc::clone(core), core.tasks.clone());
    tasks.spawn("reception", move || {
        let core = Arc::clone(&owner);
        async move { attach(&core).await }
    });
}

async fn attach(core: &Arc<Core>) -> Result<(), photinus_ports::exchange::Error> {
    let profile = core.ports.exchange.profile().await?;
    let base = profile.get("id").and_then(Value::as_str).unwrap_or_default();
    let own = PeerId(format!("{base}/{}", core.options.node.name));
    core.ports.exchange.receive(&own, Arc::new(Door(Arc::downgrade(core))));
    Ok(())
}

/// The door of a namespace. It does not keep the namespace alive.
struct Door(Weak<Core>);

impl Door {
    fn core(&self) -> Result<Arc<Core>, Refusal> {
        let core = self.0.upgrade().filter(|core| !core.tasks.stopping().is_cancelled());
        // Another namespace of this node may be behind this one; if there is none, the sender tries again later.
        core.ok_or(Refusal::NotMine)
    }
}

fn later(why: impl ToString) -> Refusal {
    Refusal::Later(why.to_string())
}

fn never(why: impl ToString) -> Refusal {
    Refusal::Never(why.to_string())
}

impl Core {
    /// Records a refusal that is for good.
    fn noted<T>(&self, peer: &PeerId, result: Result<T, Refusal>) -> Result<T, Refusal> {
        if let Err(Refusal::Never(reason)) = &result {
            self.reception.refuse(self, peer, reason);
        }
        result
    }
}

#[async_trait]
impl Receiver for Door {
    async fn message(&self, route: &Route, payload: Bytes) -> Result<String, Refusal> {
        let core = self.core()?;
        core.noted(&route.from, messages::take(&core, &route.from, &payload).await)
    }

    async fn admit_blob(&self, route: &Route, path: &str, size: u64) -> Result<(), Refusal> {
        let core = self.core()?;
        core.noted(&route.from, blobs::admit(&core, &route.from, path, size).await)
    }

    async fn blob(&self, blob: ReceivedBlob) -> Result<(), Refusal> {
        let core = self.core()?;
        let peer = blob.route.from.clone();
        core.noted(&peer, blobs::take(&core, blob).await)
    }

    async fn answer(&self, route: &Route, question: Bytes) -> Result<Bytes, Refusal> {
        let core = self.core()?;
        answer::answer(&core, &route.from, &question).await
    }
}
