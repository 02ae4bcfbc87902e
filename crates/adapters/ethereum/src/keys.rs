//! Signing keys: where they are loaded from, and which of them belongs to an address.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
};

use alloy::{
    primitives::Address,
    signers::local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English},
};

use crate::options::{Keys, Keystore, Mnemonic};

/// More accounts of one mnemonic are taken for a mistake.
const MAX_MNEMONIC_ACCOUNTS: u32 = 1_000;

/// Why the keys of the options could not be loaded. Nothing secret is in these texts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The phrase is not a mnemonic, or too many accounts are wanted.
    #[error("invalid mnemonic: {0}")]
    Mnemonic(String),
    /// A file cannot be read.
    #[error("cannot read '{file}': {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A text is not a private key.
    #[error("{0} does not hold a private key of 64 hexadecimal digits")]
    NotAKey(String),
    /// A keystore cannot be opened: wrong password, or not a keystore.
    #[error("cannot open the keystore '{file}': {reason}")]
    Keystore {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The keys that a node can sign with.
#[derive(Default)]
pub struct Keyring {
    signers: HashMap<Address, PrivateKeySigner>,
    order: Vec<Address>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.order).finish()
    }
}

impl Keyring {
    /// Loads every key that the options name. Opening a keystore takes about a second of computing each, on purpose of
    /// its format.
    ///
    /// # Errors
    /// For the first source that cannot be used.
    pub fn load(keys: &Keys) -> Result<Self, Error> {
        let mut ring = Self::default();
        if let Some(mnemonic) = &keys.mnemonic {
            ring.add_mnemonic(mnemonic)?;
        }
        for file in &keys.files {
            let text = read(file)?;
            ring.add(parse_private(&text).ok_or_else(|| Error::NotAKey(format!("'{}'", file.display())))?);
        }
        for keystore in &keys.keystores {
            ring.add(open(keystore)?);
        }
        for (index, key) in keys.inline.iter().enumerate() {
            let signer = parse_private(key.expose());
            ring.add(signer.ok_or_else(|| Error::NotAKey(format!("inline key {index}")))?);
        }
        Ok(ring)
    }

    /// The addresses, in the order in which the options name them.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.order
    }

    /// The key of an address, when this node has it.
    #[must_use]
    pub fn signer(&self, address: &Address) -> Option<&PrivateKeySigner> {
        self.signers.get(address)
    }

    fn add(&mut self, signer: PrivateKeySigner) {
        let address = signer.address();
        if self.signers.insert(address, signer).is_none() {
            self.order.push(address);
        }
    }

    fn add_mnemonic(&mut self, mnemonic: &Mnemonic) -> Result<(), Error> {
        if mnemonic.count > MAX_MNEMONIC_ACCOUNTS {
            return Err(Error::Mnemonic(format!("at most {MAX_MNEMONIC_ACCOUNTS} accounts")));
        }
        for index in mnemonic.first..mnemonic.first.saturating_add(mnemonic.count) {
            let signer = MnemonicBuilder::<English>::default()
                .phrase(mnemonic.phrase.expose())
                .index(index)
                .and_then(|builder| builder.build())
                .map_err(|_| Error::Mnemonic("the phrase is not one of the English word list".to_owned()))?;
            self.add(signer);
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::Read { file: file.to_owned(), source })
}

fn open(keystore: &Keystore) -> Result<PrivateKeySigner, Error> {
    let password = read(&keystore.password_file)?;
    // Read first, so that a missing file is told apart from a wrong password.
    read(&keystore.file)?;
    PrivateKeySigner::decrypt_keystore(&keystore.file, password.trim())
        .map_err(|error| Error::Keystore { file: keystore.file.clone(), reason: error.to_string() })
}

fn parse_private(text: &str) -> Option<PrivateKeySigner> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let mut bytes = [0_u8; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    PrivateKeySigner::from_slice(&bytes).ok()
}

/// Reads an address as members write it: 40 hexadecimal digits in any case, `0x` optional.
#[must_use]
pub fn parse_address(text: &str) -> Option<Address> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let mut bytes = [0_u8; 20];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(Address::from(bytes))
}

