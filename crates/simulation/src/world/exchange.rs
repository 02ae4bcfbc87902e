//! The wires between members: they lose, double, delay and reorder, and can be cut.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_ports::{
    blobs::BlobStore,
    exchange::{
        BlobParcel, CertificateState, DataExchange, Error, MessageParcel, Receipt, ReceivedBlob, Receiver, Refusal,
        Route,
    },
    health::Health,
    peers::PeerId,
    stream,
};
use photinus_testkit::blobs::Blobs;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{Life, World};

/// How long a sender waits for somebody who does not answer.
const SILENCE: Duration = Duration::from_millis(500);

/// A payload that reached a node, for whoever recomputes what should have come of it.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) from: PeerId,
    pub(crate) to: usize,
    pub(crate) payload: Bytes,
    /// It is an answer to a question.
    pub(crate) asked: bool,
    /// No node sent it of its own accord: a liar speaks with the node's certificate.
    pub(crate) planted: bool,
    /// It was planted, and the node refused it for good.
    pub(crate) refused: bool,
}

/// The wires.
pub(crate) struct Wires {
    world: Arc<World>,
    nodes: Mutex<BTreeMap<PeerId, Attached>>,
    /// Profiles that each member was told to trust, by name of the node. They survive a crash, as a folder would.
    trusted: Mutex<BTreeMap<(usize, String), Map<String, Value>>>,
    delivered: Mutex<Vec<Delivered>>,
    /// One for each who listens: a shared one wakes them in no order.
    changes: Mutex<Vec<watch::Sender<u64>>>,
}

#[derive(Clone)]
struct Attached {
    receiver: Arc<dyn Receiver>,
    life: Arc<Life>,
    blobs: Arc<Blobs>,
}

/// Data exchange id of a member, without the name of its node.
pub(crate) fn base(member: usize) -> String {
    format!("peer_{member}")
}

/// Data exchange id of a member's node.
pub(crate) fn peer(member: usize) -> PeerId {
    PeerId(format!("peer_{member}/node_{member}"))
}

fn unreachable(to: &PeerId, reason: &str) -> Error {
    Error::Unreachable { peer: to.0.clone(), reason: reason.to_owned() }
}

fn refusal(to: &PeerId, refusal: Refusal) -> Error {
    match refusal {
        // A namespace of the node may take it once that has started.
        refusal @ (Refusal::Later(_) | Refusal::NotMine) => Error::Failed(refusal.to_string()),
        other => Error::Refused { peer: to.0.clone(), reason: other.to_string() },
    }
}

impl Wires {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            nodes: Mutex::default(),
            trusted: Mutex::default(),
            delivered: Mutex::default(),
            changes: Mutex::default(),
        })
    }

    /// Nothing reaches this member any more, until it attaches anew.
    pub(crate) fn detach(&self, member: usize) {
        self.nodes.lock().retain(|_, attached| attached.life.member != member);
        self.changed();
    }

    /// Tells senders that wait that something may be different now.
    pub(crate) fn changed(&self) {
        let mut changes = self.changes.lock();
        changes.retain(|listener| !listener.is_closed());
        changes.iter().for_each(|listener| listener.send_modify(|count| *count += 1));
    }

    /// Everything that reached somebody, in its order.
    pub(crate) fn delivered(&self) -> Vec<Delivered> {
        self.delivered.lock().clone()
    }

    /// Gives a node what a peer with this certificate sends.
    pub(crate) async fn inject(&self, from: &PeerId, to: &PeerId, payload: Bytes) -> Result<String, Error> {
        let route = Route { from: from.clone(), to: to.clone() };
        let attached = self.nodes.lock().get(to).cloned().ok_or_else(|| unreachable(to, "nobody is there"))?;
        self.hand_over(&attached, &route, payload, true).await
    }

    fn is_cut(&self, from: usize, to: &PeerId) -> bool {
        let weather = self.world.weather.lock();
        let is = |cut: &usize| *cut == from || peer(*cut) == *to;
        weather.cut.iter().any(is)
    }

    async fn hand_over(
        &self,
        attached: &Attached,
        route: &Route,
        payload: Bytes,
        planted: bool,
    ) -> Result<String, Error> {
        let note = format_args!("takes {} from {}", Hash::of(&payload), route.from.0).to_string();
        self.world.note(&attached.life, note);
        let to = attached.life.member;
        let (from, content) = (route.from.clone(), payload.clone());
        let index = {
            let mut delivered = self.delivered.lock();
            delivered.push(Delivered { from, to, payload: content, asked: false, planted, refused: false });
            delivered.len() - 1
        };
        let answer = attached.life.until(attached.receiver.message(route, payload)).await;
        let answer = answer.ok_or_else(|| unreachable(&route.to, "it fell over"))?;
        let answer = answer.map_err(|said| refusal(&route.to, said));
        if let (true, Err(Error::Refused { .. })) = (planted, &answer)
            && let Some(delivered) = self.delivered.lock().get_mut(index)
        {
            delivered.refused = true;
        }
        answer
    }

    /// The other end, once the way there is through.
    async fn reach(&self, from: usize, route: &Route) -> Result<Attached, Error> {
        self.world.lasts(|weather| weather.wire.clone()).await;
        if self.is_cut(from, &route.to) || self.world.happens(|weather| weather.loss) {
            tokio::time::sleep(SILENCE).await;
            return Err(unreachable(&route.to, "silence"));
        }
        self.nodes.lock().get(&route.to).cloned().ok_or_else(|| unreachable(&route.to, "nobody is there"))
    }

    /// Lets the answer come back, or not.
    async fn answered<T>(&self, route: &Route, answer: T) -> Result<T, Error> {
        self.world.lasts(|weather| weather.wire.clone()).await;
        if self.world.happens(|weather| weather.deaf) {
            return Err(unreachable(&route.to, "the answer was lost"));
        }
        Ok(answer)
    }
}

