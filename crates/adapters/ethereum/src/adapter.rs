//! The adapter as the engine sees it.

use std::{collections::HashMap, sync::Arc};

use alloy::primitives::Address;
use async_trait::async_trait;
use parking_lot::RwLock;
use photinus_model::verifier;
use photinus_ports::{
    OperationRef,
    blockchain::{
        BatchPin, Blockchain, Cursor, Delivery, Error, FirstEvent, KeyIntent, LedgerSink, Listen, Location,
        Subscription,
    },
    health::Health,
    journal::Journal,
};
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    AddressError,
    backoff::Backoff,
    chain::{Chain, follower::Follower},
    contract,
    counters::{Counters, Snapshot},
    keys::{self, Keyring},
    options::Options,
    pin::{self, Source},
    revert,
    rpc::{self, Call, Client},
    stream::{Reader, Trail},
    submission::Submission,
};

/// Newest blocks kept in memory, besides those that confirmations and reorganisations need.
const SPARE_BLOCKS: u64 = 128;
/// Contracts whose version is remembered.
const MAX_VERSIONS: usize = 1_024;

/// Why the adapter cannot start. A chain that cannot be reached is no reason: it is tried again until it can be.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address of the options cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A key of the options cannot be loaded.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// The keys were not loaded because the runtime is shutting down.
    #[error("interrupted while loading keys")]
    Interrupted,
}

/// One ledger: a running adapter. Dropping it stops its tasks, [`Ethereum::stop`] also waits for them.
pub struct Ethereum {
    options: Arc<Options>,
    chain: Arc<Chain>,
    client: Client,
    counters: Arc<Counters>,
    keyring: Arc<Keyring>,
    submission: Arc<Submission>,
    versions: RwLock<HashMap<Address, u8>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Ethereum {
    /// Loads the keys and starts to follow the chain.
    ///
    /// # Errors
    /// When the options cannot be used.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let client = Client::new(&options)?;
        if let Some(url) = &options.ws_url {
            rpc::check_ws(url)?;
        }
        let keys = options.keys.clone();
        let keyring = tokio::task::spawn_blocking(move || Keyring::load(&keys));
        let keyring = Arc::new(keyring.await.map_err(|_| StartError::Interrupted)??);
        let options = Arc::new(options);
        let counters = Arc::new(Counters::default());
        let capacity = options.confirmations.saturating_add(options.reorg_depth).saturating_add(SPARE_BLOCKS);
        let chain = Arc::new(Chain::new(usize::try_from(capacity).unwrap_or(usize::MAX)));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let follower = Follower::new(chain.clone(), client.clone(), counters.clone(), &options, capacity);
        tasks.spawn(follower.run(stop.clone()));
        let submission = Submission::start(
            options.clone(),
            chain.clone(),
            client.clone(),
            counters.clone(),
            keyring.clone(),
            tasks.clone(),
            stop.clone(),
        );
        let versions = RwLock::default();
        Ok(Self { options, chain, client, counters, keyring, submission, versions, tasks, stop })
    }

    /// The addresses that this node can sign with, in the order of the options, in normal form.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.keyring.addresses().iter().map(keys::normal).collect()
    }

    /// What was counted since the start, and how things stand.
    #[must_use]
    pub fn counters(&self) -> Snapshot {
        Snapshot {
            in_flight: self.submission.in_flight() as u64,
            head: self.chain.tip().map_or(0, |tip| tip.number),
            pushed: u64::from(self.chain.is_pushed()),
            ..self.counters.snapshot()
        }
    }

    /// Stops all work and waits for it. What was accepted is resumed by the next start with the same journals.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn location(location: &Location) -> Result<Address, Error> {
        pin::address_of(&Value::Object(location.0.clone())).map_err(Error::InvalidLocation)
    }

    async fn version(&self, address: Address) -> Result<u8, Error> {
        let known = self.versions.read().get(&address).copied();
        if let Some(version) = known {
            return Ok(version);
        }
        let version = self.ask_version(address).await?;
        let mut versions = self.versions.write();
        if versions.len() >= MAX_VERSIONS {
            versions.clear();
        }
        versions.insert(address, version);
        Ok(version)
    }

    /// Version 1 contracts do not know the question, and revert without a word.
    async fn ask_version(&self, address: Address) -> Result<u8, Error> {
        let call = Call { from: None, to: Some(address), input: contract::version_query(), gas: None };
        match self.client.execute(&call, None).await {
            Ok(data) if data.is_empty() => {
                Err(Error::InvalidLocation(format!("there is no multiparty contract at {}", keys::normal(&address))))
            }
            Ok(data) => contract::version_answer(&data)
                .ok_or_else(|| Error::Rejected("the contract's version is not a number".to_owned())),
            Err(rpc::Error::Refused { data: Some(data), .. }) if revert::returned(&data).is_some() => {
                Err(Error::Rejected(revert::message(&revert::returned(&data).unwrap_or_default())))
            }
            Err(error) if error.is_revert() => Ok(1),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// A trail that starts after the newest block; the sink is told at once, so that a restart does not start later.
    async fn begin_now(&self, listen: &Listen) -> Result<Trail, Error> {
        let latest = self.client.latest().await.map_err(unavailable)?;
        let mut trail = Trail::begin(latest.number + 1);
        trail.read(latest.number, latest.hash, false);
        let cursor: Cursor = trail.cursor();
        let stopping = |error: photinus_ports::blockchain::SinkClosed| Error::Unavailable(error.to_string());
        let delivery = Delivery { retracted_from: None, logs: Vec::new(), cursor };
        listen.sink.deliver(delivery).await.map_err(stopping)?;
        Ok(trail)
    }
}

impl Drop for Ethereum {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for Ethereum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ethereum").field("url", &self.options.url).field("keys", &self.keyring).finish_non_exhaustive()
    }
}

