//! Looking after what does not settle by itself: transactions that the chain lost, refuses, or does not mine.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256};
use photinus_ports::{OperationRef, blockchain::Error as PortError};

use super::{
    Submission, clock_now,
    gas::Refusal,
    outbox,
    pool::Phase,
    receipts,
    record::Signed,
    report,
    sign::Draft,
    survey::{self, Patience, Step, Survey},
};
use crate::{
    fees, keys,
    rpc::{Error, Receipt},
};

/// Waiting transactions of one key that are asked about at once: the lowest, which all others wait behind.
const ASKED_AT_ONCE: usize = 64;
/// Calls for attention that come within this time are answered together.
const GATHER: Duration = Duration::from_millis(20);
/// Even when the chain makes no blocks, waiting transactions are asked about this often.
const QUIET_SURVEY: Duration = Duration::from_secs(15);
/// Gas of a transaction that does nothing.
const EMPTY_GAS: u64 = 21_000;

/// Runs until the adapter stops.
pub(crate) async fn run(shared: Arc<Submission>) {
    let mut tick = tokio::time::interval(shared.options.check_interval.0.max(Duration::from_millis(1)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = shared.attention.notified() => tokio::time::sleep(GATHER).await,
            _ = tick.tick() => {}
        }
        let head = shared.head();
        let due = shared.pool.lock().due(Instant::now(), head, shared.options.stale_after.0, QUIET_SURVEY);
        for address in due {
            if let Err(error) = look_after(&shared, address).await {
                tracing::debug!(%error, key = keys::normal(&address), "cannot look after waiting transactions");
            }
        }
        let spaces: Vec<_> = shared.spaces.read().values().cloned().collect();
        for space in spaces {
            if let Err(error) = space.flush().await {
                tracing::warn!(%error, "cannot note which operations are finished");
            }
        }
    }
}

/// Compares one key's waiting transactions with the chain, and does what that calls for.
async fn look_after(shared: &Arc<Submission>, address: Address) -> Result<(), Error> {
    let (mined, pending) = shared.client.transaction_counts(address).await?;
    let waiting: Vec<(u64, B256, Vec<B256>)> = {
        let mut pool = shared.pool.lock();
        let lowest: Vec<_> =
            pool.account(address).waiting().iter().take(ASKED_AT_ONCE).map(|(n, op)| (*n, op.clone())).collect();
        lowest
            .into_iter()
            .filter_map(|(nonce, operation)| {
                let signed = &pool.get(&operation)?.signed;
                Some((nonce, signed.hash, signed.earlier.clone()))
            })
            .collect()
    };
    let possible: Vec<B256> =
        waiting.iter().flat_map(|(_, hash, earlier)| std::iter::once(*hash).chain(earlier.iter().copied())).collect();
    let in_blocks: Vec<Receipt> = shared.client.receipts(&possible).await?.into_iter().flatten().collect();
    let settled: HashSet<B256> = in_blocks.iter().map(|receipt| receipt.transaction_hash).collect();
    receipts::found(shared, in_blocks.into_iter());
    report::ready(shared);
    let open: Vec<(u64, B256)> = waiting
        .iter()
        .filter(|(_, hash, earlier)| !settled.contains(hash) && !earlier.iter().any(|hash| settled.contains(hash)))
        .map(|(nonce, hash, _)| (*nonce, *hash))
        .collect();
    let hashes: Vec<B256> = open.iter().map(|(_, hash)| *hash).collect();
    let known = shared.client.known(&hashes).await?;
    let survey = Survey {
        mined,
        pending,
        asked: open.iter().map(|(nonce, _)| *nonce).collect(),
        known: hashes.into_iter().zip(known).filter(|(_, known)| *known).map(|(hash, _)| hash).collect(),
    };
    let patience = Patience {
        conflict: shared.options.stale_after.0 / 4,
        gap: shared.options.stale_after.0 * 2,
        parked: shared.options.stale_after.0 * 2,
        price: shared.options.fees.replace_after.0,
        price_blocks: shared.options.fees.replace_after_blocks,
    };
    let steps = {
        let head = shared.head();
        let mut pool = shared.pool.lock();
        survey::decide(&mut pool, address, &survey, &patience, Instant::now(), head)
    };
    take(shared, address, steps).await
}

