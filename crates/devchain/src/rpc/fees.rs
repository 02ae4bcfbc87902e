//! What transactions paid.

use alloy::consensus::{ReceiptEnvelope, Transaction as _};
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::U64;
use alloy::rpc::types::FeeHistory;

use super::Api;
use super::params::Params;
use super::wire::{Answer, Error, answer};
use crate::block::Block;

/// The blocks that one answer describes.
const MAX_BLOCKS: u64 = 1024;
/// The percentiles that one answer has of each.
const MAX_PERCENTILES: usize = 100;

impl Api {
    pub(super) async fn fee_history(&self, params: &Params<'_>) -> Answer {
        params.at_most(3)?;
        let wanted = params.required::<U64>(0)?.to::<u64>().min(MAX_BLOCKS);
        let newest = params.required::<BlockNumberOrTag>(1)?;
        let percentiles = params.optional::<Vec<f64>>(2)?;
        if let Some(percentiles) = &percentiles {
            check(percentiles)?;
        }
        let newest =
            self.ledger.resolve(newest.into()).await?.ok_or_else(|| Error::server("request beyond head block"))?;
        let count = wanted.min(newest + 1);
        if count == 0 {
            return answer(&FeeHistory { gas_used_ratio: Vec::new(), ..FeeHistory::default() });
        }
        let oldest = newest + 1 - count;
        let ledger = std::sync::Arc::clone(&self.ledger);
        let history = self
            .ledger
            .blocking(move || {
                let mut history = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
                let mut rewards = Vec::new();
                for number in oldest..=newest {
                    let Some(block) = ledger.block_now(number)? else { break };
                    history.base_fee_per_gas.push(block.header.base_fee_per_gas.unwrap_or_default().into());
                    history.gas_used_ratio.push(block.header.gas_used as f64 / block.header.gas_limit as f64);
                    history.base_fee_per_blob_gas.push(1);
                    history.blob_gas_used_ratio.push(0.0);
                    if let Some(percentiles) = &percentiles {
                        rewards.push(tips(&block, percentiles));
                    }
                }
                history.base_fee_per_gas.push(ledger.options.base_fee.into());
                history.base_fee_per_blob_gas.push(1);
                history.reward = percentiles.map(|_| rewards);
                Ok::<_, crate::archive::Failure>(history)
            })
            .await?;
        answer(&history)
    }
}

fn check(percentiles: &[f64]) -> Result<(), Error> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(Error::invalid_params(format!("over the query limit of {MAX_PERCENTILES} percentiles")));
    }
    if percentiles.iter().any(|p| !(0.0..=100.0).contains(p)) || !percentiles.is_sorted() {
        return Err(Error::invalid_params("invalid reward percentile: they ascend from 0 to 100"));
    }
    Ok(())
}

/// The tips per gas, in wei, below which the given shares of the block's gas were paid for.
fn tips(block: &Block, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let mut paid: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .zip(block.receipts.iter().map(ReceiptEnvelope::cumulative_gas_used))
        .map(|(transaction, cumulative)| {
            let gas = cumulative - before;
            before = cumulative;
            (transaction.effective_tip_per_gas(base_fee).unwrap_or_default(), gas)
        })
        .collect();
    paid.sort_unstable();
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = block.header.gas_used as f64 * percentile / 100.0;
            let mut gas_so_far = 0.0;
            paid.iter()
                .find(|(_, gas)| {
                    gas_so_far += *gas as f64;
                    gas_so_far >= threshold
                })
                .or(paid.last())
                .map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
