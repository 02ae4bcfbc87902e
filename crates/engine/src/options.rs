//! How one namespace is to behave: plain values with documented defaults and units. Reading them from a file is the node's work.

use std::time::Duration;

use photinus_ports::blockchain::FirstEvent;
pub use photinus_sequencing::rules::PrivateOrder;
use serde_json::Value;

/// Everything that a namespace is told when it starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Local name of the namespace, unique in this node.
    pub name: String,
    /// Name that the members share and that goes on the wire. The local name when the members use it too.
    pub network_namespace: String,
    /// Whether it is part of a network of members. Without, it has data, events and subscriptions of its own, and of the ports
    /// only those of this node are used. Default yes.
    pub multiparty: bool,
    /// Free text that applications see.
    pub description: String,
    /// Key that signs when a sender names neither author nor key. Falls back to the key of the organisation.
    pub default_key: Option<String>,
    /// The root organisation of this member.
    pub org: Organization,
    /// This node of it.
    pub node: Node,
    /// Multiparty contracts in order of use: the network moves to the next one when a `terminate` is confirmed.
    pub contracts: Vec<Contract>,
    /// How the private messages of different authors to one group stand to each other. Every member of the network must have the
    /// same, from the first message on: a namespace that was started with one does not start with the other. Default: author.
    pub private_order: PrivateOrder,
    /// How messages become batches.
    pub batching: Batching,
    /// Limits on what applications send.
    pub limits: Limits,
    /// How contents are fetched from shared storage.
    pub download: Download,
    /// How messages and files are delivered to other members' nodes.
    pub delivery: Delivery,
    /// What a subscription has when its creator does not say.
    pub subscriptions: Subscriptions,
    /// How webhooks are repeated and given up.
    pub webhooks: Webhooks,
    /// Waits between attempts of work that must succeed in the end.
    pub retry: Retry,
    /// Bounds of memory held for speed alone.
    pub caches: Caches,
    /// What `/status` lists as plug-ins, by their configured names.
    pub plugins: Plugins,
    /// How long [`stop`](crate::Namespace::stop) waits for work in progress before it cuts it off. Nothing is lost either
    /// way: what was cut off resumes at the next start. Default 10 s.
    pub stop_timeout: Duration,
}

impl Options {
    /// Options of a namespace with this name, without organisation, node or contract.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            network_namespace: name.clone(),
            name,
            multiparty: true,
            description: String::new(),
            default_key: None,
            org: Organization::default(),
            node: Node::default(),
            contracts: Vec::new(),
            private_order: PrivateOrder::default(),
            batching: Batching::default(),
            limits: Limits::default(),
            download: Download::default(),
            delivery: Delivery::default(),
            subscriptions: Subscriptions::default(),
            webhooks: Webhooks::default(),
            retry: Retry::default(),
            caches: Caches::default(),
            plugins: Plugins::default(),
            stop_timeout: Duration::from_secs(10),
        }
    }
}

/// The organisation that runs this node, as `organizations/self` registers it.
#[derive(Clone, Debug, Default)]
pub struct Organization {
    /// Name, the last part of its DID. Empty: this node registers none.
    pub name: String,
    /// Signing key that its claim binds to it.
    pub key: Option<String>,
    /// Free text in its identity.
    pub description: String,
}

/// This node, as `nodes/self` registers it.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Name, the last part of its DID. Empty: this node registers none.
    pub name: String,
    /// Free text in its identity.
    pub description: String,
}

/// A multiparty contract.
#[derive(Clone, Debug)]
pub struct Contract {
    /// Place on the chain in the chain's own form, such as `{"address":"0x…"}`.
    pub location: Value,
    /// From where its logs are read the first time.
    pub first_event: FirstEvent,
}

