//! The transactions of this node's keys between being signed and being settled: plain data and the rules of nonces.
//!
//! Nothing here waits or asks: facts come in as arguments, decisions go out as values.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};
use photinus_ports::OperationRef;

use super::record::{Done, Mined, Signed};

/// Where an operation's transaction stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Signed, journalled and not known to be mined.
    Waiting,
    /// In a block; whether that was reported already.
    Mined(Mined, Told),
    /// Reported, and nothing will change any more.
    Over(Done),
}

/// How far a fate has come on its way to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Not told, or no longer true.
    No,
    /// On the way.
    Going,
    /// The engine has it.
    Yes,
}

/// An operation and its transaction.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    pub(crate) operation: OperationRef,
    pub(crate) signed: Signed,
    pub(crate) phase: Phase,
    /// When the chain was last offered it, if it was.
    pub(crate) offered: Option<Instant>,
    /// Since when, and since which block, it is offered at its present price.
    pub(crate) priced: (Instant, u64),
    /// The chain said that it pays too little.
    pub(crate) underpriced: bool,
    /// It ran out of gas once and was given more.
    pub(crate) regassed: bool,
    /// What the chain said last when it refused it.
    pub(crate) trouble: Option<String>,
    /// Since when its nonce seems to be somebody else's.
    pub(crate) suspected: Option<Instant>,
    /// Since when the chain has it and does not count it among those that it would mine, though nothing comes before it.
    pub(crate) parked: Option<Instant>,
    /// It was replaced for that once, which is as often as it may help.
    pub(crate) nudged: bool,
}

impl Tx {
    /// An operation that was signed at block `head` or before, and has not been handed to the chain yet.
    pub(crate) fn new(operation: OperationRef, signed: Signed, phase: Phase, now: Instant, head: u64) -> Self {
        Self {
            operation,
            signed,
            phase,
            offered: None,
            priced: (now, head),
            underpriced: false,
            regassed: false,
            trouble: None,
            suspected: None,
            parked: None,
            nudged: false,
        }
    }
}

/// The nonces of one key.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The next nonce to give out; unknown before the chain was asked.
    next: Option<u64>,
    /// Operations whose transactions wait to be mined.
    waiting: BTreeMap<u64, OperationRef>,
    /// Wants to be compared with the chain soon.
    pub(crate) urgent: bool,
    /// When it was last compared with the chain, and at which block.
    pub(crate) surveyed: Option<(Instant, u64)>,
    /// Since when the chain lacks the transactions from this nonce on, which nobody here has.
    pub(crate) gap: Option<(Instant, u64)>,
}

impl Account {
    /// Operations whose transactions wait to be mined, by nonce.
    pub(crate) fn waiting(&self) -> &BTreeMap<u64, OperationRef> {
        &self.waiting
    }

    /// Takes note of how many transactions the chain has of this key.
    pub(crate) fn sync(&mut self, pending: u64) {
        let above_own = self.waiting.last_key_value().map_or(0, |(nonce, _)| nonce.saturating_add(1));
        self.next = Some(self.next.unwrap_or(0).max(pending).max(above_own));
    }
}

/// All transactions of this node.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    txs: HashMap<OperationRef, Tx>,
    /// Every hash under which an operation may be mined.
    hashes: HashMap<B256, OperationRef>,
    accounts: HashMap<Address, Account>,
    /// Mined operations that are not over, by block.
    mined: BTreeMap<u64, Vec<OperationRef>>,
    /// Operations of an earlier run that were reported as mined; the chain may have changed since.
    unverified: Vec<OperationRef>,
}

impl Pool {
    pub(crate) fn get(&self, operation: &OperationRef) -> Option<&Tx> {
        self.txs.get(operation)
    }

    pub(crate) fn get_mut(&mut self, operation: &OperationRef) -> Option<&mut Tx> {
        self.txs.get_mut(operation)
    }

    pub(crate) fn account(&mut self, address: Address) -> &mut Account {
        self.accounts.entry(address).or_default()
    }

