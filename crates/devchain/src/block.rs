//! Blocks: sealed, stored and shown to clients.
//!
//! Hashes, roots, blooms and sizes are those of Ethereum after the merge. What consensus would add is constant:
//! difficulty 0, no withdrawals, no blobs, a beacon root of zero.

use alloy::consensus::constants::EMPTY_WITHDRAWALS;
use alloy::consensus::transaction::Recovered;
use alloy::consensus::{Header, ReceiptEnvelope, Transaction as _, TxEnvelope, proofs};
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::eips::eip4895::Withdrawals;
use alloy::eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy::primitives::{Address, B256, Bloom, Bytes, U256, keccak256};
use alloy::rlp::{self, Decodable, Encodable};
use alloy::rpc::types as rpc;
use alloy::rpc::types::BlockTransactions;

/// A signed transaction and the account that signed it.
pub(crate) type Transaction = Recovered<TxEnvelope>;

/// A block that does not change any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) hash: B256,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) receipts: Vec<ReceiptEnvelope>,
}

/// What is known of a block before its transactions run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) parent: B256,
    pub(crate) number: u64,
    /// Seconds since 1970. Blocks within one second carry the same time.
    pub(crate) timestamp: u64,
    pub(crate) gas_limit: u64,
    pub(crate) base_fee: u64,
}

impl Frame {
    /// What contracts read as randomness. A development chain needs it reproducible, not unpredictable.
    pub(crate) fn randomness(&self) -> B256 {
        keccak256(self.parent)
    }

    /// Makes a block of the frame and what happened in it.
    pub(crate) fn seal(
        self,
        transactions: Vec<Transaction>,
        receipts: Vec<ReceiptEnvelope>,
        state_root: B256,
    ) -> Block {
        let logs_bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
        let header = Header {
            parent_hash: self.parent,
            state_root,
            transactions_root: proofs::calculate_transaction_root(&transactions),
            receipts_root: proofs::calculate_receipt_root(&receipts),
            logs_bloom,
            number: self.number,
            gas_limit: self.gas_limit,
            gas_used: receipts.last().map_or(0, ReceiptEnvelope::cumulative_gas_used),
            timestamp: self.timestamp,
            extra_data: Bytes::from_static(b"photinus"),
            mix_hash: self.randomness(),
            base_fee_per_gas: Some(self.base_fee),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        let hash = header.hash_slow();
        Block { header, hash, transactions, receipts }
    }
}

impl Block {
    /// The length of the block's RLP form in bytes.
    pub(crate) fn size(&self) -> usize {
        let empty_lists = 2; // ommers and withdrawals
        let payload = self.header.length() + rlp::list_length::<_, Transaction>(&self.transactions) + empty_lists;
        payload + rlp::length_of_length(payload)
    }

    fn envelopes(&self) -> impl Iterator<Item = &TxEnvelope> {
        self.transactions.iter().map(Recovered::inner)
    }

    /// The header as clients read it.
    pub(crate) fn rpc_header(&self) -> rpc::Header {
        rpc::Header {
            hash: self.hash,
            inner: self.header.clone(),
            total_difficulty: None,
            size: Some(U256::from(self.size())),
        }
    }

    /// The block as clients read it, with whole transactions or with their hashes.
    pub(crate) fn rpc(&self, full: bool) -> rpc::Block {
        let transactions = if full {
            BlockTransactions::Full(
                (0..self.transactions.len()).filter_map(|index| self.rpc_transaction(index)).collect(),
            )
        } else {
            BlockTransactions::Hashes(self.envelopes().map(|tx| *tx.tx_hash()).collect())
        };
        rpc::Block {
            header: self.rpc_header(),
            uncles: Vec::new(),
            transactions,
            withdrawals: Some(Withdrawals::default()),
        }
    }

    pub(crate) fn rpc_transaction(&self, index: usize) -> Option<rpc::Transaction> {
        let transaction = self.transactions.get(index)?;
        Some(rpc::Transaction {
            inner: transaction.clone(),
            block_hash: Some(self.hash),
            block_number: Some(self.header.number),
            transaction_index: Some(index as u64),
            effective_gas_price: Some(transaction.effective_gas_price(self.header.base_fee_per_gas)),
            block_timestamp: Some(self.header.timestamp),
        })
    }

