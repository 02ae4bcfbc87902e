//! What every account holds after a block.
//!
//! All of it is in memory, in persistent tries: a copy costs nothing and does not change any more. The database
//! (`archive`) has it for the next start only. A chain whose contracts store many gigabytes is not what this is for.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use alloy::consensus::TrieAccount;
use alloy::consensus::constants::KECCAK_EMPTY;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rlp::Encodable;
use revm::DatabaseRef;
use revm::bytecode::{Bytecode, BytecodeDecodeError};
use revm::state::{AccountInfo, EvmState};

use crate::trie::{Leaf, Trie};

/// One account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code_hash: B256,
    pub(crate) code: Bytecode,
    storage: Trie<Word>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK_EMPTY,
            code: Bytecode::default(),
            storage: Trie::default(),
        }
    }
}

impl Account {
    /// A new account that holds something.
    pub(crate) fn funded(balance: U256) -> Self {
        Self { balance, ..Self::default() }
    }

    /// An account without storage. Fails for code that the EVM cannot hold.
    pub(crate) fn new(nonce: u64, balance: U256, code: Option<Bytes>) -> Result<Self, BytecodeDecodeError> {
        let mut account = Self { nonce, balance, ..Self::default() };
        if let Some(code) = code.filter(|code| !code.is_empty()) {
            account.code_hash = keccak256(&code);
            account.code = Bytecode::new_raw_checked(code)?;
        }
        Ok(account)
    }

    pub(crate) fn has_code(&self) -> bool {
        self.code_hash != KECCAK_EMPTY
    }

    fn info(&self) -> AccountInfo {
        AccountInfo::new(self.balance, self.nonce, self.code_hash, self.code.clone())
    }
}

impl Leaf for Account {
    fn encode(&self, out: &mut Vec<u8>) {
        let account = TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: self.storage.root(),
            code_hash: self.code_hash,
        };
        Encodable::encode(&account, out);
    }
}

/// One storage slot that is not zero.
#[derive(Debug, Clone, Copy)]
struct Word(U256);

impl Leaf for Word {
    fn encode(&self, out: &mut Vec<u8>) {
        Encodable::encode(&self.0, out);
    }
}

/// All accounts.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    accounts: Trie<Account>,
}

impl State {
    pub(crate) fn account(&self, address: &Address) -> Option<&Account> {
        self.accounts.get(&keccak256(address))
    }

    pub(crate) fn nonce(&self, address: &Address) -> u64 {
        self.account(address).map_or(0, |account| account.nonce)
    }

    pub(crate) fn balance(&self, address: &Address) -> U256 {
        self.account(address).map_or(U256::ZERO, |account| account.balance)
    }

    pub(crate) fn storage(&self, address: &Address, slot: U256) -> U256 {
        self.account(address)
            .and_then(|account| account.storage.get(&keccak256(B256::from(slot))))
            .map_or(U256::ZERO, |word| word.0)
    }

    /// The hash that stands for all of it.
    pub(crate) fn root(&self) -> B256 {
        self.accounts.root()
    }

    /// Sets an account as it was stored.
    pub(crate) fn restore(&mut self, address: &Address, account: Account) {
        self.accounts.insert(keccak256(address), account);
    }

    /// Sets many slots of one account as they were stored.
    pub(crate) fn restore_storage(&mut self, address: &Address, slots: impl IntoIterator<Item = (U256, U256)>) {
        let key = keccak256(address);
        let Some(mut account) = self.accounts.get(&key).cloned() else { return };
        for (slot, value) in slots {
            account.storage.insert(keccak256(B256::from(slot)), Word(value));
        }
        self.accounts.insert(key, account);
    }

    /// Applies what a transaction did, and notes it in `delta` for the database.
    pub(crate) fn apply(&mut self, changes: EvmState, delta: &mut Delta) {
        for (address, change) in changes {
            if !change.is_touched() {
                continue;
            }
            let key = keccak256(address);
            let noted = delta.accounts.entry(address).or_default();
            if change.is_selfdestructed() || change.is_empty() {
                self.accounts.remove(&key);
                *noted = AccountDelta { cleared: true, ..AccountDelta::default() };
                continue;
            }
            let mut account = match self.accounts.get(&key) {
                Some(account) if !change.is_created() => account.clone(),
                _ => {
                    noted.cleared = true;
                    noted.slots.clear();
                    Account::default()
                }
            };
            account.nonce = change.info.nonce;
            account.balance = change.info.balance;
            if account.code_hash != change.info.code_hash
                && let Some(code) = &change.info.code
            {
                account.code_hash = change.info.code_hash;
                account.code = code.clone();
            }
            for (slot, value) in change.changed_storage_slots() {
                let key = keccak256(B256::from(*slot));
                if value.present_value.is_zero() {
                    account.storage.remove(&key);
                } else {
                    account.storage.insert(key, Word(value.present_value));
                }
                noted.slots.insert(*slot, value.present_value);
            }
            noted.account = Some(account.clone());
            self.accounts.insert(key, account);
        }
    }
}

