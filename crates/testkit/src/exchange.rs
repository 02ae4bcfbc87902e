//! A data exchange in memory that connects the members of a network, with faults to inject.
//!
//! It keeps the port's promises and none beyond them: it is a courier without memory. A peer can be switched off, made slow,
//! made to refuse; single deliveries can be doubled, cut off after they arrived, or held back and let go in another order.
//! Everything that was delivered is on record, so that a test can say what somebody never saw.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use photinus_ports::{
    blobs::BlobStore,
    exchange::{
        BlobParcel, CertificateState, DataExchange, Error, MessageParcel, Receipt, ReceivedBlob, Receiver, Refusal,
        Route,
    },
    health::Health,
    peers::PeerId,
};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

use crate::blobs::Blobs;

/// What one node got.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// From whom to whom.
    pub route: Route,
    /// What it was.
    pub what: Parcel,
}

/// What can be delivered.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A message's wrapper.
    Message(Bytes),
    /// A blob's path and size.
    Blob(String, u64),
    /// A question.
    Question(Bytes),
}

/// How a node treats what is sent to it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// It cannot be reached.
    pub down: bool,
    /// How long each delivery takes.
    pub slow: Duration,
    /// It refuses everything, with this reason.
    pub refuse: Option<String>,
    /// So many deliveries arrive while the sender is told that the connection broke.
    pub cut: usize,
    /// Every delivery arrives twice.
    pub duplicate: bool,
    /// Messages are held back until [`Fabric::release`].
    pub hold: bool,
    /// It answers like a FireFly sidecar: it has received, and nothing more is known.
    pub transport_only: bool,
    /// It cannot be reached for blobs.
    pub blobs_down: bool,
    /// It refuses blobs for good.
    pub refuse_blobs: bool,
    /// Blobs break off after so many bytes, once.
    pub cut_blob: Option<u64>,
}

/// The wires between the members.
#[derive(Default)]
pub struct Fabric {
    state: Mutex<State>,
    released: Notify,
    changes: Changes,
}

struct Changes(watch::Sender<u64>);

impl Default for Changes {
    fn default() -> Self {
        Self(watch::channel(0).0)
    }
}

#[derive(Default)]
struct State {
    nodes: HashMap<PeerId, Attached>,
    faults: HashMap<PeerId, Faults>,
    delivered: Vec<Delivered>,
    /// Messages held back, by the node that they are for: how many may still wait after the next release.
    held: HashMap<PeerId, Vec<u64>>,
    tickets: u64,
    /// Bytes of blobs that came before the connection broke.
    pieces: HashMap<(PeerId, String), Bytes>,
}

#[derive(Clone)]
struct Attached {
    receiver: Arc<dyn Receiver>,
    blobs: Arc<Blobs>,
    gone: watch::Receiver<bool>,
}

impl Fabric {
    /// Wires without members.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A member's end of the wires: its peer id without a node's name, and its files.
    #[must_use]
    pub fn member(self: &Arc<Self>, peer: &str, blobs: Arc<Blobs>) -> Arc<Exchange> {
        Arc::new(Exchange {
            peer: peer.to_owned(),
            fabric: Arc::clone(self),
            blobs,
            nodes: Mutex::default(),
            alive: Mutex::new(watch::channel(false).0),
        })
    }

    /// Changes how a node treats what is sent to it, and lets waiting senders know.
    pub fn faults(&self, node: &PeerId, change: impl FnOnce(&mut Faults)) {
        change(self.state.lock().faults.entry(node.clone()).or_default());
        self.changes.0.send_modify(|count| *count += 1);
    }

    /// Everything that arrived anywhere, in its order.
    #[must_use]
    pub fn delivered(&self) -> Vec<Delivered> {
        self.state.lock().delivered.clone()
    }

    /// Bytes of the messages that arrived at a node.
    #[must_use]
    pub fn messages_to(&self, node: &PeerId) -> Vec<(Route, Bytes)> {
        let of = |delivered: Delivered| match delivered.what {
            Parcel::Message(bytes) if delivered.route.to == *node => Some((delivered.route, bytes)),
            _ => None,
        };
        self.delivered().into_iter().filter_map(of).collect()
    }

    /// How many messages are held back from a node.
    #[must_use]
    pub fn held(&self, node: &PeerId) -> usize {
        self.state.lock().held.get(node).map_or(0, Vec::len)
    }

    /// Lets the message go that was held back last.
    pub fn release(&self, node: &PeerId) {
        if let Some(held) = self.state.lock().held.get_mut(node) {
            held.pop();
        }
        self.released.notify_waiters();
    }

    /// Gives a node a message as a peer would that writes whatever it likes. The route's sender is what its certificate says.
    ///
    /// # Errors
    /// What the receiver says.
    pub async fn inject(&self, route: Route, payload: impl Into<Bytes>) -> Result<String, Refusal> {
        let receiver = self.state.lock().nodes.get(&route.to).map(|node| Arc::clone(&node.receiver));
        let receiver = receiver.ok_or_else(|| Refusal::Later("nobody is there".to_owned()))?;
        receiver.message(&route, payload.into()).await
    }

