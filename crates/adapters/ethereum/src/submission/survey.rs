//! What to do about waiting transactions after asking the chain about them.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};
use photinus_ports::OperationRef;

use super::pool::{Phase, Pool};

/// What the chain says about one key, asked in this order: counts, then receipts, then which transactions are known. Receipts
/// were put into the pool already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// How many transactions of the key are mined.
    pub(crate) mined: u64,
    /// How many the chain has without a gap, mined or not.
    pub(crate) pending: u64,
    /// Those of the waiting transactions that were asked about, by nonce.
    pub(crate) asked: HashSet<u64>,
    /// Those that the chain knows.
    pub(crate) known: HashSet<B256>,
}

/// When to lose patience.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// A nonce must seem lost for this long.
    pub(crate) conflict: Duration,
    /// A gap must be seen for this long.
    pub(crate) gap: Duration,
    /// Nodes are known to forget about transactions that reach them while they make a block. One that is next and known, and not
    /// about to be mined, must be seen so for this long; a replacement then gets the node's attention.
    pub(crate) parked: Duration,
    /// A transaction that blocks others is priced again after this long …
    pub(crate) price: Duration,
    /// … and after this many blocks.
    pub(crate) price_blocks: u64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Hand the same transaction to the chain again.
    Resend(OperationRef),
    /// Sign it again with a higher price.
    Raise(OperationRef),
    /// Sign it again with another nonce.
    Renumber(OperationRef),
    /// Use this nonce for an empty transaction, because the chain waits for it.
    Fill(u64),
}

/// Nonces of a gap that are filled at once.
const FILL_AT_ONCE: u64 = 32;