/// What one block changed.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    pub(crate) accounts: BTreeMap<Address, AccountDelta>,
}

/// What one block changed in one account.
#[derive(Debug, Default)]
pub(crate) struct AccountDelta {
    /// Whatever was stored about the account before this block is gone.
    pub(crate) cleared: bool,
    /// The account now; nothing if it is gone.
    pub(crate) account: Option<Account>,
    /// The slots that changed, zero included.
    pub(crate) slots: BTreeMap<U256, U256>,
}

/// The hashes of the last 256 blocks, which contracts can ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecentHashes {
    /// The number of the newest.
    newest: u64,
    hashes: VecDeque<B256>,
}

impl RecentHashes {
    const KEPT: usize = 256;

    pub(crate) fn push(&mut self, number: u64, hash: B256) {
        self.newest = number;
        self.hashes.push_back(hash);
        if self.hashes.len() > Self::KEPT {
            self.hashes.pop_front();
        }
    }

    fn get(&self, number: u64) -> B256 {
        let back = self.newest.checked_sub(number).and_then(|back| usize::try_from(back).ok());
        back.and_then(|back| self.hashes.len().checked_sub(back + 1))
            .and_then(|index| self.hashes.get(index).copied())
            .unwrap_or_default()
    }
}

/// State and ancestors, as the EVM reads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) hashes: Arc<RecentHashes>,
}

impl DatabaseRef for World {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.state.account(&address).map(Account::info))
    }

    fn code_by_hash_ref(&self, _code_hash: B256) -> Result<Bytecode, Infallible> {
        // `basic_ref` hands out the code with the account, so that nobody asks for it by hash.
        Ok(Bytecode::default())
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.state.storage(&address, slot))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(self.hashes.get(number))
    }
}

#[cfg(test)]
mod tests {
    use alloy::consensus::proofs::{state_root_unhashed, storage_root_unhashed};

    use super::*;

    #[test]
    fn the_root_is_that_of_ethereum() {
        let mut state = State::default();
        let plain = Address::repeat_byte(1);
        let contract = Address::repeat_byte(2);
        let code = Bytes::from_static(&[0x60, 0x00]);
        state.restore(&plain, Account::new(7, U256::from(5), None).unwrap());
        state.restore(&contract, Account::new(1, U256::ZERO, Some(code.clone())).unwrap());
        state.restore_storage(&contract, [(U256::from(1), U256::from(300)), (U256::MAX, U256::from(2))]);
        let slots = [(B256::from(U256::from(1)), U256::from(300)), (B256::from(U256::MAX), U256::from(2))];
        let expected = state_root_unhashed([
            (plain, TrieAccount { nonce: 7, balance: U256::from(5), ..TrieAccount::default() }),
            (
                contract,
                TrieAccount {
                    nonce: 1,
                    balance: U256::ZERO,
                    storage_root: storage_root_unhashed(slots),
                    code_hash: keccak256(&code),
                },
            ),
        ]);
        assert_eq!(state.root(), expected);
        assert_eq!(state.storage(&contract, U256::MAX), U256::from(2));
        assert_eq!(state.storage(&contract, U256::from(9)), U256::ZERO);
    }

    #[test]
    fn recent_hashes_are_found_by_number() {
        let mut hashes = RecentHashes::default();
        for number in 0..300_u64 {
            hashes.push(number, B256::from(U256::from(number)));
        }
        assert_eq!(hashes.get(299), B256::from(U256::from(299)));
        assert_eq!(hashes.get(44), B256::from(U256::from(44)));
        assert_eq!(hashes.get(43), B256::ZERO);
        assert_eq!(hashes.get(300), B256::ZERO);
    }
}