    /// The keys that should be compared with the chain, whose tip is `head`: those that asked for it, and those whose first
    /// transaction has waited longer than `stale`, at that pace, or at the pace of `quiet` as long as there is no new block.
    pub(crate) fn due(&self, now: Instant, head: u64, stale: Duration, quiet: Duration) -> Vec<Address> {
        let is_due = |account: &Account| {
            let Some(first) = account.waiting.values().next().and_then(|operation| self.txs.get(operation)) else {
                return false;
            };
            let age = now.duration_since(first.offered.unwrap_or(first.priced.0));
            let pause =
                account.surveyed.map(|(at, block)| (now.duration_since(at), if block == head { quiet } else { stale }));
            account.urgent || (age >= stale && pause.is_none_or(|(past, pause)| past >= pause))
        };
        self.accounts.iter().filter(|(_, account)| is_due(account)).map(|(address, _)| *address).collect()
    }

    /// Number of transactions that wait to be mined.
    pub(crate) fn waiting(&self) -> usize {
        self.accounts.values().map(|account| account.waiting.len()).sum()
    }

    /// Hashes under which waiting operations may be mined, by operation.
    pub(crate) fn waiting_hashes(&self) -> Vec<B256> {
        let waiting = self.accounts.values().flat_map(|account| account.waiting.values());
        waiting.filter_map(|operation| self.txs.get(operation)).flat_map(hashes).collect()
    }

    /// Gives out `count` nonces in a row; the first one. `None` when the chain must be asked first.
    pub(crate) fn allot(&mut self, from: Address, count: u64) -> Option<u64> {
        let account = self.account(from);
        let first = account.next?;
        account.next = Some(first.saturating_add(count));
        Some(first)
    }

    /// Takes nonces back that were not used, unless others were given out since; those become a gap that is closed later.
    pub(crate) fn take_back(&mut self, from: Address, first: u64, count: u64) {
        let account = self.account(from);
        if account.next == Some(first.saturating_add(count)) {
            account.next = Some(first);
        }
    }

    /// Adds an operation that is journalled.
    pub(crate) fn insert(&mut self, tx: Tx) {
        for hash in hashes(&tx) {
            self.hashes.insert(hash, tx.operation.clone());
        }
        match &tx.phase {
            Phase::Waiting => {
                let account = self.account(tx.signed.from);
                account.waiting.insert(tx.signed.nonce, tx.operation.clone());
            }
            Phase::Mined(mined, _) => self.mined.entry(mined.block).or_default().push(tx.operation.clone()),
            Phase::Over(_) => {}
        }
        self.txs.insert(tx.operation.clone(), tx);
    }

    /// Adds an operation of an earlier run.
    pub(crate) fn restore(&mut self, tx: Tx) {
        match tx.phase {
            Phase::Waiting => self.account(tx.signed.from).urgent = true,
            Phase::Mined(..) => self.unverified.push(tx.operation.clone()),
            Phase::Over(_) => {}
        }
        self.insert(tx);
    }

    /// The operations of earlier runs that are in a block and were not compared with the chain since; they count as compared
    /// from now on.
    pub(crate) fn take_unverified(&mut self) -> Vec<(OperationRef, Mined)> {
        let unverified = std::mem::take(&mut self.unverified);
        unverified
            .into_iter()
            .filter_map(|operation| match self.txs.get(&operation)?.phase {
                Phase::Mined(mined, _) => Some((operation, mined)),
                _ => None,
            })
            .collect()
    }

    /// The other way round, when the comparison could not be made.
    pub(crate) fn put_unverified(&mut self, operations: impl IntoIterator<Item = OperationRef>) {
        self.unverified.extend(operations);
    }

    /// Takes an operation out.
    pub(crate) fn remove(&mut self, operation: &OperationRef) -> Option<Tx> {
        let tx = self.txs.remove(operation)?;
        for hash in hashes(&tx) {
            self.hashes.remove(&hash);
        }
        self.stop_waiting(&tx.signed, operation);
        if let Phase::Mined(mined, _) = &tx.phase {
            self.leave_block(mined.block, operation);
        }
        Some(tx)
    }

    /// Takes a namespace's operations out.
    pub(crate) fn remove_namespace(&mut self, namespace: &str) {
        let gone: Vec<_> = self.txs.keys().filter(|operation| operation.namespace == namespace).cloned().collect();
        for operation in gone {
            self.remove(&operation);
        }
    }

