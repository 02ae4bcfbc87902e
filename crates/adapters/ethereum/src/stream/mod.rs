//! The stream of a contract's logs: whole blocks in order, from a cursor on, with reorganisations noticed.
//!
//! The stream compares what it has read with the chain's newest blocks whenever those change. Blocks near the tip are read by
//! their hash, so that what is read belongs to the block that is meant; blocks further back by ranges.

mod trail;

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy::primitives::B256;
use async_trait::async_trait;
use photinus_ports::blockchain::{Cursor, Delivery, LedgerSink, Log, SinkClosed, Subscription};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::trail::Trail;
use self::trail::Verdict;
use crate::{
    backoff::Backoff,
    chain::Chain,
    counters::Counters,
    pin::{Source, TOPIC},
    rpc::{self, Client, Header},
};

/// Blocks near the tip that are read at once.
const BLOCKS_AT_ONCE: u64 = 32;
/// A delivery is closed at the end of the block that brings it to this many logs.
const LOGS_AT_ONCE: usize = 500;
/// A cursor is delivered without logs after this many blocks.
const SILENT_BLOCKS: u64 = 500;

/// The task that reads one contract's logs for one namespace.
pub(crate) struct Reader {
    pub(crate) chain: Arc<Chain>,
    pub(crate) client: Client,
    pub(crate) counters: Arc<Counters>,
    pub(crate) source: Source,
    pub(crate) sink: Arc<dyn LedgerSink>,
    pub(crate) trail: Trail,
    pub(crate) confirmations: u64,
    pub(crate) max_range: u64,
    pub(crate) backoff: Backoff,
}

/// Why a step of the stream was not made.
enum Interrupted {
    /// The chain did not answer: repeat.
    Chain(rpc::Error),
    /// The namespace takes nothing more.
    Closed,
}

impl From<rpc::Error> for Interrupted {
    fn from(error: rpc::Error) -> Self {
        Self::Chain(error)
    }
}

impl From<SinkClosed> for Interrupted {
    fn from(_: SinkClosed) -> Self {
        Self::Closed
    }
}

/// The state of a [`Reader`] that runs.
struct Running {
    reader: Reader,
    /// Blocks in one request for logs, adapted to what the service takes.
    range: u64,
    /// The last block that a delivered cursor covers.
    delivered: u64,
}

impl Reader {
    /// Starts the stream; it ends with `stop` or when the sink is closed.
    pub(crate) fn start(self, tasks: &TaskTracker, stop: CancellationToken) -> Handle {
        let id = self.source.listener().to_string();
        let own = TaskTracker::new();
        let running = Running { range: self.max_range.max(1), delivered: self.trail.cursor().block, reader: self };
        own.spawn(tasks.track_future(running.run(stop.clone())));
        own.close();
        Handle { id, stop, task: own }
    }
}

/// A running stream.
pub(crate) struct Handle {
    id: String,
    stop: CancellationToken,
    task: TaskTracker,
}

#[async_trait]
impl Subscription for Handle {
    fn id(&self) -> &str {
        &self.id
    }

    async fn stop(&self) {
        self.stop.cancel();
        self.task.wait().await;
    }
}

