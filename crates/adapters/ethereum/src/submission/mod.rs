//! Submitting operations to the ledger, and seeing them through.
//!
//! An operation is signed with the next nonce of its key and journalled, several at once when several wait ([`intake`]);
//! handed to the chain ([`outbox`]); found in a block ([`receipts`]); and its fate reported ([`report`]). What does not go that
//! way is looked after by [`keeper`]: it compares the waiting transactions with the chain and sends, raises, renumbers or fills
//! as [`survey`] decides. The state that they share is [`pool`], behind one lock that is never held while waiting.

mod gas;
mod intake;
mod keeper;
mod outbox;
mod pool;
mod price;
mod receipts;
mod record;
mod report;
mod sign;
mod space;
mod status;
mod survey;

use std::{collections::HashMap, sync::Arc, time::Instant};

use alloy::primitives::{Address, Bytes};
use parking_lot::{Mutex, RwLock};
use photinus_ports::{
    OperationRef,
    blockchain::{Error, LedgerSink},
    clock::{Clock, System},
    journal::Journal,
};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    intake::Request,
    pool::{Phase, Pool, Told},
    space::Space,
};
pub(crate) use self::{price::Prices, sign::Draft};
use crate::{
    chain::Chain,
    counters::Counters,
    keys::{self, Keyring},
    options::Options,
    rpc::Client,
};

/// Submissions of one key that may wait for their turn; more make their callers wait.
const QUEUE: usize = 256;