/// Does what was decided.
async fn take(shared: &Arc<Submission>, address: Address, steps: Vec<Step>) -> Result<(), Error> {
    let mut to_send = Vec::new();
    for step in steps {
        match step {
            Step::Resend(operation) => to_send.push(operation),
            Step::Raise(operation) => {
                match raise(shared, &operation).await {
                    Ok(()) => {}
                    Err(error) => tracing::warn!(%operation, %error, "cannot replace a transaction"),
                }
                to_send.push(operation);
            }
            Step::Renumber(operation) => match renumber(shared, &operation).await {
                Ok(()) => to_send.push(operation),
                Err(error) => tracing::warn!(%operation, %error, "cannot give a transaction another nonce"),
            },
            Step::Fill(nonce) => fill(shared, address, nonce).await?,
        }
    }
    outbox::hand_over(shared, to_send, false).await;
    Ok(())
}

/// Replaces a waiting transaction by one that pays more, if the operator allows that and it helps.
async fn raise(shared: &Arc<Submission>, operation: &OperationRef) -> Result<(), PortError> {
    let Some((signed, mut draft)) = waiting(shared, operation) else { return Ok(()) };
    let market = shared.prices.market().await.map_err(|error| PortError::Unavailable(error.to_string()))?;
    let Some(price) = fees::raise(&shared.options.fees, draft.price, &market) else {
        // Nothing more is offered; look again after the usual time.
        let head = shared.head();
        if let Some(tx) = shared.pool.lock().get_mut(operation) {
            tx.priced = (Instant::now(), head);
            tx.underpriced = false;
        }
        return Ok(());
    };
    draft.price = price;
    tracing::info!(%operation, nonce = draft.nonce, ?price, "replacing a transaction that is not mined");
    if resign(shared, operation, &signed, &draft, true).await? {
        shared.counters.replaced.add(1);
    }
    Ok(())
}

/// Signs a waiting transaction again with a fresh nonce, its own being somebody else's.
async fn renumber(shared: &Arc<Submission>, operation: &OperationRef) -> Result<(), PortError> {
    let Some((signed, mut draft)) = waiting(shared, operation) else { return Ok(()) };
    let market = shared.prices.market().await.map_err(|error| PortError::Unavailable(error.to_string()))?;
    let Some(nonce) = shared.pool.lock().allot(signed.from, 1) else { return Ok(()) };
    tracing::warn!(%operation, lost = draft.nonce, nonce, "somebody else uses the key of this node: signing again");
    draft.nonce = nonce;
    draft.price = fees::price(&shared.options.fees, &market);
    match resign(shared, operation, &signed, &draft, true).await {
        Ok(true) => shared.counters.renumbered.add(1),
        Ok(false) => shared.pool.lock().take_back(signed.from, nonce, 1),
        Err(error) => {
            shared.pool.lock().take_back(signed.from, nonce, 1);
            return Err(error);
        }
    }
    Ok(())
}

