//! Blocks, transactions, receipts and nonces.

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, U64};
use alloy::rpc::types as rpc;

use super::Api;
use super::params::Params;
use super::wire::{Answer, Error, answer};
use crate::block::Block;
use std::sync::Arc;

impl Api {
    async fn find(&self, id: BlockId) -> Result<Option<Arc<Block>>, Error> {
        match self.ledger.resolve(id).await? {
            Some(number) => Ok(self.ledger.block(number).await?),
            None => Ok(None),
        }
    }

    pub(super) async fn block(&self, id: BlockId, params: &Params<'_>) -> Answer {
        params.at_most(2)?;
        let full = params.optional(1)?.unwrap_or(false);
        answer(&self.find(id).await?.map(|block| block.rpc(full)))
    }

    pub(super) async fn transaction_count_of(&self, id: BlockId) -> Answer {
        answer(&self.find(id).await?.map(|block| U64::from(block.transactions.len())))
    }

    pub(super) async fn block_receipts(&self, id: BlockId) -> Answer {
        answer(&self.find(id).await?.map(|block| block.rpc_receipts()))
    }

    pub(super) async fn transaction(&self, hash: B256) -> Answer {
        if let Some((block, index)) = self.ledger.transaction(hash).await? {
            return answer(&block.rpc_transaction(index));
        }
        let waiting = self.ledger.waiting(&hash).map(|transaction| rpc::Transaction {
            inner: (*transaction).clone(),
            block_hash: None,
            block_number: None,
            transaction_index: None,
            effective_gas_price: None,
            block_timestamp: None,
        });
        if waiting.is_some() {
            return answer(&waiting);
        }
        // It may have left the pool for a block between the two look-ups.
        let mined = self.ledger.transaction(hash).await?;
        answer(&mined.and_then(|(block, index)| block.rpc_transaction(index)))
    }

    pub(super) async fn transaction_at(&self, id: BlockId, index: U64) -> Answer {
        let index = usize::try_from(index.to::<u64>()).unwrap_or(usize::MAX);
        answer(&self.find(id).await?.and_then(|block| block.rpc_transaction(index)))
    }

    pub(super) async fn receipt(&self, hash: B256) -> Answer {
        let found = self.ledger.transaction(hash).await?;
        answer(&found.and_then(|(block, index)| block.rpc_receipt(index)))
    }

    pub(super) async fn nonce(&self, address: Address, id: Option<BlockId>) -> Answer {
        if id == Some(BlockId::Number(BlockNumberOrTag::Pending)) {
            return answer(&U64::from(self.ledger.next_nonce(&address)));
        }
        answer(&U64::from(self.world(id).await?.state.nonce(&address)))
    }
}
