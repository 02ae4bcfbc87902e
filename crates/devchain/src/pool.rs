//! The transactions that wait for a block.
//!
//! A transaction is *ready* when its nonce follows on from the state and from the ready ones before it; with a gap it
//! waits until the gap is filled. Blocks take ready transactions in the order of their arrival. All of it is in memory:
//! what is not in a block when the process dies is gone, as with any node.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use alloy::consensus::Transaction as _;
use alloy::primitives::{Address, B256, U256};
use tokio::sync::oneshot;

use crate::block::Transaction;
use crate::state::State;

/// Why a transaction cannot wait here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The same transaction waits already.
    #[error("already known")]
    Known,
    /// The account has used the nonce.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// What the account uses next.
        next: u64,
        /// What the transaction has.
        nonce: u64,
    },
    /// Another transaction with this nonce waits and pays as much, or nearly.
    #[error("replacement transaction underpriced")]
    Underpriced,
    /// The sender cannot pay for it.
    #[error("insufficient funds for gas * price + value: address {sender} have {balance} want {cost}")]
    Funds {
        /// Who would pay.
        sender: Address,
        /// What the account holds, in wei.
        balance: U256,
        /// The most that the transaction can cost, in wei.
        cost: U256,
    },
    /// Too many wait.
    #[error("txpool is full")]
    Full,
    /// No block can hold it; the text says why.
    #[error("{0}")]
    Invalid(String),
    /// It waited, and another with its nonce took its place.
    #[error("transaction was replaced")]
    Replaced,
    /// It waited, and made room for others.
    #[error("transaction was dropped: the txpool is full")]
    Dropped,
    /// Its block could not be stored.
    #[error("the block could not be stored: {0}")]
    Storage(String),
    /// The chain is stopping.
    #[error("the chain is stopping")]
    Stopping,
}

/// What becomes of a waiting transaction: it is in a stored block, or it is not and never will be.
pub(crate) type Fate = Result<(), Refusal>;

#[derive(Debug)]
struct Waiting {
    transaction: Arc<Transaction>,
    arrival: u64,
    watcher: Option<oneshot::Sender<Fate>>,
}