/// One life's end of the wires.
pub(crate) struct Exchange {
    pub(crate) wires: Arc<Wires>,
    pub(crate) life: Arc<Life>,
    pub(crate) blobs: Arc<Blobs>,
}

impl Exchange {
    fn knows(&self, node: &PeerId) -> bool {
        let trusted = self.wires.trusted.lock();
        let mut own = trusted.iter().filter(|((member, _), _)| *member == self.life.member);
        own.any(|(_, profile)| profile.get("id").and_then(Value::as_str) == Some(node.0.as_str()))
    }

    fn check(&self, route: &Route) -> Result<(), Error> {
        if self.knows(&route.to) { Ok(()) } else { Err(Error::UnknownPeer(route.to.0.clone())) }
    }

    async fn message(&self, route: &Route, payload: Bytes) -> Result<Receipt, Error> {
        self.check(route)?;
        let attached = self.wires.reach(self.life.member, route).await?;
        if self.wires.world.happens(|weather| weather.double) {
            let (wires, route, payload) = (Arc::clone(&self.wires), route.clone(), payload.clone());
            tokio::spawn(async move {
                wires.world.lasts(|weather| weather.wire.start..weather.wire.end * 20).await;
                let attached = wires.nodes.lock().get(&route.to).cloned();
                if let Some(attached) = attached {
                    // Nobody waits for the answer to the second copy.
                    let _ignored = wires.hand_over(&attached, &route, payload, false).await;
                }
            });
        }
        let manifest = self.wires.hand_over(&attached, route, payload, false).await?;
        self.wires.answered(route, Receipt::Stored(manifest)).await
    }

    async fn blob(&self, parcel: BlobParcel) -> Result<Receipt, Error> {
        let route = parcel.route;
        self.check(&route)?;
        let attached = self.wires.reach(self.life.member, &route).await?;
        let gone = || unreachable(&route.to, "it fell over");
        let admitted = attached.receiver.admit_blob(&route, &parcel.path, parcel.size);
        let admitted = attached.life.until(admitted).await.ok_or_else(gone)?;
        admitted.map_err(|said| refusal(&route.to, said))?;
        if self.wires.world.happens(|weather| weather.torn) {
            return Err(Error::Refused { peer: route.to.0, reason: "it arrives torn, whatever is tried".to_owned() });
        }
        let failed = |error: &dyn std::fmt::Display| Error::Failed(error.to_string());
        let (_, mut content) = self.blobs.open(&parcel.payload_ref).await.map_err(|error| failed(&error))?;
        let mut whole = Vec::new();
        while let Some(chunk) = content.next().await {
            whole.extend_from_slice(&chunk.map_err(|error| failed(&error))?);
        }
        let stored = attached.blobs.put("exchange", stream::once(whole.into()), u64::MAX).await;
        let stored = stored.map_err(|error| failed(&error))?;
        if stored.hash != parcel.hash {
            return Err(Error::Refused { peer: route.to.0, reason: "the hash is another".to_owned() });
        }
        self.wires.world.note(&attached.life, format_args!("takes blob {}", parcel.path));
        let (path, hash, size) = (parcel.path, stored.hash, stored.size);
        let blob = ReceivedBlob { route: route.clone(), path, hash, size, payload_ref: stored.payload_ref };
        let taken = attached.life.until(attached.receiver.blob(blob)).await.ok_or_else(gone)?;
        taken.map_err(|said| refusal(&route.to, said))?;
        self.wires.answered(&route, Receipt::Stored(hash.to_string())).await
    }

