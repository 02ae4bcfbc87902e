//! What a namespace tells about itself.

use photinus_model::{
    Uuid, did,
    identity::{Identity, Type, VerifierRef},
    message::Message,
    tag,
};
use photinus_ports::{exchange::BlobTraffic, health::Health};
use photinus_query::{Condition, Filter, Query, collection::MESSAGES};
use serde::Serialize;

use crate::{
    Namespace,
    aggregation::fetches,
    backlog, batching,
    core::Core,
    delivery,
    error::Error,
    namespace::{ActiveContract, Contracts},
    supervisor::TaskState,
    tally,
};

/// `GET /status`.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The namespace.
    pub namespace: photinus_model::namespace::Namespace,
    /// This node.
    pub node: Node,
    /// The organisation that runs it.
    pub org: Organization,
    /// What it is made of.
    pub plugins: Plugins,
    /// Its network.
    pub multiparty: Multiparty,
    /// What other members' nodes do not have yet.
    pub exchange: delivery::status::Exchange,
    /// What was accepted and is not decided yet. Not in FireFly.
    pub backlog: backlog::Report,
    /// What shared storage should have and is not here. Not in FireFly.
    pub fetches: fetches::Report,
    /// How the database does. Not in FireFly.
    pub database: Database,
}

/// How the database of a namespace does.
#[derive(Clone, Debug, Serialize)]
pub struct Database {
    /// Why nothing could be written the last time, such as a full disk. Nothing is accepted meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// `GET /status` of a namespace that is part of no network.
#[derive(Clone, Debug, Serialize)]
pub struct GatewayStatus {
    /// The namespace.
    pub namespace: photinus_model::namespace::Namespace,
    /// What it is made of.
    pub plugins: Plugins,
    /// That there is no network.
    pub multiparty: NoNetwork,
    /// How the database does. Not in FireFly.
    pub database: Database,
}

/// That there is no network.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NoNetwork {
    /// Always false.
    pub enabled: bool,
}

/// This node.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its configured name.
    pub name: String,
    /// Whether its identity is registered.
    pub registered: bool,
    /// Id of its identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
}

/// The organisation that runs a node.
#[derive(Clone, Debug, Serialize)]
pub struct Organization {
    /// Its configured name.
    pub name: String,
    /// Whether its identity is registered.
    pub registered: bool,
    /// Its DID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did: Option<String>,
    /// Id of its identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verifiers: Vec<VerifierRef>,
}

/// The parts of a namespace by category.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugins {
    /// Ledgers.
    pub blockchain: Vec<Plugin>,
    /// Databases.
    pub database: Vec<Plugin>,
    /// Data exchanges.
    pub data_exchange: Vec<Plugin>,
    /// Ways to follow events.
    pub events: Vec<Plugin>,
    /// Always empty.
    pub identity: Vec<Plugin>,
    /// Shared storages.
    pub shared_storage: Vec<Plugin>,
    /// Token connectors.
    pub tokens: Vec<Plugin>,
}

/// One part.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    /// Its configured name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its type.
    pub plugin_type: String,
}

/// The network of a namespace.
#[derive(Clone, Debug, Serialize)]
pub struct Multiparty {
    /// Always true; see [`GatewayStatus`].
    pub enabled: bool,
    /// Its contracts.
    pub contract: Contracts,
    /// Why nothing is taken from the ledger, while nothing is. Not in FireFly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// `GET /status/multiparty`.
#[derive(Clone, Debug, Serialize)]
pub struct MultipartyStatus {
    /// As in the status.
    pub enabled: bool,
    /// How far the organisation is.
    pub org: Registration,
    /// How far the node is.
    pub node: Registration,
    /// How far its contracts are read.
    pub contracts: ContractsStatus,
}

/// How far an identity of this member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// `unregistered`, `registering` or `registered`.
    pub status: &'static str,
    /// The claim that is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_registration_message_id: Option<Uuid>,
}

/// The contracts and how far they are read.
#[derive(Clone, Debug, Serialize)]
pub struct ContractsStatus {
    /// The contract in force.
    pub active: ContractStatus,
    /// Those before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terminated: Vec<ActiveContract>,
}

