//! What an operator decides about a ledger: where it is, who signs, how much is paid and how much certainty is wanted.

use std::{fmt, path::PathBuf};

use photinus_model::duration::Duration;
use serde::Deserialize;

/// A text that must not appear in logs or error messages.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The address of a JSON-RPC service. It may carry a password or an access token, so only its origin is ever shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Url(String);

impl Url {
    /// Wraps an address; it is parsed when the adapter starts.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole text, with whatever it carries.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match reqwest::Url::parse(&self.0) {
            Ok(url) => {
                write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
                url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Err(_) => f.write_str("(unreadable address)"),
        }
    }
}

/// A test mnemonic: accounts at `m/44'/60'/0'/0/<index>`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mnemonic {
    /// The words, separated by spaces.
    pub phrase: Secret,
    /// Index of the first account.
    #[serde(default)]
    pub first: u32,
    /// How many accounts, at most 1 000.
    #[serde(default = "one")]
    pub count: u32,
}

fn one() -> u32 {
    1
}

/// An encrypted key in the Web3 Secret Storage format, version 3.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keystore {
    /// The JSON file with the encrypted key.
    pub file: PathBuf,
    /// A file that holds the password; white space around it is ignored.
    pub password_file: PathBuf,
}

/// Where signing keys come from; all sources together make up what the node can sign with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Keys {
    /// Accounts of a mnemonic. For development: a phrase in a configuration file protects nothing.
    pub mnemonic: Option<Mnemonic>,
    /// Files that hold one private key each, as 64 hexadecimal digits, `0x` optional.
    pub files: Vec<PathBuf>,
    /// Encrypted keys.
    pub keystores: Vec<Keystore>,
    /// Private keys themselves, as in a key file. For programs that build these options, and for development.
    pub inline: Vec<Secret>,
}

/// How transactions are priced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FeeMode {
    /// By base fee and tip (EIP-1559) when the chain's blocks have a base fee, else by gas price.
    #[default]
    Auto,
    /// By gas price, as the chain suggests it.
    Legacy,
    /// Gas is free on this chain.
    Zero,
}

/// How transactions are priced, and when a waiting one is priced again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fees {
    /// The way of pricing.
    pub mode: FeeMode,
    /// Never offer more than this for a unit of gas, in wei. No limit by default.
    pub max_per_gas: Option<u64>,
    /// A suggested price is asked for again when it is older than this. 15 s by default.
    pub refresh: Duration,
    /// A transaction that others wait behind is offered at a higher price after this many blocks without being mined
    /// (6 by default) …
    pub replace_after_blocks: u64,
    /// … and after this time, whatever comes later. 30 s by default.
    pub replace_after: Duration,
    /// By how many percent a replacement raises the price, at least 10, which is what nodes insist on. 13 by default.
    pub raise_percent: u32,
}

impl Default for Fees {
    fn default() -> Self {
        Self {
            mode: FeeMode::Auto,
            max_per_gas: None,
            refresh: seconds(15),
            replace_after_blocks: 6,
            replace_after: seconds(30),
            raise_percent: 13,
        }
    }
}

/// How much gas a transaction may use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Gas {
    /// The same limit for every call, and no estimation. Not set by default.
    pub limit: Option<u64>,
    /// An estimate is multiplied by this many percent. 150 by default.
    pub estimate_percent: u32,
}

impl Default for Gas {
    fn default() -> Self {
        Self { limit: None, estimate_percent: 150 }
    }
}

