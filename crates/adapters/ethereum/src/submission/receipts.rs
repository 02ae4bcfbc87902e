//! Finding this node's transactions in new blocks: one request per block whatever the number of transactions in flight, and
//! none while there are none.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use alloy::primitives::B256;
use photinus_ports::OperationRef;

use super::{Submission, outbox, pool::Told, record::Mined, report};
use crate::{
    backoff::Backoff,
    rpc::{Error, Header, Receipt},
};

/// Blocks looked through at once.
const BLOCKS_AT_ONCE: u64 = 16;
/// Blocks remembered, to notice that they were replaced.
const REMEMBERED: usize = 256;
/// When more blocks than this are new, transactions are asked for one by one instead.
const MANY_BLOCKS: u64 = 64;

struct Tracker {
    shared: Arc<Submission>,
    /// Blocks that were looked through, ascending.
    scanned: VecDeque<(u64, B256)>,
    /// The chain has no method for all receipts of a block.
    no_block_receipts: bool,
}

/// Runs until the adapter stops.
pub(crate) async fn run(shared: Arc<Submission>) {
    let stop = shared.stop.clone();
    let mut changed = shared.chain.watch();
    changed.mark_changed();
    let mut backoff = Backoff::new(shared.options.min_backoff.0, shared.options.max_backoff.0);
    let mut tracker = Tracker { shared, scanned: VecDeque::new(), no_block_receipts: false };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            news = changed.changed() => if news.is_err() { return },
        }
        loop {
            match tracker.step().await {
                Ok(true) => backoff.reset(),
                Ok(false) => {
                    backoff.reset();
                    break;
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot read receipts");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(backoff.wait()) => {}
                    }
                }
            }
        }
    }
}

impl Tracker {
    /// Looks through the next blocks. Whether there may be more.
    async fn step(&mut self) -> Result<bool, Error> {
        self.notice_forks();
        let Some(tip) = self.shared.chain.tip() else { return Ok(false) };
        let from = self.scanned.back().map_or(tip.number, |(number, _)| number + 1);
        if from > tip.number {
            report::ready(&self.shared);
            report::bury(&self.shared);
            self.recheck(tip.number).await?;
            return Ok(false);
        }
        let idle = self.shared.pool.lock().waiting() == 0;
        let blocks: Vec<Header> = self.shared.chain.blocks().range(from, from + BLOCKS_AT_ONCE - 1).copied().collect();
        let far = tip.number - from >= MANY_BLOCKS;
        if blocks.is_empty() || (far && !idle) || (self.no_block_receipts && !idle) {
            self.look_up_waiting().await?;
            self.scanned.clear();
            self.scanned.push_back((tip.number, tip.hash));
            return Ok(true);
        }
        if !idle {
            self.look_through(&blocks).await?;
        }
        for header in blocks {
            self.scanned.push_back((header.number, header.hash));
            if self.scanned.len() > REMEMBERED {
                self.scanned.pop_front();
            }
        }
        report::ready(&self.shared);
        Ok(true)
    }

    async fn look_through(&mut self, blocks: &[Header]) -> Result<(), Error> {
        let hashes: Vec<B256> = blocks.iter().map(|header| header.hash).collect();
        let answers = match self.shared.client.block_receipts(&hashes).await {
            Err(error) if error.is_method_not_found() => {
                self.no_block_receipts = true;
                return self.look_up_waiting().await;
            }
            answers => answers?,
        };
        for (header, receipts) in blocks.iter().zip(answers) {
            // A block that is gone shows as a fork in a moment.
            let receipts = receipts.unwrap_or_default();
            found(&self.shared, receipts.into_iter().filter(|receipt| receipt.block_hash == header.hash));
        }
        Ok(())
    }

    async fn look_up_waiting(&self) -> Result<(), Error> {
        let hashes = self.shared.pool.lock().waiting_hashes();
        let receipts = self.shared.client.receipts(&hashes).await?;
        found(&self.shared, receipts.into_iter().flatten());
        Ok(())
    }

    /// Goes back to where the chain and the scanned blocks agree, and sends again what is not in a block any more.
    fn notice_forks(&mut self) {
        let mut forked = false;
        {
            let blocks = self.shared.chain.blocks();
            while let Some((number, hash)) = self.scanned.back().copied() {
                if blocks.holds(number, hash) {
                    break;
                }
                forked = true;
                self.scanned.pop_back();
            }
        }
        if forked {
            self.put_back_lost();
        }
    }

