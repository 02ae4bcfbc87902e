//! Transactions and signatures.

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{SignableTransaction as _, TxEnvelope, TypedTransaction};
use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, Bytes, TxKind};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::SignerSync as _;
use alloy::signers::local::PrivateKeySigner;

use super::Api;
use super::call::input;
use super::params::Params;
use super::wire::{Answer, Error, answer};
use crate::block::Transaction;
use crate::pool::Refusal;

impl Api {
    pub(super) async fn send_raw(&self, params: &Params<'_>) -> Answer {
        params.at_most(1)?;
        let transaction = self.ledger.parse(&params.required::<Bytes>(0)?)?;
        answer(&self.ledger.submit(transaction).await?)
    }

    /// Signs with a development account's key and sends. What the request leaves out is filled in.
    pub(super) async fn send(&self, params: &Params<'_>) -> Answer {
        params.at_most(1)?;
        let mut request: TransactionRequest = params.required(0)?;
        let from = request.from.ok_or_else(|| Error::invalid_params("missing value for required field \"from\""))?;
        let signer = self.signer(&from)?;
        let data = input(&request)?;
        request.input = data.into();
        request.to.get_or_insert(TxKind::Create);
        let chain_id = self.ledger.options.chain_id;
        if request.chain_id.is_some_and(|id| id != chain_id) {
            return Err(Error::invalid_params(format!("chainId does not match node's, which is {chain_id}")));
        }
        request.chain_id = Some(chain_id);
        if request.gas.is_none() {
            request.gas = Some(self.gas_for(request.clone()).await?);
        }
        if request.gas_price.is_none() {
            let tip = *request.max_priority_fee_per_gas.get_or_insert(0);
            request.max_fee_per_gas.get_or_insert(u128::from(self.ledger.options.base_fee).saturating_add(tip));
        }
        let hash = match request.nonce {
            Some(_) => self.ledger.submit(self.signed(request, signer)?).await?,
            None => {
                let sign = |nonce| self.signed(request.with_nonce(nonce), signer);
                self.ledger.submit_next(&from, sign).await?
            }
        };
        answer(&hash)
    }

    fn signed(&self, request: TransactionRequest, signer: &PrivateKeySigner) -> Result<Transaction, Refusal> {
        let unsigned: TypedTransaction = request.build_consensus_tx().map_err(|error| Refusal::Invalid(error.error))?;
        let signature =
            signer.sign_hash_sync(&unsigned.signature_hash()).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let envelope = TxEnvelope::from(unsigned.into_signed(signature));
        self.ledger.check(Recovered::new_unchecked(envelope, signer.address()))
    }

    /// Signs a message, after the prefix that keeps it from being a transaction.
    pub(super) fn sign(&self, address: Address, message: &Bytes) -> Answer {
        let signature =
            self.signer(&address)?.sign_message_sync(message).map_err(|error| Error::internal(&error.to_string()))?;
        answer(&Bytes::from(signature.as_bytes()))
    }

    fn signer(&self, address: &Address) -> Result<&PrivateKeySigner, Error> {
        self.accounts.signer(address).ok_or_else(|| Error::server("unknown account"))
    }
}
