//! A ledger in memory: every member pins to it and reads it, in one order.
//!
//! Each accepted pin is a block of its own. Submissions are journalled before they are accepted, repeated ones send nothing
//! twice, and receipts come until they are taken, also to a member that crashed in between. A test can hold blocks back, make
//! submissions fail, and put logs on the ledger that no honest member would.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use parking_lot::Mutex;
use photinus_model::{Time, pin::onchain, verifier};
use photinus_ports::{
    OperationRef,
    blockchain::{
        BatchPin, Blockchain, Cursor, Delivery, Error, KeyIntent, LedgerSink, Listen, Location, Log, Outcome, PinEvent,
        Position, Receipt, Subscription,
    },
    clock::{self, Clock},
    health::Health,
    journal::Journal,
};
use serde_json::{Map, Value, json};
use tokio::{sync::watch, task::JoinHandle};

/// Where the first contract of this ledger is.
pub const CONTRACT: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
/// Where the contract is that a network may move on to.
pub const NEXT_CONTRACT: &str = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512";

/// The chain that all members share.
pub struct Ledger {
    state: Mutex<State>,
    /// What members see.
    shown: watch::Sender<Shown>,
}

/// How far the chain is shown, and how often it was forked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown {
    height: u64,
    forks: usize,
}

#[derive(Default)]
struct State {
    blocks: Vec<Block>,
    /// The first block of each fork that took the place of what was shown.
    forks: Vec<u64>,
    /// Blocks from here on are mined and not shown yet.
    held_from: Option<u64>,
    failing: Option<String>,
    /// Operations by namespace-independent text, and the block that they are in.
    operations: HashMap<String, u64>,
}

#[derive(Clone)]
struct Block {
    contract: String,
    pin: PinEvent,
    mined: Time,
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), shown: watch::Sender::default() })
    }

    /// A member's access to it, with the private keys that the member holds.
    #[must_use]
    pub fn member(self: &Arc<Self>, name: &str, keys: &[&str]) -> Arc<Member> {
        Arc::new(Member {
            ledger: Arc::clone(self),
            name: name.to_owned(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            attached: Mutex::default(),
            clinging: Arc::default(),
        })
    }

    /// Puts a log of the first contract on the ledger that came from no member's node.
    pub fn inject(&self, pin: PinEvent) {
        self.inject_at(CONTRACT, pin);
    }

    /// As [`Ledger::inject`], of the contract at this address.
    pub fn inject_at(&self, contract: &str, pin: PinEvent) {
        let mut state = self.state.lock();
        state.blocks.push(Block { contract: contract.to_owned(), pin, mined: clock::System.now() });
        self.show(&state);
    }

    /// Puts these logs of the first contract in the place of all blocks from `from` on, as a chain does that is reorganised.
    /// Receipts that were given stay given.
    pub fn fork(&self, from: u64, pins: Vec<PinEvent>) {
        let mut state = self.state.lock();
        let kept = usize::try_from(from).unwrap_or(usize::MAX).saturating_sub(1);
        state.blocks.truncate(kept);
        state.blocks.extend(pins.into_iter().map(|pin| Block {
            contract: CONTRACT.to_owned(),
            pin,
            mined: clock::System.now(),
        }));
        state.forks.push(from);
        self.show(&state);
    }

    /// Mined blocks are shown to nobody until [`Ledger::release`].
    pub fn hold(&self) {
        let mut state = self.state.lock();
        let height = state.blocks.len() as u64;
        state.held_from.get_or_insert(height);
    }

    /// Shows everything.
    pub fn release(&self) {
        let mut state = self.state.lock();
        state.held_from = None;
        self.show(&state);
    }

    /// Every submission and every new stream fails with this text from now on, as if the chain could not be reached; `None`
    /// ends that. Streams that run go on.
    pub fn fail_submissions(&self, text: Option<&str>) {
        self.state.lock().failing = text.map(str::to_owned);
    }

    /// Every pin on the ledger with the address of its contract, in order.
    #[must_use]
    pub fn pins_by_contract(&self) -> Vec<(String, PinEvent)> {
        self.state.lock().blocks.iter().map(|block| (block.contract.clone(), block.pin.clone())).collect()
    }

    /// Every pin on the ledger, in order.
    #[must_use]
    pub fn pins(&self) -> Vec<PinEvent> {
        self.state.lock().blocks.iter().map(|block| block.pin.clone()).collect()
    }

    fn show(&self, state: &State) {
        let height = state.held_from.unwrap_or(state.blocks.len() as u64);
        let now = Shown { height, forks: state.forks.len() };
        self.shown.send_if_modified(|shown| std::mem::replace(shown, now) != now);
    }

    /// Mines an operation once. Answers its block.
    fn mine(&self, operation: &str, contract: String, pin: PinEvent) -> Result<u64, Error> {
        let mut state = self.state.lock();
        if let Some(text) = &state.failing {
            return Err(Error::Unavailable(text.clone()));
        }
        if let Some(block) = state.operations.get(operation) {
            return Ok(*block);
        }
        state.blocks.push(Block { contract, pin, mined: clock::System.now() });
        let number = state.blocks.len() as u64;
        state.operations.insert(operation.to_owned(), number);
        self.show(&state);
        Ok(number)
    }

    /// The step that follows what a stream has seen.
    fn step(&self, seen: Shown, contract: &str) -> (Option<u64>, Vec<Log>, Shown) {
        let state = self.state.lock();
        let shown = *self.shown.borrow();
        let forked = state.forks.iter().skip(seen.forks).min().copied().filter(|from| *from <= seen.height);
        if let Some(from) = forked {
            // What is taken back comes alone.
            let height = from.saturating_sub(1).min(shown.height);
            return (forked, Vec::new(), Shown { height, ..shown });
        }
        let blocks = (seen.height + 1..=shown.height).filter_map(|number| {
            let block = state.blocks.get(usize::try_from(number).ok()? - 1)?;
            (block.contract == contract).then(|| log(number, block))
        });
        (None, blocks.collect(), shown)
    }
}