#[async_trait]
impl Blockchain for Ethereum {
    fn plugin_type(&self) -> &str {
        "ethereum"
    }

    fn verifier_type(&self) -> verifier::Type {
        verifier::Type::EthereumAddress
    }

    async fn attach(&self, namespace: &str, journal: Arc<dyn Journal>, sink: Arc<dyn LedgerSink>) -> Result<(), Error> {
        self.submission.attach(namespace, journal, sink).await
    }

    async fn detach(&self, namespace: &str) {
        self.submission.detach(namespace).await;
    }

    async fn resolve_key(&self, key: &str, intent: KeyIntent) -> Result<String, Error> {
        if key.is_empty() {
            return if intent == KeyIntent::Query { Ok(String::new()) } else { Err(Error::MissingKey) };
        }
        let address = keys::parse_address(key).ok_or_else(|| Error::InvalidKey(key.to_owned()))?;
        if intent == KeyIntent::Sign {
            self.submission.signing_key(key)?;
        }
        Ok(keys::normal(&address))
    }

    fn normalize_location(&self, location: &Value) -> Result<Location, Error> {
        pin::address_of(location).map(|address| pin::location(&address)).map_err(Error::InvalidLocation)
    }

    async fn network_version(&self, location: &Location) -> Result<u8, Error> {
        self.version(Self::location(location)?).await
    }

    async fn submit_batch_pin(
        &self,
        operation: &OperationRef,
        key: &str,
        pin: &BatchPin,
        location: &Location,
    ) -> Result<(), Error> {
        let to = Self::location(location)?;
        let input = match self.version(to).await? {
            1 => contract::pin_batch_of_network(&pin.network, pin),
            _ => contract::pin_batch(pin),
        };
        self.submission.submit(operation, key, to, input).await
    }

    async fn submit_network_action(
        &self,
        operation: &OperationRef,
        key: &str,
        action: &str,
        payload: &str,
        location: &Location,
    ) -> Result<(), Error> {
        let to = Self::location(location)?;
        let version = self.version(to).await?;
        let input = contract::network_action(version, &format!("firefly:{action}"), payload);
        self.submission.submit(operation, key, to, input).await
    }

    async fn listen(&self, listen: Listen) -> Result<Box<dyn Subscription>, Error> {
        let address = Self::location(&listen.location)?;
        let chain_id = self.chain.id_of(&self.client, self.options.chain_id).await.map_err(unavailable)?;
        let source = Source::new(&listen.namespace, listen.network_version, address, chain_id);
        let origin = match listen.first {
            FirstEvent::Oldest => 0,
            FirstEvent::Block(number) => number,
            FirstEvent::Newest => listen.cursor.as_ref().map_or(0, |cursor| cursor.block),
        };
        let trail = match (&listen.cursor, listen.first) {
            (Some(cursor), _) => Trail::resume(cursor, origin),
            (None, FirstEvent::Newest) => self.begin_now(&listen).await?,
            (None, _) => Trail::begin(origin),
        };
        let reader = Reader {
            chain: self.chain.clone(),
            client: self.client.clone(),
            counters: self.counters.clone(),
            source,
            sink: listen.sink,
            trail,
            confirmations: self.options.confirmations,
            max_range: self.options.max_block_range,
            backoff: Backoff::new(self.options.min_backoff.0, self.options.max_backoff.0),
        };
        Ok(Box::new(reader.start(&self.tasks, self.stop.child_token())))
    }

    async fn operation_status(&self, operation: &OperationRef) -> Result<Option<Value>, Error> {
        self.submission.status(operation).await
    }

    fn health(&self) -> Health {
        self.chain.health()
    }
}

fn unavailable(error: rpc::Error) -> Error {
    Error::Unavailable(error.to_string())
}