/// Waiting transactions by sender and nonce.
#[derive(Debug)]
pub(crate) struct Pool {
    senders: HashMap<Address, BTreeMap<u64, Waiting>>,
    hashes: HashMap<B256, (Address, u64)>,
    /// What the producer is working on, and the watchers of those that have lost their place meanwhile.
    running: HashMap<B256, Option<oneshot::Sender<Fate>>>,
    arrivals: u64,
    limit: usize,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self { senders: HashMap::new(), hashes: HashMap::new(), running: HashMap::new(), arrivals: 0, limit }
    }

    /// Takes a transaction in. True if it is ready.
    pub(crate) fn admit(&mut self, transaction: Transaction, state: &State) -> Result<bool, Refusal> {
        let sender = transaction.signer();
        let nonce = transaction.nonce();
        let hash = *transaction.tx_hash();
        if self.hashes.contains_key(&hash) {
            return Err(Refusal::Known);
        }
        let next = state.nonce(&sender);
        if nonce < next {
            return Err(Refusal::NonceTooLow { next, nonce });
        }
        let cost = U256::from(transaction.gas_limit())
            .saturating_mul(U256::from(transaction.max_fee_per_gas()))
            .saturating_add(transaction.value());
        let balance = state.balance(&sender);
        if balance < cost {
            return Err(Refusal::Funds { sender, balance, cost });
        }
        let rival = self.senders.get(&sender).and_then(|waiting| waiting.get(&nonce));
        if rival.is_some_and(|rival| !replaces(&transaction, &rival.transaction)) {
            return Err(Refusal::Underpriced);
        }
        let ready = nonce <= self.next_nonce(&sender, state);
        if rival.is_none() && self.hashes.len() >= self.limit {
            self.make_room(ready, state)?;
        }
        self.remove(&sender, nonce, Err(Refusal::Replaced));
        self.arrivals += 1;
        let waiting = Waiting { transaction: Arc::new(transaction), arrival: self.arrivals, watcher: None };
        self.senders.entry(sender).or_default().insert(nonce, waiting);
        self.hashes.insert(hash, (sender, nonce));
        Ok(ready)
    }

    /// Says what becomes of a transaction that waits. Nothing if it does not wait.
    pub(crate) fn watch(&mut self, hash: &B256) -> Option<oneshot::Receiver<Fate>> {
        let (sender, nonce) = self.hashes.get(hash)?;
        let waiting = self.senders.get_mut(sender)?.get_mut(nonce)?;
        let (tell, told) = oneshot::channel();
        waiting.watcher = Some(tell);
        Some(told)
    }

    /// The nonce that the account's next transaction should have.
    pub(crate) fn next_nonce(&self, sender: &Address, state: &State) -> u64 {
        let first = state.nonce(sender);
        let Some(waiting) = self.senders.get(sender) else { return first };
        first
            + (first..).zip(waiting.range(first..)).take_while(|(nonce, (waiting, _))| nonce == *waiting).count() as u64
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<Arc<Transaction>> {
        let (sender, nonce) = self.hashes.get(hash)?;
        Some(Arc::clone(&self.senders.get(sender)?.get(nonce)?.transaction))
    }

    /// Up to `most` ready transactions, in the order of their arrival as far as nonces allow.
    pub(crate) fn ready(&self, state: &State, most: usize) -> Vec<Arc<Transaction>> {
        let mut fronts = BinaryHeap::new();
        for (sender, waiting) in &self.senders {
            let nonce = state.nonce(sender);
            if let Some(first) = waiting.get(&nonce) {
                fronts.push(Reverse((first.arrival, *sender, nonce)));
            }
        }
        let mut ready = Vec::new();
        while ready.len() < most
            && let Some(Reverse((_, sender, nonce))) = fronts.pop()
        {
            let Some(waiting) = self.senders.get(&sender) else { continue };
            if let Some(front) = waiting.get(&nonce) {
                ready.push(Arc::clone(&front.transaction));
            }
            if let Some(next) = waiting.get(&(nonce + 1)) {
                fronts.push(Reverse((next.arrival, sender, nonce + 1)));
            }
        }
        ready
    }

    /// Whether any transaction is ready.
    pub(crate) fn has_ready(&self, state: &State) -> bool {
        self.senders.iter().any(|(sender, waiting)| waiting.contains_key(&state.nonce(sender)))
    }

    /// Notes which transactions are on their way into a block. Until [`Pool::finish`], a watcher of one of them is not told
    /// that another took its place: which of the two it will be is open.
    pub(crate) fn begin(&mut self, transactions: &[Arc<Transaction>]) {
        self.running = transactions.iter().map(|transaction| (*transaction.tx_hash(), None)).collect();
    }

    /// Lets go of what a stored block holds and of what no block can hold, and tells their watchers.
    pub(crate) fn finish(&mut self, included: &[Transaction], refused: Vec<(B256, Refusal)>, state: &State) {
        let running = std::mem::take(&mut self.running);
        let hashes: HashSet<B256> = included.iter().map(|transaction| *transaction.tx_hash()).collect();
        for (hash, watcher) in running {
            tell(watcher, if hashes.contains(&hash) { Ok(()) } else { Err(Refusal::Replaced) });
        }
        for (hash, why) in refused {
            if let Some((sender, nonce)) = self.hashes.get(&hash).copied() {
                self.remove(&sender, nonce, Err(why));
            }
        }
        let senders: HashSet<Address> = included.iter().map(|transaction| transaction.signer()).collect();
        for sender in senders {
            let next = state.nonce(&sender);
            let used: Vec<u64> = self
                .senders
                .get(&sender)
                .into_iter()
                .flat_map(|waiting| waiting.range(..next))
                .map(|(n, _)| *n)
                .collect();
            for nonce in used {
                let fate = match self.senders.get(&sender).and_then(|waiting| waiting.get(&nonce)) {
                    Some(waiting) if hashes.contains(waiting.transaction.tx_hash()) => Ok(()),
                    _ => Err(Refusal::NonceTooLow { next, nonce }),
                };
                self.remove(&sender, nonce, fate);
            }
        }
    }

    /// Tells the watchers of all that is not on its way into a block that the chain is stopping.
    pub(crate) fn give_up(&mut self) {
        for waiting in self.senders.values_mut().flat_map(BTreeMap::values_mut) {
            if !self.running.contains_key(waiting.transaction.tx_hash()) {
                tell(waiting.watcher.take(), Err(Refusal::Stopping));
            }
        }
    }

    /// Drops a transaction with a nonce gap in favour of a ready one: the last of the sender who has most of them.
    fn make_room(&mut self, ready: bool, state: &State) -> Result<(), Refusal> {
        if !ready {
            return Err(Refusal::Full);
        }
        let last = self
            .senders
            .iter()
            .filter_map(|(sender, waiting)| {
                let (last, _) = waiting.last_key_value()?;
                (*last >= self.next_nonce(sender, state)).then_some((waiting.len(), *sender, *last))
            })
            .max();
        let (_, sender, nonce) = last.ok_or(Refusal::Full)?;
        self.remove(&sender, nonce, Err(Refusal::Dropped));
        Ok(())
    }

    fn remove(&mut self, sender: &Address, nonce: u64, fate: Fate) {
        let Some(waiting) = self.senders.get_mut(sender) else { return };
        let Some(removed) = waiting.remove(&nonce) else { return };
        if waiting.is_empty() {
            self.senders.remove(sender);
        }
        let hash = removed.transaction.tx_hash();
        self.hashes.remove(hash);
        match self.running.get_mut(hash) {
            Some(kept) => *kept = removed.watcher,
            None => tell(removed.watcher, fate),
        }
    }
}

