//! What the running chain shares: recent history, the waiting transactions and the archive.
//!
//! Readers take a snapshot and let go of the lock at once; the producer holds a lock only to put a finished block in, never
//! while it runs transactions or waits for the disk.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::consensus::transaction::SignerRecoverable as _;
use alloy::eips::eip2718::Decodable2718 as _;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256};
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinError;

use crate::archive::{Archive, Failure, Position};
use crate::block::{Block, Frame, Transaction};
use crate::evm;
use crate::options::{
    BLOCK_CACHE_BYTES, MAX_BLOCKING, MAX_TRANSACTION_BYTES, Options, PENDING_HASHES_KEPT, STATES_KEPT,
};
use crate::pool::{Fate, Pool, Refusal};
use crate::state::World;

/// The present time, in seconds since 1970.
pub(crate) type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// The chain right after one block.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) block: Arc<Block>,
    pub(crate) world: World,
}

/// The newest blocks and states.
#[derive(Debug)]
struct History {
    head: Arc<View>,
    /// States by age, the newest last. Their blocks' transactions are not kept alive by them.
    states: VecDeque<(u64, World)>,
    /// Blocks by age, the newest last, without a gap.
    blocks: VecDeque<Arc<Block>>,
    block_bytes: usize,
    positions: HashMap<B256, Position>,
}

/// What waits for the producer.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) pool: Pool,
    /// Whether waiting transactions get a block at once.
    pub(crate) on_demand: bool,
    /// Blocks that were asked for, empty or not.
    pub(crate) requested: Vec<oneshot::Sender<Fate>>,
    pub(crate) stopping: bool,
    admitted: VecDeque<B256>,
    admitted_count: u64,
}

/// The chain, as requests and the producer see it.
pub(crate) struct Ledger {
    pub(crate) options: Options,
    pub(crate) archive: Archive,
    clock: Clock,
    history: RwLock<History>,
    desk: Mutex<Desk>,
    work: Condvar,
    head: watch::Sender<u64>,
    admissions: watch::Sender<u64>,
    blocking: Arc<Semaphore>,
}

impl Ledger {
    /// A ledger whose newest block is `head`; `world` is the state after it.
    pub(crate) fn new(options: Options, archive: Archive, clock: Clock, head: Block, world: World) -> Self {
        let number = head.header.number;
        let desk = Desk {
            pool: Pool::new(options.pool_limit),
            on_demand: options.mining.period().is_none(),
            requested: Vec::new(),
            stopping: false,
            admitted: VecDeque::new(),
            admitted_count: 0,
        };
        let head = Arc::new(View { block: Arc::new(head), world });
        let mut history = History {
            head: Arc::clone(&head),
            states: VecDeque::new(),
            blocks: VecDeque::new(),
            block_bytes: 0,
            positions: HashMap::new(),
        };
        history.push(head);
        Self {
            options,
            archive,
            clock,
            history: RwLock::new(history),
            desk: Mutex::new(desk),
            work: Condvar::new(),
            head: watch::Sender::new(number),
            admissions: watch::Sender::new(0),
            blocking: Arc::new(Semaphore::new(MAX_BLOCKING)),
        }
    }

    /// The newest block and its state.
    pub(crate) fn latest(&self) -> Arc<View> {
        Arc::clone(&self.history.read().head)
    }