/// Everything that an operator decides about one ledger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    /// JSON-RPC over HTTP: `http://…` or `https://…`. Needed.
    pub url: Url,
    /// JSON-RPC over WebSocket, `ws://…` or `wss://…`, of the same node: new blocks are pushed instead of polled.
    pub ws_url: Option<Url>,
    /// The chain must have this id, or nothing is sent and nothing is believed. Any by default.
    pub chain_id: Option<u64>,
    /// Blocks on top of the one that holds a transaction or a log before it counts. 0 by default, which suits chains
    /// that are final at once and development; a public chain needs more.
    pub confirmations: u64,
    /// Who signs.
    pub keys: Keys,
    /// What is paid.
    pub fees: Fees,
    /// How much gas is allowed.
    pub gas: Gas,
    /// How often the chain is asked for a new block when nothing pushes them. 250 ms by default.
    pub poll_interval: Duration,
    /// How often the chain is asked nevertheless when a WebSocket pushes blocks, to notice one that went silent.
    /// 5 s by default.
    pub heartbeat_interval: Duration,
    /// How often waiting transactions are looked at. 1 s by default.
    pub check_interval: Duration,
    /// A transaction that was not mined within this time is looked for on the chain. 2 s by default.
    pub stale_after: Duration,
    /// Transactions of one key that may wait to be mined; more wait in the node. 512 by default.
    pub max_in_flight: usize,
    /// Calls in one JSON-RPC batch; 1 for a service that does not take batches. 64 by default.
    pub max_rpc_batch: usize,
    /// Blocks in one request for logs. 500 by default; it adapts downwards when the service finds that too many.
    pub max_block_range: u64,
    /// A mined transaction is watched until this many blocks lie on top of it, and sent again when a reorganisation
    /// removes it. 64 by default.
    pub reorg_depth: u64,
    /// Finished operations that a namespace remembers, so that submitting one of them again sends nothing. 1 000 by
    /// default.
    pub remembered: usize,
    /// How long a connection may take. 5 s by default.
    pub connect_timeout: Duration,
    /// How long an answer may take. 30 s by default.
    pub request_timeout: Duration,
    /// The first wait after a failure; it doubles up to `max_backoff`, with jitter. 100 ms by default.
    pub min_backoff: Duration,
    /// The longest wait between attempts. 10 s by default.
    pub max_backoff: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: Url::new("http://127.0.0.1:8545"),
            ws_url: None,
            chain_id: None,
            confirmations: 0,
            keys: Keys::default(),
            fees: Fees::default(),
            gas: Gas::default(),
            poll_interval: millis(250),
            heartbeat_interval: seconds(5),
            check_interval: seconds(1),
            stale_after: seconds(2),
            max_in_flight: 512,
            max_rpc_batch: 64,
            max_block_range: 500,
            reorg_depth: 64,
            remembered: 1_000,
            connect_timeout: seconds(5),
            request_timeout: seconds(30),
            min_backoff: millis(100),
            max_backoff: seconds(10),
        }
    }
}

const fn seconds(count: u64) -> Duration {
    Duration(std::time::Duration::from_secs(count))
}

const fn millis(count: u64) -> Duration {
    Duration(std::time::Duration::from_millis(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options_and_hides_secrets() {
        let text = r#"{
            "url": "https://user:pass@rpc.example:8545/v3/token",
            "wsUrl": "wss://rpc.example/v3/token",
            "confirmations": 12,
            "keys": {"mnemonic": {"phrase": "test junk", "count": 3}, "inline": ["0xabc123"]},
            "fees": {"mode": "legacy", "replaceAfter": "1m"},
            "pollInterval": 500
        }"#;
        let options: Options = serde_json::from_str(text).unwrap();
        assert_eq!(options.confirmations, 12);
        assert_eq!(options.fees.mode, FeeMode::Legacy);
        assert_eq!(options.fees.replace_after, seconds(60));
        assert_eq!(options.poll_interval, millis(500));
        assert_eq!(options.request_timeout, seconds(30));
        let shown = format!("{options:?}");
        for secret in ["pass", "token", "junk", "abc123"] {
            assert!(!shown.contains(secret), "'{secret}' is shown in {shown}");
        }
        assert!(shown.contains("https://rpc.example:8545"));
    }

    #[test]
    fn refuses_unknown_options() {
        assert!(serde_json::from_str::<Options>(r#"{"confirmation": 1}"#).is_err());
    }
}
