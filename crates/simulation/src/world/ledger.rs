//! The ledger: a pool of submissions, blocks at their time, and streams that lag behind. It can take blocks back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{World, signal::Signal};
use parking_lot::Mutex;
use photinus_model::Time;
use photinus_ports::blockchain::{Cursor, Delivery, FirstEvent, Log, PinEvent, Position};
use serde_json::{Map, Value, json};

/// Where the contract of the network is, and the one that it may move on to.
pub(crate) const CONTRACTS: [&str; 2] =
    ["0x5fbdb2315678afecb367f032d93f642f64180aa3", "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"];

/// What is sent to the ledger at once: one transaction, one or several logs.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The operation that sent it, with its member's name; none for those who are no members.
    pub(crate) operation: Option<String>,
    pub(crate) key: String,
    /// Which of the contracts is called.
    pub(crate) contract: usize,
    pub(crate) logs: Vec<PinEvent>,
}

/// A log in its place.
#[derive(Clone, Debug)]
pub(crate) struct Mined {
    pub(crate) place: Position,
    pub(crate) contract: usize,
    pub(crate) pin: PinEvent,
}

/// Somebody who sees what waits to be mined, and sends something ahead of it, or not.
pub(crate) type Watcher = Box<dyn FnMut(&Sent) -> Option<Sent> + Send>;

/// The chain that all members share.
pub(crate) struct Ledger {
    world: Arc<World>,
    state: Mutex<State>,
    pub(crate) changes: Signal,
}

#[derive(Default)]
struct State {
    pool: Vec<Sent>,
    /// Transactions of each block, in their order.
    blocks: Vec<Vec<Sent>>,
    /// From which block on each fork replaced the chain.
    forks: Vec<u64>,
    /// Which operations are in which block.
    mined: BTreeMap<String, (u64, u32)>,
    /// What was written into journals, by operation.
    journalled: BTreeMap<String, Sent>,
    watchers: Vec<Watcher>,
    /// The last contract that a member has called.
    latest: usize,
}

impl State {
    fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    fn knows(&self, operation: &str) -> bool {
        self.mined.contains_key(operation) || self.pool.iter().any(|sent| sent.operation.as_deref() == Some(operation))
    }

    /// Adds a block.
    fn push(&mut self, block: Vec<Sent>) {
        let number = self.height() + 1;
        for (index, sent) in (0..).zip(&block) {
            if let Some(operation) = &sent.operation {
                self.mined.insert(operation.clone(), (number, index));
            }
        }
        self.blocks.push(block);
    }
}

/// How far a stream has read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    block: u64,
    forks: usize,
}