/// The normal form of an address: `0x` and lower case.
#[must_use]
pub fn normal(address: &Address) -> String {
    format!("0x{}", hex::encode(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::options::Secret;

    const PHRASE: &str = "test test test test test test test test test test test junk";
    const FIRST: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    const FIRST_PRIVATE: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    fn mnemonic(first: u32, count: u32) -> Keys {
        Keys { mnemonic: Some(Mnemonic { phrase: Secret::new(PHRASE), first, count }), ..Keys::default() }
    }

    #[test]
    fn derives_the_well_known_accounts() {
        let ring = Keyring::load(&mnemonic(0, 2)).unwrap();
        let addresses: Vec<_> = ring.addresses().iter().map(normal).collect();
        assert_eq!(addresses, [FIRST, "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"]);
        let ring = Keyring::load(&mnemonic(1, 1)).unwrap();
        assert_eq!(normal(&ring.addresses()[0]), "0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
    }

    #[test]
    fn loads_files_and_inline_keys_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, format!("0x{FIRST_PRIVATE}\n")).unwrap();
        let keys = Keys { files: vec![file], inline: vec![Secret::new(FIRST_PRIVATE)], ..mnemonic(0, 1) };
        let ring = Keyring::load(&keys).unwrap();
        assert_eq!(ring.addresses().iter().map(normal).collect::<Vec<_>>(), [FIRST]);
        assert!(!format!("{ring:?}").contains(FIRST_PRIVATE));
    }

    #[test]
    fn opens_keystores_with_their_password_only() {
        // The example of the Web3 Secret Storage definition with PBKDF2; its password is "testpassword".
        let example = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
            "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
            "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
            "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
            "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
        let folder = tempfile::tempdir().unwrap();
        let keystore =
            Keystore { file: folder.path().join("store.json"), password_file: folder.path().join("password") };
        std::fs::write(&keystore.file, example).unwrap();
        std::fs::write(&keystore.password_file, "testpassword\n").unwrap();
        let keys = Keys { keystores: vec![keystore.clone()], ..Keys::default() };
        let ring = Keyring::load(&keys).unwrap();
        let expected = parse_private("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d").unwrap();
        assert_eq!(ring.addresses(), [expected.address()]);

        std::fs::write(&keystore.password_file, "other").unwrap();
        assert!(matches!(Keyring::load(&keys), Err(Error::Keystore { .. })));
        std::fs::remove_file(&keystore.file).unwrap();
        assert!(matches!(Keyring::load(&keys), Err(Error::Read { .. })));
    }

    #[test]
    fn says_which_key_is_wrong_without_showing_it() {
        let keys = Keys { inline: vec![Secret::new("ffff")], ..Keys::default() };
        let text = Keyring::load(&keys).unwrap_err().to_string();
        assert!(text.contains("inline key 0") && !text.contains("ffff"), "{text}");
        assert!(matches!(Keyring::load(&mnemonic(0, 1_001)), Err(Error::Mnemonic(_))));
        let keys = Keys {
            mnemonic: Some(Mnemonic { phrase: Secret::new("no words"), first: 0, count: 1 }),
            ..Keys::default()
        };
        assert!(matches!(Keyring::load(&keys), Err(Error::Mnemonic(_))));
    }

    #[test]
    fn reads_addresses_in_any_case() {
        for text in [FIRST, "F39fD6e51aad88F6F4ce6aB8827279cffFb92266", "0XF39FD6E51AAD88F6F4CE6AB8827279CFFFB92266"] {
            assert_eq!(parse_address(text).map(|address| normal(&address)).as_deref(), Some(FIRST), "{text}");
        }
        for text in
            ["", "0x", "0xf39fd6", "f39fd6e51aad88f6f4ce6ab8827279cfffb9226g", "0x0xf39fd6e51aad88f6f4ce6ab88272"]
        {
            assert_eq!(parse_address(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_read_back(bytes: [u8; 20], upper: bool) {
            let address = Address::from(bytes);
            let text = normal(&address);
            let text = if upper { text.to_uppercase() } else { text };
            prop_assert_eq!(parse_address(&text), Some(address));
        }

        #[test]
        fn reading_an_address_never_panics(text in ".{0,60}") {
            let _ = parse_address(&text);
        }
    }
}
