//! Handing signed transactions to the chain, and making sense of its answer.

use std::{sync::Arc, time::Instant};

use alloy::primitives::Bytes;
use photinus_ports::OperationRef;
use tokio::sync::mpsc;

use super::{Submission, pool::Phase, record::Done, report};
use crate::rpc::{Error, SendFailure};

/// Sends what one key's intake accepted, in order, until the adapter stops.
pub(crate) async fn run(shared: Arc<Submission>, mut groups: mpsc::Receiver<Vec<OperationRef>>) {
    loop {
        let group = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            group = groups.recv() => group,
        };
        let Some(group) = group else { return };
        hand_over(&shared, group, true).await;
    }
}

/// Hands the transactions of waiting operations to the chain. Whatever goes wrong is remembered with the operation, and the
/// keeper comes back to it.
pub(crate) async fn hand_over(shared: &Arc<Submission>, operations: Vec<OperationRef>, first_time: bool) {
    let (operations, raw): (Vec<OperationRef>, Vec<Bytes>) = {
        let pool = shared.pool.lock();
        operations
            .into_iter()
            .filter_map(|operation| {
                let tx = pool.get(&operation).filter(|tx| tx.phase == Phase::Waiting)?;
                Some((operation, tx.signed.raw.clone()))
            })
            .unzip()
    };
    if raw.is_empty() {
        return;
    }
    let answers = shared.client.send(&raw).await;
    shared.chain.poke();
    let mut refused = Vec::new();
    let mut urgent = false;
    {
        let now = Instant::now();
        let mut pool = shared.pool.lock();
        for (operation, answer) in operations.into_iter().zip(answers) {
            if answer.is_ok() {
                if first_time { &shared.counters.sent } else { &shared.counters.resent }.add(1);
            }
            // It may be in a block already.
            let Some(tx) = pool.get_mut(&operation).filter(|tx| tx.phase == Phase::Waiting) else { continue };
            tx.offered = Some(now);
            let Err(error) = answer else {
                tx.trouble = None;
                continue;
            };
            let failure = error.send_failure();
            if failure == SendFailure::AlreadyKnown {
                tx.trouble = None;
                continue;
            }
            shared.counters.send_failures.add(1);
            tx.trouble = Some(error.to_string());
            let from = tx.signed.from;
            tx.underpriced |= failure == SendFailure::Underpriced;
            // The keeper comes by soon, and at once where that helps.
            pool.account(from).urgent = true;
            urgent |= matches!(failure, SendFailure::Underpriced | SendFailure::NonceTooLow);
            if failure == SendFailure::Invalid {
                refused.push((operation, error));
            } else {
                tracing::debug!(%operation, %error, "the ledger did not take a transaction now");
            }
        }
    }
    for (operation, error) in refused {
        refuse(shared, operation, &error);
    }
    if urgent {
        shared.attention.notify_one();
    }
}

/// Ends an operation whose transaction the chain will never take.
fn refuse(shared: &Arc<Submission>, operation: OperationRef, error: &Error) {
    tracing::warn!(%operation, %error, "the ledger refuses a transaction for good");
    let done = Done { error: Some(format!("the ledger refuses the transaction: {error}")), mined: None };
    report::failed(shared, operation, done);
}