/// Decides for one key. What needs to be seen twice is remembered in the pool.
pub(crate) fn decide(
    pool: &mut Pool,
    from: Address,
    survey: &Survey,
    patience: &Patience,
    now: Instant,
    head: u64,
) -> Vec<Step> {
    let account = pool.account(from);
    account.surveyed = Some((now, head));
    account.urgent = false;
    account.sync(survey.pending);
    let waiting: Vec<(u64, OperationRef)> =
        account.waiting().iter().map(|(nonce, operation)| (*nonce, operation.clone())).collect();
    let mut steps = Vec::new();
    let mut look_again = false;
    let mut first = true;
    for (nonce, operation) in &waiting {
        let Some(tx) = pool.get_mut(operation).filter(|tx| tx.phase == Phase::Waiting) else { continue };
        if *nonce < survey.mined {
            // Somebody's transaction with this nonce is mined, and this one was not found to be it.
            match tx.suspected {
                Some(since) if now.duration_since(since) >= patience.conflict => {
                    steps.push(Step::Renumber(operation.clone()));
                }
                Some(_) => look_again = true,
                None => {
                    tx.suspected = Some(now);
                    look_again = true;
                }
            }
            continue;
        }
        tx.suspected = None;
        if !survey.asked.contains(nonce) {
            continue;
        }
        let known = survey.known.contains(&tx.signed.hash);
        if std::mem::take(&mut first) {
            let (since, block) = tx.priced;
            let stuck =
                now.duration_since(since) >= patience.price && head >= block.saturating_add(patience.price_blocks);
            let is_parked = known && survey.pending == *nonce;
            let parked = is_parked.then(|| *tx.parked.get_or_insert(now));
            tx.parked = parked;
            let nudge = !tx.nudged && parked.is_some_and(|since| now.duration_since(since) >= patience.parked);
            look_again |= is_parked && !tx.nudged;
            if stuck || tx.underpriced || nudge {
                tx.nudged |= nudge;
                steps.push(Step::Raise(operation.clone()));
                continue;
            }
        }
        if !known {
            steps.push(Step::Resend(operation.clone()));
        }
    }
    let lowest = waiting.iter().map(|(nonce, _)| *nonce).find(|nonce| *nonce >= survey.mined);
    let account = pool.account(from);
    match lowest {
        Some(lowest) if survey.pending < lowest => match account.gap {
            Some((since, nonce)) if nonce == survey.pending => {
                if now.duration_since(since) >= patience.gap {
                    account.gap = None;
                    let to = lowest.min(survey.pending.saturating_add(FILL_AT_ONCE));
                    steps.extend((survey.pending..to).map(Step::Fill));
                }
                look_again = true;
            }
            _ => {
                account.gap = Some((now, survey.pending));
                look_again = true;
            }
        },
        _ => account.gap = None,
    }
    account.urgent |= look_again;
    steps
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;
    use photinus_model::Time;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::submission::{
        pool::{Told, Tx},
        record::{Done, Mined, Signed},
    };

    const KEY: Address = Address::new([9; 20]);
    const PATIENCE: Patience = Patience {
        conflict: Duration::from_millis(500),
        gap: Duration::from_secs(4),
        parked: Duration::from_secs(4),
        price: Duration::from_secs(30),
        price_blocks: 6,
    };

    fn operation(number: u64) -> OperationRef {
        OperationRef { namespace: "ns1".to_owned(), id: Uuid::from_u128(number.into()) }
    }

    fn hash(nonce: u64) -> B256 {
        B256::with_last_byte(u8::try_from(nonce).unwrap())
    }

    fn signed(nonce: u64) -> Signed {
        let time = Time::from_unix_nanos(1);
        let raw = Bytes::from_static(&[1]);
        Signed { from: KEY, nonce, hash: hash(nonce), raw, earlier: Vec::new(), created: time, sent: time }
    }

    fn place(block: u64, nonce: u64) -> Mined {
        Mined { transaction: hash(nonce).0, block, block_hash: [7; 32], index: 0, gas_used: 1, success: true }
    }

    /// A pool with operations waiting at these nonces, signed at block 100.
    fn pool(nonces: impl IntoIterator<Item = u64>, now: Instant) -> Pool {
        let mut pool = Pool::default();
        for nonce in nonces {
            pool.insert(Tx::new(operation(nonce), signed(nonce), Phase::Waiting, now, 100));
        }
        pool
    }

    /// The chain has mined `mined` transactions and knows those of these nonces.
    fn survey(mined: u64, pending: u64, asked: &[u64], known: &[u64]) -> Survey {
        Survey {
            mined,
            pending,
            asked: asked.iter().copied().collect(),
            known: known.iter().map(|nonce| hash(*nonce)).collect(),
        }
    }

    #[test]
    fn what_the_chain_knows_is_left_alone() {
        let now = Instant::now();
        let mut pool = pool(5..8, now);
        assert_eq!(decide(&mut pool, KEY, &survey(5, 8, &[5, 6, 7], &[5, 6, 7]), &PATIENCE, now, 100), []);
        assert!(!pool.account(KEY).urgent);
    }

    #[test]
    fn what_the_chain_lost_is_sent_again() {
        let now = Instant::now();
        let mut pool = pool(5..8, now);
        let steps = decide(&mut pool, KEY, &survey(5, 6, &[5, 6, 7], &[5, 7]), &PATIENCE, now, 100);
        assert_eq!(steps, [Step::Resend(operation(6))]);
    }

    #[test]
    fn a_nonce_that_somebody_took_is_given_up_after_a_second_look() {
        let now = Instant::now();
        let mut pool = pool(5..7, now);
        let seen = survey(6, 7, &[5, 6], &[6]);
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, now, 100), []);
        assert!(pool.account(KEY).urgent, "it is looked at again soon");
        let later = now + PATIENCE.conflict;
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, later, 100), [Step::Renumber(operation(5))]);
        let nonce = pool.allot(KEY, 1).unwrap();
        assert_eq!(nonce, 7);
        let again = Signed { nonce, hash: hash(nonce), earlier: vec![hash(5)], ..signed(nonce) };
        assert!(pool.resign(&operation(5), again, later, 100));
        assert_eq!(pool.account(KEY).waiting().keys().copied().collect::<Vec<_>>(), [6, 7]);
        // Should the first transaction be mined after all, that counts.
        assert_eq!(pool.mine(hash(5), place(101, 5)), Some(operation(5)));
        assert_eq!(pool.account(KEY).waiting().keys().copied().collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn a_receipt_in_between_clears_the_suspicion() {
        let now = Instant::now();
        let mut pool = pool(5..6, now);
        let seen = survey(6, 6, &[5], &[]);
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, now, 100), []);
        assert_eq!(pool.mine(hash(5), place(101, 5)), Some(operation(5)));
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, now + PATIENCE.conflict, 101), []);
    }

    #[test]
    fn only_the_first_transaction_is_priced_again_when_it_is_stuck() {
        let now = Instant::now();
        let mut pool = pool(5..7, now);
        let seen = survey(5, 7, &[5, 6], &[5, 6]);
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, now + PATIENCE.price, 105), [], "too few blocks");
        let step = decide(&mut pool, KEY, &seen, &PATIENCE, now + PATIENCE.price, 106);
        assert_eq!(step, [Step::Raise(operation(5))]);
        pool.get_mut(&operation(5)).unwrap().underpriced = true;
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, now, 100), [Step::Raise(operation(5))]);
    }

    #[test]
    fn a_transaction_that_the_chain_put_aside_is_replaced() {
        let now = Instant::now();
        let mut pool = pool(5..7, now);
        let seen = survey(5, 5, &[5, 6], &[5, 6]);
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, now, 100), []);
        assert!(pool.account(KEY).urgent, "it is looked at again soon");
        let later = now + PATIENCE.parked;
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, later, 100), [Step::Raise(operation(5))]);
        // Once: paying ever more would not help.
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, later + PATIENCE.parked, 100), []);
    }

    #[test]
    fn a_gap_is_closed_when_it_stays() {
        let now = Instant::now();
        let mut pool = pool(8..9, now);
        let seen = survey(5, 5, &[8], &[8]);
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, now, 100), []);
        assert_eq!(decide(&mut pool, KEY, &seen, &PATIENCE, now + PATIENCE.gap / 2, 100), []);
        let steps = decide(&mut pool, KEY, &seen, &PATIENCE, now + PATIENCE.gap, 100);
        assert_eq!(steps, [Step::Fill(5), Step::Fill(6), Step::Fill(7)]);
        // The chain went on: another gap is another matter.
        assert_eq!(decide(&mut pool, KEY, &survey(5, 6, &[8], &[8]), &PATIENCE, now + PATIENCE.gap * 2, 100), []);
    }

    #[test]
    fn nonces_follow_the_chain_and_are_never_given_twice() {
        let mut pool = Pool::default();
        assert_eq!(pool.allot(KEY, 1), None, "the chain was not asked");
        pool.account(KEY).sync(4);
        assert_eq!(pool.allot(KEY, 3), Some(4));
        pool.account(KEY).sync(5);
        assert_eq!(pool.allot(KEY, 1), Some(7), "the chain being behind changes nothing");
        pool.take_back(KEY, 7, 1);
        assert_eq!(pool.allot(KEY, 1), Some(7));
        pool.take_back(KEY, 4, 3);
        assert_eq!(pool.allot(KEY, 1), Some(8), "others were given out since");
        pool.account(KEY).sync(20);
        assert_eq!(pool.allot(KEY, 1), Some(20));
    }

    #[test]
    fn a_reorganised_transaction_waits_again() {
        let now = Instant::now();
        let mut pool = pool(5..6, now);
        pool.mine(hash(5), place(101, 5));
        assert_eq!(pool.waiting(), 0);
        assert!(pool.told(&operation(5), &place(101, 5), Told::Yes));
        assert!(pool.unmine(&operation(5), now, 101));
        assert_eq!(pool.waiting(), 1);
        assert!(pool.account(KEY).urgent);
        assert_eq!(pool.mine(hash(5), place(102, 5)), Some(operation(5)));
        assert!(!pool.told(&operation(5), &place(101, 5), Told::Yes), "what was said of the first block is void");
        pool.end(&operation(5), Done { error: None, mined: Some(place(102, 5)) });
        assert!(!pool.unmine(&operation(5), now, 102));
        assert_eq!(pool.in_blocks().count(), 0);
    }

    proptest! {
        /// Whatever the chain says, in whatever order: each nonce has one operation, and none is lost.
        #[test]
        fn operations_and_nonces_stay_one_to_one(actions in prop::collection::vec((0..6_u8, 0..12_u64, 0..14_u64), 0..80)) {
            let start = Instant::now();
            let mut pool = pool(0..6, start);
            pool.account(KEY).sync(0);
            let mut next_hash = 20;
            for (step, (action, one, two)) in actions.into_iter().enumerate() {
                let now = start + Duration::from_millis(300 * step as u64);
                match action {
                    0 => { pool.mine(hash(one), place(100 + two, one)); }
                    1 => { pool.unmine(&operation(one), now, 100); }
                    _ => {
                        let waiting: Vec<u64> = pool.account(KEY).waiting().keys().copied().collect();
                        for decided in decide(&mut pool, KEY, &survey(one, one.max(two), &waiting, &[]), &PATIENCE, now, 100) {
                            if let Step::Renumber(operation) = decided {
                                let nonce = pool.allot(KEY, 1).unwrap();
                                prop_assert!(!pool.account(KEY).waiting().contains_key(&nonce));
                                next_hash += 1;
                                let earlier = vec![pool.get(&operation).unwrap().signed.hash];
                                let again = Signed { nonce, hash: B256::with_last_byte(next_hash), earlier, ..signed(nonce) };
                                prop_assert!(pool.resign(&operation, again, now, 100));
                            }
                        }
                    }
                }
                let waiting: Vec<OperationRef> = pool.account(KEY).waiting().values().cloned().collect();
                let in_blocks: Vec<OperationRef> = pool.in_blocks().map(|(operation, ..)| operation.clone()).collect();
                let mut all = [waiting, in_blocks].concat();
                all.sort();
                prop_assert_eq!(all, (0..6).map(operation).collect::<Vec<_>>());
                for operation in (0..6).map(operation) {
                    let tx = pool.get(&operation).unwrap();
                    if tx.phase == Phase::Waiting {
                        let nonce = tx.signed.nonce;
                        let owner = pool.account(KEY).waiting().get(&nonce).cloned();
                        prop_assert_eq!(owner, Some(operation));
                    }
                }
            }
        }
    }
}