    async fn question(&self, route: &Route, question: Bytes) -> Result<Bytes, Error> {
        self.check(route)?;
        let attached = self.wires.reach(self.life.member, route).await?;
        let answer = attached.life.until(attached.receiver.answer(route, question)).await;
        let answer = answer.ok_or_else(|| unreachable(&route.to, "it fell over"))?;
        let answer = answer.map_err(|said| refusal(&route.to, said))?;
        self.wires.world.note(&self.life, format_args!("is told {} by {}", Hash::of(&answer), route.to.0));
        let (from, to) = (route.to.clone(), self.life.member);
        let payload = answer.clone();
        let told = Delivered { from, to, payload, asked: true, planted: false, refused: false };
        self.wires.delivered.lock().push(told);
        self.wires.answered(route, answer).await
    }
}

fn dead() -> Error {
    Error::Failed("the member is gone".to_owned())
}

#[async_trait]
impl DataExchange for Exchange {
    fn plugin_type(&self) -> &'static str {
        "simulated"
    }

    async fn profile(&self) -> Result<Map<String, Value>, Error> {
        let id = base(self.life.member);
        let profile = json!({ "id": id, "endpoint": format!("https://{id}"), "cert": "" });
        Ok(profile.as_object().cloned().unwrap_or_default())
    }

    async fn add_node(&self, _network_namespace: &str, node: &str, profile: &Map<String, Value>) -> Result<(), Error> {
        if profile.get("id").and_then(Value::as_str).unwrap_or_default().is_empty() {
            return Err(Error::InvalidProfile("it has no id".to_owned()));
        }
        if self.life.over.is_cancelled() {
            return Err(dead());
        }
        self.wires.trusted.lock().insert((self.life.member, node.to_owned()), profile.clone());
        self.wires.changed();
        Ok(())
    }

    fn receive(&self, own_node: &PeerId, receiver: Arc<dyn Receiver>) {
        if self.life.over.is_cancelled() {
            return;
        }
        let attached = Attached { receiver, life: Arc::clone(&self.life), blobs: Arc::clone(&self.blobs) };
        self.wires.nodes.lock().insert(own_node.clone(), attached);
        self.wires.changed();
    }

    async fn send_message(&self, parcel: MessageParcel) -> Result<Receipt, Error> {
        let MessageParcel { route, payload, .. } = parcel;
        self.life.bound(dead(), self.message(&route, payload)).await
    }

    async fn send_blob(&self, parcel: BlobParcel) -> Result<Receipt, Error> {
        self.life.bound(dead(), self.blob(parcel)).await
    }

    async fn ask(&self, route: &Route, question: Bytes, limit: u64) -> Result<Bytes, Error> {
        let answer = self.life.bound(dead(), self.question(route, question)).await?;
        if answer.len() as u64 > limit {
            return Err(Error::Refused { peer: route.to.0.clone(), reason: "its answer is too long".to_owned() });
        }
        Ok(answer)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        let (sender, receiver) = watch::channel(0);
        self.wires.changes.lock().push(sender);
        receiver
    }

    fn reachable(&self, node: &PeerId) -> Result<(), String> {
        if !self.knows(node) {
            return Err(format!("{} is not a peer", node.0));
        }
        let up = self.wires.nodes.lock().contains_key(node) && !self.wires.is_cut(self.life.member, node);
        if up { Ok(()) } else { Err(format!("{} is switched off", node.0)) }
    }

    fn certificate(&self) -> Option<CertificateState> {
        None
    }

    fn health(&self) -> Health {
        Health::Up
    }
}
