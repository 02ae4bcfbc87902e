//! What is read of the chain's answers.

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

/// A block, without its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    /// Seconds since the epoch.
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) timestamp: u64,
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub(crate) base_fee_per_gas: Option<u128>,
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) gas_limit: u64,
}

/// A log of a mined transaction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Log {
    pub(crate) address: Address,
    pub(crate) topics: Vec<B256>,
    pub(crate) data: Bytes,
    pub(crate) block_hash: B256,
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) block_number: u64,
    /// Seconds since the epoch; not every chain says it.
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub(crate) block_timestamp: Option<u64>,
    pub(crate) transaction_hash: B256,
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) transaction_index: u64,
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) log_index: u64,
}

/// The receipt of a mined transaction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    pub(crate) transaction_hash: B256,
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) transaction_index: u64,
    pub(crate) block_hash: B256,
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) block_number: u64,
    /// 1 for success. Chains from before this was recorded are not supported: without it, a transaction counts as failed.
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub(crate) status: Option<u64>,
    #[serde(with = "alloy::serde::quantity")]
    pub(crate) gas_used: u64,
    #[serde(default)]
    pub(crate) contract_address: Option<Address>,
}

/// A call that is not signed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Call {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Address>,
    #[serde(rename = "data")]
    pub(crate) input: Bytes,
    #[serde(skip_serializing_if = "Option::is_none", with = "alloy::serde::quantity::opt")]
    pub(crate) gas: Option<u64>,
}

/// An object of which only the presence matters.
#[derive(Debug, Deserialize)]
pub(crate) struct Ignored {}