/// A log as an adapter reports it.
fn log(number: u64, Block { contract, pin, mined }: &Block) -> Log {
    let output = json!({
        "author": pin.signer,
        "batchHash": format!("0x{}", photinus_model::Hash::from(pin.batch_hash)),
        "contexts": pin.contexts.iter().map(|context| format!("0x{context}")).collect::<Vec<_>>(),
        "namespace": pin.action,
        "payloadRef": pin.payload_ref,
        "timestamp": number.to_string(),
    });
    Log {
        position: Position { block: number, transaction: 0, log: 0 },
        name: "BatchPin".to_owned(),
        transaction_hash: transaction_hash(number),
        timestamp: *mined,
        output: output.as_object().cloned().unwrap_or_default(),
        info: Map::from_iter([("address".to_owned(), Value::String(contract.clone()))]),
        pin: pin.clone(),
    }
}

fn transaction_hash(number: u64) -> String {
    format!("0x{number:064x}")
}

/// One member's access to the ledger.
pub struct Member {
    ledger: Arc<Ledger>,
    name: String,
    keys: Vec<String>,
    attached: Mutex<HashMap<String, Attached>>,
    /// Whether streams and the member itself never end.
    clinging: Arc<AtomicBool>,
}

struct Attached {
    journal: Arc<dyn Journal>,
    sink: Arc<dyn LedgerSink>,
}

impl Member {
    /// From now on neither a stream nor the member itself lets go when it is told to.
    pub fn cling(&self) {
        self.clinging.store(true, Ordering::SeqCst);
    }

    /// Text under which the ledger knows an operation: namespaces of different members have the same name.
    fn operation(&self, operation: &OperationRef) -> String {
        format!("{}/{operation}", self.name)
    }

    /// Waits until an operation's block is shown, and reports it until that is taken.
    fn report(&self, operation: OperationRef, block: u64, sink: Arc<dyn LedgerSink>, journal: Arc<dyn Journal>) {
        let mut shown = self.ledger.shown.subscribe();
        tokio::spawn(async move {
            if shown.wait_for(|shown| shown.height >= block).await.is_err() {
                return;
            }
            let protocol_id = Position { block, transaction: 0, log: 0 }.protocol_id();
            let request = json!({ "requestId": operation.to_string(), "type": "TransactionSuccess" });
            let output = Map::from_iter([
                ("headers".to_owned(), request),
                ("protocolId".to_owned(), Value::String(protocol_id)),
                ("transactionHash".to_owned(), Value::String(transaction_hash(block))),
            ]);
            let id = operation.id;
            let receipt = Receipt {
                operation,
                outcome: Outcome::Succeeded,
                transaction_hash: Some(transaction_hash(block)),
                output,
            };
            if sink.receipt(receipt).await.is_ok() {
                // An entry that stays is reported once more by the next start.
                let _ = journal.write(vec![(id.as_bytes().to_vec(), None)]).await;
            }
        });
    }
}