impl Running {
    async fn run(mut self, stop: CancellationToken) {
        let part = format!("logs of {}", crate::keys::normal(&self.reader.source.address()));
        let mut changed = self.reader.chain.watch();
        changed.mark_changed();
        let mut backoff = self.reader.backoff.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                news = changed.changed() => if news.is_err() { break },
            }
            loop {
                match self.step(&stop).await {
                    Ok(more) => {
                        self.reader.chain.report(&part, None);
                        backoff.reset();
                        if !more || stop.is_cancelled() {
                            break;
                        }
                    }
                    Err(Interrupted::Closed) => return,
                    Err(Interrupted::Chain(error)) => {
                        tracing::warn!(%error, %part, "cannot read from the ledger");
                        self.reader.chain.report(&part, Some(error.to_string()));
                        if pause(backoff.wait(), &stop).await.is_err() {
                            break;
                        }
                    }
                }
            }
        }
        self.reader.chain.report(&part, None);
    }

    /// Reads what can be read at once. Whether there may be more.
    async fn step(&mut self, stop: &CancellationToken) -> Result<bool, Interrupted> {
        let Some(tip) = self.reader.chain.tip().map(|tip| tip.number) else { return Ok(false) };
        if !self.check(tip).await? {
            return Ok(false);
        }
        let next = self.reader.trail.next();
        let Some(last) = tip.checked_sub(self.reader.confirmations).filter(|last| *last >= next) else {
            return Ok(false);
        };
        let recent: Vec<Header> =
            self.reader.chain.blocks().range(next, last.min(next + BLOCKS_AT_ONCE - 1)).copied().collect();
        let oldest = self.reader.chain.blocks().oldest().unwrap_or(0);
        if !recent.is_empty() {
            self.read_blocks(&recent).await?;
        } else if next < oldest {
            let to = last.min(oldest - 1).min(next.saturating_add(self.range - 1));
            self.read_range(next, to).await?;
        }
        Ok(!stop.is_cancelled())
    }

    /// Whether what was read is on the chain, after taking back what is not. `false`: nothing can be read now.
    async fn check(&mut self, tip: u64) -> Result<bool, Interrupted> {
        let witness = match self.reader.trail.witness(tip) {
            None => None,
            Some(number) => {
                let known = self.reader.chain.blocks().get(number).map(|header| header.hash);
                match known {
                    Some(hash) => Some(hash),
                    None => self.headers(std::iter::once(number)).await?.remove(&number).map(|header| header.hash),
                }
            }
        };
        match self.reader.trail.verdict(tip, witness) {
            Verdict::Intact => Ok(true),
            Verdict::Behind => Ok(false),
            Verdict::Broken => {
                let numbers: Vec<u64> = self.reader.trail.numbers().filter(|number| *number <= tip).collect();
                let headers = self.headers(numbers.into_iter()).await?;
                let chain = headers.into_iter().map(|(number, header)| (number, header.hash)).collect();
                let retracted = self.reader.trail.rewind(&chain);
                if let Some(from) = retracted {
                    tracing::warn!(from, "the ledger took back logs that were reported");
                    self.reader.counters.retractions.add(1);
                }
                self.deliver(retracted, Vec::new(), self.reader.trail.cursor()).await?;
                Ok(true)
            }
        }
    }

    /// Some blocks that are not above the chain's tip. A service that does not have one of them is behind, and nothing must be
    /// concluded from that.
    async fn headers(&self, numbers: impl Iterator<Item = u64>) -> Result<HashMap<u64, Header>, rpc::Error> {
        let blocks = self.reader.client.blocks(numbers).await?;
        blocks
            .into_iter()
            .map(|block| block.map(|header| (header.number, header)).ok_or_else(rpc::Error::null))
            .collect()
    }

    async fn read_blocks(&mut self, blocks: &[Header]) -> Result<(), Interrupted> {
        let hashes: Vec<B256> = blocks.iter().map(|header| header.hash).collect();
        let address = self.reader.source.address();
        let logs = self.reader.client.logs_of_blocks(&hashes, address, TOPIC).await?;
        let mut page = Page::default();
        for (header, logs) in blocks.iter().zip(logs) {
            if logs.iter().any(|log| log.block_hash != header.hash || log.block_number != header.number) {
                return Err(rpc::Error::Unreachable("logs of another block than asked for".to_owned()).into());
            }
            self.take(header.number, header.hash, header.timestamp, logs, &mut page).await?;
        }
        self.finish(page).await
    }

    async fn read_range(&mut self, from: u64, to: u64) -> Result<(), Interrupted> {
        let reader = &self.reader;
        let last = reader.client.blocks(std::iter::once(to));
        let logs = reader.client.logs_in_range(from, to, reader.source.address(), TOPIC);
        let (before, logs) = match futures::join!(last, logs) {
            (Ok(before), Ok(logs)) => (before, logs),
            (_, Err(error @ rpc::Error::Refused { .. })) if to > from => {
                // Most services limit a range by what it yields, and say so in words of their own.
                self.range = (self.range / 2).max(1);
                tracing::debug!(%error, range = self.range, "asking for fewer blocks at once");
                return Ok(());
            }
            (Err(error), _) | (_, Err(error)) => return Err(error.into()),
        };
        self.range = self.range.saturating_mul(2).min(self.reader.max_range.max(1));
        let mut blocks: Vec<u64> = logs.iter().map(|log| log.block_number).collect();
        blocks.push(to);
        blocks.sort_unstable();
        blocks.dedup();
        // Asked for after the logs: a reorganisation in between shows as a hash that differs.
        let headers = self.headers(blocks.iter().copied()).await?;
        let mut by_block: HashMap<u64, Vec<rpc::Log>> = HashMap::new();
        for log in logs {
            let header = headers.get(&log.block_number);
            if log.block_number < from || log.block_number > to || header.is_none_or(|h| h.hash != log.block_hash) {
                return Err(rpc::Error::Unreachable("logs of other blocks than asked for".to_owned()).into());
            }
            by_block.entry(log.block_number).or_default().push(log);
        }
        if before.first().copied().flatten() != headers.get(&to).copied() {
            return Err(rpc::Error::Unreachable("the chain changed while it was read".to_owned()).into());
        }
        let mut page = Page::default();
        for number in blocks {
            let Some(header) = headers.get(&number) else { continue };
            let logs = by_block.remove(&number).unwrap_or_default();
            self.take(number, header.hash, header.timestamp, logs, &mut page).await?;
        }
        self.finish(page).await
    }

    /// Decodes a block's logs into the page, and delivers the page when it is full.
    async fn take(
        &mut self,
        number: u64,
        hash: B256,
        seconds: u64,
        mut logs: Vec<rpc::Log>,
        page: &mut Page,
    ) -> Result<(), Interrupted> {
        logs.sort_by_key(|log| (log.transaction_index, log.log_index));
        let before = page.logs.len();
        for log in &logs {
            match self.reader.source.decode(log, seconds) {
                Ok(decoded) => page.logs.push(decoded),
                Err(reason) => {
                    let transaction = log.transaction_hash;
                    tracing::warn!(block = number, %transaction, index = log.log_index, %reason, "dropped a log");
                    self.reader.counters.malformed_logs.add(1);
                }
            }
        }
        page.read.push((number, hash, page.logs.len() > before));
        if page.logs.len() >= LOGS_AT_ONCE {
            self.finish(std::mem::take(page)).await?;
        }
        Ok(())
    }

    /// Delivers a page. Only then its blocks count as read: a delivery that fails is repeated.
    async fn finish(&mut self, page: Page) -> Result<(), Interrupted> {
        let mut trail = self.reader.trail.clone();
        for (number, hash, logs) in page.read {
            trail.read(number, hash, logs);
        }
        let cursor = trail.cursor();
        if !page.logs.is_empty() || cursor.block.saturating_sub(self.delivered) >= SILENT_BLOCKS {
            self.deliver(None, page.logs, cursor).await?;
        }
        self.reader.trail = trail;
        Ok(())
    }

    async fn deliver(&mut self, retracted_from: Option<u64>, logs: Vec<Log>, cursor: Cursor) -> Result<(), SinkClosed> {
        let count = logs.len();
        let block = cursor.block;
        self.reader.sink.deliver(Delivery { retracted_from, logs, cursor }).await?;
        self.reader.counters.logs.add(count);
        self.delivered = block;
        Ok(())
    }
}

/// Logs and blocks that were read and not delivered yet.
#[derive(Default)]
struct Page {
    logs: Vec<Log>,
    read: Vec<(u64, B256, bool)>,
}

/// Waits, unless told to stop.
async fn pause(wait: Duration, stop: &CancellationToken) -> Result<(), ()> {
    tokio::select! {
        () = stop.cancelled() => Err(()),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}
