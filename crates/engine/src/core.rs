//! What the modules of one running namespace share.

use std::sync::Arc;

use photinus_ports::{
    blobs::BlobStore, blockchain::Blockchain, clock::Clock, exchange::DataExchange, ids::Ids, storage::SharedStorage,
    webhooks::Webhooks,
};
use photinus_store::Store;

use crate::{
    aggregation, backlog, batching, confirm, data, delivery, events, groups, identity, namespace::Multiparty,
    operations, options::Options, reception, supervisor::Tasks, tally::Tally,
};

/// The outside world of a namespace.
#[derive(Clone)]
pub struct Ports {
    /// The ledger that the members share.
    pub blockchain: Arc<dyn Blockchain>,
    /// What is published to all members.
    pub storage: Arc<dyn SharedStorage>,
    /// Who this node is to its peers.
    pub exchange: Arc<dyn DataExchange>,
    /// Files of this node.
    pub blobs: Arc<dyn BlobStore>,
    /// Calls applications over HTTP; `None` when webhooks are switched off.
    pub webhooks: Option<Arc<dyn Webhooks>>,
    /// Time that is written into records.
    pub clock: Arc<dyn Clock>,
    /// New identifiers, and the randomness of back-off.
    pub ids: Arc<dyn Ids>,
}

/// One running namespace from the inside. Every module works on this; its channels stay behind the handles.
pub(crate) struct Core {
    /// How it is to behave.
    pub(crate) options: Options,
    /// The outside world.
    pub(crate) ports: Ports,
    /// The database, shared with other namespaces; every call names [`Core::name`].
    pub(crate) store: Store,
    /// Spawns and ends every task of the namespace.
    pub(crate) tasks: Tasks,
    /// The contract in force and the record of the namespace.
    pub(crate) multiparty: Multiparty,
    /// Identities and verifiers, cached.
    pub(crate) identities: identity::Directory,
    /// Groups, cached.
    pub(crate) groups: groups::Directory,
    /// Compiled schemas of datatypes.
    pub(crate) schemas: data::schema::Cache,
    /// Held while data is deleted, so that files are counted once.
    pub(crate) deleting: tokio::sync::Mutex<()>,
    /// Callers that wait for a confirmation.
    pub(crate) confirmations: confirm::Bridge,
    /// Counts what was accepted and is not decided.
    pub(crate) backlog: backlog::Backlog,
    /// Takes sealed messages.
    pub(crate) batching: batching::Handle,
    /// Takes what is owed to other members' nodes.
    pub(crate) delivery: delivery::Handle,
    /// What came from other members' nodes and was not taken.
    pub(crate) reception: reception::Handle,
    /// Takes contents and ledger facts.
    pub(crate) aggregation: aggregation::Handle,
    /// Takes the fates of operations.
    pub(crate) operations: operations::Handle,
    /// What was sent and decided.
    pub(crate) tally: Tally,
    /// Subscriptions and their connections.
    pub(crate) events: events::Handle,
}

impl Core {
    /// Local name of the namespace: the first key of every row.
    pub(crate) fn name(&self) -> &str {
        &self.options.name
    }
}
