//! Deliveries to the nodes of other members: what is owed to each of them, until it has it.
//!
//! Whatever is owed is written down in the commit that makes it so, as an entry of that peer's own queue in the store, beside
//! an operation that applications see. Each peer has two workers, one for messages and one for files, each with a few
//! deliveries under way, in the order of their entries. A peer that is away delays nobody else: its entries stay in the store,
//! memory holds the first few of them, and its worker tries again after a growing wait, or when the exchange says that
//! something changed.
//!
//! An entry is removed in the commit that records what became of its operation. A crash before it delivers once more, under
//! the same id; receivers know what they have.
//!
//! Deliberately not here: how a delivery travels (port `exchange`), and what a batch is (module `batching`).

mod acks;
mod attempt;
mod entry;
mod queue;
pub mod status;
mod worker;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) use acks::Acks;
pub(crate) use entry::{Delivery, What};
use parking_lot::Mutex;
use photinus_model::{Hash, Uuid, operation::Status};
use photinus_store::ChangeSet;
use queue::Queue;

use crate::{core::Core, operations, space};

/// One peer: what is owed to its node.
struct Peer {
    node: Uuid,
    messages: Queue,
    blobs: Queue,
}

impl Peer {
    fn queue(&self, what: &What) -> &Queue {
        match what {
            What::Batch { .. } => &self.messages,
            What::Blob { .. } => &self.blobs,
        }
    }
}

/// The peers of a namespace, by the ids of their nodes.
pub(crate) struct Handle {
    peers: Mutex<HashMap<Uuid, Arc<Peer>>>,
    next: AtomicU64,
    acks: acks::Registry,
}

impl Handle {
    pub(crate) fn new() -> Self {
        Self { peers: Mutex::default(), next: AtomicU64::new(1), acks: acks::Registry::default() }
    }

    /// The place in its peer's queue of a delivery that is about to be written down.
    pub(crate) fn place(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that somebody wants to know when these deliveries have arrived, or their peers turn out to be away. To be called
    /// before they are sent.
    pub(crate) fn expect(&self, operations: impl IntoIterator<Item = Uuid>) -> Arc<Acks> {
        self.acks.expect(operations)
    }

    /// How each peer does to whom something is owed, or was since the start.
    pub(crate) fn report(&self) -> Vec<(Uuid, status::Backlog)> {
        let peers: Vec<_> = self.peers.lock().values().cloned().collect();
        let of = |peer: Arc<Peer>| (peer.node, peer.messages.report().and(peer.blobs.report()));
        let mut list: Vec<_> = peers.into_iter().map(of).collect();
        list.sort_by_key(|(node, _)| *node);
        list
    }
}

/// Settles those of these operations that had come to their end before anybody expected them.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn settle_ended(core: &Core, operations: &[Uuid]) -> Result<(), photinus_store::Error> {
    for id in operations {
        let operation = core.store.read(core.name()).operation(*id).await?;
        if operation.is_none_or(|operation| operation.status.is_final()) {
            core.delivery.acks.settle(*id);
        }
    }
    Ok(())
}

/// Hands over deliveries whose entries are stored. Never waits: what memory cannot hold is read from the store.
pub(crate) fn send(core: &Arc<Core>, deliveries: impl IntoIterator<Item = Delivery>) {
    for delivery in deliveries {
        let peer = peer(core, delivery.node);
        let operation = delivery.operation;
        if !peer.queue(&delivery.what).push(delivery) {
            core.delivery.acks.settle(operation);
        }
    }
}

/// Whether a message for a node would go out at once: nothing else is owed to it, and it can be reached as far as is known.
pub(crate) async fn is_free(core: &Arc<Core>, node: Uuid) -> bool {
    peer(core, node).messages.is_free() && attempt::reachable(core, node).await
}

/// Delivers once, and records nothing. `false` when it is to be tried again, or given up, as the peer's queue decides.
pub(crate) async fn attempt_once(core: &Core, delivery: &mut Delivery) -> bool {
    attempt::once(core, delivery).await
}

/// Records that something has arrived that [`attempt_once`] delivered.
pub(crate) async fn has_arrived(core: &Core, delivery: &Delivery) {
    core.delivery.acks.settle(delivery.operation);
    let update = operations::Update::new(delivery.operation, Status::Succeeded);
    operations::lazily(core, update.with(delivery.forget())).await;
}

/// Why a delivery could not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
    /// A record could not be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Sends a file once to a node that has missed it. Nothing is written down: whoever misses it asks again.
///
/// # Errors
/// What the attempt said.
pub(crate) async fn serve(core: &Core, node: Uuid, data: Uuid, file: Hash) -> Result<(), String> {
    attempt::serve(core, node, data, file).await
}

/// Delivers something once more, under the id of an operation that is stored.
pub(crate) async fn again(core: &Arc<Core>, node: Uuid, what: What, operation: Uuid) -> Result<(), Error> {
    let (place, since) = (core.delivery.place(), core.ports.clock.now());
    let delivery = Delivery { node, operation, what, place, since, payload: None };
    let mut changes = ChangeSet::new(core.name());
    changes.push(delivery.remember()?);
    core.store.submit(changes).await?;
    send(core, [delivery]);
    Ok(())
}

/// The peer of a node, whose workers are started if need be.
fn peer(core: &Arc<Core>, node: Uuid) -> Arc<Peer> {
    let mut peers = core.delivery.peers.lock();
    if let Some(peer) = peers.get(&node) {
        return Arc::clone(peer);
    }
    let options = &core.options.delivery;
    let peer = Arc::new(Peer {
        node,
        messages: Queue::new(options.queue, options.memory),
        blobs: Queue::new(options.queue, 0),
    });
    peers.insert(node, Arc::clone(&peer));
    drop(peers);
    worker::spawn(core, &peer);
    peer
}

/// Goes on with what was owed when the namespace last stopped.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn recover(core: &Arc<Core>) -> Result<(), photinus_store::Error> {
    let mut owed: BTreeMap<(Uuid, u8), u64> = BTreeMap::new();
    let (mut from, mut last) = (Vec::new(), 0);
    loop {
        let page = core.store.kv_range(core.name(), space::OUTBOX, &from, None, PAGE).await?;
        let Some((end, _)) = page.last() else { break };
        from = [end.as_slice(), &[0]].concat();
        for (node, lane, place) in page.iter().filter_map(|(key, _)| entry::parts(key)) {
            last = last.max(place);
            *owed.entry((node, lane)).or_default() += 1;
        }
    }
    core.delivery.next.fetch_max(last.saturating_add(1), Ordering::Relaxed);
    for ((node, lane), count) in owed {
        let peer = peer(core, node);
        if lane == entry::MESSAGES { peer.messages.owes(count) } else { peer.blobs.owes(count) }
    }
    Ok(())
}

/// Entries that are read at once.
const PAGE: usize = 1_000;
