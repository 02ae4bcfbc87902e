//! Making blocks: one thread, one block at a time.
//!
//! A block is run, sealed, stored and only then published; watchers hear last. While one is on its way to the disk further
//! transactions gather and share the next, so a slow disk makes blocks larger, not the chain slower.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::DropGuard;

use crate::archive::Failure;
use crate::evm;
use crate::ledger::{Ledger, View, Work};
use crate::pool::Refusal;

/// Makes blocks until the ledger is stopped. Dropping `_alive`, however this ends, stops the server too.
pub(crate) fn run(ledger: &Arc<Ledger>, _alive: DropGuard) {
    let period = ledger.options.mining.period();
    let mut due = period.map(|period| Instant::now() + period);
    while let Some(work) = ledger.next_work(due) {
        if let (Some(at), Some(period)) = (due, period)
            && at <= Instant::now()
        {
            // From now on, not from when it was due: after a pause there is one block, not many.
            due = Some(Instant::now() + period);
        }
        let transactions = work.transactions.len();
        if let Err(failure) = produce(ledger, work) {
            tracing::error!(%failure, transactions, "cannot store a block");
        }
    }
}

fn produce(ledger: &Ledger, work: Work) -> Result<(), Failure> {
    let Work { transactions, requested } = work;
    let view = ledger.latest();
    let frame = ledger.next_frame(&view.block);
    let waiting = transactions.iter().map(|transaction| &**transaction);
    let outcome = evm::execute(view.world.clone(), ledger.options.chain_id, &frame, waiting);
    let mut refused: Vec<_> = outcome.refused.into_iter().map(|(hash, why)| (hash, Refusal::Invalid(why))).collect();
    let empty_is_due = transactions.is_empty() || !requested.is_empty() || ledger.options.mining.period().is_some();
    let mut world = outcome.world;
    let mut stored = Ok(());
    let mut included = Vec::new();
    if !outcome.transactions.is_empty() || empty_is_due {
        let block = Arc::new(frame.seal(outcome.transactions, outcome.receipts, world.state.root()));
        match ledger.archive.append(&block, &outcome.delta) {
            Ok(()) => {
                Arc::make_mut(&mut world.hashes).push(block.header.number, block.hash);
                included.clone_from(&block.transactions);
                ledger.publish(View { block, world });
            }
            Err(failure) => {
                let why = Refusal::Storage(failure.to_string());
                refused.extend(transactions.iter().map(|transaction| (*transaction.tx_hash(), why.clone())));
                stored = Err(failure);
            }
        }
    }
    ledger.finish_work(&included, refused);
    for request in requested {
        let told = stored.as_ref().map_err(|failure| Refusal::Storage(failure.to_string())).copied();
        // Whoever asked may have hung up meanwhile.
        let _ = request.send(told);
    }
    stored
}
