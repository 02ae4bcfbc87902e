//! A plain JSON-RPC client, so that what is checked is what is on the wire.

use std::collections::VecDeque;
use std::time::Duration;

use alloy::consensus::{SignableTransaction, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, Signature, U64};
use alloy::rpc::types::Block;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use futures::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a condition may take to come true.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// An error as it came over the wire.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// JSON-RPC over HTTP.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) ws_url: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(url: String, ws_url: String) -> Self {
        Self { url, ws_url, http: reqwest::Client::new() }
    }

    /// Sends a body as it is and returns status and text.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn try_call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let (status, text) = self.post(body.to_string()).await;
        assert_eq!(status, 200, "{method}: {text}");
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{text}");
        match answer.get_mut("error") {
            Some(error) => Err(serde_json::from_value(error.take()).unwrap()),
            None => {
                let result = answer.get_mut("result").unwrap_or_else(|| panic!("{method}: {text}")).take();
                Ok(serde_json::from_value(result).unwrap_or_else(|error| panic!("{method}: {error}: {text}")))
            }
        }
    }

    pub(crate) async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> T {
        let shown = params.to_string();
        self.try_call(method, params).await.unwrap_or_else(|error| panic!("{method} {shown}: {error:?}"))
    }

    pub(crate) async fn error(&self, method: &str, params: Value) -> RpcError {
        let shown = params.to_string();
        match self.try_call::<Value>(method, params).await {
            Err(error) => error,
            Ok(result) => panic!("{method} {shown} answers {result}"),
        }
    }

    pub(crate) async fn block_number(&self) -> u64 {
        self.call::<U64>("eth_blockNumber", json!([])).await.to()
    }

    pub(crate) async fn nonce(&self, address: Address, block: &str) -> u64 {
        self.call::<U64>("eth_getTransactionCount", json!([address, block])).await.to()
    }

    pub(crate) async fn accounts(&self) -> Vec<Address> {
        self.call("eth_accounts", json!([])).await
    }

    /// Waits until a transaction is in a block.
    pub(crate) async fn receipt(&self, hash: B256) -> Value {
        let found = async {
            loop {
                let receipt: Value = self.call("eth_getTransactionReceipt", json!([hash])).await;
                if !receipt.is_null() {
                    return receipt;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("{hash} is in no block"))
    }

    /// Sends with a development account, waits for the block and returns the receipt.
    pub(crate) async fn send(&self, transaction: Value) -> Value {
        let hash = self.call("eth_sendTransaction", json!([transaction])).await;
        self.receipt(hash).await
    }

    pub(crate) async fn send_raw(&self, raw: &Bytes) -> Value {
        let hash = self.call("eth_sendRawTransaction", json!([raw])).await;
        self.receipt(hash).await
    }
}

/// Reads a typed value, or shows what is none.
pub(crate) fn from_value<T: serde::de::DeserializeOwned>(value: Value) -> T {
    let shown = value.to_string();
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}: {shown}"))
}

/// A block by number or tag.
pub(crate) async fn block(client: &Client, id: &str, full: bool) -> Block {
    client.call("eth_getBlockByNumber", json!([id, full])).await
}

/// Signs any kind of transaction.
pub(crate) fn sign<T>(transaction: T, signer: &PrivateKeySigner) -> Bytes
where
    T: SignableTransaction<Signature>,
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

/// JSON-RPC over WebSocket.
pub(crate) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    notifications: VecDeque<Value>,
    answers: VecDeque<Value>,
    next_id: u64,
}

impl Socket {
    pub(crate) async fn connect(url: &str) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self { socket, notifications: VecDeque::new(), answers: VecDeque::new(), next_id: 1 }
    }

    pub(crate) async fn send_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn read(&mut self) {
        let message = tokio::time::timeout(DEADLINE, self.socket.next()).await.expect("a message in time");
        match message.expect("an open socket").unwrap() {
            Message::Text(text) => {
                let value: Value = serde_json::from_str(&text).unwrap();
                if value["method"] == "eth_subscription" {
                    self.notifications.push_back(value["params"].clone());
                } else {
                    self.answers.push_back(value);
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// The next answer to any request.
    pub(crate) async fn answer(&mut self) -> Value {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return answer;
            }
            self.read().await;
        }
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params});
        self.send_text(request.to_string()).await;
        let answer = self.answer().await;
        assert_eq!(answer["id"], self.next_id, "{answer}");
        answer
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.request(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// The next notification of any subscription: its identifier and its content.
    pub(crate) async fn notification(&mut self) -> (Value, Value) {
        loop {
            if let Some(mut params) = self.notifications.pop_front() {
                return (params["subscription"].take(), params["result"].take());
            }
            self.read().await;
        }
    }

    /// Asks something and waits for the answer; whatever was notified before that is returned.
    pub(crate) async fn drain(&mut self) -> Vec<Value> {
        self.call("eth_chainId", json!([])).await;
        self.notifications.drain(..).collect()
    }

    /// Waits until the other side has closed.
    pub(crate) async fn closed(mut self) {
        let end = async {
            while let Some(Ok(message)) = self.socket.next().await {
                if message.is_close() {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, end).await.expect("closed in time");
    }
}