/// Gives an operation that ran out of gas a new transaction with as much as it takes. `false` when that would not help.
pub(crate) async fn regas(shared: &Arc<Submission>, operation: &OperationRef, failed: &Draft) -> Result<bool, Error> {
    let Some(signed) = shared.pool.lock().get(operation).map(|tx| tx.signed.clone()) else { return Ok(false) };
    let Some(to) = failed.to else { return Ok(false) };
    let block_limit = shared.chain.tip().map_or(u64::MAX, |tip| tip.gas_limit);
    let gas = match shared.gas.after_exhaustion(signed.from, to, &failed.input, block_limit).await {
        Ok(gas) if gas > failed.gas => gas,
        Ok(_) | Err(Refusal::Rejected(_)) => return Ok(false),
        Err(Refusal::Unavailable(reason)) => return Err(Error::Unreachable(reason)),
    };
    let market = shared.prices.market().await?;
    let Some(nonce) = shared.pool.lock().allot(signed.from, 1) else { return Ok(false) };
    let draft = Draft { nonce, gas, price: fees::price(&shared.options.fees, &market), ..failed.clone() };
    {
        let head = shared.head();
        let mut pool = shared.pool.lock();
        pool.unmine(operation, Instant::now(), head);
        if let Some(tx) = pool.get_mut(operation) {
            tx.regassed = true;
        }
    }
    tracing::warn!(%operation, gas, "a transaction ran out of gas: sending it again with more");
    match resign(shared, operation, &signed, &draft, false).await {
        Ok(true) => {
            outbox::hand_over(shared, vec![operation.clone()], false).await;
            Ok(true)
        }
        Ok(false) => Ok(false),
        Err(error) => Err(Error::Unreachable(error.to_string())),
    }
}

/// A waiting operation's transaction, signed and taken apart.
fn waiting(shared: &Submission, operation: &OperationRef) -> Option<(Signed, Draft)> {
    let pool = shared.pool.lock();
    let tx = pool.get(operation).filter(|tx| tx.phase == Phase::Waiting)?;
    Some((tx.signed.clone(), Draft::read(&tx.signed.raw)?))
}

/// Signs a draft in place of a waiting transaction and journals it. With `keep`, the earlier one counts if it is mined after all.
/// `false` when the operation does not wait any more.
async fn resign(
    shared: &Arc<Submission>,
    operation: &OperationRef,
    before: &Signed,
    draft: &Draft,
    keep: bool,
) -> Result<bool, PortError> {
    let unavailable = |reason: &str| PortError::Unavailable(reason.to_owned());
    let signer =
        shared.keyring.signer(&before.from).ok_or_else(|| PortError::UnknownKey(keys::normal(&before.from)))?;
    let chain_id = shared.chain.id_of(&shared.client, shared.options.chain_id).await;
    let chain_id = chain_id.map_err(|error| unavailable(&error.to_string()))?;
    let (hash, raw) = draft.sign(signer, chain_id).map_err(|error| unavailable(&error.to_string()))?;
    let mut earlier = if keep { before.earlier.clone() } else { Vec::new() };
    if keep {
        earlier.push(before.hash);
    }
    let signed = Signed { nonce: draft.nonce, hash, raw, earlier, sent: clock_now(), ..before.clone() };
    let space = shared.space(&operation.namespace)?;
    space.record(std::iter::once((operation, &signed))).await?;
    let head = shared.head();
    Ok(shared.pool.lock().resign(operation, signed, Instant::now(), head))
}

/// Closes a gap in a key's nonces, which everything after it waits behind, with a transaction that does nothing.
async fn fill(shared: &Arc<Submission>, address: Address, nonce: u64) -> Result<(), Error> {
    let (Some(signer), Some(chain_id)) = (shared.keyring.signer(&address), shared.chain.id()) else { return Ok(()) };
    let market = shared.prices.market().await?;
    let draft = Draft {
        nonce,
        to: Some(address),
        input: alloy::primitives::Bytes::new(),
        gas: EMPTY_GAS,
        price: fees::price(&shared.options.fees, &market),
    };
    let Ok((_, raw)) = draft.sign(signer, chain_id) else { return Ok(()) };
    tracing::warn!(key = keys::normal(&address), nonce, "closing a gap in the nonces of this node's key");
    let answer = shared.client.send(&[raw]).await;
    if let Some(Err(error)) = answer.first() {
        tracing::debug!(%error, "the gap is still open");
    }
    shared.counters.filled.add(1);
    Ok(())
}