    pub(crate) fn rpc_receipt(&self, index: usize) -> Option<rpc::TransactionReceipt> {
        let transaction = self.transactions.get(index)?;
        let receipt = self.receipts.get(index)?;
        let earlier = self.receipts.get(..index)?;
        let gas_before = earlier.last().map_or(0, ReceiptEnvelope::cumulative_gas_used);
        let mut log_index = earlier.iter().map(|receipt| receipt.logs().len() as u64).sum();
        let inner = receipt.clone().map_logs(|log| {
            let log = self.rpc_log(log, index, log_index);
            log_index += 1;
            log
        });
        let creates = transaction.to().is_none();
        Some(rpc::TransactionReceipt {
            inner,
            transaction_hash: *transaction.tx_hash(),
            transaction_index: Some(index as u64),
            block_hash: Some(self.hash),
            block_number: Some(self.header.number),
            gas_used: receipt.cumulative_gas_used() - gas_before,
            effective_gas_price: transaction.effective_gas_price(self.header.base_fee_per_gas),
            blob_gas_used: None,
            blob_gas_price: None,
            from: transaction.signer(),
            to: transaction.to(),
            contract_address: creates.then(|| transaction.signer().create(transaction.nonce())),
        })
    }

    pub(crate) fn rpc_receipts(&self) -> Vec<rpc::TransactionReceipt> {
        (0..self.receipts.len()).filter_map(|index| self.rpc_receipt(index)).collect()
    }

    fn rpc_log(&self, log: alloy::primitives::Log, transaction: usize, log_index: u64) -> rpc::Log {
        rpc::Log {
            inner: log,
            block_hash: Some(self.hash),
            block_number: Some(self.header.number),
            block_timestamp: Some(self.header.timestamp),
            transaction_hash: self.transactions.get(transaction).map(|tx| *tx.tx_hash()),
            transaction_index: Some(transaction as u64),
            log_index: Some(log_index),
            removed: false,
        }
    }

    /// Appends the log entries that a filter's addresses and topics match. Its block range is the caller's business.
    pub(crate) fn append_logs(&self, filter: &rpc::Filter, logs: &mut Vec<rpc::Log>) {
        if !filter.matches_bloom(self.header.logs_bloom) {
            return;
        }
        let mut log_index = 0;
        for (transaction, receipt) in self.receipts.iter().enumerate() {
            for log in receipt.logs() {
                if filter.matches_address(log.address) && filter.matches_topics(log.topics()) {
                    logs.push(self.rpc_log(log.clone(), transaction, log_index));
                }
                log_index += 1;
            }
        }
    }

