//! Telling the engine how its operations went, in the form that FireFly's connectors write.

use std::sync::Arc;

use futures::{StreamExt, stream};
use photinus_ports::{
    OperationRef,
    blockchain::{Outcome, Receipt},
};
use serde_json::{Map, Value, json};

use super::{
    Submission, keeper,
    pool::{Phase, Told},
    record::{Done, Mined},
    sign::Draft,
    space::{BySpace, Space},
};
use crate::{
    pin::{hex0x, map},
    revert,
    rpc::{self, Call},
};

/// Fates of one namespace that are on their way to its engine at once.
const AT_ONCE: usize = 64;

/// Reports every mined operation that has its confirmations and whose block is on the chain.
pub(crate) fn ready(shared: &Arc<Submission>) {
    let due: Vec<(OperationRef, Mined)> = {
        let blocks = shared.chain.blocks();
        let Some(tip) = blocks.tip().map(|tip| tip.number) else { return };
        let pool = shared.pool.lock();
        pool.in_blocks()
            .take_while(|(_, mined, _)| mined.block.saturating_add(shared.options.confirmations) <= tip)
            .filter(|(_, mined, told)| *told == Told::No && blocks.holds(mined.block, mined.block_hash.into()))
            .map(|(operation, mined, _)| (operation.clone(), mined))
            .collect()
    };
    dispatch(shared, due);
}

/// Reports mined operations, each namespace on its own.
pub(crate) fn dispatch(shared: &Arc<Submission>, due: Vec<(OperationRef, Mined)>) {
    let mut by_space = BySpace::new();
    {
        let mut pool = shared.pool.lock();
        let spaces = shared.spaces.read();
        for (operation, mined) in due {
            let Some(space) = spaces.get(&operation.namespace) else { continue };
            if !pool.told(&operation, &mined, Told::Going) {
                continue;
            }
            by_space.push(space, (operation, mined));
        }
    }
    for (space, group) in by_space {
        let shared = shared.clone();
        let work = space.work.clone();
        work.spawn(async move {
            let all = stream::iter(group)
                .for_each_concurrent(AT_ONCE, |(operation, mined)| conclude(&shared, &space, operation, mined));
            tokio::select! {
                () = space.stop.cancelled() => {}
                () = all => {}
            }
        });
    }
}

/// Ends and reports an operation that failed without being mined.
pub(crate) fn failed(shared: &Arc<Submission>, operation: OperationRef, done: Done) {
    let Some(space) = shared.spaces.read().get(&operation.namespace).cloned() else { return };
    let hash = {
        let mut pool = shared.pool.lock();
        let Some(tx) = pool.get(&operation).filter(|tx| tx.phase == Phase::Waiting) else { return };
        let hash = tx.signed.hash;
        pool.end(&operation, done.clone());
        hash
    };
    shared.counters.failed.add(1);
    shared.room.notify_waiters();
    let work = space.work.clone();
    work.spawn(async move {
        let receipt = receipt(&operation, &done, Some(hex0x(hash)));
        if space.sink.receipt(receipt).await.is_ok() {
            space.finish(&operation, &done);
        }
    });
}

/// Reports once more what was reported before.
pub(crate) fn again(space: &Arc<Space>, operation: OperationRef, done: Done, hash: alloy::primitives::B256) {
    let space = space.clone();
    let work = space.work.clone();
    work.spawn(async move {
        // A namespace that is stopping learns it at its next start.
        let _ = space.sink.receipt(receipt(&operation, &done, Some(hex0x(hash)))).await;
    });
}

/// Operations whose block is buried so deep that it will not go away are over, and the oldest of those are forgotten.
pub(crate) fn bury(shared: &Submission) {
    let Some(tip) = shared.chain.tip().map(|tip| tip.number) else { return };
    let depth = shared.options.reorg_depth.max(shared.options.confirmations);
    let mut pool = shared.pool.lock();
    let deep: Vec<_> = pool
        .in_blocks()
        .take_while(|(_, mined, _)| mined.block.saturating_add(depth) <= tip)
        .filter(|(_, _, told)| *told == Told::Yes)
        .map(|(operation, mined, _)| (operation.clone(), mined))
        .collect();
    for (operation, mined) in deep {
        pool.end(&operation, Done { error: None, mined: Some(mined) });
    }
    for space in shared.spaces.read().values() {
        space.forget_oldest(shared.options.remembered, &mut pool);
    }
}

