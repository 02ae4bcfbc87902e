//! The development accounts: funded in the first block, and signed for by the chain itself.

use std::collections::HashMap;
use std::fmt;

use alloy::primitives::{Address, B256};
use alloy::signers::local::coins_bip39::English;
use alloy::signers::local::{MnemonicBuilder, PrivateKeySigner};

use crate::Error;

/// A funded account whose key everybody may know.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's address.
    pub address: Address,
    /// The account's secp256k1 private key.
    pub private_key: B256,
}

impl fmt::Debug for Account {
    // The key stays out of logs: a caller may have chosen a mnemonic that is not the well-known one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The accounts of one mnemonic, in the order of their derivation.
pub(crate) struct Accounts {
    listed: Vec<Account>,
    signers: HashMap<Address, PrivateKeySigner>,
}

impl Accounts {
    pub(crate) fn derive(mnemonic: &str, count: u32) -> Result<Self, Error> {
        let refuse = |_| Error::Option { option: "mnemonic", reason: "is not an English BIP-39 phrase" };
        let parent = MnemonicBuilder::<English>::default().phrase(mnemonic).build_parent_key().map_err(refuse)?;
        let mut accounts = Self { listed: Vec::new(), signers: HashMap::new() };
        for index in 0..count {
            let signer = parent.child(index).map_err(refuse)?.signer();
            accounts.listed.push(Account { address: signer.address(), private_key: signer.to_bytes() });
            accounts.signers.insert(signer.address(), signer);
        }
        Ok(accounts)
    }

    pub(crate) fn list(&self) -> &[Account] {
        &self.listed
    }

    pub(crate) fn signer(&self, address: &Address) -> Option<&PrivateKeySigner> {
        self.signers.get(address)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, b256};

    use super::*;
    use crate::options::TEST_MNEMONIC;

    #[test]
    fn the_well_known_accounts_are_derived() {
        let accounts = Accounts::derive(TEST_MNEMONIC, 2).unwrap();
        assert_eq!(
            accounts.list(),
            [
                Account {
                    address: address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
                    private_key: b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
                },
                Account {
                    address: address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
                    private_key: b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
                },
            ]
        );
        assert!(accounts.signer(&accounts.list()[1].address).is_some());
    }

    #[test]
    fn a_key_is_not_shown() {
        let accounts = Accounts::derive(TEST_MNEMONIC, 1).unwrap();
        assert!(!format!("{:?}", accounts.list()).contains("ac0974"));
    }

    #[test]
    fn a_phrase_with_a_wrong_checksum_is_refused() {
        assert!(Accounts::derive("test test test", 1).is_err());
    }
}