    /// The contracts that logged something in this block, each once.
    pub(crate) fn logging_addresses(&self) -> Vec<Address> {
        let mut addresses: Vec<_> =
            self.receipts.iter().flat_map(|receipt| receipt.logs()).map(|log| log.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// The form in which the block is stored.
    pub(crate) fn encode(&self) -> Encoded {
        let envelopes: Vec<Bytes> = self.envelopes().map(|tx| tx.encoded_2718().into()).collect();
        let receipts: Vec<Bytes> = self.receipts.iter().map(|receipt| receipt.encoded_2718().into()).collect();
        Encoded {
            header: rlp::encode(&self.header),
            transactions: rlp::encode(&envelopes),
            receipts: rlp::encode(&receipts),
            senders: self.transactions.iter().flat_map(|tx| tx.signer().0.0).collect(),
        }
    }

    /// Reads a block back.
    pub(crate) fn decode(hash: B256, encoded: &Encoded) -> Result<Self, Damage> {
        let header = Header::decode(&mut encoded.header.as_slice())?;
        let envelopes = Vec::<Bytes>::decode(&mut encoded.transactions.as_slice())?;
        let receipts = Vec::<Bytes>::decode(&mut encoded.receipts.as_slice())?;
        let (senders, rest) = encoded.senders.as_chunks::<20>();
        if header.hash_slow() != hash
            || senders.len() != envelopes.len()
            || receipts.len() != envelopes.len()
            || !rest.is_empty()
        {
            return Err(Damage::Inconsistent);
        }
        let transactions = envelopes
            .iter()
            .zip(senders)
            .map(|(bytes, sender)| Ok(Recovered::new_unchecked(TxEnvelope::decode_2718_exact(bytes)?, sender.into())))
            .collect::<Result<_, Damage>>()?;
        let receipts = receipts
            .iter()
            .map(|bytes| Ok(ReceiptEnvelope::decode_2718_exact(bytes)?))
            .collect::<Result<_, Damage>>()?;
        Ok(Self { header, hash, transactions, receipts })
    }
}

/// A block in bytes. Header, transactions and receipts are in Ethereum's own encodings.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    /// The RLP header.
    pub(crate) header: Vec<u8>,
    /// An RLP list of EIP-2718 transactions.
    pub(crate) transactions: Vec<u8>,
    /// An RLP list of EIP-2718 receipts.
    pub(crate) receipts: Vec<u8>,
    /// The signers, 20 bytes each, so that reading a block recovers no signature.
    pub(crate) senders: Vec<u8>,
}

/// Why stored bytes are not a block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("not RLP: {0}")]
    Rlp(#[from] rlp::Error),
    #[error("not an EIP-2718 envelope: {0}")]
    Envelope(#[from] alloy::eips::eip2718::Eip2718Error),
    #[error("hash and content, or the lengths of the lists, do not agree")]
    Inconsistent,
}

#[cfg(test)]
mod tests {
    use alloy::consensus::{Receipt, SignableTransaction, TxEip1559, TxLegacy, TxType};
    use alloy::primitives::{Log, LogData, Signature, TxKind};
    use proptest::prelude::*;

    use super::*;

    fn log() -> impl Strategy<Value = Log> {
        (any::<[u8; 20]>(), proptest::collection::vec(any::<[u8; 32]>(), 0..4), any::<Vec<u8>>()).prop_map(
            |(address, topics, data)| Log {
                address: address.into(),
                data: LogData::new_unchecked(topics.into_iter().map(B256::from).collect(), data.into()),
            },
        )
    }

    fn transaction() -> impl Strategy<Value = (Transaction, Receipt)> {
        let fields = (any::<u64>(), any::<Option<[u8; 20]>>(), any::<Vec<u8>>(), any::<[u8; 20]>(), any::<bool>());
        (fields, any::<bool>(), proptest::collection::vec(log(), 0..3)).prop_map(
            |((nonce, to, input, signer, legacy), success, logs)| {
                let to = to.map_or(TxKind::Create, |to| TxKind::Call(to.into()));
                let input = Bytes::from(input);
                let signature = Signature::test_signature();
                let envelope: TxEnvelope = if legacy {
                    TxLegacy { nonce, to, input, ..TxLegacy::default() }.into_signed(signature).into()
                } else {
                    TxEip1559 { nonce, to, input, ..TxEip1559::default() }.into_signed(signature).into()
                };
                let receipt = Receipt { status: success.into(), cumulative_gas_used: 0, logs };
                (Recovered::new_unchecked(envelope, signer.into()), receipt)
            },
        )
    }

    fn sealed(content: Vec<(Transaction, Receipt)>) -> Block {
        let frame = Frame { parent: B256::repeat_byte(7), number: 3, timestamp: 9, gas_limit: 30_000_000, base_fee: 1 };
        let (transactions, mut receipts): (Vec<_>, Vec<_>) = content.into_iter().unzip();
        for (index, receipt) in receipts.iter_mut().enumerate() {
            receipt.cumulative_gas_used = 21_000 * (index as u64 + 1);
        }
        let receipts = transactions
            .iter()
            .zip(receipts)
            .map(|(tx, receipt): (&Transaction, Receipt)| {
                let kind = if tx.is_legacy() { TxType::Legacy } else { TxType::Eip1559 };
                ReceiptEnvelope::from_typed(kind, receipt.with_bloom())
            })
            .collect();
        frame.seal(transactions, receipts, B256::repeat_byte(1))
    }

    proptest! {
        #[test]
        fn a_stored_block_is_read_back(content in proptest::collection::vec(transaction(), 0..5)) {
            let block = sealed(content);
            prop_assert_eq!(Block::decode(block.hash, &block.encode()).unwrap(), block);
        }

        #[test]
        fn a_damaged_block_is_not_a_block(content in proptest::collection::vec(transaction(), 1..3), at in any::<prop::sample::Index>()) {
            let block = sealed(content);
            let mut encoded = block.encode();
            let at = at.index(encoded.header.len());
            encoded.header[at] ^= 1;
            prop_assert!(Block::decode(block.hash, &encoded).is_err());
            let mut encoded = block.encode();
            encoded.senders.pop();
            prop_assert!(Block::decode(block.hash, &encoded).is_err());
        }

        #[test]
        fn every_log_is_found_once_and_in_order(content in proptest::collection::vec(transaction(), 0..5)) {
            let block = sealed(content);
            let mut all = Vec::new();
            block.append_logs(&rpc::Filter::new(), &mut all);
            let indices: Vec<_> = all.iter().map(|log| log.log_index).collect();
            prop_assert_eq!(indices, (0..all.len() as u64).map(Some).collect::<Vec<_>>());
            let from_receipts: Vec<_> =
                block.rpc_receipts().into_iter().flat_map(|receipt| receipt.inner.logs().to_vec()).collect();
            prop_assert_eq!(&from_receipts, &all);
            for log in &all {
                let mut found = Vec::new();
                block.append_logs(&rpc::Filter::new().address(log.address()), &mut found);
                prop_assert!(found.contains(log));
                prop_assert!(block.logging_addresses().contains(&log.address()));
            }
        }

        #[test]
        fn the_size_is_that_of_the_encoded_block(content in proptest::collection::vec(transaction(), 0..5)) {
            let block = sealed(content);
            let body = alloy::consensus::BlockBody {
                transactions: block.envelopes().cloned().collect::<Vec<_>>(),
                ommers: vec![],
                withdrawals: Some(Withdrawals::default()),
            };
            let whole = body.into_block(block.header.clone());
            prop_assert_eq!(block.size(), whole.length());
            prop_assert_eq!(whole.header.hash_slow(), block.hash);
        }
    }
}
