//! A network on the embedded chain moves on to its next multiparty contract.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use photinus_devchain::{Chain, Options, TEST_MNEMONIC};
use photinus_engine::Namespace;
use photinus_ethereum::{
    Ethereum,
    options::{Keys, Mnemonic, Secret, Url},
};
use photinus_model::Uuid;
use photinus_ports::{
    OperationRef,
    blockchain::{Blockchain, Delivery, LedgerSink, Receipt, SinkClosed},
    journal::{Entry, Journal, JournalError},
};
use serde_json::json;

use crate::network::{DEADLINE, broadcast, configurations, deploy, message_events, running, start};

/// A journal in memory.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

#[async_trait]
impl Journal for Memory {
    async fn write(&self, entries: Vec<Entry>) -> Result<(), JournalError> {
        let mut rows = self.0.lock();
        for (key, value) in entries {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        let rows = self.0.lock();
        let wanted =
            rows.iter().filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_slice() > after));
        Ok(wanted.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// Takes nothing in.
struct Deaf;

#[async_trait]
impl LedgerSink for Deaf {
    async fn deliver(&self, _: Delivery) -> Result<(), SinkClosed> {
        Ok(())
    }

    async fn receipt(&self, _: Receipt) -> Result<(), SinkClosed> {
        Ok(())
    }
}

/// Sends a termination from the key of the member with this index, as a node of another make would. What sends it must live
/// until it is mined.
async fn terminate(chain: &str, index: u32, contract: &str) -> Ethereum {
    let mnemonic = Mnemonic { phrase: Secret::new(TEST_MNEMONIC), first: index, count: 1 };
    let keys = Keys { mnemonic: Some(mnemonic), ..Keys::default() };
    let options = photinus_ethereum::Options { url: Url::new(chain), keys, ..photinus_ethereum::Options::default() };
    let ledger = Ethereum::start(options).await.unwrap();
    ledger.attach("other", Arc::new(Memory::default()), Arc::new(Deaf)).await.unwrap();
    let operation = OperationRef { namespace: "other".to_owned(), id: Uuid::from_u128(1) };
    let location = ledger.normalize_location(&json!({ "address": contract })).unwrap();
    let key = ledger.addresses().remove(0);
    let sent = async {
        while let Err(error) = ledger.submit_network_action(&operation, &key, "terminate", "", &location).await {
            assert!(error.is_retryable(), "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, sent).await.expect("the termination is sent");
    ledger
}

async fn until_on(namespace: &Namespace, index: usize) {
    let waiting = async {
        loop {
            let active = namespace.multiparty_status().await.unwrap().contracts.active;
            if active.contract.index == index && active.status == "synced" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("the next contract is taken up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_move_on_together() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::start(Options { port: 0, ..Options::default() }).await.unwrap();
    let mut settings = configurations(folder.path(), &chain).await;
    let (next, _) = deploy(&chain.url()).await;
    let first = settings[0]["namespaces"]["predefined"][0]["multiparty"]["contract"][0]["location"]["address"].clone();
    for settings in &mut settings {
        let contracts = &mut settings["namespaces"]["predefined"][0]["multiparty"]["contract"];
        contracts.as_array_mut().unwrap().push(json!({ "location": { "address": next }, "firstEvent": "newest" }));
    }
    let mut nodes = Vec::new();
    for settings in &settings[..2] {
        nodes.push(start(settings).await);
    }
    let namespaces = [running(&nodes[0]).await, running(&nodes[1]).await];
    for namespace in &namespaces {
        namespace.register_organization(Some(DEADLINE)).await.unwrap();
        namespace.register_node(Some(DEADLINE)).await.unwrap();
    }
    broadcast(&namespaces[0], "t", "before").await;
    let sender = terminate(&chain.url(), 1, first.as_str().unwrap()).await;
    for namespace in &namespaces {
        until_on(namespace, 1).await;
        broadcast(namespace, "t", "after").await;
    }
    sender.stop().await;
    let expected = message_events(&namespaces[0], 7).await;
    assert!(expected.iter().all(|(kind, ..)| kind == "message_confirmed"), "{expected:?}");
    assert_eq!(message_events(&namespaces[1], 7).await, expected);

    // One that was never there follows both contracts from the beginning.
    let late = start(&settings[2]).await;
    let namespace = running(&late).await;
    until_on(&namespace, 1).await;
    // Between topics there is no order that members share.
    let of_topic = |events: &[(String, String, String)]| -> Vec<_> {
        events.iter().filter(|(_, topic, _)| topic == "t").cloned().collect()
    };
    assert_eq!(of_topic(&message_events(&namespace, 7).await), of_topic(&expected));
    nodes.push(late);
    for node in nodes {
        node.stop().await;
    }
    chain.stop().await;
}
