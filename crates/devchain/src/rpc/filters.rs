//! Logs, and the filters that clients poll.
//!
//! A filter is a position: the next poll continues where the last one ended, from the chain itself. Nothing gathers while
//! nobody polls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use alloy::primitives::{B256, U128};
use alloy::rpc::types::{Filter, FilterBlockOption, Log};

use super::Api;
use super::wire::{Answer, Error, answer};
use crate::archive::Failure;
use crate::ledger::Ledger;
use crate::options::{FILTER_LIFETIME, MAX_FILTERS, MAX_LOGS, MAX_SCANNED};

/// The filters of all clients, by what was answered when they were made.
#[derive(Default)]
pub(super) struct Filters {
    open: HashMap<U128, Open>,
}

struct Open {
    kind: Kind,
    polled: Instant,
}

#[derive(Clone)]
enum Kind {
    /// Log entries; the next block to look at.
    Logs { filter: Box<Filter>, next: u64 },
    /// Hashes of blocks; the number of the next.
    Blocks { next: u64 },
    /// Hashes of transactions; how many were admitted before.
    Pending { seen: u64 },
}

impl Filters {
    fn insert(&mut self, kind: Kind) -> Result<U128, Error> {
        let now = Instant::now();
        self.open.retain(|_, filter| now.duration_since(filter.polled) < FILTER_LIFETIME);
        if self.open.len() >= MAX_FILTERS {
            return Err(Error::limit(format!("at most {MAX_FILTERS} filters can be open; uninstall some")));
        }
        let id = U128::from(rand::random::<u128>());
        self.open.insert(id, Open { kind, polled: now });
        Ok(id)
    }

    fn poll(&mut self, id: &U128) -> Result<Kind, Error> {
        let filter = self.open.get_mut(id).ok_or_else(not_found)?;
        filter.polled = Instant::now();
        Ok(filter.kind.clone())
    }

    fn advance(&mut self, id: &U128, kind: Kind) {
        if let Some(filter) = self.open.get_mut(id) {
            filter.kind = kind;
        }
    }
}

fn not_found() -> Error {
    Error::server("filter not found")
}

impl Api {
    pub(super) async fn logs(&self, filter: Filter) -> Answer {
        check(&filter)?;
        let Some((from, to)) = self.range(&filter).await? else { return answer(&[(); 0]) };
        let (logs, rest) = self.collect_logs(filter, from, to).await?;
        if let Some(rest) = rest {
            return Err(Error::limit(format!(
                "query returned more than {MAX_LOGS} results or looked at more than {MAX_SCANNED} blocks; ask for fewer \
                 blocks at a time, here up to {}",
                rest.saturating_sub(1)
            )));
        }
        answer(&logs)
    }

    pub(super) async fn new_log_filter(&self, filter: Filter) -> Answer {
        check(&filter)?;
        self.range(&filter).await?;
        // A filter reports what is new, so a range that starts in the past starts now.
        let next = self.ledger.latest().block.header.number + 1;
        let next = filter.get_from_block().map_or(next, |from| from.max(next));
        let id = self.filters.lock().insert(Kind::Logs { filter: Box::new(filter), next })?;
        answer(&id)
    }

    pub(super) fn new_block_filter(&self) -> Answer {
        let next = self.ledger.latest().block.header.number + 1;
        answer(&self.filters.lock().insert(Kind::Blocks { next })?)
    }

    pub(super) fn new_pending_filter(&self) -> Answer {
        let (_, seen) = self.ledger.admitted_since(u64::MAX);
        answer(&self.filters.lock().insert(Kind::Pending { seen })?)
    }

    pub(super) fn uninstall_filter(&self, id: U128) -> Answer {
        answer(&self.filters.lock().open.remove(&id).is_some())
    }