    /// Operations whose block was replaced wait again.
    fn put_back_lost(&self) {
        let (lost, tip) = {
            let blocks = self.shared.chain.blocks();
            let Some(tip) = blocks.tip().map(|tip| tip.number) else { return };
            let pool = self.shared.pool.lock();
            let lost: Vec<OperationRef> = pool
                .in_blocks()
                .filter(|(_, mined, _)| match blocks.get(mined.block) {
                    Some(header) => header.hash.0 != mined.block_hash,
                    None => mined.block > tip,
                })
                .map(|(operation, ..)| operation.clone())
                .collect();
            (lost, tip)
        };
        self.put_back(lost, tip);
    }

    /// Operations that are not in a block any more wait again, and are sent again.
    fn put_back(&self, lost: Vec<OperationRef>, tip: u64) {
        let lost: Vec<OperationRef> = {
            let now = Instant::now();
            let mut pool = self.shared.pool.lock();
            lost.into_iter().filter(|operation| pool.unmine(operation, now, tip)).collect()
        };
        if lost.is_empty() {
            return;
        }
        tracing::warn!(transactions = lost.len(), "a reorganisation removed transactions; sending them again");
        self.shared.counters.unmined.add(lost.len());
        let shared = self.shared.clone();
        self.shared.tasks.spawn(async move { outbox::hand_over(&shared, lost, false).await });
    }

    /// Asks again about mined transactions of which the newest blocks do not tell: those that wait to be reported and whose
    /// block is older, and those of an earlier run.
    async fn recheck(&self, tip: u64) -> Result<(), Error> {
        let confirmed = tip.checked_sub(self.shared.options.confirmations);
        let (due, earlier) = {
            let oldest = self.shared.chain.blocks().oldest().unwrap_or(0);
            let mut pool = self.shared.pool.lock();
            let due: Vec<(OperationRef, Mined)> = pool
                .in_blocks()
                .take_while(|(_, mined, _)| mined.block < oldest && confirmed.is_some_and(|last| mined.block <= last))
                .filter(|(_, _, told)| *told == Told::No)
                .map(|(operation, mined, _)| (operation.clone(), mined))
                .collect();
            (due, pool.take_unverified())
        };
        let hashes: Vec<B256> = due.iter().chain(&earlier).map(|(_, mined)| mined.transaction.into()).collect();
        if hashes.is_empty() {
            return Ok(());
        }
        let receipts = match self.shared.client.receipts(&hashes).await {
            Ok(receipts) => receipts,
            Err(error) => {
                self.shared.pool.lock().put_unverified(earlier.into_iter().map(|(operation, _)| operation));
                return Err(error);
            }
        };
        let stands = |mined: &Mined, receipt: &Option<Receipt>| {
            receipt.as_ref().is_some_and(|receipt| receipt.block_hash.0 == mined.block_hash)
        };
        let mut confirmed = Vec::new();
        let mut lost = Vec::new();
        for (index, ((operation, mined), receipt)) in due.iter().chain(&earlier).zip(&receipts).enumerate() {
            match stands(mined, receipt) {
                true if index < due.len() => confirmed.push((operation.clone(), *mined)),
                true => {}
                false => lost.push(operation.clone()),
            }
        }
        report::dispatch(&self.shared, confirmed);
        self.put_back(lost, tip);
        found(&self.shared, receipts.into_iter().flatten());
        Ok(())
    }
}

/// Notes receipts of this node's transactions, and passes over all others.
pub(crate) fn found(shared: &Submission, receipts: impl Iterator<Item = Receipt>) {
    let mut any = false;
    {
        let mut pool = shared.pool.lock();
        for receipt in receipts {
            let place = Mined {
                transaction: receipt.transaction_hash.0,
                block: receipt.block_number,
                block_hash: receipt.block_hash.0,
                index: receipt.transaction_index,
                gas_used: receipt.gas_used,
                success: receipt.status == Some(1),
            };
            any |= pool.mine(receipt.transaction_hash, place).is_some();
        }
    }
    if any {
        shared.room.notify_waiters();
    }
}