    /// Changes whenever there is a new block; the value is its number.
    pub(crate) fn heads(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Changes whenever a transaction is admitted; the value counts them.
    pub(crate) fn admissions(&self) -> watch::Receiver<u64> {
        self.admissions.subscribe()
    }

    /// The frame of the block that comes next.
    pub(crate) fn next_frame(&self, parent: &Block) -> Frame {
        Frame {
            parent: parent.hash,
            number: parent.header.number + 1,
            timestamp: (self.clock)().max(parent.header.timestamp),
            gas_limit: self.options.block_gas_limit,
            base_fee: self.options.base_fee,
        }
    }

    /// Makes a stored block the newest, for everybody to see.
    pub(crate) fn publish(&self, view: View) {
        let number = view.block.header.number;
        self.history.write().push(Arc::new(view));
        self.head.send_replace(number);
    }

    /// The number that a block reference means, if there is such a block.
    ///
    /// A block is final as soon as it is there, so `safe` and `finalized` are the newest; `pending` is as well, because
    /// waiting transactions are not run ahead of their block.
    pub(crate) async fn resolve(self: &Arc<Self>, id: BlockId) -> Result<Option<u64>, Failure> {
        let head = self.latest().block.header.number;
        match id {
            BlockId::Number(BlockNumberOrTag::Number(number)) => Ok((number <= head).then_some(number)),
            BlockId::Number(BlockNumberOrTag::Earliest) => Ok(Some(0)),
            BlockId::Number(_) => Ok(Some(head)),
            BlockId::Hash(reference) => self.number_of(reference.block_hash).await,
        }
    }

    /// A block by its number.
    pub(crate) async fn block(self: &Arc<Self>, number: u64) -> Result<Option<Arc<Block>>, Failure> {
        if let Some(block) = self.history.read().block(number) {
            return Ok(Some(block));
        }
        if number > self.latest().block.header.number {
            return Ok(None);
        }
        let ledger = Arc::clone(self);
        self.blocking(move || Ok(ledger.archive.block(number)?.map(Arc::new))).await
    }

    /// A block by its number, for those who may wait for the disk.
    pub(crate) fn block_now(&self, number: u64) -> Result<Option<Arc<Block>>, Failure> {
        let recent = self.history.read().block(number);
        match recent {
            Some(block) => Ok(Some(block)),
            None => Ok(self.archive.block(number)?.map(Arc::new)),
        }
    }

    async fn number_of(self: &Arc<Self>, hash: B256) -> Result<Option<u64>, Failure> {
        if let Some(block) = self.history.read().blocks.iter().rev().find(|block| block.hash == hash) {
            return Ok(Some(block.header.number));
        }
        let ledger = Arc::clone(self);
        self.blocking(move || ledger.archive.number_of(&hash)).await
    }

    /// The block that holds a transaction, and its place in it.
    pub(crate) async fn transaction(self: &Arc<Self>, hash: B256) -> Result<Option<(Arc<Block>, usize)>, Failure> {
        let recent = self.history.read().positions.get(&hash).copied();
        let position = match recent {
            Some(position) => Some(position),
            // What waits is in no block. Clients ask for the receipt of a waiting transaction again and again.
            None if self.waiting(&hash).is_some() => None,
            None => {
                let ledger = Arc::clone(self);
                self.blocking(move || ledger.archive.position_of(&hash)).await?
            }
        };
        let Some((number, index)) = position else { return Ok(None) };
        Ok(self.block(number).await?.map(|block| (block, index)))
    }

    /// The state after a block, if it is recent enough.
    pub(crate) fn state_at(&self, number: u64) -> Option<World> {
        self.history.read().state(number)
    }

    /// Runs work that takes long or reads the disk, on a thread that may block. A bounded number runs at a time.
    pub(crate) async fn blocking<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let permit = Arc::clone(&self.blocking).acquire_owned().await;
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match work.await.map_err(JoinError::try_into_panic) {
            Ok(value) => value,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    /// Reads a signed transaction, recovers who signed it and checks it as far as that is possible without the state.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<Transaction, Refusal> {
        if bytes.len() > MAX_TRANSACTION_BYTES {
            let size = bytes.len();
            return Err(Refusal::Invalid(format!(
                "oversized data: transaction size {size}, limit {MAX_TRANSACTION_BYTES}"
            )));
        }
        let envelope = TxEnvelope::decode_2718_exact(bytes).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let sender = envelope.recover_signer().map_err(|error| Refusal::Invalid(format!("invalid sender: {error}")))?;
        self.check(Recovered::new_unchecked(envelope, sender))
    }

    /// Checks what can be checked without the state.
    pub(crate) fn check(&self, transaction: Transaction) -> Result<Transaction, Refusal> {
        evm::check(&transaction, self.options.chain_id, &self.next_frame(&self.latest().block))
            .map_err(|error| Refusal::Invalid(evm::describe_invalid(&error, &transaction.signer())))?;
        Ok(transaction)
    }

    /// Takes a checked transaction in. Blocks are made on demand: then this returns when the block that holds it is stored.
    pub(crate) async fn submit(&self, transaction: Transaction) -> Result<B256, Refusal> {
        let hash = *transaction.tx_hash();
        let fate = self.admit(transaction)?;
        match fate {
            None => Ok(hash),
            Some(fate) => fate.await.unwrap_or(Err(Refusal::Stopping)).map(|()| hash),
        }
    }

    /// Gives the sender's next nonce to `sign` and takes in what that makes of it. Nobody else gets the same nonce.
    pub(crate) async fn submit_next<F>(&self, sender: &Address, sign: F) -> Result<B256, Refusal>
    where
        F: FnOnce(u64) -> Result<Transaction, Refusal>,
    {
        let (hash, fate) = {
            let mut desk = self.desk.lock();
            let nonce = desk.pool.next_nonce(sender, &self.latest().world.state);
            let transaction = sign(nonce)?;
            (*transaction.tx_hash(), self.admit_at(&mut desk, transaction)?)
        };
        match fate {
            None => Ok(hash),
            Some(fate) => fate.await.unwrap_or(Err(Refusal::Stopping)).map(|()| hash),
        }
    }

    fn admit(&self, transaction: Transaction) -> Result<Option<oneshot::Receiver<Fate>>, Refusal> {
        self.admit_at(&mut self.desk.lock(), transaction)
    }

    fn admit_at(&self, desk: &mut Desk, transaction: Transaction) -> Result<Option<oneshot::Receiver<Fate>>, Refusal> {
        if desk.stopping {
            return Err(Refusal::Stopping);
        }
        let hash = *transaction.tx_hash();
        let ready = desk.pool.admit(transaction, &self.latest().world.state)?;
        desk.note(hash);
        self.admissions.send_replace(desk.admitted_count);
        if !(ready && desk.on_demand) {
            return Ok(None);
        }
        self.work.notify_one();
        Ok(desk.pool.watch(&hash))
    }

    /// Asks for a block now, whatever waits, and returns when it is stored.
    pub(crate) async fn request_block(&self) -> Fate {
        let (tell, told) = oneshot::channel();
        {
            let mut desk = self.desk.lock();
            if desk.stopping {
                return Err(Refusal::Stopping);
            }
            desk.requested.push(tell);
        }
        self.work.notify_one();
        told.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Switches between a block per waiting transaction and blocks on request or on the interval alone.
    pub(crate) fn set_on_demand(&self, on_demand: bool) {
        self.desk.lock().on_demand = on_demand;
        self.work.notify_one();
    }

    /// Ends the producer's work after the block that it is making. What else waits is given up.
    pub(crate) fn stop(&self) {
        let mut desk = self.desk.lock();
        desk.stopping = true;
        desk.pool.give_up();
        desk.requested.clear();
        drop(desk);
        self.work.notify_one();
    }

    /// Gives up whatever is left when the producer has ended.
    pub(crate) fn close(&self) {
        let mut desk = self.desk.lock();
        desk.pool.begin(&[]);
        desk.pool.give_up();
    }

    /// A transaction that waits for a block.
    pub(crate) fn waiting(&self, hash: &B256) -> Option<Arc<Transaction>> {
        self.desk.lock().pool.get(hash)
    }

    /// The nonce that an account's next transaction should have, waiting ones counted.
    pub(crate) fn next_nonce(&self, sender: &Address) -> u64 {
        let desk = self.desk.lock();
        desk.pool.next_nonce(sender, &self.latest().world.state)
    }

    /// The hashes of the transactions admitted after the first `seen`, and how many have been admitted by now. Those that
    /// are too long ago are left out.
    pub(crate) fn admitted_since(&self, seen: u64) -> (Vec<B256>, u64) {
        let desk = self.desk.lock();
        let missing = usize::try_from(desk.admitted_count.saturating_sub(seen)).unwrap_or(usize::MAX);
        let skip = desk.admitted.len().saturating_sub(missing);
        (desk.admitted.iter().skip(skip).copied().collect(), desk.admitted_count)
    }

    /// Waits until there is a block to make, and says what for. Nothing when the chain stops.
    pub(crate) fn next_work(&self, due: Option<Instant>) -> Option<Work> {
        let mut desk = self.desk.lock();
        loop {
            if desk.stopping {
                return None;
            }
            let is_due = due.is_some_and(|due| due <= Instant::now());
            let state = &self.latest().world.state;
            if is_due || !desk.requested.is_empty() || (desk.on_demand && desk.pool.has_ready(state)) {
                // No block holds more than this many of the cheapest transactions.
                let most = usize::try_from(self.options.block_gas_limit / 21_000).unwrap_or(usize::MAX);
                let transactions = desk.pool.ready(state, most);
                desk.pool.begin(&transactions);
                return Some(Work { transactions, requested: std::mem::take(&mut desk.requested) });
            }
            match due {
                Some(due) => {
                    self.work.wait_until(&mut desk, due);
                }
                None => self.work.wait(&mut desk),
            }
        }
    }

    /// Ends what [`Ledger::next_work`] began: some transactions are in a published block, some can be in none.
    pub(crate) fn finish_work(&self, included: &[Transaction], refused: Vec<(B256, Refusal)>) {
        let mut desk = self.desk.lock();
        desk.pool.finish(included, refused, &self.latest().world.state);
    }
}

/// What the producer makes the next block of.
pub(crate) struct Work {
    pub(crate) transactions: Vec<Arc<Transaction>>,
    pub(crate) requested: Vec<oneshot::Sender<Fate>>,
}

impl Desk {
    fn note(&mut self, hash: B256) {
        self.admitted_count += 1;
        self.admitted.push_back(hash);
        if self.admitted.len() > PENDING_HASHES_KEPT {
            self.admitted.pop_front();
        }
    }
}

impl History {
    fn push(&mut self, view: Arc<View>) {
        let block = Arc::clone(&view.block);
        let number = block.header.number;
        self.states.push_back((number, view.world.clone()));
        if self.states.len() > STATES_KEPT {
            self.states.pop_front();
        }
        for (index, transaction) in block.transactions.iter().enumerate() {
            self.positions.insert(*transaction.tx_hash(), (number, index));
        }
        self.block_bytes += block_weight(&block);
        self.blocks.push_back(block);
        while self.block_bytes > BLOCK_CACHE_BYTES
            && self.blocks.len() > 1
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.block_bytes -= block_weight(&oldest);
            for transaction in &oldest.transactions {
                self.positions.remove(transaction.tx_hash());
            }
        }
        self.head = view;
    }

    fn block(&self, number: u64) -> Option<Arc<Block>> {
        let first = self.blocks.front()?.header.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.blocks.get(index).cloned()
    }

    fn state(&self, number: u64) -> Option<World> {
        let (first, _) = self.states.front()?;
        let index = usize::try_from(number.checked_sub(*first)?).ok()?;
        self.states.get(index).map(|(_, world)| world.clone())
    }
}

/// About how much memory a block takes: its transactions, its log entries, and the frame of each.
fn block_weight(block: &Block) -> usize {
    let logs: usize =
        block.receipts.iter().flat_map(|receipt| receipt.logs()).map(|log| 200 + log.data.data.len()).sum();
    1024 + block.size() + 1024 * block.transactions.len() + logs
}
