//! What was sent and decided since the namespace started, counted for metrics. Nothing else depends on it.
//!
//! Messages are remembered from when they are sent or arrive until they are decided, so that counting reads nothing from the
//! store; those that are not remembered, after a restart for example, are looked up.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use photinus_model::{
    Uuid,
    event::{self, Event},
    message::{Message, Type},
};
use photinus_store::Feed;
use serde_json::{Map, Value};

use crate::{core::Core, messaging::Sealed};

/// Undecided messages that are remembered; more are looked up when they are decided.
const REMEMBERED: usize = 100_000;
/// Messages, or events, in one read.
const READ: usize = 500;
/// Pairs of contract and signature that are told apart.
const PAIRS: usize = 1_000;

/// Upper bounds of the times that are told apart, in seconds; those of Prometheus' own default.
pub const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What was counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Broadcasts.
    pub broadcasts: Messages,
    /// Private messages.
    pub privates: Messages,
    /// Batch pins that the ledger took from this member.
    pub pins: u64,
    /// Transactions that the ledger took from this member, by contract and method.
    pub transactions: BTreeMap<(String, String), u64>,
    /// Events of the ledger that were recorded, by contract and signature.
    pub logs: BTreeMap<(String, String), u64>,
}

/// Counts of one kind of message.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// Taken from this member's applications.
    pub submitted: u64,
    /// Confirmed, whoever sent them.
    pub confirmed: u64,
    /// Rejected, whoever sent them.
    pub rejected: u64,
    /// How long this member's own took to be decided.
    pub took: Durations,
}

/// How often something took how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Durations {
    /// How many took at most as long as the bound of the same place in [`BOUNDS`], and longer than the bound before it.
    pub within: [u64; BOUNDS.len()],
    /// How many there were.
    pub count: u64,
    /// All times together.
    pub sum: Duration,
}

impl Durations {
    fn add(&mut self, took: Duration) {
        if let Some(place) = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound) {
            self.within[place] += 1;
        }
        self.count += 1;
        self.sum += took;
    }
}

/// Which count a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Broadcast,
    Private,
    /// Definitions and messages of the protocol are not counted.
    Other,
}

impl Kind {
    fn of(message: &Message) -> Self {
        match message.header.kind {
            Type::Broadcast => Self::Broadcast,
            Type::Private => Self::Private,
            _ => Self::Other,
        }
    }
}

/// A message that is not decided yet.
struct Open {
    kind: Kind,
    /// When this member sent it.
    sent: Option<Instant>,
}

#[derive(Default)]
struct Inner {
    open: HashMap<Uuid, Open>,
    counts: Counts,
}

impl Inner {
    fn of(&mut self, kind: Kind) -> Option<&mut Messages> {
        match kind {
            Kind::Broadcast => Some(&mut self.counts.broadcasts),
            Kind::Private => Some(&mut self.counts.privates),
            Kind::Other => None,
        }
    }

    fn remember(&mut self, message: &Message, sent: Option<Instant>) {
        if self.open.len() < REMEMBERED {
            self.open.entry(message.header.id).or_insert(Open { kind: Kind::of(message), sent });
        }
    }

    fn decide(&mut self, open: &Open, confirmed: bool) {
        let Some(messages) = self.of(open.kind) else { return };
        if confirmed {
            messages.confirmed += 1;
        } else {
            messages.rejected += 1;
        }
        if let Some(sent) = open.sent {
            messages.took.add(sent.elapsed());
        }
    }
}

/// The counts of a namespace.
#[derive(Default)]
pub(crate) struct Tally {
    inner: Mutex<Inner>,
}

impl Tally {
    /// This member is about to store messages. They may be decided before it hears that they are stored.
    pub(crate) fn offered(&self, sealed: &[Arc<Sealed>]) {
        let (mut inner, now) = (self.inner.lock(), Instant::now());
        for sealed in sealed {
            inner.remember(&sealed.message, Some(now));
        }
    }