/// Finds out how a mined operation went and reports it.
async fn conclude(shared: &Arc<Submission>, space: &Space, operation: OperationRef, mined: Mined) {
    let error = if mined.success {
        None
    } else {
        match why(shared, &operation, &mined).await {
            Ok(reason) => Some(reason),
            Err(Postponed::Retried) => return,
            Err(Postponed::Unknown(error)) => {
                tracing::debug!(%operation, %error, "cannot find out why a transaction failed yet");
                shared.pool.lock().told(&operation, &mined, Told::No);
                return;
            }
        }
    };
    let done = Done { error, mined: Some(mined) };
    if space.sink.receipt(receipt(&operation, &done, None)).await.is_err() {
        return;
    }
    space.finish(&operation, &done);
    let mut pool = shared.pool.lock();
    if done.error.is_none() {
        shared.counters.succeeded.add(1);
        pool.told(&operation, &mined, Told::Yes);
    } else {
        // Its failure was told; sending it again after a reorganisation would contradict that.
        shared.counters.failed.add(1);
        pool.end(&operation, done);
    }
}

/// Why the reason of a failure is not told now.
enum Postponed {
    /// The operation got another transaction with more gas.
    Retried,
    /// The chain cannot be asked.
    Unknown(rpc::Error),
}

/// The reason why a mined transaction failed: it is executed once more to find out.
async fn why(shared: &Arc<Submission>, operation: &OperationRef, mined: &Mined) -> Result<String, Postponed> {
    let Some(tx) = shared.pool.lock().get(operation).cloned() else { return Err(Postponed::Retried) };
    let Some(draft) = Draft::read(&tx.signed.raw) else { return Ok("the transaction failed".to_owned()) };
    let exhausted = mined.gas_used >= draft.gas - draft.gas / 64;
    if exhausted && !tx.regassed {
        match keeper::regas(shared, operation, &draft).await {
            Ok(true) => return Err(Postponed::Retried),
            Ok(false) => {}
            Err(error) => return Err(Postponed::Unknown(error)),
        }
    }
    let call = Call { from: Some(tx.signed.from), to: draft.to, input: draft.input, gas: Some(draft.gas) };
    // On the state before its block if the chain keeps it, else on the newest.
    for block in [mined.block.checked_sub(1), None] {
        match shared.client.execute(&call, block).await {
            Err(error @ rpc::Error::Unreachable(_)) => return Err(Postponed::Unknown(error)),
            Err(error) if error.is_revert() => return Ok(revert::message(&revert::reason(&error))),
            _ => {}
        }
    }
    Ok(if exhausted { "the transaction ran out of gas".to_owned() } else { revert::message("no reason is available") })
}

/// The fate of an operation as the engine takes it. `sent` names the transaction where none was mined.
fn receipt(operation: &OperationRef, done: &Done, sent: Option<String>) -> Receipt {
    let transaction_hash = done.mined.map(|mined| hex0x(mined.transaction)).or(sent);
    let outcome = match &done.error {
        None => Outcome::Succeeded,
        Some(reason) => Outcome::Failed(reason.clone()),
    };
    let output = output(operation, done, transaction_hash.as_deref());
    Receipt { operation: operation.clone(), outcome, transaction_hash, output }
}

fn output(operation: &OperationRef, done: &Done, transaction_hash: Option<&str>) -> Map<String, Value> {
    let kind = if done.error.is_none() { "TransactionSuccess" } else { "TransactionFailed" };
    let members = [
        ("errorMessage", json!(done.error)),
        ("headers", map([("requestId", operation.to_string().into()), ("type", kind.into())]).into()),
        ("protocolId", json!(done.mined.map(|mined| mined.protocol_id()))),
        ("transactionHash", json!(transaction_hash)),
    ];
    let mut output = map(members);
    output.retain(|_, value| !value.is_null());
    output
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_receipt_reads_as_connectors_write_it() {
        let id = Uuid::parse_str("9b9231de-7b9d-4192-9c25-24313def8fd9").unwrap();
        let operation = OperationRef { namespace: "default".to_owned(), id };
        let mined =
            Mined { transaction: [0xe8; 32], block: 92, block_hash: [1; 32], index: 0, gas_used: 1, success: true };
        let told = receipt(&operation, &Done { error: None, mined: Some(mined) }, None);
        assert_eq!(told.outcome, Outcome::Succeeded);
        let hash = format!("0x{}", "e8".repeat(32));
        assert_eq!(told.transaction_hash.as_deref(), Some(hash.as_str()));
        assert_eq!(
            serde_json::to_string(&told.output).unwrap(),
            format!(
                r#"{{"headers":{{"requestId":"default:{id}","type":"TransactionSuccess"}},"protocolId":"000000000092/000000","transactionHash":"{hash}"}}"#
            )
        );
        let told = receipt(&operation, &Done { error: Some("no".to_owned()), mined: None }, Some("0x1".to_owned()));
        assert_eq!(told.outcome, Outcome::Failed("no".to_owned()));
        assert_eq!(told.output["headers"]["type"], "TransactionFailed");
        assert_eq!(told.output["errorMessage"], "no");
        assert_eq!(told.output["transactionHash"], "0x1");
        assert!(!told.output.contains_key("protocolId"));
    }
}
