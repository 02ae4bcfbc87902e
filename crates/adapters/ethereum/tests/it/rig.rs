//! A chain with a contract, and adapters on it.

use std::sync::Arc;

use photinus_ethereum::{Ethereum, Options, deploy};
use photinus_ports::{
    OperationRef,
    blockchain::{Blockchain, Cursor, Error, FirstEvent, Listen, Location, Subscription},
};
use serde_json::json;

use crate::{
    engine::Engine,
    network::{DEPLOYER, KEY, NAMESPACE, operation, pin},
};

/// An adapter that serves one namespace.
pub(crate) struct Rig {
    pub(crate) adapter: Arc<Ethereum>,
    pub(crate) engine: Engine,
    pub(crate) location: Location,
    pub(crate) options: Options,
}

/// Puts the contract on the chain.
pub(crate) async fn contract(options: &Options) -> Location {
    let deployed = deploy(options, DEPLOYER).await.expect("the contract is deployed");
    place(&deployed.address)
}

pub(crate) fn place(address: &str) -> Location {
    Location(json!({"address": address}).as_object().unwrap().clone())
}

impl Rig {
    /// A new contract and a new adapter.
    pub(crate) async fn new(options: Options) -> Self {
        let location = contract(&options).await;
        Self::on(options, location, Engine::default()).await
    }

    /// An adapter on an existing contract, with a journal that may have been used before.
    pub(crate) async fn on(options: Options, location: Location, engine: Engine) -> Self {
        let adapter = Ethereum::start(options.clone()).await.expect("the adapter starts");
        adapter
            .attach(NAMESPACE, engine.journal.clone(), engine.sink.clone())
            .await
            .expect("the namespace is attached");
        Self { adapter: Arc::new(adapter), engine, location, options }
    }

    /// The process is killed and starts again: the adapter forgets everything that is not journalled.
    pub(crate) async fn restarted(self) -> Self {
        let Self { adapter, engine, location, options } = self;
        drop(adapter);
        Self::on(options, location, engine).await
    }

    /// Submits pin number `number` until the chain can be reached.
    pub(crate) async fn submit(&self, number: u64) -> Result<OperationRef, Error> {
        let operation = operation(number);
        let wait = async {
            loop {
                match self.adapter.submit_batch_pin(&operation, KEY, &pin(number), &self.location).await {
                    Err(Error::Unavailable(_)) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                    answer => return answer,
                }
            }
        };
        tokio::time::timeout(crate::engine::DEADLINE, wait).await.expect("the chain can be reached")?;
        Ok(operation)
    }

    /// Submits several pins at once.
    pub(crate) async fn submit_all(&self, numbers: impl IntoIterator<Item = u64>) -> Vec<OperationRef> {
        let all = numbers.into_iter().map(|number| self.submit(number));
        futures::future::join_all(all).await.into_iter().map(|answer| answer.expect("accepted")).collect()
    }

    pub(crate) async fn listen(&self, first: FirstEvent, cursor: Option<Cursor>) -> Box<dyn Subscription> {
        let listen = Listen {
            namespace: NAMESPACE.to_owned(),
            location: self.location.clone(),
            network_version: 2,
            first,
            cursor,
            sink: self.engine.sink.clone(),
        };
        self.adapter.listen(listen).await.expect("the stream starts")
    }

    /// Waits until the stream has reported exactly these pins, in whatever order the ledger has them.
    pub(crate) async fn sees(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut expected: Vec<u64> = numbers.into_iter().collect();
        expected.sort_unstable();
        let what = format!("{} pins", expected.len());
        self.engine
            .sink
            .until(&what, |seen| {
                let mut told: Vec<u64> = seen.logs.iter().map(|log| crate::network::number_of(&log.pin)).collect();
                told.sort_unstable();
                told == expected
            })
            .await;
    }
}