    /// The receiver of a node, to be treated as a peer would.
    #[must_use]
    pub fn receiver(&self, node: &PeerId) -> Option<Arc<dyn Receiver>> {
        self.state.lock().nodes.get(node).map(|node| Arc::clone(&node.receiver))
    }

    fn record(&self, route: &Route, what: Parcel) {
        self.state.lock().delivered.push(Delivered { route: route.clone(), what });
    }

    fn faults_of(&self, node: &PeerId) -> Faults {
        self.state.lock().faults.get(node).cloned().unwrap_or_default()
    }

    fn take_cut(&self, node: &PeerId) -> bool {
        let mut state = self.state.lock();
        let Some(faults) = state.faults.get_mut(node).filter(|faults| faults.cut > 0) else { return false };
        faults.cut -= 1;
        true
    }

    /// The other end, once the faults of the way there are through.
    async fn reach(&self, route: &Route) -> Result<(Attached, Faults), Error> {
        let faults = self.faults_of(&route.to);
        if faults.down {
            return Err(unreachable(route, "it is switched off"));
        }
        if !faults.slow.is_zero() {
            tokio::time::sleep(faults.slow).await;
        }
        if let Some(reason) = faults.refuse.clone() {
            return Err(Error::Refused { peer: route.to.0.clone(), reason });
        }
        let attached = self.state.lock().nodes.get(&route.to).cloned();
        let attached = attached.ok_or_else(|| unreachable(route, "nobody is there"))?;
        Ok((attached, faults))
    }

    /// Waits until a message that is held back may go.
    async fn hold(&self, node: &PeerId) {
        let ticket = {
            let mut state = self.state.lock();
            state.tickets += 1;
            let ticket = state.tickets;
            state.held.entry(node.clone()).or_default().push(ticket);
            ticket
        };
        loop {
            let released = self.released.notified();
            if !self.state.lock().held.get(node).is_some_and(|held| held.contains(&ticket)) {
                return;
            }
            released.await;
        }
    }
}

fn unreachable(route: &Route, reason: &str) -> Error {
    Error::Unreachable { peer: route.to.0.clone(), reason: reason.to_owned() }
}

fn refusal(route: &Route, refusal: Refusal) -> Error {
    match refusal {
        // A namespace of the node may take it once that has started.
        refusal @ (Refusal::Later(_) | Refusal::NotMine) => Error::Failed(refusal.to_string()),
        other => Error::Refused { peer: route.to.0.clone(), reason: other.to_string() },
    }
}

impl Attached {
    /// The receiver's answer, or that it fell over in the meantime.
    async fn answer<T>(
        &self,
        route: &Route,
        call: impl Future<Output = Result<T, Refusal>> + Send,
    ) -> Result<T, Error> {
        let mut alive = self.gone.clone();
        tokio::select! {
            answer = call => answer.map_err(|said| refusal(route, said)),
            _ = alive.wait_for(|gone| *gone) => Err(unreachable(route, "it fell over")),
        }
    }
}

/// One member's data exchange.
pub struct Exchange {
    peer: String,
    fabric: Arc<Fabric>,
    blobs: Arc<Blobs>,
    nodes: Mutex<BTreeMap<String, Map<String, Value>>>,
    /// Told when the member falls over.
    alive: Mutex<watch::Sender<bool>>,
}

