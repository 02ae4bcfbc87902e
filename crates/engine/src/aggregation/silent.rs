//! Members of whom nothing can be asked: their data exchange, which is FireFly's, carries no questions.
//!
//! With one order across the authors of a group, a payload that is lost stops what stands behind it, whoever wrote it, until a
//! member serves it. Who has a member in a group that serves nothing should know that before it happens. So the
//! nodes of all groups are looked at, whenever a group or a connection is new; those that are found are told in the log,
//! in the status and as a metric.
//!
//! Deliberately not here: networks whose authors are ordered apart, where a lost payload delays nobody but its author.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
use photinus_model::{Uuid, group::Group};
use photinus_ports::peers::PeerId;
use photinus_query::Query;
use photinus_sequencing::rules::PrivateOrder;
use tokio::sync::Notify;

use crate::core::Core;

/// Groups that are read at once.
const PAGE: u64 = 500;

/// The nodes of all groups, and those of whom nothing can be asked. Bounded by the nodes of the network.
#[derive(Default)]
pub(super) struct Silent {
    nodes: Mutex<BTreeSet<Uuid>>,
    silent: Mutex<BTreeSet<Uuid>>,
    new: Notify,
}

impl Silent {
    /// Notes nodes of groups.
    pub(super) fn learn(&self, of_groups: impl IntoIterator<Item = Uuid>) {
        let mut nodes = self.nodes.lock();
        let before = nodes.len();
        nodes.extend(of_groups);
        if nodes.len() > before {
            self.new.notify_one();
        }
    }

    /// The nodes of whom nothing can be asked.
    pub(super) fn nodes(&self) -> Vec<Uuid> {
        self.silent.lock().iter().copied().collect()
    }
}

/// Starts the task, where it matters.
pub(super) fn spawn(core: &Arc<Core>) {
    if core.options.private_order != PrivateOrder::Ledger {
        return;
    }
    let owner = Arc::clone(core);
    core.tasks.spawn("members without repair", move || run(Arc::clone(&owner)));
}

async fn run(core: Arc<Core>) -> Result<(), photinus_store::Error> {
    let mut changes = core.ports.exchange.changes();
    read(&core).await?;
    let silent = &core.aggregation.silent;
    loop {
        look(&core).await;
        tokio::select! {
            biased;
            () = core.tasks.stopping().cancelled() => return Ok(()),
            () = silent.new.notified() => {}
            changed = changes.changed() => if changed.is_err() {
                // The exchange is gone.
                return Ok(());
            },
        }
    }
}

/// Learns the nodes of the groups that are stored. What is new meanwhile is told.
async fn read(core: &Core) -> Result<(), photinus_store::Error> {
    let mut skip = 0;
    loop {
        let query = Query { skip, ..Query::first(PAGE) };
        let groups = core.store.read(core.name()).find::<Group>(&query).await?.items;
        let members = groups.iter().flat_map(|group| &group.members);
        core.aggregation.silent.learn(members.filter_map(|member| member.node));
        if (groups.len() as u64) < PAGE {
            return Ok(());
        }
        skip += PAGE;
    }
}

/// Finds out of whom nothing can be asked now, and tells of those that are new. A node that was not met stays what it was.
async fn look(core: &Core) {
    let silent = &core.aggregation.silent;
    let nodes: Vec<Uuid> = silent.nodes.lock().iter().copied().collect();
    for node in nodes.into_iter().filter(|node| core.multiparty.node() != Some(*node)) {
        let Ok(Some(peer)) = core.identities.peer_of(node).await else { continue };
        match core.ports.exchange.answers(&PeerId(peer.clone())) {
            Some(false) if silent.silent.lock().insert(node) => tracing::warn!(
                namespace = core.name(),
                node = peer,
                "nobody can ask this member of a group for a payload that is lost, and privateOrder is 'ledger': until such a \
                 payload is found, what stands behind it waits, whoever wrote it"
            ),
            Some(true) => {
                silent.silent.lock().remove(&node);
            }
            Some(false) | None => {}
        }
    }
}
