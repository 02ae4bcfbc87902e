//! How much gas a call may use.
//!
//! Estimating costs a turn to the chain and an execution there. The plain multiparty contract does the same little work for
//! every pin, so that its gas follows from the call's data: the chain is asked once per contract, and again for calls much
//! larger than those it was asked about. A contract that turns out to use more than the formula says is asked about every time.

use std::collections::HashMap;

use alloy::primitives::{Address, Bytes};
use parking_lot::Mutex;

use crate::{
    options, revert,
    rpc::{self, Call, Client},
};

/// Why no amount can be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The call would fail; the text says why.
    Rejected(String),
    /// The chain could not be asked.
    Unavailable(String),
}

/// What is known of one contract's function.
#[derive(Clone, Copy, Debug)]
struct Learned {
    /// Estimates have stayed below the formula so far.
    plain: bool,
    /// Length in bytes of the largest call that was estimated.
    length: usize,
}

/// Gas limits, and what was learned about them.
pub(crate) struct Book {
    client: Client,
    options: options::Gas,
    learned: Mutex<HashMap<(Address, [u8; 4]), Learned>>,
}

/// Contracts remembered; when there are more, all are asked about again.
const MAX_LEARNED: usize = 1_024;
/// What one transaction may use at most on chains with EIP-7825.
const TRANSACTION_LIMIT: u64 = 1 << 24;
/// A call may be this many times as long as the longest that was estimated, and not be estimated itself.
const TRUSTED_GROWTH: usize = 2;

impl Book {
    pub(crate) fn new(client: Client, options: options::Gas) -> Self {
        Self { client, options, learned: Mutex::new(HashMap::new()) }
    }

    /// The limit for a call, or that it would fail.
    pub(crate) async fn limit(
        &self,
        from: Address,
        to: Address,
        input: &Bytes,
        block_limit: u64,
    ) -> Result<u64, Refusal> {
        if let Some(limit) = self.options.limit {
            return Ok(limit);
        }
        let key = (to, selector(input));
        let known = self.learned.lock().get(&key).copied();
        if let Some(known) = known
            && known.plain
            && input.len() <= known.length.saturating_mul(TRUSTED_GROWTH)
        {
            return Ok(formula(input).min(block_limit));
        }
        if known.is_none() {
            let code = self.client.code(to).await.map_err(|error| Refusal::Unavailable(error.to_string()))?;
            if code.is_empty() {
                return Err(Refusal::Rejected(format!("there is no contract at {}", crate::keys::normal(&to))));
            }
        }
        let estimate = self.estimate(from, to, input).await?;
        self.learn(key, input, estimate);
        self.scale(estimate, block_limit)
    }

    /// The limit for a call that ran out of gas: estimated, and trusted no more to follow the formula.
    pub(crate) async fn after_exhaustion(
        &self,
        from: Address,
        to: Address,
        input: &Bytes,
        block_limit: u64,
    ) -> Result<u64, Refusal> {
        let estimate = self.estimate(from, to, input).await?;
        self.learned.lock().insert((to, selector(input)), Learned { plain: false, length: input.len() });
        self.scale(estimate, block_limit)
    }

    async fn estimate(&self, from: Address, to: Address, input: &Bytes) -> Result<u64, Refusal> {
        let call = Call { from: Some(from), to: Some(to), input: input.clone(), gas: None };
        self.client.estimate_gas(&call).await.map_err(|error| match &error {
            refused if refused.is_revert() => Refusal::Rejected(revert::message(&revert::reason(refused))),
            rpc::Error::Refused { message, .. } if message.to_lowercase().contains("gas") => {
                Refusal::Rejected(message.clone())
            }
            other => Refusal::Unavailable(other.to_string()),
        })
    }

    fn learn(&self, key: (Address, [u8; 4]), input: &Bytes, estimate: u64) {
        let mut learned = self.learned.lock();
        if learned.len() >= MAX_LEARNED && !learned.contains_key(&key) {
            learned.clear();
        }
        let known = learned.entry(key).or_insert(Learned { plain: true, length: 0 });
        known.plain &= estimate <= formula(input);
        known.length = known.length.max(input.len());
    }

    fn scale(&self, estimate: u64, block_limit: u64) -> Result<u64, Refusal> {
        if estimate > block_limit {
            return Err(Refusal::Rejected(format!(
                "the call needs {estimate} gas, and a block holds {block_limit} only"
            )));
        }
        let percent = u64::from(self.options.estimate_percent.max(100));
        let generous = estimate.saturating_mul(percent) / 100;
        Ok(generous.min(TRANSACTION_LIMIT.max(estimate)).min(block_limit))
    }
}

fn selector(input: &[u8]) -> [u8; 4] {
    input.first_chunk().copied().unwrap_or_default()
}

/// An upper bound of what the plain multiparty contract uses for a call with this data, whichever of the pricing rules of the
/// past years the chain applies.
///
/// The data itself costs at most 16 gas per byte, or 40 where data-heavy calls pay a floor price instead of for their work. The
/// work is to copy the data into memory and write it to a log: 8 gas per byte of the log and some 3 per word for each copy, of
/// which 60 per word is more than any compiled form of the contract was seen to use.
pub(crate) fn formula(input: &[u8]) -> u64 {
    const CALL: u64 = 21_000;
    const WORK: u64 = 8_000;
    let length = input.len() as u64;
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let others = length - zeros;
    let words = length.div_ceil(32) + 16;
    // The data lies in memory at most twice: as decoded arguments and as the log's data.
    let memory_words = 2 * words;
    let memory = 3 * memory_words + memory_words * memory_words / 512;
    let by_work = CALL + 4 * zeros + 16 * others + WORK + 8 * 32 * words + 60 * words + memory;
    let by_data = CALL + 10 * zeros + 40 * others;
    // A little more, for the bound to be one in spite of rounding.
    by_work.max(by_data) + 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_grows_with_the_data() {
        let mut before = 0;
        for length in [4, 100, 500, 1_000, 5_000, 20_000] {
            let bound = formula(&vec![1; length]);
            assert!(bound > before);
            before = bound;
        }
        // A pin of 500 messages takes a small part of a block.
        assert!(formula(&vec![1; 16_500]) < 1_000_000);
    }
}