/// A contract and how far it is read.
#[derive(Clone, Debug, Serialize)]
pub struct ContractStatus {
    /// The contract.
    #[serde(flatten)]
    pub contract: ActiveContract,
    /// `synced` while the ledger can be reached and is read, else `unknown`.
    pub status: &'static str,
    /// Why nothing is taken from the ledger, while nothing is. Not in FireFly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How the parts of a namespace do, for metrics and operators.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// Why nothing could be written the last time.
    pub database: Option<String>,
    /// The ledger.
    pub blockchain: Health,
    /// Shared storage.
    pub storage: Health,
    /// The data exchange.
    pub exchange: Health,
    /// When this node's certificate towards other members expires, if it has one of its own.
    pub certificate: Option<std::time::SystemTime>,
    /// Bytes of files that the data exchange has carried since the process began, where it counts them.
    pub blob_traffic: Option<BlobTraffic>,
    /// The aggregator.
    pub aggregation: crate::aggregation::Status,
    /// Tasks that failed since the start.
    pub faults: Vec<TaskState>,
    /// Callers that wait for confirmations.
    pub waiters: usize,
    /// Messages and files that each other node does not have yet, by the id of the node.
    pub behind: Vec<(Uuid, u64)>,
    /// Nodes of groups of whom nothing can be asked, where `privateOrder` is `ledger`.
    pub without_repair: Vec<Uuid>,
    /// Deliveries of other nodes that were refused since the start.
    pub refused: u64,
    /// What was accepted and is not decided yet.
    pub backlog: backlog::Report,
    /// What was sent and decided since the start.
    pub counts: tally::Counts,
}

impl Namespace {
    /// What the namespace is, and who runs it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn status(&self) -> Result<Status, Error> {
        let core = self.core();
        let options = &core.options;
        let org = own(core, Type::Org, &options.org.name).await?;
        let verifiers = match &org {
            Some(org) => core.identities.verifiers_of(org.id).await?.to_vec(),
            None => Vec::new(),
        };
        let node = own(core, Type::Node, &options.node.name).await?;
        let node = node.filter(|node| org.as_ref().is_some_and(|org| node.parent == Some(org.id)));
        Ok(Status {
            namespace: core.multiparty.record().clone(),
            node: Node { name: options.node.name.clone(), registered: node.is_some(), id: node.map(|node| node.id) },
            org: Organization {
                name: options.org.name.clone(),
                registered: org.is_some(),
                did: org.as_ref().map(|org| org.did.clone()),
                id: org.as_ref().map(|org| org.id),
                verifiers: verifiers
                    .into_iter()
                    .map(|verifier| VerifierRef { kind: verifier.kind, value: verifier.value })
                    .collect(),
            },
            plugins: plugins(core),
            multiparty: Multiparty {
                enabled: true,
                contract: core.multiparty.contracts(),
                problem: core.multiparty.held(),
            },
            exchange: exchange(core).await?,
            backlog: core.backlog.report(),
            fetches: core.aggregation.fetches().report(),
            database: Database { problem: core.store.problem() },
        })
    }

    /// What a namespace is that is part of no network; of one that is, [`Namespace::status`] tells more.
    #[must_use]
    pub fn gateway_status(&self) -> Option<GatewayStatus> {
        let core = self.core();
        let names = &core.options.plugins;
        let one = |name: &str, kind: &str| Plugin { name: name.to_owned(), plugin_type: kind.to_owned() };
        (!core.options.multiparty).then(|| GatewayStatus {
            namespace: core.multiparty.record().clone(),
            plugins: Plugins {
                blockchain: Vec::new(),
                database: vec![one(&names.database.0, &names.database.1)],
                data_exchange: Vec::new(),
                events: names.events.iter().map(|kind| one("", kind)).collect(),
                identity: Vec::new(),
                shared_storage: Vec::new(),
                tokens: Vec::new(),
            },
            multiparty: NoNetwork { enabled: false },
            database: Database { problem: core.store.problem() },
        })
    }

    /// How far this member's registration and the reading of the ledger are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn multiparty_status(&self) -> Result<MultipartyStatus, Error> {
        let core = self.core();
        let contracts = core.multiparty.contracts();
        let synced = core.multiparty.is_listening() && core.ports.blockchain.health() == Health::Up;
        Ok(MultipartyStatus {
            enabled: true,
            org: registration(core, Type::Org, &core.options.org.name).await?,
            node: registration(core, Type::Node, &core.options.node.name).await?,
            contracts: ContractsStatus {
                active: ContractStatus {
                    contract: contracts.active,
                    status: if synced { "synced" } else { "unknown" },
                    problem: core.multiparty.held(),
                },
                terminated: contracts.terminated,
            },
        })
    }

    /// How the processors of batches do.
    #[must_use]
    pub fn batching_status(&self) -> batching::status::Report {
        self.core().batching.report()
    }

    /// How the parts of the namespace do.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let core = self.core();
        Vitals {
            database: core.store.problem(),
            blockchain: core.ports.blockchain.health(),
            storage: core.ports.storage.health(),
            exchange: core.ports.exchange.health(),
            certificate: core.ports.exchange.certificate().map(|certificate| certificate.not_after),
            blob_traffic: core.ports.exchange.blob_traffic(),
            aggregation: core.aggregation.status(),
            faults: core.tasks.faults(),
            waiters: core.confirmations.len(),
            behind: core.delivery.report().into_iter().map(|(node, backlog)| (node, backlog.behind)).collect(),
            without_repair: core.aggregation.silent(),
            refused: core.reception.refusals(),
            backlog: core.backlog.report(),
            counts: core.tally.counts(),
        }
    }
}

