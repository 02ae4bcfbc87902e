//! Which namespaces of this node take what is sent to which of its nodes: what every data exchange keeps behind
//! [`DataExchange::receive`](crate::exchange::DataExchange::receive).

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{
    blobs::BlobStore,
    exchange::{BlobParcel, ReceivedBlob, Receiver, Refusal, Route},
    peers::PeerId,
};

/// The receivers of all own nodes.
#[derive(Default)]
pub struct Receivers(RwLock<HashMap<PeerId, Vec<Arc<dyn Receiver>>>>);

impl Receivers {
    /// Adds a receiver. The newest is asked first, so that a namespace that was started anew is not hidden by its former self.
    pub fn add(&self, own_node: &PeerId, receiver: Arc<dyn Receiver>) {
        let mut all = self.0.write();
        let receivers = all.entry(own_node.clone()).or_default();
        receivers.retain(|known| !Arc::ptr_eq(known, &receiver));
        receivers.insert(0, receiver);
    }

    /// Forgets all: they may hold what holds this.
    pub fn clear(&self) {
        self.0.write().clear();
    }

    /// Who takes what is for this node.
    ///
    /// # Errors
    /// If it is not a node of this data exchange, or not yet.
    pub fn of(&self, node: &PeerId) -> Result<Vec<Arc<dyn Receiver>>, Refusal> {
        let receivers = self.0.read().get(node).cloned();
        receivers
            .ok_or_else(|| Refusal::Later(format!("node '{}' is not one of this data exchange, or not yet", node.0)))
    }

    /// Gives a message to the namespace that takes it.
    ///
    /// # Errors
    /// What the namespace says, or that none takes it.
    pub async fn message(&self, route: &Route, payload: Bytes) -> Result<String, Refusal> {
        for receiver in self.of(&route.to)? {
            match receiver.message(route, payload.clone()).await {
                Err(Refusal::NotMine) => {}
                taken => return taken,
            }
        }
        Err(Refusal::NotMine)
    }

    /// Puts a question to the namespace that it is for.
    ///
    /// # Errors
    /// What the namespace says, or that none takes it.
    pub async fn answer(&self, route: &Route, question: Bytes) -> Result<Bytes, Refusal> {
        for receiver in self.of(&route.to)? {
            match receiver.answer(route, question.clone()).await {
                Err(Refusal::NotMine) => {}
                answered => return answered,
            }
        }
        Err(Refusal::NotMine)
    }

    /// Asks the namespace that takes a blob whether it may come.
    ///
    /// # Errors
    /// What the namespace says, or that none takes it.
    pub async fn admit_blob(&self, route: &Route, path: &str, size: u64) -> Result<(), Refusal> {
        for receiver in self.of(&route.to)? {
            match receiver.admit_blob(route, path, size).await {
                Err(Refusal::NotMine) => {}
                admitted => return admitted,
            }
        }
        Err(Refusal::NotMine)
    }

    /// Gives a blob to the namespace that takes it.
    ///
    /// # Errors
    /// What the namespace says, or that none takes it.
    pub async fn blob(&self, blob: ReceivedBlob) -> Result<(), Refusal> {
        for receiver in self.of(&blob.route.to)? {
            match receiver.blob(blob.clone()).await {
                Err(Refusal::NotMine) => {}
                taken => return taken,
            }
        }
        Err(Refusal::NotMine)
    }

    /// Gives a blob to another node of this same data exchange: a copy of its own in the same store.
    ///
    /// # Errors
    /// What the namespace says, or why the blob cannot be copied.
    pub async fn pass_blob(&self, store: &dyn BlobStore, parcel: &BlobParcel) -> Result<(), Refusal> {
        let (route, path) = (&parcel.route, &parcel.path);
        self.admit_blob(route, path, parcel.size).await?;
        let later = |error: crate::blobs::Error| Refusal::Later(error.to_string());
        let (_, content) = store.open(&parcel.payload_ref).await.map_err(|error| match error {
            crate::blobs::Error::NotFound(_) => Refusal::Never(format!("there is no blob at '{}'", parcel.payload_ref)),
            error => later(error),
        })?;
        let namespace = path.split_once('/').map_or(path.as_str(), |(namespace, _)| namespace);
        let stored = store.put(namespace, content, parcel.size).await.map_err(later)?;
        let payload_ref = stored.payload_ref.clone();
        let taken = if stored.hash == parcel.hash {
            let (hash, size) = (stored.hash, stored.size);
            let blob =
                ReceivedBlob { route: route.clone(), path: path.clone(), hash, size, payload_ref: stored.payload_ref };
            self.blob(blob).await
        } else {
            Err(Refusal::Never("the blob does not have the hash that was announced".to_owned()))
        };
        if taken.is_err() {
            store.delete(&payload_ref).await.map_err(later)?;
        }
        taken
    }
}
