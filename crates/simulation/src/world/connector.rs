//! One life's access to the ledger: keys, a journal, receipts that come until they are taken, and a stream.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use photinus_model::{pin::onchain, verifier};
use photinus_ports::{
    OperationRef,
    blockchain::{
        BatchPin, Blockchain, Error, KeyIntent, LedgerSink, Listen, Location, Outcome, PinEvent, Receipt, Subscription,
    },
    health::Health,
    journal::Journal,
};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Life, World,
    ledger::{CONTRACTS, Ledger, Sent, transaction_hash},
};

/// Access of one life of a member.
pub(crate) struct Connector {
    pub(crate) world: Arc<World>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) life: Arc<Life>,
    pub(crate) keys: Vec<String>,
    attached: Mutex<BTreeMap<String, Attached>>,
}

#[derive(Clone)]
struct Attached {
    journal: Arc<dyn Journal>,
    sink: Arc<dyn LedgerSink>,
}

fn unavailable(text: &str) -> Error {
    Error::Unavailable(text.to_owned())
}

fn dead() -> Error {
    unavailable("the member is gone")
}

/// Which of the contracts is at a location.
fn contract(location: &Map<String, Value>) -> Option<usize> {
    let address = location.get("address").and_then(Value::as_str)?;
    CONTRACTS.iter().position(|known| *known == address)
}

fn invalid(location: &Map<String, Value>) -> Error {
    Error::InvalidLocation(Value::Object(location.clone()).to_string())
}

impl Connector {
    pub(crate) fn new(world: &Arc<World>, ledger: &Arc<Ledger>, life: &Arc<Life>, keys: Vec<String>) -> Arc<Self> {
        let (world, ledger, life) = (Arc::clone(world), Arc::clone(ledger), Arc::clone(life));
        Arc::new(Self { world, ledger, life, keys, attached: Mutex::default() })
    }

    /// Lets go of a member whose life is over: it holds the connector, as the connector holds it.
    pub(crate) fn let_go(&self) {
        self.attached.lock().clear();
    }

    /// Text under which the ledger knows an operation: namespaces of different members have the same name.
    fn name(&self, operation: &OperationRef) -> String {
        format!("{}/{operation}", self.life.member)
    }

    /// Reports an operation until that is taken.
    fn report(&self, operation: OperationRef, to: Attached) {
        let (world, ledger, life) = (Arc::clone(&self.world), Arc::clone(&self.ledger), Arc::clone(&self.life));
        let name = self.name(&operation);
        tokio::spawn(async move {
            let reporting = async {
                let place = loop {
                    let seen = ledger.changes.seen();
                    if let (_, Some(place)) = ledger.operation(&name) {
                        break place;
                    }
                    ledger.changes.beyond(seen).await;
                };
                world.lasts(|weather| weather.sight.clone()).await;
                let request = json!({ "requestId": operation.to_string(), "type": "TransactionSuccess" });
                let output = Map::from_iter([
                    ("headers".to_owned(), request),
                    ("protocolId".to_owned(), Value::String(place.protocol_id())),
                    ("transactionHash".to_owned(), Value::String(transaction_hash(place))),
                ]);
                let id = operation.id;
                let transaction_hash = Some(transaction_hash(place));
                let receipt = Receipt { operation, outcome: Outcome::Succeeded, transaction_hash, output };
                if to.sink.receipt(receipt).await.is_ok() {
                    // An entry that stays is reported once more by the next start.
                    let _ = to.journal.write(vec![(id.as_bytes().to_vec(), None)]).await;
                }
            };
            life.until(reporting).await;
        });
    }

    async fn submit(&self, operation: &OperationRef, event: PinEvent, location: &Location) -> Result<(), Error> {
        let contract = contract(&location.0).ok_or_else(|| invalid(&location.0))?;
        let attached = self.attached.lock().get(&operation.namespace).cloned();
        let attached = attached.ok_or_else(|| unavailable("the namespace is not attached"))?;
        if !self.keys.contains(&event.signer) {
            return Err(Error::UnknownKey(event.signer));
        }
        if self.world.happens(|weather| weather.submission) {
            return Err(unavailable("no connection"));
        }
        let name = self.name(operation);
        self.world.note(&self.life, format_args!("submits {operation}"));
        let key = event.signer.clone();
        self.ledger.journal(&name, Sent { operation: Some(name.clone()), key, contract, logs: vec![event] });
        let entry = (operation.id.as_bytes().to_vec(), Some(Vec::new()));
        attached.journal.write(vec![entry]).await.map_err(|error| Error::Journal(error.to_string()))?;
        if self.world.happens(|weather| weather.submission) {
            return Err(unavailable("the connection broke before the transaction was sent"));
        }
        self.ledger.send_journalled(&name);
        self.report(operation.clone(), attached);
        if self.world.happens(|weather| weather.submission) {
            return Err(unavailable("the connection broke after the transaction was sent"));
        }
        Ok(())
    }
}

