//! One attempt at one delivery.

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{Hash, Uuid, operation::Status, wire};
use photinus_ports::{
    OperationRef,
    exchange::{BlobParcel, Error, MessageParcel, Receipt, Route},
    peers::PeerId,
};

use super::entry::{Delivery, What};
use crate::{batching, core::Core, operations};

/// What came of an attempt.
pub(super) enum Outcome {
    /// It has come to its end, good or bad, and that is recorded.
    Done(u64),
    /// It is to be tried again.
    Again(Delivery, String),
    /// The namespace stops.
    Stopping,
}

/// Why an attempt failed.
enum Failure {
    Again(String),
    Never(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { .. } => Self::Never(error.to_string()),
            error => Self::Again(error.to_string()),
        }
    }
}

impl From<photinus_store::Error> for Failure {
    fn from(error: photinus_store::Error) -> Self {
        Self::Again(error.to_string())
    }
}

impl From<crate::identity::Error> for Failure {
    fn from(error: crate::identity::Error) -> Self {
        Self::Again(error.to_string())
    }
}

/// Delivers once, and records the end of it if it is one.
pub(super) async fn run(core: &Arc<Core>, mut delivery: Delivery) -> Outcome {
    let result = match delivery.what.clone() {
        What::Batch { id, hash } => message(core, &mut delivery, id, hash).await,
        What::Blob { data, hash } => blob(core, &delivery, data, hash).await,
    };
    let update = match result {
        Ok(()) => operations::Update::new(delivery.operation, Status::Succeeded),
        Err(Failure::Never(error)) => {
            tracing::warn!(namespace = core.name(), node = %delivery.node, error, "a delivery is given up");
            operations::Update::new(delivery.operation, Status::Failed).error(error)
        }
        Err(Failure::Again(error)) => return Outcome::Again(delivery, error),
    };
    core.delivery.acks.settle(delivery.operation);
    let recorded = operations::durably(core, update.with(delivery.forget())).await;
    // Once more, for whoever asked in between and found the operation open still.
    core.delivery.acks.settle(delivery.operation);
    if recorded { Outcome::Done(delivery.place) } else { Outcome::Stopping }
}

/// Delivers a batch once, and records nothing. Whether it has arrived.
pub(super) async fn once(core: &Core, delivery: &mut Delivery) -> bool {
    match delivery.what.clone() {
        What::Batch { id, hash } => message(core, delivery, id, hash).await.is_ok(),
        What::Blob { .. } => false,
    }
}

async fn message(core: &Core, delivery: &mut Delivery, batch: Uuid, hash: Hash) -> Result<(), Failure> {
    let route = route(core, delivery.node).await?;
    let payload = match delivery.payload.clone() {
        Some(payload) => payload,
        None => payload(core, batch).await?,
    };
    delivery.payload = Some(payload.clone());
    let parcel = MessageParcel { id: id(core, delivery), route, payload };
    match core.ports.exchange.send_message(parcel).await? {
        Receipt::Stored(manifest) if Hash::of(&manifest) != hash => {
            Err(Failure::Never("FF10329: the receiver acknowledged another batch than the one sent".to_owned()))
        }
        Receipt::Stored(_) | Receipt::Transport => Ok(()),
    }
}

/// The wrapper of a batch of this node, made again from its rows.
async fn payload(core: &Core, batch: Uuid) -> Result<Bytes, Failure> {
    match batching::rebuild(core, batch).await {
        Ok(outbound) => {
            let group = batching::wrapper_group(core, &outbound.batch).await?;
            Ok(Bytes::from(wire::wrap(group.as_ref(), &outbound.batch)))
        }
        Err(batching::RecoveryError::Store(error)) => Err(error.into()),
        Err(error) => Err(Failure::Never(error.to_string())),
    }
}

/// Sends a file to a node that has missed it, under an id of its own.
pub(super) async fn serve(core: &Core, node: Uuid, data: Uuid, hash: Hash) -> Result<(), String> {
    let id = OperationRef { namespace: core.name().to_owned(), id: data }.to_string();
    let result = send_file(core, id, node, data, hash).await;
    result.map_err(|(Failure::Again(error) | Failure::Never(error))| error)
}

async fn blob(core: &Core, delivery: &Delivery, data: Uuid, hash: Hash) -> Result<(), Failure> {
    send_file(core, id(core, delivery), delivery.node, data, hash).await
}

async fn send_file(core: &Core, id: String, node: Uuid, data: Uuid, hash: Hash) -> Result<(), Failure> {
    let route = route(core, node).await?;
    let held = core.store.read(core.name()).blobs_by_hash(hash).await?.into_iter().next();
    let Some(held) = held else {
        return Err(Failure::Never(format!("the file with hash {hash} is not held any more")));
    };
    let parcel = BlobParcel {
        id,
        route,
        payload_ref: held.payload_ref,
        path: format!("{}/{data}", core.options.network_namespace),
        hash,
        size: u64::try_from(held.size).unwrap_or_default(),
    };
    match core.ports.exchange.send_blob(parcel).await? {
        Receipt::Stored(stored) if stored != hash.to_string() => {
            Err(Failure::Never("FF10348: the receiver acknowledged another file than the one sent".to_owned()))
        }
        Receipt::Stored(_) | Receipt::Transport => Ok(()),
    }
}

/// The id of a delivery, the same at each attempt.
fn id(core: &Core, delivery: &Delivery) -> String {
    OperationRef { namespace: core.name().to_owned(), id: delivery.operation }.to_string()
}

async fn route(core: &Core, node: Uuid) -> Result<Route, Failure> {
    let own = core.multiparty.node();
    let own = own.ok_or_else(|| Failure::Again("this node is not registered yet".to_owned()))?;
    let from = core.identities.peer_of(own).await?;
    let from = from.ok_or_else(|| Failure::Again("this node's identity has no profile".to_owned()))?;
    let to = core.identities.peer_of(node).await?;
    let to = to.ok_or_else(|| Failure::Again(format!("the identity of node '{node}' has no profile")))?;
    Ok(Route { from: PeerId(from), to: PeerId(to) })
}

/// Whether it is worth while to try a node now.
pub(super) async fn reachable(core: &Core, node: Uuid) -> bool {
    match core.identities.peer_of(node).await {
        Ok(Some(peer)) => core.ports.exchange.reachable(&PeerId(peer)).is_ok(),
        _ => false,
    }
}