/// How messages become batches. A processor that is idle sends at once; these bound what gathers while it is busy.
#[derive(Clone, Debug)]
pub struct Batching {
    /// Most messages in a batch. Default 500: what a batch costs beside its messages is shared by more of them than by 200 of FireFly.
    pub size: usize,
    /// Most bytes of a batch's payload as serialised. Readers refuse more than this plus 1 KiB. Default 819 200.
    pub payload_limit: usize,
    /// Messages held in memory per processor; a sender that is faster than the ledger is then read from the store. Default 4 000.
    pub queue: usize,
    /// How long a processor is kept, and listed, after its last batch. Default 2 min.
    pub idle: Duration,
    /// Messages read at once from the store by a processor that catches up. Default 1 000.
    pub page: usize,
}

impl Default for Batching {
    fn default() -> Self {
        Self { size: 500, payload_limit: 819_200, queue: 4_000, idle: Duration::from_secs(120), page: 1_000 }
    }
}

/// Limits on what applications send.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of an uploaded blob. Default 10 GiB.
    pub blob_size: u64,
    /// Bytes of files that one peer may have sent, ever. Default 1 TiB.
    pub blobs_per_peer: u64,
    /// Data entries of one message. Default 1 000.
    pub data_per_message: usize,
    /// Callers that wait for a confirmation at the same time. Default 20 000.
    pub waiters: usize,
    /// Bytes of a datatype's schema. Default 256 KiB.
    pub schema_size: usize,
    /// Messages that were accepted and are not decided yet; more are refused. Default 20 000.
    pub backlog: usize,
    /// Bytes of those among them that no batch holds yet. Default 128 MiB.
    pub backlog_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob_size: 10 << 30,
            blobs_per_peer: 1 << 40,
            data_per_message: 1_000,
            waiters: 20_000,
            schema_size: 256 << 10,
            backlog: 20_000,
            backlog_size: 128 << 20,
        }
    }
}

/// How contents are fetched from shared storage.
#[derive(Clone, Debug)]
pub struct Download {
    /// Fetches at the same time. Default 10.
    pub parallel: usize,
    /// Waits between attempts at one content.
    pub retry: Retry,
}

impl Default for Download {
    fn default() -> Self {
        Self {
            parallel: 10,
            retry: Retry { initial: Duration::from_millis(100), maximum: Duration::from_secs(60), factor: 2.0 },
        }
    }
}

/// How messages and files are delivered to other members' nodes. Bounds are per node.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Batches under way at the same time. Default 16.
    pub messages: usize,
    /// Files under way at the same time. Default 2.
    pub blobs: usize,
    /// Deliveries held in memory; more are read from the store when their turn comes. Default 1 000.
    pub queue: usize,
    /// Bytes of payloads held in memory; others are made again when their turn comes. Default 16 MiB.
    pub memory: usize,
    /// How long a payload is waited for that the ledger names, before members are asked for it. Default 10 s.
    pub repair: Duration,
    /// How long a pin waits for those recipients that can be reached. Default 5 s.
    pub acknowledgement: Duration,
    /// Waits between attempts while a node is away. A change of its connection ends a wait at once.
    pub retry: Retry,
    /// What other nodes may send ahead of what it belongs to.
    pub early: Early,
}

/// What each other member's node may send ahead of what it belongs to: batches whose pin is not on the ledger yet, and files that
/// no message names yet. What comes beyond is to be sent again later.
#[derive(Clone, Debug)]
pub struct Early {
    /// Batches. Default 10 000.
    pub batches: usize,
    /// Bytes of them. Default 256 MiB.
    pub size: u64,
    /// Files. Default 1 000.
    pub files: usize,
    /// Bytes of them. Default 100 GiB.
    pub files_size: u64,
    /// How long it is kept. Default 7 days.
    pub expiry: Duration,
}

impl Default for Early {
    fn default() -> Self {
        Self {
            batches: 10_000,
            size: 256 << 20,
            files: 1_000,
            files_size: 100 << 30,
            expiry: Duration::from_secs(7 * 24 * 3_600),
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            messages: 16,
            blobs: 2,
            queue: 1_000,
            memory: 16 << 20,
            repair: Duration::from_secs(10),
            acknowledgement: Duration::from_secs(5),
            retry: Retry::default(),
            early: Early::default(),
        }
    }
}