impl Exchange {
    /// Names of the nodes that it was told to trust.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.nodes.lock().keys().cloned().collect()
    }

    /// Nothing reaches this member any more, until it attaches anew.
    pub fn detach(&self) {
        let gone = std::mem::replace(&mut *self.alive.lock(), watch::channel(false).0);
        let prefix = format!("{}/", self.peer);
        self.fabric.state.lock().nodes.retain(|node, _| !node.0.starts_with(&prefix));
        gone.send_replace(true);
    }

    fn knows(&self, node: &PeerId) -> bool {
        let of = |profile: &Map<String, Value>| profile.get("id").and_then(Value::as_str) == Some(node.0.as_str());
        self.nodes.lock().values().any(of)
    }

    async fn reach(&self, route: &Route) -> Result<(Attached, Faults), Error> {
        if !self.knows(&route.to) {
            return Err(Error::UnknownPeer(route.to.0.clone()));
        }
        self.fabric.reach(route).await
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
        self.fabric.changes.0.send_modify(|count| *count += 1);
        Ok(())
    }

    fn receive(&self, own_node: &PeerId, receiver: Arc<dyn Receiver>) {
        let gone = self.alive.lock().subscribe();
        let attached = Attached { receiver, blobs: Arc::clone(&self.blobs), gone };
        self.fabric.state.lock().nodes.insert(own_node.clone(), attached);
        self.fabric.changes.0.send_modify(|count| *count += 1);
    }

    async fn send_message(&self, parcel: MessageParcel) -> Result<Receipt, Error> {
        let MessageParcel { route, payload, .. } = parcel;
        let (attached, faults) = self.reach(&route).await?;
        if faults.hold {
            self.fabric.hold(&route.to).await;
        }
        self.fabric.record(&route, Parcel::Message(payload.clone()));
        if faults.duplicate {
            attached.answer(&route, attached.receiver.message(&route, payload.clone())).await?;
        }
        let manifest = attached.answer(&route, attached.receiver.message(&route, payload)).await?;
        if self.fabric.take_cut(&route.to) {
            return Err(unreachable(&route, "the connection broke"));
        }
        Ok(if faults.transport_only { Receipt::Transport } else { Receipt::Stored(manifest) })
    }

    async fn send_blob(&self, parcel: BlobParcel) -> Result<Receipt, Error> {
        let route = parcel.route;
        let (attached, faults) = self.reach(&route).await?;
        if faults.blobs_down {
            return Err(unreachable(&route, "it takes no blobs"));
        }
        if faults.refuse_blobs {
            return Err(Error::Refused { peer: route.to.0, reason: "it takes no blobs".to_owned() });
        }
        attached.answer(&route, attached.receiver.admit_blob(&route, &parcel.path, parcel.size)).await?;
        let key = (route.to.clone(), parcel.path.clone());
        let here = self.fabric.state.lock().pieces.get(&key).cloned().unwrap_or_default();
        let whole = self.read(&parcel.payload_ref).await?;
        if let Some(limit) = faults.cut_blob {
            let upto = here.len().saturating_add(usize::try_from(limit).unwrap_or(usize::MAX)).min(whole.len());
            self.fabric.state.lock().pieces.insert(key, whole.slice(..upto));
            self.fabric.faults(&route.to, |faults| faults.cut_blob = None);
            return Err(unreachable(&route, "the connection broke in the middle of a blob"));
        }
        let all: Vec<_> = [here.clone(), whole.slice(here.len().min(whole.len())..)].into_iter().map(Ok).collect();
        let stored = attached.blobs.put("exchange", Box::pin(stream::iter(all)), u64::MAX).await;
        let stored = stored.map_err(|error| Error::Failed(error.to_string()))?;
        self.fabric.state.lock().pieces.remove(&key);
        if stored.hash != parcel.hash {
            return Err(Error::Refused { peer: route.to.0, reason: "the hash is another".to_owned() });
        }
        self.fabric.record(&route, Parcel::Blob(parcel.path.clone(), stored.size));
        let received = ReceivedBlob {
            route: route.clone(),
            path: parcel.path,
            hash: stored.hash,
            size: stored.size,
            payload_ref: stored.payload_ref.clone(),
        };
        let taken = attached.answer(&route, attached.receiver.blob(received)).await;
        if taken.is_err() {
            attached.blobs.delete(&stored.payload_ref).await.map_err(|error| Error::Failed(error.to_string()))?;
        }
        taken?;
        if self.fabric.take_cut(&route.to) {
            return Err(unreachable(&route, "the connection broke"));
        }
        Ok(if faults.transport_only { Receipt::Transport } else { Receipt::Stored(stored.hash.to_string()) })
    }

    async fn ask(&self, route: &Route, question: Bytes, limit: u64) -> Result<Bytes, Error> {
        let (attached, faults) = self.reach(route).await?;
        if faults.transport_only {
            return Err(Error::Refused { peer: route.to.0.clone(), reason: "it answers no questions".to_owned() });
        }
        self.fabric.record(route, Parcel::Question(question.clone()));
        let answer = attached.answer(route, attached.receiver.answer(route, question)).await?;
        if answer.len() as u64 > limit {
            return Err(Error::Refused { peer: route.to.0.clone(), reason: "its answer is too long".to_owned() });
        }
        Ok(answer)
    }

    fn answers(&self, node: &PeerId) -> Option<bool> {
        self.knows(node).then(|| !self.fabric.faults_of(node).transport_only)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.fabric.changes.0.subscribe()
    }

    fn reachable(&self, node: &PeerId) -> Result<(), String> {
        if !self.knows(node) {
            return Err(format!("{} is not a peer", node.0));
        }
        let state = self.fabric.state.lock();
        let up = state.nodes.contains_key(node) && !state.faults.get(node).is_some_and(|faults| faults.down);
        if up { Ok(()) } else { Err(format!("{} is switched off", node.0)) }
    }

    fn certificate(&self) -> Option<CertificateState> {
        None
    }

    fn health(&self) -> Health {
        Health::Up
    }
}

impl Exchange {
    async fn read(&self, payload_ref: &str) -> Result<Bytes, Error> {
        let (_, mut content) = self.blobs.open(payload_ref).await.map_err(|error| Error::Failed(error.to_string()))?;
        let mut whole = Vec::new();
        while let Some(chunk) = content.next().await {
            whole.extend_from_slice(&chunk.map_err(|error| Error::Failed(error.to_string()))?);
        }
        Ok(whole.into())
    }
}