impl Member {
    /// Journals an operation, mines it once, and reports it.
    async fn submit(&self, operation: &OperationRef, event: PinEvent, location: &Location) -> Result<(), Error> {
        let (journal, sink) = {
            let attached = self.attached.lock();
            let attached = attached.get(&operation.namespace);
            let attached = attached.ok_or_else(|| Error::Unavailable("the namespace is not attached".to_owned()))?;
            (Arc::clone(&attached.journal), Arc::clone(&attached.sink))
        };
        if !self.keys.contains(&event.signer) {
            return Err(Error::UnknownKey(event.signer));
        }
        if let Some(text) = &self.ledger.state.lock().failing {
            return Err(Error::Unavailable(text.clone()));
        }
        let entry = (operation.id.as_bytes().to_vec(), Some(Vec::new()));
        journal.write(vec![entry]).await.map_err(|error| Error::Journal(error.to_string()))?;
        let block = self.ledger.mine(&self.operation(operation), address(location), event)?;
        self.report(operation.clone(), block, sink, journal);
        Ok(())
    }
}

/// The address in a location in normal form.
fn address(location: &Location) -> String {
    location.0.get("address").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[async_trait]
impl Blockchain for Member {
    fn plugin_type(&self) -> &'static str {
        "ethereum"
    }

    fn verifier_type(&self) -> verifier::Type {
        verifier::Type::EthereumAddress
    }

    async fn attach(&self, namespace: &str, journal: Arc<dyn Journal>, sink: Arc<dyn LedgerSink>) -> Result<(), Error> {
        let attached = Attached { journal: Arc::clone(&journal), sink: Arc::clone(&sink) };
        self.attached.lock().insert(namespace.to_owned(), attached);
        let entries = journal.scan(&[], None, usize::MAX).await.map_err(|error| Error::Journal(error.to_string()))?;
        for (key, _) in entries {
            let Ok(id) = uuid::Uuid::from_slice(&key) else { continue };
            let operation = OperationRef { namespace: namespace.to_owned(), id };
            let block = self.ledger.state.lock().operations.get(&self.operation(&operation)).copied();
            if let Some(block) = block {
                self.report(operation, block, Arc::clone(&sink), Arc::clone(&journal));
            }
        }
        Ok(())
    }

    async fn detach(&self, namespace: &str) {
        if self.clinging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
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
        let address = location.get("address").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        if ![CONTRACT, NEXT_CONTRACT].contains(&address.as_str()) {
            return Err(Error::InvalidLocation(location.to_string()));
        }
        Ok(Location(Map::from_iter([("address".to_owned(), Value::String(address))])))
    }

    async fn network_version(&self, _location: &Location) -> Result<u8, Error> {
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
        self.submit(operation, event, location).await
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
        self.submit(operation, event, location).await
    }

    async fn listen(&self, listen: Listen) -> Result<Box<dyn Subscription>, Error> {
        if let Some(text) = &self.ledger.state.lock().failing {
            return Err(Error::Unavailable(text.clone()));
        }
        let ledger = Arc::clone(&self.ledger);
        let mut changes = ledger.shown.subscribe();
        let mut seen = listen.cursor.map_or(Shown::default(), |cursor| Shown {
            height: cursor.block,
            // A block without a hash is none that can be missed.
            forks: cursor.block_hash.parse().unwrap_or_else(|_| ledger.state.lock().forks.len()),
        });
        let contract = address(&listen.location);
        let task = tokio::spawn(async move {
            loop {
                let (retracted_from, logs, shown) = ledger.step(seen, &contract);
                if !logs.is_empty() || retracted_from.is_some() {
                    // The number of forks stands for the branch that a hash would name.
                    let cursor = Cursor { block: shown.height, block_hash: shown.forks.to_string() };
                    if listen.sink.deliver(Delivery { retracted_from, logs, cursor }).await.is_err() {
                        return;
                    }
                }
                seen = shown;
                if changes.wait_for(|shown| *shown != seen).await.is_err() {
                    return;
                }
            }
        });
        Ok(Box::new(Stream { task: Mutex::new(Some(task)), clinging: Arc::clone(&self.clinging) }))
    }

    async fn operation_status(&self, operation: &OperationRef) -> Result<Option<Value>, Error> {
        let block = self.ledger.state.lock().operations.get(&self.operation(operation)).copied();
        Ok(block.map(|block| json!({ "transactionHash": transaction_hash(block) })))
    }

    fn health(&self) -> Health {
        match &self.ledger.state.lock().failing {
            Some(text) => Health::Down(text.clone()),
            None => Health::Up,
        }
    }
}

struct Stream {
    task: Mutex<Option<JoinHandle<()>>>,
    clinging: Arc<AtomicBool>,
}

#[async_trait]
impl Subscription for Stream {
    fn id(&self) -> &'static str {
        "01a1f8ef-06b8-5734-09d9-17a2b11857d9"
    }

    async fn stop(&self) {
        if self.clinging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.abort();
            // An aborted task ends with an error, which is what was asked for.
            let _ = task.await;
        }
    }
}