impl Ledger {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { world: Arc::clone(world), state: Mutex::default(), changes: Signal::default() })
    }

    /// Where a stream begins, or goes on. The hash of a block tells how many forks there were when it was made.
    pub(crate) fn mark(&self, cursor: Option<&Cursor>, first: FirstEvent) -> Mark {
        let state = self.state.lock();
        if let Some(cursor) = cursor {
            // A block without a hash is none that can be missed.
            let forks = usize::from_str_radix(cursor.block_hash.get(2..34).unwrap_or_default(), 16);
            return Mark { block: cursor.block, forks: forks.unwrap_or(state.forks.len()) };
        }
        let block = match first {
            FirstEvent::Oldest => 0,
            FirstEvent::Block(number) => number.saturating_sub(1),
            FirstEvent::Newest => state.height(),
        };
        Mark { block, forks: state.forks.len() }
    }

    /// Mines for ever.
    pub(crate) async fn mine(self: Arc<Self>, pace: std::ops::Range<u64>) {
        loop {
            let wait = self.world.draw(|random| random.within(pace.clone()));
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let empty = self.world.draw(|random| random.chance(50));
            let mut state = self.state.lock();
            if state.pool.is_empty() && !empty {
                continue;
            }
            let block = self.choose(&mut state.pool);
            self.extend(&mut state, block);
            drop(state);
            self.changes.raise();
        }
    }

    fn extend(&self, state: &mut State, block: Vec<Sent>) {
        let logs = block.iter().flat_map(|sent| sent.logs.iter().map(|log| describe(sent.contract, log)));
        let logs = logs.collect::<Vec<_>>().join(", ");
        state.push(block);
        self.world.note("ledger", format_args!("mines block {}: {logs}", state.height()));
    }

    /// What gets into the next block: each key's transactions in their order, the keys in any.
    fn choose(&self, pool: &mut Vec<Sent>) -> Vec<Sent> {
        self.world.draw(|random| {
            let mut block = Vec::new();
            let mut stuck: Vec<String> = Vec::new();
            let mut rest = Vec::new();
            for sent in pool.drain(..) {
                if stuck.contains(&sent.key) || random.chance(150) {
                    stuck.push(sent.key.clone());
                    rest.push(sent);
                } else {
                    block.push(sent);
                }
            }
            *pool = rest;
            let mut keys: Vec<String> = block.iter().map(|sent| sent.key.clone()).collect();
            random.shuffle(&mut keys);
            let take = |key: String| {
                let at = block.iter().position(|sent| sent.key == key);
                at.map(|at| block.remove(at))
            };
            keys.into_iter().filter_map(take).collect()
        })
    }

    /// Takes the last blocks back and mines what was in them anew, in another order and without what `drops` says.
    pub(crate) fn fork(&self, from: u64, drops: impl Fn(&Sent) -> bool) {
        let mut state = self.state.lock();
        let at = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let taken: Vec<Sent> = state.blocks.drain(at..).flatten().collect();
        state.forks.push(from);
        state.mined.retain(|_, (block, _)| *block < from);
        let mut pool: Vec<Sent> = taken.into_iter().filter(|sent| !drops(sent)).collect();
        pool.append(&mut state.pool);
        state.pool = pool;
        let block = self.choose(&mut state.pool);
        self.extend(&mut state, block);
        self.world.note("ledger", format_args!("fork from block {from}"));
        drop(state);
        self.changes.raise();
    }

    /// Puts a transaction into the pool.
    pub(crate) fn send(&self, sent: Sent) {
        self.state.lock().pool.push(sent);
    }

    /// Puts a transaction in front of all others.
    pub(crate) fn send_first(&self, sent: Sent) {
        self.state.lock().pool.insert(0, sent);
    }

    /// What waits to be mined, for everybody to see.
    pub(crate) fn pool(&self) -> Vec<Sent> {
        self.state.lock().pool.clone()
    }

    /// Remembers what a journal is about to hold.
    pub(crate) fn journal(&self, operation: &str, sent: Sent) {
        let mut state = self.state.lock();
        state.latest = state.latest.max(sent.contract);
        state.journalled.insert(operation.to_owned(), sent);
    }

    /// Sends what a journal holds, once.
    pub(crate) fn send_journalled(&self, operation: &str) {
        let mut state = self.state.lock();
        if !state.knows(operation)
            && let Some(sent) = state.journalled.get(operation).cloned()
        {
            let state = &mut *state;
            let ahead: Vec<Sent> = state.watchers.iter_mut().filter_map(|watcher| watcher(&sent)).collect();
            state.pool.splice(0..0, ahead);
            state.pool.push(sent);
        }
    }

    /// Shows somebody everything that members send from now on.
    pub(crate) fn watch(&self, watcher: Watcher) {
        self.state.lock().watchers.push(watcher);
    }

    /// Whether an operation was sent, and the place of its log once it is mined.
    pub(crate) fn operation(&self, operation: &str) -> (bool, Option<Position>) {
        let state = self.state.lock();
        let place = state.mined.get(operation).map(|(block, index)| position(&state.blocks, *block, *index, 0));
        (state.knows(operation), place)
    }

    pub(crate) fn height(&self) -> u64 {
        self.state.lock().height()
    }

    /// The last contract that a member has called.
    pub(crate) fn latest(&self) -> usize {
        self.state.lock().latest
    }

    /// What is not mined yet.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().pool.len()
    }

    /// Logs from this block on, with their places.
    pub(crate) fn logs_from(&self, from: u64) -> Vec<Mined> {
        let state = self.state.lock();
        let mut logs = Vec::new();
        for (number, block) in (1..).zip(&state.blocks).filter(|(number, _)| *number >= from) {
            for (index, sent) in (0..).zip(block) {
                for (nth, log) in (0..).zip(&sent.logs) {
                    let place = position(&state.blocks, number, index, nth);
                    logs.push(Mined { place, contract: sent.contract, pin: log.clone() });
                }
            }
        }
        logs
    }

    /// The next step of a contract's stream that has read up to `mark`, of a few blocks at most. `None`: there is nothing new. What
    /// forks took back comes alone.
    pub(crate) fn step(&self, mark: &mut Mark, contract: usize, most: u64) -> Option<Delivery> {
        let state = self.state.lock();
        let forked = state.forks[mark.forks.min(state.forks.len())..].iter().min().copied();
        let retracted_from = forked.filter(|from| *from <= mark.block);
        mark.forks = state.forks.len();
        if let Some(from) = retracted_from {
            mark.block = from - 1;
        }
        let most = if retracted_from.is_some() { 0 } else { most };
        let last = state.height().min(mark.block + most);
        if last == mark.block && retracted_from.is_none() {
            return None;
        }
        let first = mark.block + 1;
        mark.block = last;
        drop(state);
        let logs = self.logs_from(first).into_iter();
        let logs = logs.filter(|mined| mined.place.block <= last && mined.contract == contract).map(log).collect();
        let block_hash = format!("0x{:032x}{last:032x}", mark.forks);
        Some(Delivery { retracted_from, logs, cursor: Cursor { block: last, block_hash } })
    }
}

