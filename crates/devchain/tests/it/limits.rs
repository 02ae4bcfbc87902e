//! What the chain refuses so that no client can harm the others.

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, Bytes, TxKind, U256};
use alloy::signers::local::PrivateKeySigner;
use photinus_devchain::{Chain, Error, Options};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::chains::{client, start};
use crate::contracts::{Ledger, data, deploy, ledger_bytecode};
use crate::rpc::{Socket, sign};

#[tokio::test]
async fn large_requests_are_refused() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    let (status, _) = client.post(vec![b' '; (8 << 20) + 1]).await;
    assert_eq!(status, 413);
    let batch = vec![json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}); 1001];
    let (_, text) = client.post(json!(batch).to_string()).await;
    assert!(text.contains("at most 1000"), "{text}");
    let (_, text) = client.post(json!(batch[..1000]).to_string()).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&text).unwrap().len(), 1000);
    let error = client.error("eth_sendRawTransaction", json!([Bytes::from(vec![2; 128 * 1024 + 1])])).await;
    assert!(error.message.contains("oversized data"), "{error:?}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (_, text) = client.post(deep).await;
    assert!(text.contains("error"), "{text}");
    let topics: Vec<_> = (0..1001_u64).map(|index| alloy::primitives::B256::from(U256::from(index))).collect();
    client.error("eth_getLogs", json!([{"topics": [topics]}])).await;
    chain.stop().await;
}

#[tokio::test]
async fn web_pages_of_other_sites_are_refused() {
    let chain = start(Options::default()).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let http = reqwest::Client::new();
    let post = async |name: &str, value: &str| {
        let request = http.post(chain.url()).header(name, value).body(body);
        let request = if name == "origin" { request.header("content-type", "application/json") } else { request };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(post("content-type", "application/json; charset=utf-8").await, 200);
    assert_eq!(post("content-type", "text/plain").await, 415);
    assert_eq!(post("x-nothing", "no content type").await, 415);
    assert_eq!(post("origin", "http://localhost:3000").await, 200);
    assert_eq!(post("origin", "https://example.com").await, 403);
    let upgrade = |origin: Option<&str>| {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest;
        let mut request = chain.ws_url().into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        tokio_tungstenite::connect_async(request)
    };
    assert!(upgrade(None).await.is_ok());
    assert!(upgrade(Some("http://127.0.0.1:8080")).await.is_ok());
    assert!(upgrade(Some("http://127.0.0.1.example.com")).await.is_err());
    chain.stop().await;
}

#[tokio::test]
async fn subscriptions_and_filters_are_counted() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    let mut socket = Socket::connect(&client.ws_url).await;
    for _ in 0..128 {
        socket.call("eth_subscribe", json!(["newHeads"])).await;
    }
    let refusal = socket.request("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(refusal["error"]["code"], -32005, "{refusal}");
    for _ in 0..1024 {
        client.call::<Value>("eth_newBlockFilter", json!([])).await;
    }
    let refusal = client.error("eth_newBlockFilter", json!([])).await;
    assert_eq!(refusal.code, -32005);
    chain.stop().await;
}

#[tokio::test]
async fn what_others_let_pass_is_refused() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    let error = client.error("eth_getLogs", json!([{"fromBlock": "0x5", "toBlock": "0x1"}])).await;
    assert_eq!((error.code, error.message.as_str()), (-32602, "invalid block range params"));
    let signer = PrivateKeySigner::random();
    let transfer =
        TxEip1559 { chain_id: 31337, gas_limit: 21_000, to: TxKind::Call(Address::ZERO), ..TxEip1559::default() };
    let raw = sign(transfer, &signer);
    let longer: Bytes = [raw.as_ref(), &[0]].concat().into();
    client.error("eth_sendRawTransaction", json!([longer])).await;
    client.send_raw(&raw).await;
    let error = client.error("eth_sendRawTransaction", json!([raw])).await;
    assert_eq!(error.message, "nonce too low: next nonce 1, tx nonce 0");
    let blobs = alloy::consensus::TxEip4844 { chain_id: 31337, nonce: 1, gas_limit: 21_000, ..Default::default() };
    let error = client.error("eth_sendRawTransaction", json!([sign(blobs, &signer)])).await;
    assert_eq!(error.message, "transaction type not supported");
    chain.stop().await;
}

#[tokio::test]
async fn a_full_pool_takes_only_what_can_be_mined() {
    let chain = start(Options { pool_limit: 3, ..Options::default() }).await;
    let client = client(&chain);
    let [from, other, to] = client.accounts().await[..3].try_into().unwrap();
    let send = |nonce: u64, from: Address| {
        let nonce = format!("{nonce:#x}");
        json!([{"from": from, "to": to, "nonce": nonce, "gas": "0x5208"}])
    };
    for nonce in 5..8 {
        client.call::<Value>("eth_sendTransaction", send(nonce, from)).await;
    }
    let error = client.error("eth_sendTransaction", send(9, other)).await;
    assert_eq!(error.message, "txpool is full");
    client.call::<Value>("eth_sendTransaction", send(0, other)).await;
    assert_eq!(client.nonce(other, "latest").await, 1);
    chain.stop().await;
}