    pub(super) async fn filter_changes(&self, id: U128) -> Answer {
        let kind = self.filters.lock().poll(&id)?;
        let head = self.ledger.latest().block.header.number;
        let (changes, kind) = match kind {
            Kind::Logs { filter, next } => {
                let to = filter.get_to_block().map_or(head, |to| to.min(head));
                let (logs, rest) = self.collect_logs((*filter).clone(), next, to).await?;
                (answer(&logs)?, Kind::Logs { filter, next: rest.unwrap_or(head.max(next - 1) + 1) })
            }
            Kind::Blocks { next } => {
                let to = head.min(next.saturating_add(MAX_LOGS as u64));
                let ledger = Arc::clone(&self.ledger);
                let hashes = self.ledger.blocking(move || hashes(&ledger, next, to)).await?;
                let next = next + hashes.len() as u64;
                (answer(&hashes)?, Kind::Blocks { next })
            }
            Kind::Pending { seen } => {
                let (hashes, seen) = self.ledger.admitted_since(seen);
                (answer(&hashes)?, Kind::Pending { seen })
            }
        };
        self.filters.lock().advance(&id, kind);
        Ok(changes)
    }

    pub(super) async fn filter_logs(&self, id: U128) -> Answer {
        let kind = self.filters.lock().poll(&id)?;
        match kind {
            Kind::Logs { filter, .. } => self.logs(*filter).await,
            Kind::Blocks { .. } | Kind::Pending { .. } => Err(not_found()),
        }
    }

    /// The blocks that a filter is about, ends included. Nothing if all of them are still to come.
    async fn range(&self, filter: &Filter) -> Result<Option<(u64, u64)>, Error> {
        let head = self.ledger.latest().block.header.number;
        match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let number = self.ledger.resolve(hash.into()).await?.ok_or_else(|| Error::server("unknown block"))?;
                Ok(Some((number, number)))
            }
            FilterBlockOption::Range { from_block, to_block } => {
                // A tag that means the newest block, or a number that may be beyond it.
                let number = |end: Option<alloy::eips::BlockNumberOrTag>| match end {
                    Some(end) if end.is_earliest() => 0,
                    Some(end) => end.as_number().unwrap_or(head),
                    None => head,
                };
                let (from, to) = (number(from_block), number(to_block));
                if from > to && to_block.is_some_and(|to| to.is_number()) {
                    return Err(Error::invalid_params("invalid block range params"));
                }
                Ok((from <= head).then_some((from, to.min(head))))
            }
        }
    }

    /// Matching entries of a range of blocks. If that is too much, also the first block that was not looked at.
    async fn collect_logs(&self, filter: Filter, from: u64, to: u64) -> Result<(Vec<Log>, Option<u64>), Error> {
        let ledger = Arc::clone(&self.ledger);
        Ok(self.ledger.blocking(move || collect_logs(&ledger, &filter, from, to)).await?)
    }
}

/// Refuses a filter that would take for ever to compare.
pub(crate) fn check(filter: &Filter) -> Result<(), Error> {
    let most = 1000;
    if filter.address.len() > most || filter.topics.iter().any(|topic| topic.len() > most) {
        return Err(Error::invalid_params(format!("exceed max addresses or topics per search position: {most}")));
    }
    Ok(())
}

fn collect_logs(ledger: &Ledger, filter: &Filter, from: u64, to: u64) -> Result<(Vec<Log>, Option<u64>), Failure> {
    let addresses: Vec<_> = filter.address.iter().copied().collect();
    let mut logs = Vec::new();
    let mut scanned = 0;
    let mut next = from;
    while let Some(number) = ledger.archive.next_logging(&addresses, next, to)? {
        if let Some(block) = ledger.block_now(number)? {
            let before = logs.len();
            block.append_logs(filter, &mut logs);
            scanned += 1;
            if scanned > MAX_SCANNED || (logs.len() > MAX_LOGS && before > 0) {
                logs.truncate(before);
                return Ok((logs, Some(number)));
            }
        }
        next = number + 1;
    }
    Ok((logs, None))
}

fn hashes(ledger: &Ledger, from: u64, to: u64) -> Result<Vec<B256>, Failure> {
    let mut hashes = Vec::new();
    for number in from..=to {
        let Some(block) = ledger.block_now(number)? else { break };
        hashes.push(block.hash);
    }
    Ok(hashes)
}
