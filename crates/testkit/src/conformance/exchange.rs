//! The promises of [`DataExchange`], between two members.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use photinus_model::Hash;
use photinus_ports::{
    blobs::{self, BlobStore},
    exchange::{BlobParcel, DataExchange, Error, MessageParcel, Receipt, Refusal, Route},
    health::Health,
    peers::PeerId,
    stream,
};
use serde_json::{Map, Value, json};

use super::{
    chunks,
    inbox::{Inbox, manifest},
    pattern, until, within,
};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one who sends, most of the time.
    Left,
    /// The one who receives, who is cut off, and who falls over.
    Right,
}

/// What is known of the way from left to right.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// A receipt says that the receiving node has it durably. Otherwise it says that its data exchange has.
    pub stored: bool,
    /// The sender hears why the receiving node refuses.
    pub refusals: bool,
    /// Questions are carried.
    pub questions: bool,
    /// Bytes that a message may have.
    pub message: Option<u64>,
}

/// Two members' data exchanges, and power over the way between them.
#[async_trait]
pub trait Rig: Send + Sync {
    /// What may be expected.
    fn promises(&self) -> Promises;
    /// A member's data exchange.
    fn exchange(&self, side: Side) -> Arc<dyn DataExchange>;
    /// A member's blobs.
    fn blobs(&self, side: Side) -> Arc<dyn BlobStore>;
    /// Makes the right one unreachable.
    async fn cut(&mut self);
    /// Ends that.
    async fn mend(&mut self);
    /// Lets the right one fall over, and starts it again with what it has on disk.
    async fn restart(&mut self);
}

/// The name of both nodes.
pub const NODE: &str = "node";
const DATA: &str = "0d5a6b5e-1111-4000-8000-00000000";

/// Two members who know each other, one of whom takes deliveries.
struct Pair<'a> {
    rig: &'a mut dyn Rig,
    inbox: Arc<Inbox>,
    route: Route,
}

/// Checks everything.
///
/// # Panics
/// When a promise is not kept.
pub async fn check(rig: &mut dyn Rig) {
    let mut pair = Pair::meet(rig).await;
    pair.messages().await;
    pair.refusals().await;
    pair.strangers().await;
    pair.limits().await;
    pair.questions().await;
    pair.blobs().await;
    pair.refused_blobs().await;
    pair.within_one_exchange().await;
    pair.absence().await;
    pair.restart().await;
}