/// What a subscription has when its creator does not say.
#[derive(Clone, Debug)]
pub struct Subscriptions {
    /// Transport of subscriptions that name none. Default `websockets`.
    pub transport: String,
    /// Most durable subscriptions of the namespace. Default 500.
    pub max: usize,
    /// Events sent ahead of acknowledgements when `readAhead` is not given. Default 0.
    pub read_ahead: u16,
    /// Events of a batch when `batch` is set and `readAhead` is not. Default 50.
    pub batch_size: u16,
    /// How long a batch waits to fill. Default 50 ms.
    pub batch_timeout: Duration,
    /// Most events that one read of a subscription's history may span. Default 1 000.
    pub max_scan: u64,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            transport: "websockets".to_owned(),
            max: 500,
            read_ahead: 0,
            batch_size: 50,
            batch_timeout: Duration::from_millis(50),
            max_scan: 1_000,
        }
    }
}

/// How webhooks are repeated and given up.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// Repeated calls where a subscription does not say.
    pub retry: WebhookRetry,
    /// Most events that a subscription parks. Beyond them the oldest is dropped, or, where delivery is guaranteed, the
    /// subscription waits. Default 10 000.
    pub parked: usize,
    /// Calls of one subscription at the same time, where it acknowledges first and calls behind it. Default 32.
    pub parallel: usize,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { retry: WebhookRetry::default(), parked: 10_000, parallel: 32 }
    }
}

/// Repeated calls of webhooks.
#[derive(Clone, Debug)]
pub struct WebhookRetry {
    /// Whether calls are repeated where a subscription does not ask for it. Default no.
    pub enabled: bool,
    /// Calls beside the first. Default 5.
    pub count: u32,
    /// Wait after the first failure. Default 250 ms.
    pub initial: Duration,
    /// Longest wait. Default 30 s.
    pub maximum: Duration,
    /// What each wait is multiplied by. Default 2.
    pub factor: f64,
    /// Status lines, such as `503 Service Unavailable`, after which a call is repeated. Default: all but those of success.
    pub statuses: Option<regex::Regex>,
}

impl Default for WebhookRetry {
    fn default() -> Self {
        Self {
            enabled: false,
            count: 5,
            initial: Duration::from_millis(250),
            maximum: Duration::from_secs(30),
            factor: 2.0,
            statuses: None,
        }
    }
}

/// Exponential back-off without an end: the work must succeed in the end, and is visible in the status until it does.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Wait after the first failure.
    pub initial: Duration,
    /// Longest wait.
    pub maximum: Duration,
    /// What each wait is multiplied by.
    pub factor: f64,
}

impl Default for Retry {
    /// 250 ms, doubled up to 30 s.
    fn default() -> Self {
        Self { initial: Duration::from_millis(250), maximum: Duration::from_secs(30), factor: 2.0 }
    }
}

/// Bounds of memory held for speed alone, in entries.
#[derive(Clone, Debug)]
pub struct Caches {
    /// Identities and verifiers, each. Default 10 000.
    pub identities: usize,
    /// Compiled schemas of datatypes. Default 500.
    pub schemas: usize,
    /// Groups. Default 10 000.
    pub groups: usize,
}

impl Default for Caches {
    fn default() -> Self {
        Self { identities: 10_000, schemas: 500, groups: 10_000 }
    }
}

/// Names that `/status` shows beside the types that the ports tell.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    /// Of the ledger adapter.
    pub blockchain: String,
    /// Of the store, and its type.
    pub database: (String, String),
    /// Of the data exchange.
    pub exchange: String,
    /// Of shared storage.
    pub storage: String,
    /// Types of event transports.
    pub events: Vec<String>,
}
