//! The rules of one socket: what was started on it, what is in flight, and which acknowledgements fit. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use photinus_engine::events::{self, Acknowledger, Delivery};
use photinus_model::{Uuid, subscription::Ref};

use super::frame::{Ack, Start};
use crate::lenient;

/// Starts of one socket at most.
pub(super) const MAX_STARTS: usize = 256;

/// Why something that a client asked for was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Not JSON, or of the wrong shape.
    #[error("{0}")]
    Unreadable(#[from] lenient::Failure),
    /// A frame of an unknown type.
    #[error("FF10177: unknown action '{0}'")]
    UnknownAction(String),
    /// An acknowledgement of what is not in flight.
    #[error("FF10175: the acknowledgement matches no event in flight for its subscription")]
    NotInFlight,
    /// A start that names nothing.
    #[error("FF10178: a start names its namespace, and a subscription by 'name' or 'ephemeral'")]
    Nameless,
    /// A start that changes what holds for the whole socket.
    #[error("FF10179: 'autoack' is the same in all starts of a socket")]
    AutoackChanged,
    /// An acknowledgement that nobody waits for.
    #[error("FF10180: 'autoack' is on: events are not acknowledged")]
    Autoack,
    /// A namespace that does not run, or that a query names and nobody knows.
    #[error("FF10187: namespace '{0}' is not available")]
    NotAvailable(String),
    /// A namespace that asks for a name and a password.
    #[error("FF00169: Unauthorized")]
    Unauthorized,
    /// A namespace that nobody knows.
    #[error("FF10436: unknown namespace '{0}'")]
    UnknownNamespace(String),
    /// Another namespace than that of the socket's path.
    #[error("FF10462: the socket belongs to namespace '{0}'")]
    OtherNamespace(String),
    /// More starts than a socket may have.
    #[error("FF00192: a socket has at most {MAX_STARTS} starts")]
    TooMany,
    /// The subscription is wrong.
    #[error("{code}: {0}", code = .0.code())]
    Subscription(#[from] events::Error),
}

impl Error {
    /// How the client is told when a frame was at fault.
    pub(super) fn in_frame(&self) -> String {
        format!("FF10176: invalid data: {self}")
    }
}

/// Where a namespace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Unknown,
    Starting,
    Running,
}

/// Where a start was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Frame,
    Query,
}

/// The state of one socket.
#[derive(Debug, Default)]
pub(super) struct Protocol {
    scope: Option<String>,
    autoack: bool,
    starts: usize,
    /// Single events in the order in which they were sent.
    in_flight: BTreeMap<u64, Sent>,
    by_event: HashMap<Uuid, Vec<u64>>,
    next: u64,
    batches: HashMap<Uuid, Batch>,
    /// The newest run of each subscription.
    runs: HashMap<Uuid, u64>,
}

#[derive(Debug)]
struct Sent {
    event: Uuid,
    sequence: i64,
    subscription: Arc<Ref>,
    acknowledger: Acknowledger,
}

#[derive(Debug)]
struct Batch {
    subscription: Uuid,
    sequences: Vec<i64>,
    acknowledger: Acknowledger,
}

/// Events that a client is done with.
#[derive(Debug)]
pub(super) struct Done {
    acknowledger: Acknowledger,
    pub(super) sequences: Vec<i64>,
}

impl Done {
    /// Tells whoever delivered them.
    pub(super) fn tell(&self) {
        for sequence in &self.sequences {
            self.acknowledger.acknowledge(*sequence);
        }
    }
}

impl Protocol {
    /// A new socket, bound to a namespace if its path names one.
    pub(super) fn new(scope: Option<String>) -> Self {
        Self { scope, ..Self::default() }
    }

