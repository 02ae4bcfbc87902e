//! What a namespace has outside of a network: nothing. The API does not offer what would need it; should it be asked for all
//! the same, the answer says so.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use photinus_model::{Hash, Uuid, verifier};
use photinus_ports::{
    OperationRef,
    blobs::{self, BlobStore, Stored},
    blockchain::{self, BatchPin, Blockchain, KeyIntent, LedgerSink, Listen, Location, Subscription},
    exchange::{self, BlobParcel, CertificateState, DataExchange, MessageParcel, Receipt, Receiver, Route},
    health::Health,
    journal::Journal,
    peers::PeerId,
    storage::{self, SharedStorage},
    stream::ByteStream,
};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::Outside;

const WHY: &str = "the namespace is not part of a multiparty network";

/// The outside of a namespace without a network.
pub(super) fn outside() -> Outside {
    let nothing = Arc::new(Nothing);
    Outside { blockchain: nothing.clone(), storage: nothing.clone(), exchange: nothing.clone(), blobs: nothing }
}

/// Every port, with nothing behind it.
struct Nothing;

fn no_ledger() -> blockchain::Error {
    blockchain::Error::Rejected(WHY.to_owned())
}

fn no_blobs() -> blobs::Error {
    blobs::Error::Io(std::io::Error::other(WHY))
}

#[async_trait]
impl Blockchain for Nothing {
    fn plugin_type(&self) -> &str {
        ""
    }

    fn verifier_type(&self) -> verifier::Type {
        verifier::Type::EthereumAddress
    }

    async fn attach(&self, _: &str, _: Arc<dyn Journal>, _: Arc<dyn LedgerSink>) -> Result<(), blockchain::Error> {
        Ok(())
    }

    async fn detach(&self, _: &str) {}

    async fn resolve_key(&self, _: &str, _: KeyIntent) -> Result<String, blockchain::Error> {
        Err(no_ledger())
    }

    fn normalize_location(&self, _: &Value) -> Result<Location, blockchain::Error> {
        Err(no_ledger())
    }

    async fn network_version(&self, _: &Location) -> Result<u8, blockchain::Error> {
        Err(no_ledger())
    }

    async fn submit_batch_pin(
        &self,
        _: &OperationRef,
        _: &str,
        _: &BatchPin,
        _: &Location,
    ) -> Result<(), blockchain::Error> {
        Err(no_ledger())
    }

    async fn submit_network_action(
        &self,
        _: &OperationRef,
        _: &str,
        _: &str,
        _: &str,
        _: &Location,
    ) -> Result<(), blockchain::Error> {
        Err(no_ledger())
    }

    async fn listen(&self, _: Listen) -> Result<Box<dyn Subscription>, blockchain::Error> {
        Err(no_ledger())
    }

    async fn operation_status(&self, _: &OperationRef) -> Result<Option<Value>, blockchain::Error> {
        Ok(None)
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

#[async_trait]
impl SharedStorage for Nothing {
    fn plugin_type(&self) -> &str {
        ""
    }

    async fn upload(&self, _: Bytes) -> Result<String, storage::Error> {
        Err(storage::Error::Failed(WHY.to_owned()))
    }

    async fn upload_stream(&self, _: ByteStream) -> Result<String, storage::Error> {
        Err(storage::Error::Failed(WHY.to_owned()))
    }

    async fn download(&self, _: &str, _: u64) -> Result<ByteStream, storage::Error> {
        Err(storage::Error::Failed(WHY.to_owned()))
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

#[async_trait]
impl DataExchange for Nothing {
    fn plugin_type(&self) -> &str {
        ""
    }

    async fn profile(&self) -> Result<Map<String, Value>, exchange::Error> {
        Ok(Map::new())
    }

    async fn add_node(&self, _: &str, _: &str, _: &Map<String, Value>) -> Result<(), exchange::Error> {
        Ok(())
    }

    fn receive(&self, _: &PeerId, _: Arc<dyn Receiver>) {}

    async fn send_message(&self, _: MessageParcel) -> Result<Receipt, exchange::Error> {
        Err(exchange::Error::Failed(WHY.to_owned()))
    }

    async fn send_blob(&self, _: BlobParcel) -> Result<Receipt, exchange::Error> {
        Err(exchange::Error::Failed(WHY.to_owned()))
    }

    async fn ask(&self, _: &Route, _: Bytes, _: u64) -> Result<Bytes, exchange::Error> {
        Err(exchange::Error::Failed(WHY.to_owned()))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    fn reachable(&self, _: &PeerId) -> Result<(), String> {
        Err(WHY.to_owned())
    }

    fn certificate(&self) -> Option<CertificateState> {
        None
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

#[async_trait]
impl BlobStore for Nothing {
    async fn put(&self, _: &str, _: ByteStream, _: u64) -> Result<Stored, blobs::Error> {
        Err(no_blobs())
    }

    async fn open(&self, payload_ref: &str) -> Result<(u64, ByteStream), blobs::Error> {
        Err(blobs::Error::NotFound(payload_ref.to_owned()))
    }

    async fn open_unchecked(&self, payload_ref: &str) -> Result<(u64, ByteStream), blobs::Error> {
        Err(blobs::Error::NotFound(payload_ref.to_owned()))
    }

    async fn adopt(&self, _: &str, _: &Path, _: Hash, _: Uuid) -> Result<Stored, blobs::Error> {
        Err(no_blobs())
    }

    async fn adopted(&self, _: &str, _: Hash, _: Uuid) -> Result<Option<Stored>, blobs::Error> {
        Ok(None)
    }

    async fn delete(&self, _: &str) -> Result<(), blobs::Error> {
        Ok(())
    }
}
