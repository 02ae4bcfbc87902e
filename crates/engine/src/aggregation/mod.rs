//! Contents and ledger facts in, decisions out.
//!
//! One task per namespace takes what the ledger, shared storage and this node's own batching report, runs the sequencing
//! machine over it, and commits what follows: states of messages, definitions, pins, events. Around it are the fetches of
//! contents that are missing, and the introduction of nodes to the data exchange.
//!
//! Deliberately not here: the rules of the order (crate `sequencing`) and what a batch must look like (crate `model`).

mod apply;
mod asked;
pub mod blocked;
mod content;
mod cursor;
mod definition;
mod driver;
mod early;
pub mod equivocation;
pub mod fetches;
mod files;
mod group;
mod inbox;
mod ledger;
mod machine;
mod nodes;
mod order;
pub mod release;
mod repair;
mod repair_files;
mod repair_groups;
mod repairs;
mod rewind;
mod silent;
mod unpinned;
pub mod waits;
pub mod why;
mod withdrawn;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
pub(crate) use cursor::resume;
pub use early::{Early, Sum};
pub(crate) use inbox::Content;
use inbox::{Entry, Inbox, Job};
use parking_lot::{Mutex, MutexGuard};
use photinus_model::{Hash, Time, Uuid, blob::Blob, group::Group};
pub(crate) use photinus_ports::blockchain::SinkClosed as Closed;
use photinus_ports::blockchain::{Delivery, LedgerSink, Receipt, SinkClosed};
use photinus_sequencing::{
    facts::{Order, Pos},
    rules,
};
pub(crate) use repair_groups::{Listed, MOST_BATCHES, Told};
pub use rewind::Rewind;
use tokio::sync::mpsc;

use crate::{core::Core, operations, options};

/// Why the aggregator could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was stored cannot be read.
    #[error("failed to read the state of the ledger's order: {0}")]
    Driver(String),
    /// The namespace has messages that were ordered another way.
    #[error(
        "privateOrder is '{configured}', but this namespace was started with '{stored}', and what is ordered stays so: set it back"
    )]
    Order {
        /// What the configuration says.
        configured: &'static str,
        /// What was chosen first.
        stored: String,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl From<driver::Error> for Error {
    fn from(error: driver::Error) -> Self {
        Self::Driver(error.to_string())
    }
}

/// Alarms kept for the status; older ones are in the log.
const ALARMS: usize = 20;

/// The way to the aggregator.
pub(crate) struct Handle {
    inbox: Inbox,
    /// The other end, until the task has it.
    receiver: Mutex<Option<mpsc::Receiver<Entry>>>,
    fetches: fetches::Fetches,
    state: Mutex<State>,
    refused: AtomicU64,
    /// What other members are asked for.
    repairs: repairs::Repairs,
    /// Questions that were put to other nodes.
    questions: Mutex<asked::Questions>,
    /// What other nodes sent ahead of what it belongs to.
    early: Mutex<early::Book>,
    /// Members of whom nothing can be asked.
    silent: silent::Silent,
    /// When the last log was taken that was old already.
    old_log: AtomicI64,
    /// Whether the ledger has told anything since the start.
    told: AtomicBool,
}

#[derive(Default)]
struct State {
    error: Option<String>,
    alarms: VecDeque<String>,
}

/// How the aggregator does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Facts that wait to be taken.
    pub queued: usize,
    /// What the last attempt to commit said, while it is being repeated.
    pub error: Option<String>,
    /// What an operator should look at, oldest first.
    pub alarms: Vec<String>,
    /// Contents that shared storage delivered and no member can use.
    pub refused_contents: u64,
    /// What other nodes sent ahead of what it belongs to.
    pub early: Early,
    /// How the fetches from shared storage do.
    pub fetches: fetches::Report,
}

impl Handle {
    /// A handle whose task is not running yet. At most `downloads` fetches run at the same time.
    pub(crate) fn new(downloads: usize) -> Self {
        let (inbox, receiver) = Inbox::new();
        Self {
            inbox,
            receiver: Mutex::new(Some(receiver)),
            fetches: fetches::Fetches::new(downloads),
            state: Mutex::default(),
            refused: AtomicU64::new(0),
            repairs: repairs::Repairs::default(),
            questions: Mutex::default(),
            early: Mutex::default(),
            silent: silent::Silent::default(),
            old_log: AtomicI64::new(i64::MIN),
            told: AtomicBool::new(false),
        }
    }

    /// Hands over a batch that this node sealed. Returns when the inbox has it.
    pub(crate) async fn content(&self, content: Content) -> Result<(), SinkClosed> {
        self.inbox.post(Job::Content(content, None)).await
    }

    /// Hands over a batch that came from a peer. Returns when it is durable.
    pub(crate) async fn received(&self, content: Content) -> Result<(), SinkClosed> {
        self.take(Job::Content(content, None)).await
    }

    /// Hands over messages without a pin, with their group if it was not known. Returns when they are confirmed.
    pub(crate) async fn unpinned(&self, content: Content, group: Option<Group>) -> Result<(), SinkClosed> {
        self.take(Job::Unpinned(content, group)).await
    }

    /// Hands over a group that was asked for. Returns when it is durable.
    async fn group(&self, told: Told, peer: String) -> Result<(), SinkClosed> {
        self.take(Job::Group(told, peer)).await
    }

    /// Whether a node may write to these groups, of which nothing is known: there are only so many at a time.
    pub(crate) fn may_wonder(&self, peer: &str, groups: &[Hash]) -> bool {
        let new = groups.iter().filter(|group| self.repairs.wonders(**group).is_none()).count();
        new == 0 || self.repairs.of(&repairs::Lane::Wrote(peer.to_owned())) + new <= repairs::told::MOST_GROUPS
    }