    /// They are stored.
    pub(crate) fn sent(&self, sealed: &[Arc<Sealed>]) {
        let mut inner = self.inner.lock();
        for sealed in sealed {
            if let Some(counts) = inner.of(Kind::of(&sealed.message)) {
                counts.submitted += 1;
            }
        }
    }

    /// They were not stored.
    pub(crate) fn withdrawn(&self, sealed: &[Arc<Sealed>]) {
        let mut inner = self.inner.lock();
        for sealed in sealed {
            inner.open.remove(&sealed.message.header.id);
        }
    }

    /// Messages of others have arrived.
    pub(crate) fn arrived(&self, messages: &[Message]) {
        let mut inner = self.inner.lock();
        for message in messages {
            inner.remember(message, None);
        }
    }

    /// The ledger has taken a batch pin.
    pub(crate) fn pinned(&self, location: &Map<String, Value>) {
        self.inner.lock().counts.pins += 1;
        self.transaction(location, "pinBatch");
    }

    /// The ledger has taken a transaction.
    pub(crate) fn transaction(&self, location: &Map<String, Value>, method: &str) {
        count(&mut self.inner.lock().counts.transactions, text(location, "address"), method.to_owned());
    }

    /// An event of the ledger was recorded; `info` is what its record says of its place.
    pub(crate) fn log(&self, info: &Map<String, Value>) {
        let (address, signature) = (text(info, "address"), text(info, "signature"));
        if !address.is_empty() && !signature.is_empty() {
            count(&mut self.inner.lock().counts.logs, format!("address={address}"), signature);
        }
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        self.inner.lock().counts.clone()
    }

    /// Counts decided messages. Returns those that are not remembered, with what became of them.
    fn decided(&self, events: &[Event]) -> Vec<(Uuid, bool)> {
        let mut inner = self.inner.lock();
        let mut seen = BTreeSet::new();
        let mut unknown = Vec::new();
        for event in events {
            let confirmed = match event.kind {
                event::Type::MessageConfirmed => true,
                event::Type::MessageRejected => false,
                _ => continue,
            };
            // There is an event for each topic.
            let Some(id) = event.reference.filter(|id| seen.insert(*id)) else { continue };
            match inner.open.remove(&id) {
                Some(open) => inner.decide(&open, confirmed),
                None => unknown.push((id, confirmed)),
            }
        }
        unknown
    }
}