async fn profile(exchange: &dyn DataExchange) -> Map<String, Value> {
    let mut profile = within("a profile", async {
        loop {
            match exchange.profile().await {
                Ok(profile) => return profile,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    let base = profile["id"].as_str().expect("a profile has an id").to_owned();
    assert!(profile["endpoint"].is_string());
    profile.insert("id".to_owned(), format!("{base}/{NODE}").into());
    profile
}

fn id_of(profile: &Map<String, Value>) -> PeerId {
    PeerId(profile["id"].as_str().expect("an id").to_owned())
}

/// Tells a member of a node, again and again as the engine does.
async fn introduce(exchange: &dyn DataExchange, profile: &Map<String, Value>) {
    let id = id_of(profile).0;
    within(&format!("{id} is introduced"), async {
        while let Err(error) = exchange.add_node("ns1", &id.replace('/', "-"), profile).await {
            assert!(!matches!(error, Error::InvalidProfile(_)), "{error}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn parcel(route: &Route, number: u32, payload: impl Into<Bytes>) -> MessageParcel {
    MessageParcel { id: format!("ns1:{DATA}{number:04}"), route: route.clone(), payload: payload.into() }
}

impl<'a> Pair<'a> {
    /// Makes them know each other, as their engines would.
    async fn meet(rig: &'a mut dyn Rig) -> Self {
        let (left, right) = (rig.exchange(Side::Left), rig.exchange(Side::Right));
        let (ours, theirs) = (profile(&*left).await, profile(&*right).await);
        for wrong in [json!({}), json!({"id": "../x", "endpoint": "https://localhost:1", "cert": ""})] {
            if let Some(wrong) = wrong.as_object()
                && !wrong.is_empty()
                && left.plugin_type() == "memory"
            {
                continue; // It has no rule for ids.
            }
            let refused = left.add_node("ns1", "wrong", wrong.as_object().expect("an object")).await;
            assert!(matches!(refused, Err(Error::InvalidProfile(_))), "{wrong}: {refused:?}");
        }
        for profile in [&ours, &theirs] {
            introduce(&*left, profile).await;
            introduce(&*right, profile).await;
        }
        let inbox = Inbox::new();
        let route = Route { from: id_of(&ours), to: id_of(&theirs) };
        right.receive(&route.to, inbox.clone());
        let pair = Self { rig, inbox, route };
        pair.reached().await;
        assert_eq!((left.health(), right.health()), (Health::Up, Health::Up));
        pair
    }

    fn left(&self) -> Arc<dyn DataExchange> {
        self.rig.exchange(Side::Left)
    }

    /// Waits until the right one can be reached, and heard again by the one who waits for that.
    async fn reached(&self) {
        let left = self.left();
        within("the other side can be reached", async {
            let mut changes = left.changes();
            while left.reachable(&self.route.to).is_err() {
                // A change tells of it; a delivery that is tried once more finds it out as well.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(100), changes.changed()).await;
                let _ = left.send_message(parcel(&self.route, 9999, "knock")).await;
            }
        })
        .await;
    }

    async fn send(&self, number: u32, payload: impl Into<Bytes>) -> Result<Receipt, Error> {
        within("a message", self.left().send_message(parcel(&self.route, number, payload))).await
    }

    /// What came, without what was sent to find out whether anybody is there.
    fn came(&self) -> Vec<Bytes> {
        self.inbox.payloads().into_iter().filter(|payload| *payload != "knock").collect()
    }

    fn receipt(&self, of: &[u8]) -> Receipt {
        if self.rig.promises().stored { Receipt::Stored(manifest(of)) } else { Receipt::Transport }
    }

    /// Delivered once acknowledged, in order one after the other, all of many at once, and again when asked to.
    async fn messages(&self) {
        let first = "{\"batch\":{\"id\":\"é\\n\"}}";
        assert_eq!(self.send(1, first).await.unwrap_or_else(|e| panic!("{e}")), self.receipt(first.as_bytes()));
        until("the message has come", || self.came() == [first]).await;
        assert_eq!(self.inbox.messages.lock().iter().rfind(|(_, p)| p == first).map(|(r, _)| r), Some(&self.route));
        self.inbox.messages.lock().clear();
        for number in 0..20 {
            self.send(number, format!("{{\"n\":{number}}}")).await.expect("it is taken");
        }
        until("all have come", || self.came().len() == 20).await;
        let sent: Vec<_> = (0..20).map(|number| Bytes::from(format!("{{\"n\":{number}}}"))).collect();
        assert_eq!(self.came(), sent, "in the order in which they were acknowledged");
        self.inbox.messages.lock().clear();
        let many = join_all((0..50).map(|number| self.send(number, format!("{{\"many\":{number}}}")))).await;
        assert!(many.iter().all(Result::is_ok), "{many:?}");
        until("all of many have come", || self.came().len() == 50).await;
        assert_eq!(self.came().into_iter().collect::<BTreeSet<_>>().len(), 50, "each once");
        // A sender that crashed does not know that it had sent it.
        for _ in 0..2 {
            self.send(1, first).await.expect("the same once more");
        }
        until("both have come", || self.came().iter().filter(|payload| *payload == first).count() == 2).await;
        self.inbox.messages.lock().clear();
    }

    /// What is refused for good is told with its reason; what is refused for now is taken later.
    async fn refusals(&self) {
        self.inbox.refuse(Refusal::Never("because it was asked to".to_owned()));
        let sent = self.send(1, "{}").await;
        if self.rig.promises().refusals {
            let error = sent.expect_err("it is refused");
            assert!(
                matches!(&error, Error::Refused { reason, .. } if reason.contains("because it was asked to")),
                "{error}"
            );
        } else {
            assert_eq!(sent.expect("the data exchange has it"), Receipt::Transport);
        }
        self.inbox.refuse(Refusal::Later("starting".to_owned()));
        let sent = self.send(2, "{\"later\":1}").await;
        if self.rig.promises().refusals {
            assert!(matches!(sent, Err(Error::Failed(_) | Error::Unreachable { .. })), "{sent:?}");
            self.inbox.refuse(None);
            self.reached().await;
            self.send(2, "{\"later\":1}").await.expect("it is taken now");
        } else {
            sent.expect("the data exchange has it");
            assert!(!self.came().iter().any(|payload| *payload == "{\"later\":1}"));
            self.inbox.refuse(None);
        }
        // Where refusals are not told, the first may come to be offered only now.
        until("it was taken later", || self.came().iter().any(|payload| *payload == "{\"later\":1}")).await;
        self.inbox.messages.lock().clear();
    }

    /// Nodes that nobody knows.
    async fn strangers(&self) {
        let left = self.left();
        let nobody = Route { to: PeerId("nobody/node".to_owned()), ..self.route.clone() };
        let sent = within("an unknown peer", left.send_message(parcel(&nobody, 1, "{}"))).await;
        assert!(matches!(sent, Err(Error::UnknownPeer(_))), "{sent:?}");
        assert!(left.reachable(&nobody.to).is_err());
        let forged = Route { from: PeerId("nobody/node".to_owned()), ..self.route.clone() };
        if left.plugin_type() != "memory" {
            let sent = within("another's name", left.send_message(parcel(&forged, 1, "{}"))).await;
            assert!(matches!(sent, Err(Error::Failed(_))), "{sent:?}");
        }
        assert!(self.came().is_empty());
    }

    async fn limits(&self) {
        let Some(limit) = self.rig.promises().message else { return };
        let text = |length: u64| "y".repeat(usize::try_from(length).expect("a length"));
        let error = self.send(1, text(limit + 1)).await.expect_err("too large");
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        let most = text(limit - 4096);
        assert_eq!(self.send(1, most.clone()).await.unwrap_or_else(|e| panic!("{e}")), self.receipt(most.as_bytes()));
        until("it has come whole", || self.came() == [most.as_str()]).await;
        self.inbox.messages.lock().clear();
    }

    async fn questions(&self) {
        let asked = within("a question", self.left().ask(&self.route, Bytes::from_static(b"who?"), 100)).await;
        if self.rig.promises().questions {
            assert_eq!(asked.expect("an answer"), format!("{}: who?", self.route.from.0));
            let long = within("an answer", self.left().ask(&self.route, Bytes::from_static(b"who?"), 3)).await;
            assert!(matches!(long, Err(Error::Refused { .. })), "{long:?}");
        } else {
            assert!(matches!(asked, Err(Error::Refused { .. })), "{asked:?}");
        }
        assert_eq!(self.left().answers(&self.route.to), Some(self.rig.promises().questions), "it says so beforehand");
    }

    /// A blob of the left one, on its way.
    async fn blob(&self, number: u32, content: &[u8]) -> BlobParcel {
        let stored = self.rig.blobs(Side::Left).put("ns1", chunks(content), 1 << 30).await.expect("it is stored");
        BlobParcel {
            id: format!("ns1:{DATA}{number:04}"),
            route: self.route.clone(),
            payload_ref: stored.payload_ref,
            path: format!("ns1/{DATA}{number:04}"),
            hash: stored.hash,
            size: stored.size,
        }
    }

    async fn carry(&self, parcel: &BlobParcel) -> Result<Receipt, Error> {
        within("a blob", self.left().send_blob(parcel.clone())).await
    }

    /// Blobs arrive whole, under their path, with their hash, and again when asked to.
    async fn blobs(&self) {
        for (number, size) in [(1, 0), (2, 1), (3, 700_001), (4, 5_000_000)] {
            let content = pattern(size);
            let parcel = self.blob(number, &content).await;
            let sent = self.carry(&parcel).await.unwrap_or_else(|error| panic!("{size}: {error}"));
            let stored = self.rig.promises().stored;
            let receipt = if stored { Receipt::Stored(parcel.hash.to_string()) } else { Receipt::Transport };
            assert_eq!(sent, receipt);
            until("the blob has come", || !self.inbox.blobs.lock().is_empty()).await;
            let came = self.inbox.blobs.lock().pop().expect("a blob");
            assert_eq!((&came.route, &came.path), (&self.route, &parcel.path));
            assert_eq!((came.hash, came.size), (Hash::of(&content), size as u64));
            let (length, read) = self.rig.blobs(Side::Right).open(&came.payload_ref).await.expect("it is there");
            assert_eq!((length, stream::collect(read, size).await.expect("it is read")), (size as u64, content.into()));
            self.carry(&parcel).await.expect("the same once more");
            until("it has come again", || !self.inbox.blobs.lock().is_empty()).await;
            assert_eq!(self.inbox.blobs.lock().pop().expect("a blob").hash, parcel.hash);
            self.inbox.admitted.lock().clear();
        }
    }

    /// Blobs that are not taken leave nothing behind.
    async fn refused_blobs(&self) {
        let parcel = self.blob(5, &pattern(300_000)).await;
        let gone = BlobParcel { payload_ref: "ns1/gone".to_owned(), ..parcel.clone() };
        assert!(self.carry(&gone).await.is_err());
        let wrong = BlobParcel { hash: Hash::of("something else"), ..parcel.clone() };
        let error = self.carry(&wrong).await.expect_err("its bytes are not those of its hash");
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        if self.left().plugin_type() != "memory" {
            let path = BlobParcel { path: "../../etc/passwd".to_owned(), ..parcel.clone() };
            let error = self.carry(&path).await.expect_err("its path climbs");
            assert!(matches!(error, Error::Refused { .. }), "{error}");
        }
        self.inbox.refuse(Refusal::Never("no more blobs".to_owned()));
        let sent = self.carry(&parcel).await;
        if self.rig.promises().refusals {
            let error = sent.expect_err("it is not admitted");
            assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("no more blobs")), "{error}");
        }
        self.inbox.refuse(None);
        // Behind it everything is as before.
        let next = self.blob(6, b"next").await;
        self.reached().await;
        self.carry(&next).await.expect("the next one");
        until("the next one has come", || self.inbox.blobs.lock().iter().any(|blob| blob.path == next.path)).await;
        self.inbox.blobs.lock().clear();
    }

    /// Two nodes of one data exchange.
    async fn within_one_exchange(&self) {
        let left = self.left();
        if left.plugin_type() == "memory" {
            return; // Each of its members has one node.
        }
        let base = self.route.from.0.split('/').next().unwrap_or_default();
        let (other, inbox) = (PeerId(format!("{base}/other")), Inbox::new());
        left.receive(&other, inbox.clone());
        let route = Route { from: self.route.from.clone(), to: other };
        let sent = within("a message", left.send_message(parcel(&route, 1, "{\"own\":1}"))).await;
        assert_eq!(sent.expect("it is taken"), Receipt::Stored(manifest(b"{\"own\":1}")));
        let parcel = BlobParcel { route, ..self.blob(7, b"own").await };
        assert_eq!(self.carry(&parcel).await.expect("it is taken"), Receipt::Stored(parcel.hash.to_string()));
        assert_eq!((inbox.payloads().len(), inbox.blobs.lock().len()), (1, 1));
        let copy = inbox.blobs.lock()[0].payload_ref.clone();
        assert_ne!(copy, parcel.payload_ref);
        let store = self.rig.blobs(Side::Left);
        store.delete(&copy).await.expect("a copy of its own");
        assert!(matches!(store.open(&copy).await, Err(blobs::Error::NotFound(_))));
        assert!(store.open(&parcel.payload_ref).await.is_ok());
    }

    /// A peer that is away: told so, never refused, and reached again.
    async fn absence(&mut self) {
        self.rig.cut().await;
        let error = self.send(1, "{\"lost\":1}").await.expect_err("nobody is there");
        assert!(matches!(error, Error::Unreachable { .. } | Error::Failed(_)), "{error}");
        let blob = self.blob(8, &pattern(100_000)).await;
        let error = self.carry(&blob).await.expect_err("nobody is there");
        assert!(matches!(error, Error::Unreachable { .. } | Error::Failed(_)), "{error}");
        let left = self.left();
        until("that is known", || left.reachable(&self.route.to).is_err()).await;
        assert!(self.came().is_empty());
        self.rig.mend().await;
        self.rig.exchange(Side::Right).receive(&self.route.to, self.inbox.clone());
        self.reached().await;
        self.send(1, "{\"lost\":1}").await.expect("it is there again");
        self.carry(&blob).await.expect("it is there again");
        until("both have come", || self.came() == ["{\"lost\":1}"] && !self.inbox.blobs.lock().is_empty()).await;
        self.inbox.messages.lock().clear();
        self.inbox.blobs.lock().clear();
    }

    /// A peer that fell over is reached again without a new registration.
    async fn restart(&mut self) {
        self.rig.restart().await;
        let (left, right) = (self.left(), self.rig.exchange(Side::Right));
        let (ours, theirs) = (profile(&*left).await, profile(&*right).await);
        for profile in [&ours, &theirs] {
            introduce(&*right, profile).await;
        }
        self.inbox = Inbox::new();
        right.receive(&self.route.to, self.inbox.clone());
        self.reached().await;
        self.send(1, "{\"after\":1}").await.expect("it is there again");
        until("it has come", || self.came() == ["{\"after\":1}"]).await;
    }
}