fn tell(watcher: Option<oneshot::Sender<Fate>>, fate: Fate) {
    if let Some(watcher) = watcher {
        // Whoever asked may have hung up meanwhile.
        let _ = watcher.send(fate);
    }
}

/// Whether a transaction offers enough more than the one with the same nonce: a tenth, as other nodes ask.
fn replaces(new: &Transaction, old: &Transaction) -> bool {
    let enough = |new: u128, old: u128| new > old && new >= old.saturating_add(old / 10);
    let tip = |tx: &Transaction| tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas());
    enough(new.max_fee_per_gas(), old.max_fee_per_gas()) && enough(tip(new), tip(old))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alloy::consensus::transaction::Recovered;
    use alloy::consensus::{SignableTransaction, TxEnvelope, TxLegacy};
    use alloy::primitives::Signature;
    use proptest::prelude::*;

    use super::*;
    use crate::state::Account;

    fn sender(index: u8) -> Address {
        Address::repeat_byte(index + 1)
    }

    fn transaction(from: u8, nonce: u64, gas_price: u128) -> Transaction {
        // The sender is part of the content, so that transactions of different senders have different hashes.
        let tx = TxLegacy { nonce, gas_price, gas_limit: 21_000, input: vec![from].into(), ..TxLegacy::default() };
        Recovered::new_unchecked(TxEnvelope::from(tx.into_signed(Signature::test_signature())), sender(from))
    }

    fn rich(nonces: &[u64]) -> State {
        let mut state = State::default();
        for (index, nonce) in (0..).zip(nonces) {
            state.restore(&sender(index), Account::new(*nonce, U256::from(10).pow(U256::from(18)), None).unwrap());
        }
        state
    }

    fn order(pool: &Pool, state: &State) -> Vec<(Address, u64)> {
        pool.ready(state, usize::MAX).iter().map(|tx| (tx.signer(), tx.nonce())).collect()
    }

    #[test]
    fn arrival_decides_the_order_and_a_gap_waits() {
        let state = rich(&[0, 5]);
        let mut pool = Pool::new(100);
        assert_eq!(pool.admit(transaction(0, 1, 1), &state), Ok(false));
        assert_eq!(pool.admit(transaction(1, 5, 1), &state), Ok(true));
        assert_eq!(order(&pool, &state), [(sender(1), 5)]);
        assert_eq!(pool.admit(transaction(0, 0, 1), &state), Ok(true));
        assert_eq!(pool.admit(transaction(1, 6, 1), &state), Ok(true));
        // The second nonce of the first sender arrived first of all, but could not go before its predecessor.
        assert_eq!(order(&pool, &state), [(sender(1), 5), (sender(0), 0), (sender(0), 1), (sender(1), 6)]);
        assert_eq!(pool.next_nonce(&sender(0), &state), 2);
        assert_eq!(pool.next_nonce(&sender(1), &state), 7);
    }

    #[test]
    fn refusals_have_the_words_that_clients_look_for() {
        let state = rich(&[3]);
        let mut pool = Pool::new(100);
        let refusal = |pool: &mut Pool, tx| pool.admit(tx, &state).unwrap_err().to_string();
        assert_eq!(refusal(&mut pool, transaction(0, 2, 1)), "nonce too low: next nonce 3, tx nonce 2");
        assert!(refusal(&mut pool, transaction(7, 0, 1)).starts_with("insufficient funds for gas * price + value"));
        pool.admit(transaction(0, 3, 100), &state).unwrap();
        assert_eq!(refusal(&mut pool, transaction(0, 3, 100)), "already known");
        assert_eq!(refusal(&mut pool, transaction(0, 3, 109)), "replacement transaction underpriced");
        assert_eq!(refusal(&mut pool, transaction(0, 3, 0)), "replacement transaction underpriced");
        pool.admit(transaction(0, 3, 110), &state).unwrap();
        assert_eq!(pool.ready(&state, 10)[0].max_fee_per_gas(), 110);
    }

    #[test]
    fn a_free_transaction_needs_no_funds() {
        let state = State::default();
        let mut pool = Pool::new(1);
        assert_eq!(pool.admit(transaction(0, 0, 0), &state), Ok(true));
    }

    #[test]
    fn watchers_learn_what_became_of_their_transaction() {
        let state = rich(&[0]);
        let mut pool = Pool::new(3);
        let mut fates = Vec::new();
        for (nonce, price) in [(0, 10), (1, 10), (3, 10)] {
            let tx = transaction(0, nonce, price);
            pool.admit(tx.clone(), &state).unwrap();
            fates.push(pool.watch(tx.tx_hash()).unwrap());
        }
        pool.admit(transaction(0, 1, 20), &state).unwrap();
        // Full: the ready one takes the place of the one with a gap, another with a gap is turned away.
        assert_eq!(pool.admit(transaction(0, 9, 10), &state), Err(Refusal::Full));
        pool.admit(transaction(0, 2, 10), &state).unwrap();
        assert_eq!(pool.admit(transaction(0, 3, 10), &state), Err(Refusal::Full));
        pool.finish(&[transaction(0, 0, 10), transaction(0, 1, 20)], vec![], &rich(&[2]));
        let fates: Vec<_> = fates.iter_mut().map(|fate| fate.try_recv().unwrap()).collect();
        assert_eq!(fates, [Ok(()), Err(Refusal::Replaced), Err(Refusal::Dropped)]);
        assert!(pool.watch(transaction(0, 0, 10).tx_hash()).is_none());
    }

    #[test]
    fn a_replacement_that_comes_too_late_is_told_so() {
        for first_is_mined in [true, false] {
            let state = rich(&[0]);
            let mut pool = Pool::new(9);
            let (first, second) = (transaction(0, 0, 10), transaction(0, 0, 20));
            pool.admit(first.clone(), &state).unwrap();
            let mut of_first = pool.watch(first.tx_hash()).unwrap();
            pool.begin(&pool.ready(&state, 9));
            pool.admit(second.clone(), &state).unwrap();
            let mut of_second = pool.watch(second.tx_hash()).unwrap();
            assert!(of_first.try_recv().is_err(), "it may still be mined");
            if first_is_mined {
                pool.finish(&[first], vec![], &rich(&[1]));
                assert_eq!(of_first.try_recv().unwrap(), Ok(()));
                assert_eq!(of_second.try_recv().unwrap(), Err(Refusal::NonceTooLow { next: 1, nonce: 0 }));
                assert!(!pool.has_ready(&rich(&[1])));
            } else {
                pool.finish(&[], vec![], &state);
                assert_eq!(of_first.try_recv().unwrap(), Err(Refusal::Replaced));
                assert_eq!(pool.ready(&state, 9)[0].tx_hash(), second.tx_hash());
            }
        }
    }

    #[test]
    fn giving_up_leaves_what_may_still_be_mined() {
        let state = rich(&[0, 0]);
        let mut pool = Pool::new(9);
        let (running, idle) = (transaction(0, 0, 10), transaction(1, 0, 10));
        pool.admit(running.clone(), &state).unwrap();
        pool.begin(&pool.ready(&state, 9));
        pool.admit(idle.clone(), &state).unwrap();
        let mut fates = [&running, &idle].map(|tx| pool.watch(tx.tx_hash()).unwrap());
        pool.give_up();
        assert!(fates[0].try_recv().is_err());
        assert_eq!(fates[1].try_recv().unwrap(), Err(Refusal::Stopping));
        pool.finish(&[running], vec![], &rich(&[1, 0]));
        assert_eq!(fates[0].try_recv().unwrap(), Ok(()));
    }

    proptest! {
        #[test]
        fn ready_is_the_unbroken_run_of_every_sender(
            arrivals in proptest::collection::vec((0_u8..3, 0_u64..8), 0..40),
            start in proptest::collection::vec(0_u64..4, 3),
        ) {
            let state = rich(&start);
            let mut pool = Pool::new(1000);
            let mut model: BTreeSet<(u8, u64)> = BTreeSet::new();
            for (from, nonce) in arrivals {
                let expected_ready = {
                    let next = start[usize::from(from)];
                    (next..=nonce).all(|n| n == nonce || model.contains(&(from, n)))
                };
                match pool.admit(transaction(from, nonce, 1), &state) {
                    Ok(ready) => {
                        prop_assert!(model.insert((from, nonce)));
                        prop_assert_eq!(ready, expected_ready);
                    }
                    Err(Refusal::Known) => prop_assert!(model.contains(&(from, nonce))),
                    Err(Refusal::NonceTooLow { .. }) => prop_assert!(nonce < start[usize::from(from)]),
                    Err(other) => prop_assert!(false, "{other}"),
                }
            }
            let ready = order(&pool, &state);
            prop_assert_eq!(pool.has_ready(&state), !ready.is_empty());
            for from in 0..3_u8 {
                let first = start[usize::from(from)];
                let run: Vec<_> = (first..).take_while(|nonce| model.contains(&(from, *nonce))).collect();
                let taken: Vec<_> = ready.iter().filter(|(s, _)| *s == sender(from)).map(|(_, n)| *n).collect();
                prop_assert_eq!(pool.next_nonce(&sender(from), &state), first + run.len() as u64);
                prop_assert_eq!(taken, run);
            }
        }
    }
}