/// A log in few words: the batch that it pins or what it does, of which contract, and who signed it.
fn describe(contract: usize, log: &PinEvent) -> String {
    let batch = photinus_model::Uuid::from_slice(&log.uuids[16..]).unwrap_or_default();
    let what = if batch.is_nil() { log.action.clone() } else { batch.to_string() };
    let signer = log.signer.get(36..).unwrap_or_default();
    format!("{what} on {contract} by {signer}")
}

/// The place of the `nth` log of a transaction. Logs are numbered within their block.
fn position(blocks: &[Vec<Sent>], block: u64, transaction: u32, nth: u32) -> Position {
    let number = usize::try_from(block.saturating_sub(1)).unwrap_or(usize::MAX);
    let before = blocks.get(number).into_iter().flatten().take(transaction as usize);
    let before: usize = before.map(|sent| sent.logs.len()).sum();
    Position { block, transaction, log: u32::try_from(before).unwrap_or(u32::MAX) + nth }
}

/// Hash of a transaction, by its place.
pub(crate) fn transaction_hash(place: Position) -> String {
    format!("0x{:056x}{:08x}", place.block, place.transaction)
}

/// A log as an adapter reports it.
fn log(Mined { place: position, contract, pin }: Mined) -> Log {
    let output = json!({
        "author": pin.signer,
        "batchHash": format!("0x{}", photinus_model::Hash::from(pin.batch_hash)),
        "contexts": pin.contexts.iter().map(|context| format!("0x{context}")).collect::<Vec<_>>(),
        "namespace": pin.action,
        "payloadRef": pin.payload_ref,
        "timestamp": position.block.to_string(),
    });
    Log {
        position,
        name: "BatchPin".to_owned(),
        transaction_hash: transaction_hash(position),
        timestamp: Time::from_unix_nanos(i64::try_from(position.block).unwrap_or_default() * 1_000_000_000),
        output: output.as_object().cloned().unwrap_or_default(),
        info: Map::from_iter([("address".to_owned(), Value::String(CONTRACTS[contract].to_owned()))]),
        pin,
    }
}
