//! Connections between members' nodes in one process.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_ports::{
    content::{self, Answer},
    peers::{Error, Parcel, PeerId, PeerService, Peers},
    stream,
};
use tokio::sync::watch;

type Services = BTreeMap<PeerId, Arc<dyn PeerService>>;

#[derive(Clone, Default)]
pub(crate) struct Wires(Arc<Mutex<Services>>);

impl Wires {
    pub(crate) fn seat(&self, name: &str) -> Arc<Seat> {
        Arc::new(Seat { wires: self.clone(), id: PeerId(name.to_owned()) })
    }
}

pub(crate) struct Seat {
    wires: Wires,
    id: PeerId,
}

#[async_trait]
impl Peers for Seat {
    fn peers(&self) -> Vec<PeerId> {
        self.wires.0.lock().keys().filter(|id| **id != self.id).cloned().collect()
    }

    async fn call(&self, peer: &PeerId, protocol: &str, request: Parcel) -> Result<Parcel, Error> {
        assert_eq!(protocol, "content");
        let service = self.wires.0.lock().get(peer).cloned();
        let service = service.ok_or_else(|| Error::UnknownPeer(peer.0.clone()))?;
        let refused = |reason| Error::Refused { peer: peer.0.clone(), reason };
        service.call(&self.id, request).await.map_err(refused)
    }

    fn serve(&self, _protocol: &str, service: Arc<dyn PeerService>) {
        self.wires.0.lock().insert(self.id.clone(), service);
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

/// Answers every question with the same bytes.
pub(crate) struct Liar(&'static [u8]);

impl Liar {
    pub(crate) fn of(content: &'static [u8]) -> Arc<Self> {
        Arc::new(Self(content))
    }
}

#[async_trait]
impl PeerService for Liar {
    async fn call(&self, _from: &PeerId, _request: Parcel) -> Result<Parcel, String> {
        let head = content::write(&Answer::Found { size: self.0.len() as u64 })?;
        Ok(Parcel { head, body: stream::once(Bytes::from_static(self.0)) })
    }
}