/// Everything that submission needs, shared by its tasks.
pub(crate) struct Submission {
    options: Arc<Options>,
    chain: Arc<Chain>,
    client: Client,
    counters: Arc<Counters>,
    keyring: Arc<Keyring>,
    prices: Prices,
    gas: gas::Book,
    /// Never asked for the chain's newest blocks while it is locked: whoever needs both locks the blocks first.
    pool: Mutex<Pool>,
    spaces: RwLock<HashMap<String, Arc<Space>>>,
    intakes: Mutex<HashMap<Address, mpsc::Sender<Request>>>,
    /// Transactions stopped waiting: there is room for more.
    room: Notify,
    /// A key wants to be looked after soon.
    attention: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Submission {
    /// Sets submission up and starts the tasks that serve all keys; they end with `stop`.
    pub(crate) fn start(
        options: Arc<Options>,
        chain: Arc<Chain>,
        client: Client,
        counters: Arc<Counters>,
        keyring: Arc<Keyring>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let prices = Prices::new(chain.clone(), client.clone(), options.fees.mode, options.fees.refresh.0);
        let gas = gas::Book::new(client.clone(), options.gas.clone());
        let this = Arc::new(Self {
            options,
            chain,
            client,
            counters,
            keyring,
            prices,
            gas,
            pool: Mutex::default(),
            spaces: RwLock::default(),
            intakes: Mutex::default(),
            room: Notify::new(),
            attention: Notify::new(),
            tasks,
            stop,
        });
        this.tasks.spawn(receipts::run(this.clone()));
        this.tasks.spawn(keeper::run(this.clone()));
        this
    }

    /// Takes up a namespace with what its journal holds.
    pub(crate) async fn attach(
        &self,
        namespace: &str,
        journal: Arc<dyn Journal>,
        sink: Arc<dyn LedgerSink>,
    ) -> Result<(), Error> {
        if self.spaces.read().contains_key(namespace) {
            return Err(Error::Rejected(format!("namespace '{namespace}' is attached already")));
        }
        let head = self.chain.tip().map_or(0, |tip| tip.number);
        let space = Arc::new(Space::new(namespace, journal, sink, self.stop.child_token()));
        let journalled = space.load(Instant::now(), head).await?;
        {
            let mut pool = self.pool.lock();
            for tx in journalled {
                pool.restore(tx);
            }
        }
        self.spaces.write().insert(namespace.to_owned(), space);
        self.attention.notify_one();
        self.chain.wake();
        Ok(())
    }

    /// Lets go of a namespace; nothing is reported to it once this returns.
    pub(crate) async fn detach(&self, namespace: &str) {
        let Some(space) = self.spaces.write().remove(namespace) else { return };
        space.close().await;
        self.pool.lock().remove_namespace(namespace);
        self.room.notify_waiters();
    }

    /// Signs, journals and sends a call, unless that was done for this operation before.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        operation: &OperationRef,
        key: &str,
        to: Address,
        input: Bytes,
    ) -> Result<(), Error> {
        let space = self.space(&operation.namespace)?;
        if self.submitted_before(operation, &space) {
            return Ok(());
        }
        let from = self.signing_key(key)?;
        let (answer, answered) = oneshot::channel();
        let request = Request { operation: operation.clone(), space, to, input, answer };
        let gone = || Error::Unavailable("the ledger adapter is stopping".to_owned());
        self.intake(from).send(request).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// The address of a key that this node can sign with.
    pub(crate) fn signing_key(&self, key: &str) -> Result<Address, Error> {
        if key.is_empty() {
            return Err(Error::MissingKey);
        }
        let address = keys::parse_address(key).ok_or_else(|| Error::InvalidKey(key.to_owned()))?;
        match self.keyring.signer(&address) {
            Some(_) => Ok(address),
            None => Err(Error::UnknownKey(keys::normal(&address))),
        }
    }

    /// What applications see of an operation's transaction.
    pub(crate) async fn status(&self, operation: &OperationRef) -> Result<Option<Value>, Error> {
        let Some(tx) = self.pool.lock().get(operation).cloned() else { return Ok(None) };
        if !tx.signed.raw.is_empty() {
            return Ok(Some(status::of(&tx)));
        }
        // The transaction of a finished operation is in the journal only.
        let signed = self.space(&operation.namespace)?.signed(operation.id).await?;
        let tx = pool::Tx { signed: signed.unwrap_or(tx.signed), ..tx };
        Ok(Some(status::of(&tx)))
    }

    /// Number of transactions that wait to be mined.
    pub(crate) fn in_flight(&self) -> usize {
        self.pool.lock().waiting()
    }

    /// If the operation is known, makes sure that it is on its way and will be reported.
    fn submitted_before(self: &Arc<Self>, operation: &OperationRef, space: &Arc<Space>) -> bool {
        let mut pool = self.pool.lock();
        let Some(tx) = pool.get(operation) else { return false };
        match tx.phase.clone() {
            Phase::Waiting => {
                let from = tx.signed.from;
                pool.account(from).urgent = true;
                self.attention.notify_one();
            }
            Phase::Mined(place, Told::Yes) => {
                pool.told(operation, &place, Told::No);
                drop(pool);
                report::ready(self);
            }
            Phase::Mined(..) => {}
            Phase::Over(done) => {
                let fallback = tx.signed.hash;
                drop(pool);
                report::again(space, operation.clone(), done, fallback);
            }
        }
        true
    }

    fn intake(self: &Arc<Self>, from: Address) -> mpsc::Sender<Request> {
        let mut intakes = self.intakes.lock();
        intakes
            .entry(from)
            .or_insert_with(|| {
                let (requests, queue) = mpsc::channel(QUEUE);
                self.tasks.spawn(intake::run(self.clone(), from, queue));
                requests
            })
            .clone()
    }

    fn space(&self, namespace: &str) -> Result<Arc<Space>, Error> {
        let space = self.spaces.read().get(namespace).cloned();
        space.ok_or_else(|| Error::Unavailable(format!("namespace '{namespace}' is not attached")))
    }

    fn head(&self) -> u64 {
        self.chain.tip().map_or(0, |tip| tip.number)
    }
}

/// The wall clock, for what is recorded.
fn clock_now() -> photinus_model::Time {
    System.now()
}
