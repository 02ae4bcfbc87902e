//! What a caller can choose when starting a chain, and the limits that nobody chooses.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The mnemonic that development tools share. Its keys are public knowledge: whatever they hold belongs to everybody.
pub const TEST_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// The largest chain identifier that every JavaScript client can represent.
const MAX_CHAIN_ID: u64 = (1 << 53) - 1;

/// When a block is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mining {
    /// As soon as a transaction waits. Transactions that arrive while a block is being stored share the next one.
    OnDemand,
    /// At a fixed pace, empty blocks included.
    Interval {
        /// The time between two blocks, in milliseconds.
        millis: u64,
    },
}

impl Mining {
    pub(crate) fn period(self) -> Option<Duration> {
        match self {
            Self::OnDemand => None,
            Self::Interval { millis } => Some(Duration::from_millis(millis)),
        }
    }
}

/// How to run a chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Options {
    /// The chain identifier that transactions are signed for.
    pub chain_id: u64,
    /// The address to listen on. Everybody who reaches it can spend the development accounts.
    pub host: IpAddr,
    /// The port of JSON-RPC, HTTP and WebSocket alike; 0 takes a free one.
    pub port: u16,
    /// Where the chain is kept. Without a directory it lives in memory and ends with the process.
    pub data_dir: Option<PathBuf>,
    /// When a block is made.
    pub mining: Mining,
    /// The phrase that the development accounts are derived from, on the path `m/44'/60'/0'/0/n`.
    pub mnemonic: String,
    /// How many development accounts there are.
    pub accounts: u32,
    /// What each development account holds in the first block, in ether. Later starts on the same directory do not add any.
    pub balance: u64,
    /// The gas that the transactions of one block may use together.
    pub block_gas_limit: u64,
    /// The base fee of every block, in wei per gas. It does not move with demand. At 0, the default, accounts without
    /// ether can send transactions at a price of 0.
    pub base_fee: u64,
    /// How many transactions may wait at once.
    pub pool_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            chain_id: 31337,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8545,
            data_dir: None,
            mining: Mining::OnDemand,
            mnemonic: TEST_MNEMONIC.to_owned(),
            accounts: 10,
            balance: 10_000,
            block_gas_limit: 30_000_000,
            base_fee: 0,
            pool_limit: 8192,
        }
    }
}

impl Options {
    /// Refuses values that no chain can run with.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let refuse = |option: &'static str, reason: &'static str| Err(Error::Option { option, reason });
        if self.chain_id == 0 || self.chain_id > MAX_CHAIN_ID {
            return refuse("chainId", "must be between 1 and 2^53 - 1");
        }
        if self.accounts > 1000 {
            return refuse("accounts", "must be at most 1000");
        }
        if self.balance > 1_000_000_000_000 {
            return refuse("balance", "must be at most 10^12 ether");
        }
        if !(1_000_000..=1_000_000_000).contains(&self.block_gas_limit) {
            return refuse("blockGasLimit", "must be between 10^6 and 10^9");
        }
        if self.pool_limit == 0 || self.pool_limit > 1_000_000 {
            return refuse("poolLimit", "must be between 1 and 10^6");
        }
        if matches!(self.mining, Mining::Interval { millis: 0 }) {
            return refuse("mining", "an interval must be at least 1 ms");
        }
        Ok(())
    }
}

/// The largest HTTP body or WebSocket message that is read, in bytes. The largest transaction takes a quarter of a MiB.
pub(crate) const MAX_REQUEST_BYTES: usize = 8 << 20;
/// The number of requests in one JSON-RPC batch.
pub(crate) const MAX_BATCH: usize = 1000;
/// The requests of one WebSocket that are worked on at the same time.
pub(crate) const MAX_IN_FLIGHT: usize = 256;
/// The WebSocket connections of one chain.
pub(crate) const MAX_CONNECTIONS: usize = 512;
/// The subscriptions of one WebSocket.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 128;
/// The filters that clients poll, for the whole chain.
pub(crate) const MAX_FILTERS: usize = 1024;
/// A filter that nobody has polled for this long is removed.
pub(crate) const FILTER_LIFETIME: Duration = Duration::from_secs(300);
/// The log entries in one answer.
pub(crate) const MAX_LOGS: usize = 10_000;
/// The blocks with log entries that one answer is searched in.
pub(crate) const MAX_SCANNED: usize = 100_000;
/// The calls, estimates and reads of old blocks that run at the same time; more wait for their turn.
pub(crate) const MAX_BLOCKING: usize = 8;
/// The gas of one `eth_call`. It bounds the time that a call takes.
pub(crate) const MAX_CALL_GAS: u64 = 50_000_000;
/// How often a silent WebSocket is asked whether it is still there. After two questions without a sign of life it is closed.
pub(crate) const PING_PERIOD: Duration = Duration::from_secs(30);
/// The size of one transaction in bytes; what other nodes accept.
pub(crate) const MAX_TRANSACTION_BYTES: usize = 128 * 1024;
/// The blocks whose state can still be read, the newest included; what a full node keeps.
pub(crate) const STATES_KEPT: usize = 128;
/// The memory for recent blocks, in bytes of their encoded form. Older ones are read from the database.
pub(crate) const BLOCK_CACHE_BYTES: usize = 16 << 20;
/// The hashes of recently admitted transactions that a subscriber or filter may still ask for.
pub(crate) const PENDING_HASHES_KEPT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        Options::default().validate().unwrap();
    }

    #[test]
    fn impossible_values_are_refused_by_name() {
        let check = |options: Options, name: &str| match options.validate() {
            Err(Error::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        };
        let default = Options::default;
        check(Options { chain_id: 0, ..default() }, "chainId");
        check(Options { chain_id: 1 << 53, ..default() }, "chainId");
        check(Options { accounts: 1001, ..default() }, "accounts");
        check(Options { balance: u64::MAX, ..default() }, "balance");
        check(Options { block_gas_limit: 20_999, ..default() }, "blockGasLimit");
        check(Options { pool_limit: 0, ..default() }, "poolLimit");
        check(Options { mining: Mining::Interval { millis: 0 }, ..default() }, "mining");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = serde_json::from_str::<Options>(r#"{"chainID": 5}"#).unwrap_err();
        assert!(error.to_string().contains("chainID"), "{error}");
    }
}
