//! Transactions: built, signed, and taken apart again to be signed anew.

use alloy::{
    consensus::{SignableTransaction, Transaction as _, TxEip1559, TxEnvelope, TxLegacy},
    eips::eip2718::{Decodable2718, Encodable2718},
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
};

use crate::fees::Price;

/// A transaction that is not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) nonce: u64,
    /// Nobody for a new contract.
    pub(crate) to: Option<Address>,
    pub(crate) input: Bytes,
    /// Most gas that it may use.
    pub(crate) gas: u64,
    pub(crate) price: Price,
}

/// The key could not sign.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot sign: {0}")]
pub(crate) struct Error(String);

/// A signed transaction's hash, and its form on the wire.
pub(crate) type Ready = (B256, Bytes);

impl Draft {
    /// Signs for one chain; the signature is of no use on others.
    pub(crate) fn sign(&self, signer: &PrivateKeySigner, chain_id: u64) -> Result<Ready, Error> {
        let to = self.to.map_or(TxKind::Create, TxKind::Call);
        match self.price {
            Price::Legacy(gas_price) => finish(
                TxLegacy {
                    chain_id: Some(chain_id),
                    nonce: self.nonce,
                    gas_price,
                    gas_limit: self.gas,
                    to,
                    value: U256::ZERO,
                    input: self.input.clone(),
                },
                signer,
            ),
            Price::Dynamic { max, tip } => finish(
                TxEip1559 {
                    chain_id,
                    nonce: self.nonce,
                    gas_limit: self.gas,
                    max_fee_per_gas: max,
                    max_priority_fee_per_gas: tip,
                    to,
                    value: U256::ZERO,
                    access_list: alloy::eips::eip2930::AccessList::default(),
                    input: self.input.clone(),
                },
                signer,
            ),
        }
    }

    /// Takes a signed transaction apart. `None` for bytes that [`Draft::sign`] has not made.
    pub(crate) fn read(raw: &[u8]) -> Option<Self> {
        let envelope = TxEnvelope::decode_2718(&mut &*raw).ok()?;
        let price = match envelope.max_priority_fee_per_gas() {
            Some(tip) => Price::Dynamic { max: envelope.max_fee_per_gas(), tip },
            None => Price::Legacy(envelope.gas_price()?),
        };
        Some(Self {
            nonce: envelope.nonce(),
            to: envelope.to(),
            input: envelope.input().clone(),
            gas: envelope.gas_limit(),
            price,
        })
    }
}

fn finish<T>(mut transaction: T, signer: &PrivateKeySigner) -> Result<Ready, Error>
where
    T: SignableTransaction<alloy::primitives::Signature>,
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = signer.sign_transaction_sync(&mut transaction).map_err(|error| Error(error.to_string()))?;
    let envelope = TxEnvelope::from(transaction.into_signed(signature));
    Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
}

#[cfg(test)]
mod tests {
    use alloy::{consensus::transaction::SignerRecoverable, primitives::keccak256};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_signed_transaction_can_be_taken_apart(nonce: u64, gas: u64, to: Option<[u8; 20]>, input: Vec<u8>,
                                                   max in 0..u128::MAX / 2, dynamic: bool, chain_id in 1..1_u64 << 40) {
            let price = if dynamic { Price::Dynamic { max, tip: max / 3 } } else { Price::Legacy(max) };
            let draft = Draft { nonce, to: to.map(Address::from), input: input.into(), gas, price };
            let signer = PrivateKeySigner::from_slice(&[7; 32]).unwrap();
            let (hash, raw) = draft.sign(&signer, chain_id).unwrap();
            prop_assert_eq!(hash, keccak256(&raw));
            let envelope = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
            prop_assert_eq!(envelope.recover_signer().unwrap(), signer.address());
            prop_assert_eq!(envelope.chain_id(), Some(chain_id));
            prop_assert_eq!(Draft::read(&raw), Some(draft));
        }

        #[test]
        fn taking_apart_never_panics(raw: Vec<u8>) {
            let _ = Draft::read(&raw);
        }
    }
}
