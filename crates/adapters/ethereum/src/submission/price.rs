//! What gas costs now: the base fee of the newest block, and a suggestion that is asked for from time to time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    chain::Chain,
    fees::{self, Market},
    options::FeeMode,
    rpc::{Client, Error},
};

/// The market for gas.
pub(crate) struct Prices {
    chain: Arc<Chain>,
    client: Client,
    mode: FeeMode,
    refresh: Duration,
    suggestion: Mutex<Option<Suggestion>>,
}

#[derive(Clone, Copy)]
struct Suggestion {
    dynamic: bool,
    wei: u128,
    asked: Instant,
}

impl Prices {
    pub(crate) fn new(chain: Arc<Chain>, client: Client, mode: FeeMode, refresh: Duration) -> Self {
        Self { chain, client, mode, refresh, suggestion: Mutex::new(None) }
    }

    /// What the chain asks for gas now.
    pub(crate) async fn market(&self) -> Result<Market, Error> {
        if self.mode == FeeMode::Zero {
            return Ok(Market { base_fee: None, suggested: 0 });
        }
        let base_fee = match self.chain.tip() {
            Some(tip) => tip.base_fee_per_gas,
            None => self.client.latest().await?.base_fee_per_gas,
        };
        let dynamic = fees::is_dynamic(self.mode, base_fee);
        let known = *self.suggestion.lock();
        if let Some(known) = known
            && known.dynamic == dynamic
            && known.asked.elapsed() < self.refresh
        {
            return Ok(Market { base_fee, suggested: known.wei });
        }
        let wei = self.ask(dynamic, base_fee).await?;
        *self.suggestion.lock() = Some(Suggestion { dynamic, wei, asked: Instant::now() });
        Ok(Market { base_fee, suggested: wei })
    }

    async fn ask(&self, dynamic: bool, base_fee: Option<u128>) -> Result<u128, Error> {
        if dynamic {
            match self.client.tip().await {
                // Older nodes suggest a whole price only.
                Err(error) if error.is_method_not_found() => {}
                answer => return answer,
            }
        }
        let whole = self.client.gas_price().await?;
        Ok(if dynamic { whole.saturating_sub(base_fee.unwrap_or(0)) } else { whole })
    }
}
