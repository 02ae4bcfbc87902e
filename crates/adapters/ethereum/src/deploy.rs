//! Creating the multiparty contract on a chain, for whoever sets a network up.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    AddressError,
    chain::Chain,
    contract, fees,
    keys::{self, Keyring},
    options::Options,
    pin::hex0x,
    rpc::{self, Call, Client},
    submission::{Draft, Prices},
};

/// How long a deployment may take to be mined.
const MINED_WITHIN: Duration = Duration::from_secs(120);

/// A contract that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its address, `0x` and lower case.
    pub address: String,
    /// Hash of the transaction that created it, `0x` and lower case.
    pub transaction_hash: String,
    /// The block that holds that transaction; the contract has no logs before it.
    pub block: u64,
}

/// Why there is no contract.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain's address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The keys cannot be loaded.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// There is no private key for the account that should deploy.
    #[error("no private key for '{0}' is available")]
    UnknownKey(String),
    /// The compiled contract is damaged.
    #[error(transparent)]
    Contract(#[from] contract::Unusable),
    /// The chain did not answer, or refused.
    #[error("{action}: {reason}")]
    Chain {
        /// What was tried.
        action: &'static str,
        /// What the chain said.
        reason: String,
    },
    /// The transaction was mined and created nothing.
    #[error("the chain executed the deployment {0}, and it failed")]
    Reverted(String),
    /// The transaction is not mined yet.
    #[error("the deployment {0} was not mined within {MINED_WITHIN:?}")]
    Pending(String),
}

fn failed(action: &'static str) -> impl Fn(rpc::Error) -> Error {
    move |error| Error::Chain { action, reason: error.to_string() }
}

/// Creates the multiparty contract, signed by `key` (an address whose private key the options give), and waits until it is
/// mined.
///
/// # Errors
/// When the chain cannot be reached or refuses, when there is no such key, and when it takes longer than two minutes.
pub async fn deploy(options: &Options, key: &str) -> Result<Deployed, Error> {
    let client = Client::new(options)?;
    let unknown = || Error::UnknownKey(key.to_owned());
    let keyring = Keyring::load(&options.keys)?;
    let from = keys::parse_address(key).ok_or_else(unknown)?;
    let signer = keyring.signer(&from).ok_or_else(unknown)?;
    let input = contract::bytecode()?;

    let chain_id = client.chain_id().await.map_err(failed("cannot ask for the chain's id"))?;
    Chain::new(1)
        .identify(chain_id, options.chain_id)
        .map_err(|reason| Error::Chain { action: "this is another chain", reason })?;
    let call = Call { from: Some(from), to: None, input: input.clone(), gas: None };
    let estimate = client.estimate_gas(&call).await.map_err(failed("cannot estimate the deployment"))?;
    let gas = estimate.saturating_mul(u64::from(options.gas.estimate_percent.max(100))) / 100;
    let (_, nonce) = client.transaction_counts(from).await.map_err(failed("cannot ask for the account's nonce"))?;
    let prices = Prices::new(Chain::new(1).into(), client.clone(), options.fees.mode, options.fees.refresh.0);
    let market = prices.market().await.map_err(failed("cannot ask for the price of gas"))?;
    let draft = Draft { nonce, to: None, input, gas, price: fees::price(&options.fees, &market) };
    let (hash, raw) = draft
        .sign(signer, chain_id)
        .map_err(|error| Error::Chain { action: "cannot sign the deployment", reason: error.to_string() })?;
    for answer in client.send(&[raw]).await {
        answer.map_err(failed("the chain refuses the deployment"))?;
    }
    let until = Instant::now() + MINED_WITHIN;
    loop {
        let receipts = client.receipts(&[hash]).await.map_err(failed("cannot ask for the deployment"))?;
        if let Some(receipt) = receipts.into_iter().flatten().next() {
            return match receipt.contract_address {
                Some(address) if receipt.status == Some(1) => Ok(Deployed {
                    address: keys::normal(&address),
                    transaction_hash: hex0x(hash),
                    block: receipt.block_number,
                }),
                _ => Err(Error::Reverted(hex0x(hash))),
            };
        }
        if Instant::now() >= until {
            return Err(Error::Pending(hex0x(hash)));
        }
        // Chains for development have it at once.
        tokio::time::sleep(options.poll_interval.0.min(Duration::from_millis(50))).await;
    }
}