    /// Hands over a file that came from a peer. Returns when it is written down.
    pub(crate) async fn blob(&self, blob: Blob) -> Result<(), SinkClosed> {
        self.take(Job::Blob(blob, None)).await
    }

    /// How it does.
    pub(crate) fn status(&self) -> Status {
        let state = self.state.lock();
        Status {
            queued: self.inbox.len(),
            error: state.error.clone(),
            alarms: state.alarms.iter().cloned().collect(),
            refused_contents: self.refused.load(Ordering::Relaxed),
            early: self.early().totals(),
            fetches: self.fetches.report(),
        }
    }

    /// Gives up what is not decided of the event at a position. Returns when that is durable.
    async fn abandon(&self, pos: Pos) -> Result<(), SinkClosed> {
        self.take(Job::Order(Order::Abandon(pos))).await
    }

    async fn take(&self, job: Job) -> Result<(), SinkClosed> {
        self.inbox.deliver(job).await
    }

    fn early(&self) -> MutexGuard<'_, early::Book> {
        self.early.lock()
    }

    /// Whether a node may send another batch of this size ahead of its pin.
    pub(crate) fn has_room(&self, peer: &str, bytes: u64, most: &options::Early) -> bool {
        self.early().has_room(peer, bytes, most)
    }

    /// Whether a node may send another file of this size ahead of its message.
    pub(crate) fn has_room_for_file(&self, peer: &str, bytes: u64, most: &options::Early) -> bool {
        self.early().has_room_for_file(peer, bytes, most)
    }

    /// Notes a log that was taken, if it shows that there is more to be read.
    fn took_log(&self, log: Time, now: Time) {
        if early::expiry::is_old(log, now) {
            self.old_log.store(now.as_unix_nanos(), Ordering::Relaxed);
        }
    }

    /// Notes that what the ledger told is durable.
    fn took_ledger(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    fn was_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    fn last_old_log(&self) -> Time {
        Time::from_unix_nanos(self.old_log.load(Ordering::Relaxed))
    }

    /// What is fetched from shared storage.
    pub(crate) fn fetches(&self) -> &fetches::Fetches {
        &self.fetches
    }

    /// Has everything that is missing asked for at once.
    fn hurry(&self) {
        self.fetches.hurry();
        self.repairs.hurry();
    }

    /// Keeps an alarm for the status. `false` when it is there already.
    fn raise(&self, alarm: String) -> bool {
        let mut state = self.state.lock();
        if state.alarms.contains(&alarm) {
            return false;
        }
        if state.alarms.len() >= ALARMS {
            state.alarms.pop_front();
        }
        state.alarms.push_back(alarm);
        true
    }

    /// Notes what another node said to a question.
    fn asked(&self, thing: Hash, asked: asked::Asked) {
        self.questions.lock().note(thing, asked);
    }

    /// The questions about a thing.
    fn questions(&self, thing: Hash) -> Vec<asked::Asked> {
        self.questions.lock().about(thing)
    }

    /// Nodes of groups of whom nothing can be asked, where one order across authors needs them to answer.
    pub(crate) fn silent(&self) -> Vec<Uuid> {
        self.silent.nodes()
    }

    fn came(&self, thing: Hash) {
        self.questions.lock().forget(thing);
    }

    fn committed(&self) {
        self.state.lock().error = None;
    }

    fn failed(&self, error: &driver::Error) {
        self.state.lock().error = Some(error.to_string());
    }

    fn refused_content(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts the task, the fetches that a crash interrupted, and the introduction of known nodes.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn start(core: &Arc<Core>) -> Result<(), Error> {
    order::check(core).await?;
    fetches::recover(core).await?;
    let Some(receiver) = core.aggregation.receiver.lock().take() else { return Ok(()) };
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let owner = Arc::clone(core);
    core.tasks.spawn("aggregator", move || {
        let (core, receiver) = (Arc::clone(&owner), Arc::clone(&receiver));
        async move {
            let machine = machine::Machine::new(core.name(), core.store.clone(), rules(&core));
            driver::Driver::new(core, machine).run(&mut *receiver.lock().await).await;
            Ok::<(), std::convert::Infallible>(())
        }
    });
    early::load(core).await?;
    early::expiry::spawn(core);
    nodes::introduce_all(core).await?;
    repairs::start(core).await?;
    fetches::start(core);
    silent::spawn(core);
    Ok(())
}

fn rules(core: &Core) -> rules::Rules {
    rules::Rules {
        contracts: u32::try_from(core.options.contracts.len()).unwrap_or(u32::MAX),
        legacy_namespace: legacy(core),
        private_order: core.options.private_order,
        ..rules::Rules::default()
    }
}

/// The name that early members of version-1 contracts put into topics of definitions.
fn legacy(core: &Core) -> Option<String> {
    core.multiparty.is_of_version_one().then(|| core.options.network_namespace.clone())
}

/// Where a contract's logs go.
pub(crate) struct Sink {
    core: Arc<Core>,
    contract: u32,
    version: u8,
}

impl Sink {
    /// The sink of the contract with this index, of this version.
    pub(crate) fn new(core: &Arc<Core>, contract: u32, version: u8) -> Self {
        Self { core: Arc::clone(core), contract, version }
    }
}

#[async_trait]
impl LedgerSink for Sink {
    async fn deliver(&self, delivery: Delivery) -> Result<(), SinkClosed> {
        self.core.aggregation.take(Job::Ledger(self.contract, self.version, delivery)).await
    }

    async fn receipt(&self, receipt: Receipt) -> Result<(), SinkClosed> {
        operations::receipt(&self.core, receipt).await
    }
}