#[tokio::test]
async fn an_endless_call_ends() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(0)).await;
    let burn = json!([{"to": contract, "data": data(&Ledger::burnCall {}), "gas": "0xffffffffffff"}, "latest"]);
    let error = client.error("eth_call", burn).await;
    assert_eq!((error.code, error.message.as_str()), (-32000, "out of gas"));
    chain.stop().await;
}

#[tokio::test]
async fn more_logs_than_an_answer_holds_are_refused_and_polled_in_parts() {
    let chain = start(Options::default()).await;
    let client = client(&chain);
    let from = client.accounts().await[0];
    let contract = deploy(&client, from, &ledger_bytecode(0)).await;
    let filter: Value = client.call("eth_newFilter", json!([{"address": contract}])).await;
    for round in 0..12_u64 {
        let many = Ledger::putManyCall { from: U256::from(round * 900), count: U256::from(900) };
        let gas = "0x1c9c380";
        client.send(json!({"from": from, "to": contract, "data": data(&many), "gas": gas})).await;
    }
    let all = json!([{"fromBlock": "0x0", "address": contract}]);
    let error = client.error("eth_getLogs", all).await;
    assert_eq!(error.code, -32005, "{error:?}");
    let mut polled = Vec::new();
    loop {
        let part: Vec<Value> = client.call("eth_getFilterChanges", json!([filter])).await;
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 10_000);
        polled.extend(part.into_iter().map(|log| log["topics"][2].clone()));
    }
    let expected: Vec<Value> =
        (0..12 * 900_u64).map(|key| json!(alloy::primitives::B256::from(U256::from(key)))).collect();
    assert_eq!(polled, expected);
    chain.stop().await;
}

#[tokio::test]
async fn a_base_fee_is_asked_for() {
    let chain = start(Options { base_fee: 7, ..Options::default() }).await;
    let client = client(&chain);
    let [from, to] = client.accounts().await[..2].try_into().unwrap();
    assert_eq!(client.call::<U256>("eth_gasPrice", json!([])).await, U256::from(7));
    let error = client.error("eth_sendTransaction", json!([{"from": from, "to": to, "gasPrice": "0x6"}])).await;
    assert!(error.message.contains("less than block base fee"), "{error:?}");
    let receipt = client.send(json!({"from": from, "to": to})).await;
    assert_eq!(receipt["effectiveGasPrice"], "0x7");
    // A call that offers nothing is not asked.
    client.call::<Bytes>("eth_call", json!([{"from": from, "to": to}, "latest"])).await;
    chain.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let chain = start(Options::default()).await;
    let port = chain.address().port();
    let error = Chain::start(Options { port, ..Options::default() }).await.unwrap_err();
    assert!(matches!(&error, Error::Listen { address, .. } if address.port() == port), "{error}");
    assert!(error.to_string().contains(&port.to_string()));
    chain.stop().await;
}

#[test]
fn whatever_is_sent_is_answered() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(start(Options::default()));
    let client = client(&chain);
    let methods = [
        "eth_sendRawTransaction",
        "eth_call",
        "eth_estimateGas",
        "eth_getLogs",
        "eth_getBlockByNumber",
        "eth_getStorageAt",
        "eth_feeHistory",
        "eth_getFilterChanges",
        "eth_sendTransaction",
    ];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<Vec<u8>>().prop_map(|bytes| json!(Bytes::from(bytes))),
        any::<[u8; 20]>().prop_map(|bytes| json!(Address::from(bytes))),
        any::<u64>().prop_map(|number| json!(format!("{number:#x}"))),
        prop_oneof![Just("latest"), Just("earliest"), Just("pending"), Just("0x"), Just("0x0"), Just("")]
            .prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let keys = prop_oneof![
        Just("from"),
        Just("to"),
        Just("data"),
        Just("input"),
        Just("gas"),
        Just("value"),
        Just("nonce"),
        Just("fromBlock"),
        Just("toBlock"),
        Just("topics"),
        Just("address"),
        Just("gasPrice"),
        Just("maxFeePerGas"),
        Just("blockHash"),
        Just("accessList"),
        Just("balance"),
        Just("code"),
        Just("state"),
    ];
    let value = scalar.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys.clone(), inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    });
    let request = (proptest::sample::select(methods.to_vec()), proptest::collection::vec(value, 0..4));
    proptest!(ProptestConfig::with_cases(400), |((method, params) in request)| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, text) = runtime.block_on(client.post(body.to_string()));
        prop_assert_eq!(status, 200);
        let answer: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(answer.get("result").is_some() != answer.get("error").is_some(), "{}", text);
        prop_assert!(answer["error"]["code"] != -32603, "{} answers {}", body, text);
    });
    runtime.block_on(chain.stop());
}
