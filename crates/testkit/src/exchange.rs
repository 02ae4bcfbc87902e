//! A data exchange that knows who it is, and remembers whom it was told to trust.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_ports::{
    exchange::{BlobParcel, CertificateState, DataExchange, Error, MessageParcel, Receipt, Receiver, Route},
    health::Health,
    peers::PeerId,
};
use serde_json::{Map, Value, json};

/// One member's data exchange.
#[derive(Debug)]
pub struct Exchange {
    peer: String,
    nodes: Mutex<BTreeMap<String, Map<String, Value>>>,
}

impl Exchange {
    /// The data exchange of a peer of this id.
    #[must_use]
    pub fn new(peer: &str) -> Self {
        Self { peer: peer.to_owned(), nodes: Mutex::default() }
    }

    /// Names of the nodes that it was told to trust.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.nodes.lock().keys().cloned().collect()
    }
}

#[async_trait]
impl DataExchange for Exchange {
    fn plugin_type(&self) -> &'static str {
        "memory"
    }

    async fn profile(&self) -> Result<Map<String, Value>, Error> {
        let profile = json!({ "id": self.peer, "endpoint": format!("https://{}", self.peer), "cert": "" });
        Ok(profile.as_object().cloned().unwrap_or_default())
    }

    async fn add_node(&self, _network_namespace: &str, node: &str, profile: &Map<String, Value>) -> Result<(), Error> {
        if profile.get("id").and_then(Value::as_str).unwrap_or_default().is_empty() {
            return Err(Error::InvalidProfile("it has no id".to_owned()));
        }
        self.nodes.lock().insert(node.to_owned(), profile.clone());
        Ok(())
    }

    fn receive(&self, _own_node: &PeerId, _receiver: Arc<dyn Receiver>) {}

    async fn send_message(&self, parcel: MessageParcel) -> Result<Receipt, Error> {
        Err(Error::UnknownPeer(parcel.route.to.0))
    }

    async fn send_blob(&self, parcel: BlobParcel) -> Result<Receipt, Error> {
        Err(Error::UnknownPeer(parcel.route.to.0))
    }

    async fn ask(&self, route: &Route, _question: Bytes, _limit: u64) -> Result<Bytes, Error> {
        Err(Error::UnknownPeer(route.to.0.clone()))
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        tokio::sync::watch::channel(0).1
    }

    fn reachable(&self, node: &PeerId) -> Result<(), String> {
        Err(format!("{} is not a peer", node.0))
    }

    fn certificate(&self) -> Option<CertificateState> {
        None
    }

    fn health(&self) -> Health {
        Health::Up
    }
}