    /// Checks a start and notes it. Gives its namespace.
    pub(super) fn start(
        &mut self,
        start: &Start,
        origin: Origin,
        standing: impl Fn(&str) -> Standing,
    ) -> Result<String, Error> {
        let namespace = match &self.scope {
            Some(scope) if start.namespace.is_empty() || start.namespace == *scope => scope.clone(),
            Some(scope) => return Err(Error::OtherNamespace(scope.clone())),
            None => start.namespace.clone(),
        };
        let standing = standing(&namespace);
        if origin == Origin::Frame && standing == Standing::Unknown {
            return Err(Error::UnknownNamespace(namespace));
        }
        if self.starts >= MAX_STARTS {
            return Err(Error::TooMany);
        }
        if let Some(autoack) = start.autoack {
            if autoack != self.autoack && self.starts > 0 {
                return Err(Error::AutoackChanged);
            }
            self.autoack = autoack;
        }
        // Also when the rest of it fails: clients see that in what later starts may say.
        self.starts += 1;
        if namespace.is_empty() || (!start.ephemeral && start.name.is_empty()) {
            return Err(Error::Nameless);
        }
        if standing != Standing::Running {
            return Err(Error::NotAvailable(namespace));
        }
        Ok(namespace)
    }

    /// Notes what is about to be sent. Gives what is done as soon as it was sent.
    pub(super) fn deliver(&mut self, delivery: &Delivery) -> Option<Done> {
        let acknowledger = delivery.acknowledger();
        let sequences = || delivery.events.iter().map(|one| one.event.event.sequence).collect();
        if self.autoack {
            return Some(Done { acknowledger, sequences: sequences() });
        }
        let subscription = &delivery.subscription;
        if self.runs.insert(subscription.id, delivery.run).is_some_and(|run| run != delivery.run) {
            self.forget(subscription.id);
        }
        if let Some(batch) = delivery.batch {
            let noted = Batch { subscription: subscription.id, sequences: sequences(), acknowledger };
            self.batches.insert(batch, noted);
            return None;
        }
        for one in &delivery.events {
            let (event, sequence) = (one.event.event.id, one.event.event.sequence);
            let sent =
                Sent { event, sequence, subscription: Arc::clone(subscription), acknowledger: acknowledger.clone() };
            self.in_flight.insert(self.next, sent);
            self.by_event.entry(event).or_default().push(self.next);
            self.next += 1;
        }
        None
    }

    /// Finds what an acknowledgement means, and takes it out of what is in flight.
    pub(super) fn ack(&mut self, ack: &Ack) -> Result<Vec<Done>, Error> {
        if let Some(batch) = ack.id.and_then(|id| self.batches.remove(&id)) {
            return Ok(vec![Done { acknowledger: batch.acknowledger, sequences: batch.sequences }]);
        }
        if self.autoack {
            return Err(Error::Autoack);
        }
        let matching: Vec<u64> = match (ack.id, &ack.subscription) {
            (None, _) => self.in_flight.keys().next().copied().into_iter().collect(),
            (Some(_), None) if self.starts != 1 => return Err(Error::NotInFlight),
            (Some(id), named) => {
                let fits = |at: &u64| {
                    named
                        .as_ref()
                        .is_none_or(|named| self.in_flight.get(at).is_some_and(|sent| named.is(&sent.subscription)))
                };
                self.by_event.get(&id).into_iter().flatten().copied().filter(fits).collect()
            }
        };
        let done: Vec<Done> = matching.into_iter().filter_map(|at| self.take(at)).collect();
        if done.is_empty() { Err(Error::NotInFlight) } else { Ok(done) }
    }

    /// How many events and batches wait for an acknowledgement.
    pub(super) fn waiting(&self) -> usize {
        self.in_flight.len() + self.batches.len()
    }

    fn take(&mut self, at: u64) -> Option<Done> {
        let sent = self.in_flight.remove(&at)?;
        if let Some(places) = self.by_event.get_mut(&sent.event) {
            places.retain(|place| *place != at);
            if places.is_empty() {
                self.by_event.remove(&sent.event);
            }
        }
        Some(Done { acknowledger: sent.acknowledger, sequences: vec![sent.sequence] })
    }

    /// Delivery of a subscription started over: what was in flight comes again, and is acknowledged once.
    fn forget(&mut self, subscription: Uuid) {
        let stale = |sent: &Sent| sent.subscription.id == subscription;
        let stale: Vec<u64> = self.in_flight.iter().filter(|(_, sent)| stale(sent)).map(|(at, _)| *at).collect();
        for at in stale {
            self.take(at);
        }
        self.batches.retain(|_, batch| batch.subscription != subscription);
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
