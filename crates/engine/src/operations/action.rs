//! Network actions: what one member asks of the network as a whole, by the ledger.
//!
//! One action ends the contract in force: every member then goes on with the next one that it has configured. The other is a vote
//! to give up a batch that will never come. What an action does when it is read from the ledger is decided in the ledger's
//! order, not here.

use std::sync::Arc;

use photinus_model::{
    JsonText, Uuid,
    operation::{self, Status},
    transaction::{self, Transaction},
};
use photinus_ports::{
    OperationRef,
    blockchain::{Error as Ledger, Location},
};
use photinus_store::{Change, ChangeSet};
use serde::{Deserialize, Serialize};

use super::{Error, Update, lazily};
use crate::{Namespace, certain, core::Core, identity};

/// The action that ends the contract in force.
const TERMINATE: &str = "terminate";
/// The action that votes to give up a batch.
const RELEASE: &str = "release";

/// A network action, as it is asked for and answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAction {
    /// Its type: `terminate`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// Input of the operation that sends an action. It names the contract, so that an action that comes late ends no other one.
#[derive(Debug, Serialize, Deserialize)]
struct Input {
    #[serde(rename = "type")]
    kind: String,
    key: String,
    location: Location,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    payload: String,
}

impl Namespace {
    /// Sends a network action. Answers when it is durable; it is sent for as long as it takes.
    ///
    /// # Errors
    /// When there is no such action, this member's organisation is not a root organisation, no next contract is configured here,
    /// or the ledger refuses it at once.
    pub async fn network_action(&self, action: NetworkAction) -> Result<NetworkAction, Error> {
        let core = Arc::clone(self.core());
        let work = async move { send(&core, action).await };
        self.core().tasks.finish("network action", work).await.unwrap_or(Err(photinus_store::Error::Closed.into()))
    }
}

async fn send(core: &Arc<Core>, action: NetworkAction) -> Result<NetworkAction, Error> {
    let kind = action.kind.clone().unwrap_or_default();
    if kind != TERMINATE {
        return Err(Error::Action(kind));
    }
    let (org, signer) = identity::own_org(core).await?;
    if org.parent.is_some() {
        return Err(Error::NotRoot(org.did.clone()));
    }
    let next = core.multiparty.contracts().active.index.saturating_add(1);
    if next >= core.options.contracts.len() {
        return Err(Error::NoNextContract(next));
    }
    let input = Input { kind, key: signer.key, location: core.multiparty.location(), payload: String::new() };
    submit(core, input).await?;
    Ok(action)
}

/// Votes to give up the batch that is pinned at a position. Answers when that is durable.
///
/// # Errors
/// When this member has no vote, or the ledger refuses it at once.
pub(crate) async fn vote(namespace: &Namespace, position: &str) -> Result<(), Error> {
    let (core, payload) = (Arc::clone(namespace.core()), position.to_owned());
    let work = async move {
        let (org, signer) = identity::own_org(&core).await?;
        if org.parent.is_some() {
            return Err(Error::NotRoot(org.did.clone()));
        }
        let input = Input { kind: RELEASE.to_owned(), key: signer.key, location: core.multiparty.location(), payload };
        submit(&core, input).await
    };
    namespace.core().tasks.finish("network action", work).await.unwrap_or(Err(photinus_store::Error::Closed.into()))
}

async fn submit(core: &Arc<Core>, input: Input) -> Result<(), Error> {
    let id = begin(core, &input).await?;
    match attempt(core, id, &input).await {
        Ok(()) => {}
        Err(error) if error.is_retryable() => later(core, id, input),
        Err(error) => {
            lazily(core, Update::new(id, Status::Failed).error(error.to_string())).await;
            return Err(Error::Failed(error.to_string()));
        }
    }
    Ok(())
}

/// Writes transaction and operation before anything is tried.
async fn begin(core: &Core, input: &Input) -> Result<Uuid, Error> {
    let now = core.ports.clock.now();
    let transaction = Transaction {
        id: core.ports.ids.next(),
        namespace: core.name().to_owned(),
        kind: transaction::Type::NetworkAction,
        created: now,
        idempotency_key: None,
        blockchain_ids: Vec::new(),
    };
    let text = JsonText::write(input).map_err(|error| Error::Failed(error.to_string()))?;
    let kind = operation::Type::BlockchainNetworkAction;
    let plugin = core.ports.blockchain.plugin_type();
    let operation = super::initialized(core, transaction.id, kind, plugin, text, now);
    let id = operation.id;
    let mut changes = ChangeSet::new(core.name());
    changes.push(Change::InsertEvent(super::submitted(core, &transaction)));
    changes.push(Change::InsertTransaction(transaction));
    changes.push(Change::InsertOperation(operation));
    let written = || async move { Ok(core.store.read(core.name()).operation(id).await?.is_some()) };
    certain::submit(core, changes, written).await?;
    Ok(id)
}

async fn attempt(core: &Core, id: Uuid, input: &Input) -> Result<(), Ledger> {
    // Ahead of the attempt, so that no receipt overtakes it.
    lazily(core, Update::new(id, Status::Pending)).await;
    let operation = OperationRef { namespace: core.name().to_owned(), id };
    core.ports
        .blockchain
        .submit_network_action(&operation, &input.key, &input.kind, &input.payload, &input.location)
        .await?;
    core.tally.transaction(&input.location.0, "networkAction");
    Ok(())
}

/// Tries in the background until the ledger takes it or refuses it.
fn later(core: &Arc<Core>, id: Uuid, input: Input) {
    let owner = Arc::clone(core);
    core.tasks.spawn_once(format!("network action {id}"), async move {
        let mut backoff = owner.tasks.backoff(owner.options.retry);
        while owner.tasks.pause(backoff.advance()).await {
            match attempt(&owner, id, &input).await {
                Ok(()) => return,
                Err(error) if error.is_retryable() => super::pending(&owner, id, &error.to_string()).await,
                Err(error) => {
                    return lazily(&owner, Update::new(id, Status::Failed).error(error.to_string())).await;
                }
            }
        }
    });
}

/// Goes on with an action that a stop cut off. The ledger's adapter knows whether it was sent.
pub(super) fn resume(core: &Arc<Core>, operation: &operation::Operation) {
    match operation.input.as_ref().and_then(|input| input.read::<Input>().ok()) {
        Some(input) => later(core, operation.id, input),
        None => {
            tracing::error!(namespace = core.name(), id = %operation.id, "the input of a network action cannot be read")
        }
    }
}