    /// Gives a waiting operation another signed transaction, the earlier ones staying possible.
    pub(crate) fn resign(&mut self, operation: &OperationRef, signed: Signed, now: Instant, head: u64) -> bool {
        let Some(mut tx) = self.remove(operation) else { return false };
        let replace = matches!(tx.phase, Phase::Waiting);
        if replace {
            tx.signed = signed;
            tx.offered = None;
            tx.priced = (now, head);
            tx.underpriced = false;
            tx.suspected = None;
            tx.parked = None;
            tx.trouble = None;
        }
        self.insert(tx);
        replace
    }

    /// Notes that a transaction is in a block. The operation if that was news.
    pub(crate) fn mine(&mut self, hash: B256, place: Mined) -> Option<OperationRef> {
        let operation = self.hashes.get(&hash)?.clone();
        let tx = self.txs.get_mut(&operation)?;
        let before = match &tx.phase {
            Phase::Over(_) => return None,
            Phase::Mined(mined, _) if *mined == place => return None,
            Phase::Mined(mined, _) => Some(mined.block),
            Phase::Waiting => None,
        };
        tx.phase = Phase::Mined(place, Told::No);
        tx.suspected = None;
        tx.trouble = None;
        let signed = tx.signed.clone();
        match before {
            Some(block) => self.leave_block(block, &operation),
            None => self.stop_waiting(&signed, &operation),
        }
        self.mined.entry(place.block).or_default().push(operation.clone());
        Some(operation)
    }

    /// Puts an operation back whose block is gone.
    pub(crate) fn unmine(&mut self, operation: &OperationRef, now: Instant, head: u64) -> bool {
        let Some(tx) = self.txs.get_mut(operation) else { return false };
        let Phase::Mined(mined, _) = tx.phase else { return false };
        tx.phase = Phase::Waiting;
        tx.offered = None;
        tx.priced = (now, head);
        let (from, nonce) = (tx.signed.from, tx.signed.nonce);
        self.leave_block(mined.block, operation);
        let account = self.account(from);
        account.waiting.insert(nonce, operation.clone());
        account.urgent = true;
        true
    }

    /// Mined operations that are not over, oldest block first.
    pub(crate) fn in_blocks(&self) -> impl Iterator<Item = (&OperationRef, Mined, Told)> {
        self.mined.values().flatten().filter_map(|operation| match self.txs.get(operation)?.phase {
            Phase::Mined(mined, told) => Some((operation, mined, told)),
            _ => None,
        })
    }

    /// Marks how far an operation's fate has come, unless it changed in between.
    pub(crate) fn told(&mut self, operation: &OperationRef, place: &Mined, told: Told) -> bool {
        match self.txs.get_mut(operation).map(|tx| &mut tx.phase) {
            Some(Phase::Mined(mined, state)) if mined == place => {
                *state = told;
                true
            }
            _ => false,
        }
    }

    /// Ends an operation: nothing about it will change any more, and its transaction need not be sent again.
    pub(crate) fn end(&mut self, operation: &OperationRef, done: Done) {
        let Some(tx) = self.txs.get_mut(operation) else { return };
        let phase = std::mem::replace(&mut tx.phase, Phase::Over(done));
        let signed = tx.signed.clone();
        tx.signed.raw = alloy::primitives::Bytes::new();
        match phase {
            Phase::Waiting => self.stop_waiting(&signed, operation),
            Phase::Mined(mined, _) => self.leave_block(mined.block, operation),
            Phase::Over(_) => {}
        }
    }

    fn stop_waiting(&mut self, signed: &Signed, operation: &OperationRef) {
        let waiting = &mut self.account(signed.from).waiting;
        if waiting.get(&signed.nonce) == Some(operation) {
            waiting.remove(&signed.nonce);
        }
    }

    fn leave_block(&mut self, block: u64, operation: &OperationRef) {
        if let Some(operations) = self.mined.get_mut(&block) {
            operations.retain(|other| other != operation);
            if operations.is_empty() {
                self.mined.remove(&block);
            }
        }
    }
}

fn hashes(tx: &Tx) -> Vec<B256> {
    std::iter::once(tx.signed.hash).chain(tx.signed.earlier.iter().copied()).collect()
}