async fn exchange(core: &Core) -> Result<delivery::status::Exchange, Error> {
    let name = async |node| -> Result<String, Error> {
        Ok(core.identities.by_id(node).await?.map(|node| node.name.clone()).unwrap_or_default())
    };
    let mut peers = Vec::new();
    for (node, backlog) in core.delivery.report() {
        let name = name(node).await?;
        let delivery::status::Backlog { behind, since, error } = backlog;
        peers.push(delivery::status::Peer { node, name, behind, since, last_error: error });
    }
    let mut without_repair = Vec::new();
    for node in core.aggregation.silent() {
        without_repair.push(delivery::status::Named { node, name: name(node).await? });
    }
    Ok(delivery::status::Exchange { peers, without_repair, refused: core.reception.refused() })
}

async fn own(core: &Core, kind: Type, name: &str) -> Result<Option<std::sync::Arc<Identity>>, Error> {
    Ok(core.identities.by_did(&did::of(kind, name)).await?)
}

async fn registration(core: &Core, kind: Type, name: &str) -> Result<Registration, Error> {
    if own(core, kind, name).await?.is_some() {
        return Ok(Registration { status: "registered", pending_registration_message_id: None });
    }
    let pending = pending_claim(core, &did::of(kind, name)).await?;
    Ok(Registration {
        status: if pending.is_some() { "registering" } else { "unregistered" },
        pending_registration_message_id: pending,
    })
}

/// The oldest claim of an identity of this member that is on its way.
async fn pending_claim(core: &Core, did: &str) -> Result<Option<Uuid>, Error> {
    let topic = photinus_model::definition::identity_topic(did);
    let conditions = [("tag", tag::IDENTITY_CLAIM), ("topics", topic.as_str())];
    let conditions =
        conditions.into_iter().filter_map(|(name, text)| Some(Condition::text(MESSAGES.field(name)?, text).into()));
    let query = Query::filtered(Filter::All(conditions.collect()));
    let claims = core.store.read(core.name()).find::<Message>(&query).await?.items;
    let open = claims.into_iter().filter(|claim| claim.state.is_some_and(|state| !state.is_final()));
    Ok(open.min_by_key(|claim| claim.header.created).map(|claim| claim.header.id))
}

fn plugins(core: &Core) -> Plugins {
    let names = &core.options.plugins;
    let one = |name: &str, kind: &str| vec![Plugin { name: name.to_owned(), plugin_type: kind.to_owned() }];
    Plugins {
        blockchain: one(&names.blockchain, core.ports.blockchain.plugin_type()),
        database: one(&names.database.0, &names.database.1),
        data_exchange: one(&names.exchange, core.ports.exchange.plugin_type()),
        events: names.events.iter().flat_map(|kind| one("", kind)).collect(),
        identity: Vec::new(),
        shared_storage: one(&names.storage, core.ports.storage.plugin_type()),
        tokens: Vec::new(),
    }
}
