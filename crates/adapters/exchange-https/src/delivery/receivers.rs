//! Which namespaces of this node take what is sent to which of its nodes.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;
use photinus_ports::{
    exchange::{ReceivedBlob, Receiver, Refusal, Route},
    peers::PeerId,
};

/// The receivers of all own nodes.
#[derive(Default)]
pub(crate) struct Receivers(RwLock<HashMap<PeerId, Vec<Arc<dyn Receiver>>>>);

impl Receivers {
    /// Adds a receiver. The newest is asked first, so that a namespace that was started anew is not hidden by its former self.
    pub(crate) fn add(&self, own_node: &PeerId, receiver: Arc<dyn Receiver>) {
        let mut all = self.0.write();
        let receivers = all.entry(own_node.clone()).or_default();
        receivers.retain(|known| !Arc::ptr_eq(known, &receiver));
        receivers.insert(0, receiver);
    }

    /// Forgets all: they may hold what holds this.
    pub(crate) fn clear(&self) {
        self.0.write().clear();
    }

    /// Who takes what is for this node.
    pub(crate) fn of(&self, node: &PeerId) -> Result<Vec<Arc<dyn Receiver>>, Refusal> {
        let receivers = self.0.read().get(node).cloned();
        receivers
            .ok_or_else(|| Refusal::Later(format!("node '{}' is not one of this data exchange, or not yet", node.0)))
    }

    /// Gives a message to the namespace that takes it.
    pub(crate) async fn message(&self, route: &Route, payload: Bytes) -> Result<String, Refusal> {
        for receiver in self.of(&route.to)? {
            match receiver.message(route, payload.clone()).await {
                Err(Refusal::NotMine) => {}
                taken => return taken,
            }
        }
        Err(Refusal::NotMine)
    }

    /// Puts a question to the namespace that it is for.
    pub(crate) async fn answer(&self, route: &Route, question: Bytes) -> Result<Bytes, Refusal> {
        for receiver in self.of(&route.to)? {
            match receiver.answer(route, question.clone()).await {
                Err(Refusal::NotMine) => {}
                answered => return answered,
            }
        }
        Err(Refusal::NotMine)
    }

    /// Asks the namespace that takes a blob whether it may come.
    pub(crate) async fn admit_blob(&self, route: &Route, path: &str, size: u64) -> Result<(), Refusal> {
        for receiver in self.of(&route.to)? {
            match receiver.admit_blob(route, path, size).await {
                Err(Refusal::NotMine) => {}
                admitted => return admitted,
            }
        }
        Err(Refusal::NotMine)
    }

    /// Gives a blob to the namespace that takes it.
    pub(crate) async fn blob(&self, blob: ReceivedBlob) -> Result<(), Refusal> {
        for receiver in self.of(&blob.route.to)? {
            match receiver.blob(blob.clone()).await {
                Err(Refusal::NotMine) => {}
                taken => return taken,
            }
        }
        Err(Refusal::NotMine)
    }
}
