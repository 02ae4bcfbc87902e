//! Calls to the chain's JSON-RPC service: over HTTP, bounded in time, several in one request where that saves turns.
//!
//! Answers are read into types of our own that hold only what this crate needs, so that chains with unusual blocks and
//! receipts are understood too.

mod error;
mod types;

use std::{borrow::Cow, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, U64, U256},
    pubsub::RawSubscription,
    rpc::client::RpcClient,
    transports::ws::WsConnect,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub(crate) use error::{Error, SendFailure};
pub(crate) use types::{Call, Header, Log, Receipt};

use crate::options::{Options, Url};

/// New blocks that may wait in memory while an earlier one is worked on; when more come, the next poll finds them.
const PUSHED_BLOCKS: usize = 1_024;

/// The JSON-RPC service of one chain.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: RpcClient,
    timeout: Duration,
    connect_timeout: Duration,
    max_batch: usize,
}

/// Why the address of the service cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It does not parse, or has the wrong scheme.
    #[error("'{url}' is not an address of the form {expected}")]
    Invalid {
        /// The origin of what was given.
        url: Url,
        /// What it should look like.
        expected: &'static str,
    },
    /// The HTTP client cannot be built, for lack of trusted certificates for example.
    #[error("cannot set up HTTP: {0}")]
    Http(String),
}

/// Checks the address of a WebSocket service.
pub(crate) fn check_ws(url: &Url) -> Result<(), AddressError> {
    parse(url, ["ws", "wss"], "ws://host:port").map(drop)
}

fn parse(url: &Url, schemes: [&str; 2], expected: &'static str) -> Result<reqwest::Url, AddressError> {
    reqwest::Url::parse(url.expose())
        .ok()
        .filter(|parsed| schemes.contains(&parsed.scheme()) && parsed.has_host())
        .ok_or_else(|| AddressError::Invalid { url: url.clone(), expected })
}

impl Client {
    pub(crate) fn new(options: &Options) -> Result<Self, AddressError> {
        let url = parse(&options.url, ["http", "https"], "http://host:port")?;
        let http = reqwest::Client::builder()
            .connect_timeout(options.connect_timeout.0)
            .timeout(options.request_timeout.0)
            .build()
            .map_err(|error| AddressError::Http(error.without_url().to_string()))?;
        Ok(Self {
            http: RpcClient::new_http_with_client(http, url),
            timeout: options.request_timeout.0,
            connect_timeout: options.connect_timeout.0,
            max_batch: options.max_rpc_batch.max(1),
        })
    }

    async fn call<P, R>(&self, method: &'static str, params: P) -> Result<R, Error>
    where
        P: Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin + 'static,
        R: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        match tokio::time::timeout(self.timeout, self.http.request::<P, R>(method, params)).await {
            Ok(answer) => answer.map_err(Error::from),
            Err(_) => Err(Error::timeout()),
        }
    }

