//! The methods that clients call.
//!
//! Each answers as Ethereum's execution API says (<https://ethereum.github.io/execution-apis/>), errors in the words of
//! the most used node. Not here: subscriptions, which belong to a connection (`websocket`).

mod blocks;
mod call;
mod fees;
pub(crate) mod filters;
pub(crate) mod params;
mod submit;
pub(crate) mod wire;

use std::sync::Arc;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, U64, U256, keccak256};
use futures::future::join_all;
use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::accounts::Accounts;
use crate::ledger::Ledger;
use crate::options::MAX_BATCH;
use crate::rpc::filters::Filters;
use crate::rpc::params::Params;
use crate::rpc::wire::{Answer, Error, Payload, Request, answer};
use crate::state::World;

/// Everything that a request may need.
pub(crate) struct Api {
    pub(crate) ledger: Arc<Ledger>,
    accounts: Arc<Accounts>,
    filters: Mutex<Filters>,
}

impl Api {
    pub(crate) fn new(ledger: Arc<Ledger>, accounts: Arc<Accounts>) -> Self {
        Self { ledger, accounts, filters: Mutex::default() }
    }

    /// Answers a body or a message: a request or a batch. Nothing if it holds notifications only.
    pub(crate) async fn handle(&self, text: &str) -> Option<String> {
        match wire::split(text) {
            Err(error) => Some(wire::response(None, Err(error))),
            Ok(Payload::One(request)) => self.handle_one(request).await,
            Ok(Payload::Many(requests)) if requests.len() > MAX_BATCH => {
                let error = Error::invalid_request(&format!("a batch holds at most {MAX_BATCH} requests"));
                Some(wire::response(None, Err(error)))
            }
            Ok(Payload::Many(requests)) => {
                // Side by side, so that transactions of one batch can share a block; the answers keep the order.
                let answers = join_all(requests.iter().map(|request| self.handle_one(request.get()))).await;
                let answers: Vec<String> = answers.into_iter().flatten().collect();
                (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")))
            }
        }
    }

    async fn handle_one(&self, text: &str) -> Option<String> {
        match Request::parse(text) {
            Err(error) => Some(wire::response(None, Err(error))),
            Ok(request) => {
                let answer = self.answer(&request.method, request.params).await;
                request.id().map(|id| wire::response(Some(id), answer))
            }
        }
    }

    async fn answer(&self, method: &str, params: Option<&RawValue>) -> Answer {
        let params = Params::parse(params)?;
        match method {
            "web3_clientVersion" => answer(&concat!("photinus/", env!("CARGO_PKG_VERSION"))),
            "web3_sha3" => answer(&keccak256(params.required::<Bytes>(0)?)),
            "net_version" => answer(&self.ledger.options.chain_id.to_string()),
            "net_listening" => answer(&true),
            "net_peerCount" => answer(&U64::ZERO),
            "eth_chainId" => answer(&U64::from(self.ledger.options.chain_id)),
            "eth_syncing" => answer(&false),
            "eth_accounts" => answer(&self.accounts.list().iter().map(|account| account.address).collect::<Vec<_>>()),

            "eth_blockNumber" => answer(&U64::from(self.ledger.latest().block.header.number)),
            "eth_getBlockByNumber" => self.block(params.required::<BlockNumberOrTag>(0)?.into(), &params).await,
            "eth_getBlockByHash" => self.block(params.required::<B256>(0)?.into(), &params).await,
            "eth_getBlockTransactionCountByNumber" => {
                self.transaction_count_of(params.required::<BlockNumberOrTag>(0)?.into()).await
            }
            "eth_getBlockTransactionCountByHash" => self.transaction_count_of(params.required::<B256>(0)?.into()).await,
            "eth_getBlockReceipts" => self.block_receipts(params.required(0)?).await,
            "eth_getTransactionByHash" => self.transaction(params.required(0)?).await,
            "eth_getTransactionByBlockNumberAndIndex" => {
                self.transaction_at(params.required::<BlockNumberOrTag>(0)?.into(), params.required(1)?).await
            }
            "eth_getTransactionByBlockHashAndIndex" => {
                self.transaction_at(params.required::<B256>(0)?.into(), params.required(1)?).await
            }
            "eth_getTransactionReceipt" => self.receipt(params.required(0)?).await,

            "eth_getTransactionCount" => self.nonce(params.required(0)?, params.optional(1)?).await,
            "eth_getBalance" => {
                let (world, address) = self.account_at(&params, 1).await?;
                answer(&world.state.balance(&address))
            }
            "eth_getCode" => {
                let (world, address) = self.account_at(&params, 1).await?;
                let code = world.state.account(&address).map(|account| account.code.original_bytes());
                answer(&code.unwrap_or_default())
            }
            "eth_getStorageAt" => {
                let slot = params.required(1)?;
                let (world, address) = self.account_at(&params, 2).await?;
                answer(&B256::from(world.state.storage(&address, slot)))
            }

            "eth_call" => self.call(&params).await,
            "eth_estimateGas" => self.estimate_gas(&params).await,

            "eth_gasPrice" => answer(&U256::from(self.ledger.options.base_fee)),
            "eth_maxPriorityFeePerGas" => answer(&U256::ZERO),
            "eth_blobBaseFee" => answer(&U64::from(1)),
            "eth_feeHistory" => self.fee_history(&params).await,

            "eth_sendRawTransaction" => self.send_raw(&params).await,
            "eth_sendTransaction" => self.send(&params).await,
            "eth_sign" => self.sign(params.required(0)?, &params.required(1)?),
            // The two methods take the same two parameters, the other way round.
            "personal_sign" => self.sign(params.required(1)?, &params.required(0)?),

            "eth_getLogs" => self.logs(params.required(0)?).await,
            "eth_newFilter" => self.new_log_filter(params.required(0)?).await,
            "eth_newBlockFilter" => self.new_block_filter(),
            "eth_newPendingTransactionFilter" => self.new_pending_filter(),
            "eth_getFilterChanges" => self.filter_changes(params.required(0)?).await,
            "eth_getFilterLogs" => self.filter_logs(params.required(0)?).await,
            "eth_uninstallFilter" => self.uninstall_filter(params.required(0)?),
            "eth_subscribe" | "eth_unsubscribe" => {
                Err(Error::server("notifications not supported: subscribe over WebSocket, in a request of its own"))
            }

            "evm_mine" => {
                self.ledger.request_block().await?;
                answer(&"0x0")
            }
            "evm_setAutomine" => {
                self.ledger.set_on_demand(params.required(0)?);
                answer(&true)
            }
            _ => Err(Error::unknown_method(method)),
        }
    }

    /// The state that a block parameter means; the newest if it is left out.
    async fn world(&self, id: Option<BlockId>) -> Result<World, Error> {
        let number = match id {
            None => return Ok(self.ledger.latest().world.clone()),
            Some(id) => self.ledger.resolve(id).await?.ok_or_else(|| Error::server("header not found"))?,
        };
        self.ledger.state_at(number).ok_or_else(|| {
            Error::server(format!(
                "historical state of block {number} is not available: only that of the last {} blocks is",
                crate::options::STATES_KEPT
            ))
        })
    }

    async fn account_at(&self, params: &Params<'_>, block: usize) -> Result<(World, Address), Error> {
        let address = params.required(0)?;
        params.at_most(block + 1)?;
        Ok((self.world(params.optional(block)?).await?, address))
    }
}
