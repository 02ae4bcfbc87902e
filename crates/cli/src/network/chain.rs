//! The chain under a local network: the embedded one, or somebody's JSON-RPC node.

use std::time::Duration;

use photinus_devchain::TEST_MNEMONIC;
use photinus_ethereum::{
    keys::Keyring,
    options::{Keys, Mnemonic, Options, Secret, Url},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{client::causes, stack::Account};
use crate::error::Error;

/// How long a chain may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The well-known development accounts, from this index on.
pub(crate) fn development(first: usize, count: usize) -> Result<Vec<Account>, Error> {
    let index = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    accounts(&Keys {
        mnemonic: Some(Mnemonic { phrase: Secret::new(TEST_MNEMONIC), first: index(first), count: index(count) }),
        ..Keys::default()
    })
}

/// Accounts that nobody else knows.
pub(crate) fn random(count: usize) -> Result<Vec<Account>, Error> {
    let inline = (0..count).map(|_| Secret::new(hex::encode(rand::random::<[u8; 32]>()))).collect();
    accounts(&Keys { inline, ..Keys::default() })
}

/// The account of a private key.
pub(crate) fn of_key(key: &str) -> Result<Account, Error> {
    let accounts = accounts(&Keys { inline: vec![Secret::new(key)], ..Keys::default() })?;
    accounts.into_iter().next().ok_or_else(|| Error::Deploy("there is no key".into()))
}

/// Deploys the multiparty contract, paid by the account of a private key. Returns the contract's address.
pub(crate) async fn deploy(url: &str, key: &str) -> Result<String, Error> {
    let payer = of_key(key)?.address;
    let options = Options {
        url: Url::new(url),
        keys: Keys { inline: vec![Secret::new(key)], ..Keys::default() },
        ..Options::default()
    };
    let deployed = photinus_ethereum::deploy(&options, &payer).await;
    deployed.map(|contract| contract.address).map_err(|error| Error::Deploy(format!("{error}; {payer} pays")))
}

fn accounts(keys: &Keys) -> Result<Vec<Account>, Error> {
    let ring = Keyring::load(keys).map_err(|error| Error::Deploy(error.to_string()))?;
    let account = |address| {
        let signer = ring.signer(address)?;
        let private_key = Some(format!("0x{}", hex::encode(signer.to_bytes())));
        Some(Account { address: format!("{address:#x}"), private_key })
    };
    Ok(ring.addresses().iter().filter_map(account).collect())
}

/// A JSON-RPC node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    http: reqwest::Client,
    url: String,
}

impl Node {
    pub(crate) fn new(http: reqwest::Client, url: impl Into<String>) -> Self {
        Self { http, url: url.into() }
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it answers.
    pub(crate) async fn answers(&self, deadline: Instant) -> Result<(), Error> {
        loop {
            match self.call("eth_chainId", json!([])).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Whether the first well-known development account owns ether there: then this is a chain for development.
    pub(crate) async fn is_for_development(&self) -> Result<bool, Error> {
        let Some(first) = development(0, 1)?.into_iter().next() else { return Ok(false) };
        let balance = self.call("eth_getBalance", json!([first.address, "latest"])).await?;
        Ok(balance.as_str().is_some_and(|hex| hex.trim_start_matches("0x").bytes().any(|digit| digit != b'0')))
    }

    /// Whether there is a contract at that address.
    pub(crate) async fn has_contract(&self, address: &str) -> Result<bool, Error> {
        let code = self.call("eth_getCode", json!([address, "latest"])).await?;
        Ok(code.as_str().is_some_and(|hex| hex.len() > 2))
    }

    async fn call(&self, method: &str, parameters: Value) -> Result<Value, Error> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters});
        let unreachable = |reason: String| Error::Unreachable { url: Url::new(&self.url).to_string(), reason };
        let sent = self.http.post(&self.url).timeout(ANSWER).json(&request).send().await;
        let response = sent.map_err(|error| unreachable(causes(&error.without_url())))?;
        let mut answer: Value = response.json().await.map_err(|error| unreachable(causes(&error.without_url())))?;
        match answer["error"]["message"].as_str() {
            Some(message) => Err(unreachable(format!("{method}: {message}"))),
            None => Ok(answer["result"].take()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accounts_are_those_that_everybody_knows() {
        let accounts = development(1, 2).unwrap();
        assert_eq!(accounts[0].address, "0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
        assert_eq!(
            accounts[0].private_key.as_deref(),
            Some("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
        );
        assert_eq!(of_key(accounts[1].private_key.as_ref().unwrap()).unwrap(), accounts[1]);
        let (one, other) = (random(2).unwrap(), random(2).unwrap());
        assert!(one.len() == 2 && one.iter().all(|account| !other.contains(account)));
    }
}