fn text(members: &Map<String, Value>, name: &str) -> String {
    members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn count(counts: &mut BTreeMap<(String, String), u64>, place: String, what: String) {
    let room = counts.len() < PAIRS;
    match counts.get_mut(&(place.clone(), what.clone())) {
        Some(count) => *count += 1,
        None if room => drop(counts.insert((place, what), 1)),
        None => {}
    }
}

/// Follows the store's feed for as long as the namespace runs.
pub(crate) fn start(core: &Arc<Core>) {
    let feed = Arc::new(tokio::sync::Mutex::new((core.store.feed(core.name()), None)));
    let (owner, tasks) = (Arc::clone(core), core.tasks.clone());
    tasks.spawn("tally", move || follow(Arc::clone(&owner), Arc::clone(&feed)));
}

/// The feed, and the last event that was counted.
type Following = Arc<tokio::sync::Mutex<(Feed, Option<i64>)>>;

async fn follow(core: Arc<Core>, following: Following) -> Result<(), photinus_store::Error> {
    let (feed, last) = &mut *following.lock().await;
    loop {
        let next = tokio::select! {
            biased;
            () = core.tasks.stopping().cancelled() => return Ok(()),
            next = feed.next() => next,
        };
        match next? {
            Ok(events) => decided(&core, &events, last).await?,
            Err(_missed) => {
                let read = core.store.read(core.name());
                while let Some(after) = *last {
                    let events = read.events_after(after, READ).await?;
                    if events.is_empty() {
                        break;
                    }
                    decided(&core, &events, last).await?;
                }
            }
        }
    }
}

async fn decided(core: &Core, events: &[Event], last: &mut Option<i64>) -> Result<(), photinus_store::Error> {
    // What was read after a gap comes by the feed again.
    let fresh = events.iter().position(|event| last.is_none_or(|last| event.sequence > last)).unwrap_or(events.len());
    let events = &events[fresh..];
    *last = events.last().map(|event| event.sequence).or(*last);
    for unknown in core.tally.decided(events).chunks(READ) {
        let ids: Vec<_> = unknown.iter().map(|(id, _)| *id).collect();
        let mut found: HashMap<Uuid, Kind> = HashMap::new();
        for message in core.store.read(core.name()).messages_by_ids(&ids).await? {
            found.insert(message.header.id, Kind::of(&message));
        }
        let mut inner = core.tally.inner.lock();
        for (id, confirmed) in unknown {
            if let Some(kind) = found.get(id) {
                inner.decide(&Open { kind: *kind, sent: None }, *confirmed);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use photinus_model::Time;

    use super::*;

    fn message(number: u128, kind: &str) -> Message {
        let message = serde_json::json!({ "header": { "id": Uuid::from_u128(number), "type": kind, "txtype": "batch_pin",
            "author": "", "key": "", "created": null, "namespace": "", "topics": [], "datahash": null }, "data": [] });
        serde_json::from_value(message).unwrap()
    }

    fn sealed(message: Message) -> Arc<Sealed> {
        Arc::new(Sealed { message, data: Vec::new(), size: 0, sent: Mutex::default() })
    }

    fn event(number: u128, kind: event::Type) -> Event {
        Event {
            id: Uuid::from_u128(number + 100),
            sequence: 1,
            kind,
            namespace: String::new(),
            reference: Some(Uuid::from_u128(number)),
            correlator: None,
            tx: None,
            topic: String::new(),
            created: Time::ZERO,
        }
    }

    #[test]
    fn a_message_counts_once_whatever_the_number_of_its_topics() {
        let tally = Tally::default();
        let sent = [sealed(message(1, "broadcast")), sealed(message(2, "definition"))];
        tally.offered(&sent);
        tally.arrived(&[message(3, "private")]);
        let unknown = tally.decided(&[
            event(1, event::Type::MessageConfirmed),
            event(1, event::Type::MessageConfirmed),
            event(2, event::Type::MessageConfirmed),
            event(3, event::Type::MessageRejected),
            event(4, event::Type::MessageConfirmed),
            event(5, event::Type::IdentityConfirmed),
        ]);
        // Whoever sent them hears that they are stored when they are decided already.
        tally.sent(&sent);
        assert_eq!(unknown, [(Uuid::from_u128(4), true)]);
        let Counts { broadcasts, privates, .. } = tally.counts();
        assert_eq!((broadcasts.submitted, broadcasts.confirmed, broadcasts.took.count), (1, 1, 1));
        assert_eq!((privates.submitted, privates.rejected, privates.took.count), (0, 1, 0));
        assert!(tally.inner.lock().open.is_empty());
    }

    #[test]
    fn nothing_is_remembered_of_what_was_not_stored() {
        let tally = Tally::default();
        let sent = [sealed(message(1, "broadcast"))];
        tally.offered(&sent);
        tally.withdrawn(&sent);
        assert!(tally.inner.lock().open.is_empty());
        assert_eq!(tally.counts().broadcasts.submitted, 0);
    }

    #[test]
    fn times_fall_between_bounds() {
        let mut took = Durations::default();
        for millis in [5, 6, 10_000, 10_001] {
            took.add(Duration::from_millis(millis));
        }
        assert_eq!((took.within[0], took.within[1], took.within[10], took.count), (1, 1, 1, 4));
    }

    #[test]
    fn logs_count_by_contract_and_signature() {
        let tally = Tally::default();
        let Value::Object(info) = serde_json::json!({ "address": "0x1", "signature": "E()" }) else { unreachable!() };
        tally.log(&info);
        tally.log(&Map::new());
        assert_eq!(tally.counts().logs.into_iter().collect::<Vec<_>>(), [(("address=0x1".into(), "E()".into()), 1)]);
    }
}