    /// Several calls in as few requests as possible; the answers come in the order of the calls.
    async fn calls<R>(&self, calls: Vec<(&'static str, Value)>) -> Vec<Result<R, Error>>
    where
        R: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        let mut answers = Vec::with_capacity(calls.len());
        for chunk in calls.chunks(self.max_batch) {
            if let [(method, params)] = chunk {
                answers.push(self.call(method, params.clone()).await);
                continue;
            }
            let mut batch = self.http.new_batch();
            let waiting: Vec<_> = chunk
                .iter()
                .map(|(method, params)| batch.add_call::<Value, R>(Cow::Borrowed(*method), params))
                .collect();
            match tokio::time::timeout(self.timeout, batch.send()).await {
                Ok(Ok(())) => {
                    for waiter in waiting {
                        answers.push(match waiter {
                            Ok(waiter) => waiter.await.map_err(Error::from),
                            Err(error) => Err(error.into()),
                        });
                    }
                }
                Ok(Err(error)) => {
                    let error = Error::from(error);
                    answers.extend(chunk.iter().map(|_| Err(error.clone())));
                }
                Err(_) => answers.extend(chunk.iter().map(|_| Err(Error::timeout()))),
            }
        }
        answers
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, Error> {
        Ok(self.call::<_, U64>("eth_chainId", ()).await?.to())
    }

    /// The newest block.
    pub(crate) async fn latest(&self) -> Result<Header, Error> {
        self.call::<_, Option<Header>>("eth_getBlockByNumber", ("latest", false)).await?.ok_or_else(Error::null)
    }

    pub(crate) async fn block_by_hash(&self, hash: B256) -> Result<Option<Header>, Error> {
        self.call("eth_getBlockByHash", (hash, false)).await
    }

    /// Blocks by number; `None` for those that the chain does not have.
    pub(crate) async fn blocks(&self, numbers: impl Iterator<Item = u64>) -> Result<Vec<Option<Header>>, Error> {
        let calls = numbers.map(|number| ("eth_getBlockByNumber", json!([quantity(number), false]))).collect();
        self.calls(calls).await.into_iter().collect()
    }

    /// The logs that a contract wrote under a topic, for each of some blocks.
    pub(crate) async fn logs_of_blocks(
        &self,
        blocks: &[B256],
        address: Address,
        topic: B256,
    ) -> Result<Vec<Vec<Log>>, Error> {
        let filter = |hash| json!([{"address": address, "topics": [topic], "blockHash": hash}]);
        self.calls(blocks.iter().map(|hash| ("eth_getLogs", filter(hash))).collect()).await.into_iter().collect()
    }

    /// The logs that a contract wrote under a topic in a range of blocks, both ends included.
    pub(crate) async fn logs_in_range(
        &self,
        from: u64,
        to: u64,
        address: Address,
        topic: B256,
    ) -> Result<Vec<Log>, Error> {
        let filter =
            json!([{"address": address, "topics": [topic], "fromBlock": quantity(from), "toBlock": quantity(to)}]);
        self.call("eth_getLogs", filter).await
    }

    /// The receipts of all transactions of each of some blocks; `None` for a block that the chain does not have.
    pub(crate) async fn block_receipts(&self, blocks: &[B256]) -> Result<Vec<Option<Vec<Receipt>>>, Error> {
        let calls = blocks.iter().map(|hash| ("eth_getBlockReceipts", json!([hash]))).collect();
        self.calls(calls).await.into_iter().collect()
    }

    /// The receipts of some transactions; `None` for those that are not mined.
    pub(crate) async fn receipts(&self, hashes: &[B256]) -> Result<Vec<Option<Receipt>>, Error> {
        let calls = hashes.iter().map(|hash| ("eth_getTransactionReceipt", json!([hash]))).collect();
        self.calls(calls).await.into_iter().collect()
    }

    /// Which of some transactions the chain knows, mined or waiting.
    pub(crate) async fn known(&self, hashes: &[B256]) -> Result<Vec<bool>, Error> {
        let calls = hashes.iter().map(|hash| ("eth_getTransactionByHash", json!([hash]))).collect();
        self.calls::<Option<types::Ignored>>(calls)
            .await
            .into_iter()
            .map(|answer| answer.map(|transaction| transaction.is_some()))
            .collect()
    }

    /// How many transactions of an address are mined, and how many the chain would mine of those that it has.
    pub(crate) async fn transaction_counts(&self, address: Address) -> Result<(u64, u64), Error> {
        let count = |tag| ("eth_getTransactionCount", json!([address, tag]));
        let mut answers = self.calls::<U64>(vec![count("latest"), count("pending")]).await.into_iter();
        match (answers.next(), answers.next()) {
            (Some(mined), Some(pending)) => Ok((mined?.to(), pending?.to())),
            _ => Err(Error::null()),
        }
    }

    pub(crate) async fn gas_price(&self) -> Result<u128, Error> {
        saturate(self.call("eth_gasPrice", ()).await?)
    }

    pub(crate) async fn tip(&self) -> Result<u128, Error> {
        saturate(self.call("eth_maxPriorityFeePerGas", ()).await?)
    }

    pub(crate) async fn estimate_gas(&self, call: &Call) -> Result<u64, Error> {
        Ok(self.call::<_, U64>("eth_estimateGas", (call.clone(),)).await?.to())
    }

    /// A read-only call, on the state after block `block` or the newest.
    pub(crate) async fn execute(&self, call: &Call, block: Option<u64>) -> Result<Bytes, Error> {
        let block = block.map_or_else(|| "latest".to_owned(), quantity);
        self.call("eth_call", (call.clone(), block)).await
    }

    pub(crate) async fn code(&self, address: Address) -> Result<Bytes, Error> {
        self.call("eth_getCode", (address, "latest")).await
    }

    /// Hands signed transactions to the chain, in this order.
    pub(crate) async fn send(&self, transactions: &[Bytes]) -> Vec<Result<B256, Error>> {
        self.calls(transactions.iter().map(|raw| ("eth_sendRawTransaction", json!([raw]))).collect()).await
    }

    /// Opens a WebSocket and asks for new blocks. The connection closes when the value is dropped.
    pub(crate) async fn subscribe(&self, url: &Url) -> Result<NewBlocks, Error> {
        let open = async {
            let connect = WsConnect::new(url.expose()).with_max_retries(0);
            let client = RpcClient::connect_pubsub(connect).await?;
            client.set_channel_size(PUSHED_BLOCKS);
            let mut request = client.request::<_, B256>("eth_subscribe", ("newHeads",));
            request.set_is_subscription();
            let id = request.await?;
            let frontend = client.pubsub_frontend().ok_or_else(Error::null)?;
            let feed = frontend.get_subscription(id).await?;
            Ok(NewBlocks { feed, _connection: client })
        };
        tokio::time::timeout(self.connect_timeout, open).await.unwrap_or_else(|_| Err(Error::timeout()))
    }
}

/// The blocks that a WebSocket pushes.
#[derive(Debug)]
pub(crate) struct NewBlocks {
    feed: RawSubscription,
    _connection: RpcClient,
}

/// What a WebSocket has to say.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// A new block.
    Block(Header),
    /// Something came that was not understood, or too much at once: ask.
    Unclear,
    /// The connection is gone.
    Closed,
}

impl NewBlocks {
    pub(crate) async fn next(&mut self) -> Pushed {
        use tokio::sync::broadcast::error::RecvError;
        match self.feed.recv().await {
            Ok(text) => serde_json::from_str(text.get()).map_or(Pushed::Unclear, Pushed::Block),
            Err(RecvError::Lagged(_)) => Pushed::Unclear,
            Err(RecvError::Closed) => Pushed::Closed,
        }
    }
}

fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

fn saturate(price: U256) -> Result<u128, Error> {
    Ok(price.saturating_to())
}