#[async_trait]
impl Blockchain for Connector {
    fn plugin_type(&self) -> &'static str {
        "ethereum"
    }

    fn verifier_type(&self) -> verifier::Type {
        verifier::Type::EthereumAddress
    }

    async fn attach(&self, namespace: &str, journal: Arc<dyn Journal>, sink: Arc<dyn LedgerSink>) -> Result<(), Error> {
        let attached = Attached { journal: Arc::clone(&journal), sink };
        self.attached.lock().insert(namespace.to_owned(), attached.clone());
        let entries = journal.scan(&[], None, usize::MAX).await.map_err(|error| Error::Journal(error.to_string()))?;
        for (key, _) in entries {
            let Ok(id) = uuid::Uuid::from_slice(&key) else { continue };
            let operation = OperationRef { namespace: namespace.to_owned(), id };
            self.ledger.send_journalled(&self.name(&operation));
            self.report(operation, attached.clone());
        }
        Ok(())
    }

    async fn detach(&self, namespace: &str) {
        self.attached.lock().remove(namespace);
    }

    async fn resolve_key(&self, key: &str, intent: KeyIntent) -> Result<String, Error> {
        if key.is_empty() {
            return Err(Error::MissingKey);
        }
        let digits = key.strip_prefix("0x").unwrap_or(key);
        if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::InvalidKey(key.to_owned()));
        }
        let key = format!("0x{}", digits.to_ascii_lowercase());
        if intent == KeyIntent::Sign && !self.keys.contains(&key) {
            return Err(Error::UnknownKey(key));
        }
        Ok(key)
    }

    fn normalize_location(&self, location: &Value) -> Result<Location, Error> {
        let known = location.as_object().and_then(contract);
        let index = known.ok_or_else(|| Error::InvalidLocation(location.to_string()))?;
        Ok(Location(Map::from_iter([("address".to_owned(), Value::String(CONTRACTS[index].to_owned()))])))
    }

    async fn network_version(&self, _location: &Location) -> Result<u8, Error> {
        if self.world.happens(|weather| weather.submission) {
            return Err(unavailable("no connection"));
        }
        Ok(2)
    }

    async fn submit_batch_pin(
        &self,
        operation: &OperationRef,
        key: &str,
        pin: &BatchPin,
        location: &Location,
    ) -> Result<(), Error> {
        let mut uuids = [0; 32];
        uuids[..16].copy_from_slice(pin.transaction.as_bytes());
        uuids[16..].copy_from_slice(pin.batch.as_bytes());
        let event = PinEvent {
            signer: key.to_owned(),
            action: onchain::ACTION_BATCH_PIN.to_owned(),
            uuids,
            batch_hash: *pin.batch_hash.as_bytes(),
            payload_ref: pin.payload_ref.clone(),
            contexts: pin.contexts.clone(),
        };
        self.life.bound(dead(), self.submit(operation, event, location)).await
    }

    async fn submit_network_action(
        &self,
        operation: &OperationRef,
        key: &str,
        action: &str,
        payload: &str,
        location: &Location,
    ) -> Result<(), Error> {
        let event = PinEvent {
            signer: key.to_owned(),
            action: format!("firefly:{action}"),
            uuids: [0; 32],
            batch_hash: [0; 32],
            payload_ref: payload.to_owned(),
            contexts: Vec::new(),
        };
        self.life.bound(dead(), self.submit(operation, event, location)).await
    }

    async fn listen(&self, listen: Listen) -> Result<Box<dyn Subscription>, Error> {
        if self.world.happens(|weather| weather.submission) {
            return Err(unavailable("no connection"));
        }
        let (world, ledger, life) = (Arc::clone(&self.world), Arc::clone(&self.ledger), Arc::clone(&self.life));
        let contract = contract(&listen.location.0).ok_or_else(|| invalid(&listen.location.0))?;
        let mut mark = ledger.mark(listen.cursor.as_ref(), listen.first);
        let over = CancellationToken::new();
        let (stop, sink) = (over.clone(), listen.sink);
        let task = tokio::spawn(async move {
            let streaming = async {
                loop {
                    let seen = ledger.changes.seen();
                    world.lasts(|weather| weather.sight.clone()).await;
                    let most = world.draw(|random| random.within(1..5));
                    match ledger.step(&mut mark, contract, most) {
                        Some(delivery) => {
                            let (from, to) = (delivery.retracted_from, delivery.cursor.block);
                            world.note(
                                &life,
                                format_args!("sees blocks up to {to} of contract {contract}, retracted {from:?}"),
                            );
                            if sink.deliver(delivery).await.is_err() {
                                return;
                            }
                        }
                        None => ledger.changes.beyond(seen).await,
                    }
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                _ = life.until(streaming) => {}
            }
        });
        Ok(Box::new(Stream { over, task: Mutex::new(Some(task)) }))
    }

    async fn operation_status(&self, operation: &OperationRef) -> Result<Option<Value>, Error> {
        let (known, place) = self.ledger.operation(&self.name(operation));
        Ok(known.then(|| json!({ "transactionHash": place.map(transaction_hash) })))
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

struct Stream {
    over: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[async_trait]
impl Subscription for Stream {
    fn id(&self) -> &'static str {
        "01a1f8ef-06b8-5734-09d9-17a2b11857d9"
    }

    async fn stop(&self) {
        self.over.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task {
            // It was told to end.
            let _ = task.await;
        }
    }
}
