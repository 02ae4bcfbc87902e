//! What the listener, the links and the callers of one data exchange share.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use http::StatusCode;
use parking_lot::{Mutex, RwLock};
use photinus_ports::{
    blobs::BlobStore,
    clock::Clock,
    peers::{PeerId, PeerService},
    receivers::Receivers,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    certificate::Identity,
    delivery::{Refused, blob::Partials},
    endpoint::Endpoint,
    guest::Guest,
    link::Link,
    options::Limits,
    tls,
    traffic::Traffic,
    trust::{Presented, Target, Trust},
};

pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) endpoint: Endpoint,
    pub(crate) limits: Limits,
    pub(crate) trust: Arc<Trust>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) services: RwLock<HashMap<String, Arc<dyn PeerService>>>,
    pub(crate) receivers: Receivers,
    /// Where blobs are kept; set once the node has it.
    pub(crate) blobs: OnceLock<Arc<dyn BlobStore>>,
    pub(crate) partials: Partials,
    pub(crate) traffic: Traffic,
    pub(crate) links: Mutex<HashMap<Target, Arc<Link>>>,
    pub(crate) guests: Mutex<HashMap<PeerId, Arc<Guest>>>,
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) listening: AtomicBool,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    /// Now, in Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        tls::seconds(&*self.clock)
    }

    /// The link to a peer.
    pub(crate) fn link(&self, peer: &PeerId) -> Option<Arc<Link>> {
        self.links.lock().get(&Target::Peer(peer.clone())).cloned()
    }

    /// Where blobs are kept.
    pub(crate) fn blob_store(&self) -> Result<Arc<dyn BlobStore>, Refused> {
        let none = || Refused(StatusCode::SERVICE_UNAVAILABLE, "this node keeps no blobs, or not yet".to_owned());
        self.blobs.get().cloned().ok_or_else(none)
    }

    /// What a peer has open here.
    pub(crate) fn guest(&self, peer: &PeerId) -> Arc<Guest> {
        let mut guests = self.guests.lock();
        let new = || Arc::new(Guest::new(&self.limits));
        Arc::clone(guests.entry(peer.clone()).or_insert_with(new))
    }

    /// Tells waiting callers to try once more.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Begins to connect to every target that has no link yet.
    pub(crate) fn dial(self: &Arc<Self>) {
        if self.stop.is_cancelled() {
            return;
        }
        let mut links = self.links.lock();
        for target in self.trust.targets() {
            if links.contains_key(&target) {
                continue;
            }
            let config = match tls::client(&self.identity, &self.trust, &self.clock, &target) {
                Ok(config) => Arc::new(config),
                Err(error) => {
                    tracing::error!(?target, %error, "no TLS for this peer");
                    continue;
                }
            };
            let link = Arc::new(Link::new(target.clone(), &self.limits));
            links.insert(target, Arc::clone(&link));
            let shared = Arc::clone(self);
            self.tasks.spawn(async move {
                let endpoints = || shared.trust.endpoints(&link.target);
                let up = |presented: &Presented| shared.reached(&link, presented);
                link.run(config, &shared.limits, &shared.stop, endpoints, up).await;
                shared.links.lock().remove(&link.target);
            });
        }
    }

    /// A connection of ours was opened and answered.
    fn reached(self: &Arc<Self>, link: &Link, presented: &Presented) {
        if matches!(link.target, Target::Unnamed(_)) {
            self.met(presented);
        }
        self.changed();
    }

    /// A peer proved who it is: an unnamed bootstrap peer has its name now, and gets a link of its own.
    pub(crate) fn met(self: &Arc<Self>, presented: &Presented) {
        let Ok(id) = presented.leaf().id() else { return };
        if self.trust.name(presented.leaf().fingerprint(), &PeerId(id.to_owned())) {
            tracing::info!(id, "bootstrap peer has its name");
            self.dial();
            self.changed();
        }
    }
}
