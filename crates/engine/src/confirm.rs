//! Callers that wait until something is confirmed, woken from memory.
//!
//! A waiter is registered before the thing it waits for is stored, so no confirmation can pass it by. The bridge follows the
//! store's feed of committed events, and reads what is waited for in one go for all callers of a commit; when it falls behind
//! the feed it looks every subject up once.
//! Waiters do not survive a restart; their callers are gone by then too.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use photinus_model::{
    Time, Uuid,
    event::{self, Event},
    message::{Message, State},
};
use photinus_query::{Condition, Query, collection};
use tokio::sync::oneshot;

use crate::{core::Core, error::Kind};

/// Why waiting ended without a confirmation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF10260`: the caller's time is over. The work goes on.
    #[error("not confirmed within {:.3} s; the request goes on, read it again later", .0.as_secs_f64())]
    TimedOut(Duration),
    /// `FF10260`: nobody answered in time. The request stays sent.
    #[error("no answer to message '{request}' within {:.3} s; the request stays sent", .limit.as_secs_f64())]
    NoReply {
        /// The request.
        request: Uuid,
        /// How long was waited.
        limit: Duration,
    },
    /// `FF10269`: the message was rejected by the rules that all members share.
    #[error("message '{message}' was rejected: {reason}")]
    Rejected {
        /// The message.
        message: Uuid,
        /// Why, beginning with a code.
        reason: String,
    },
    /// `FF00166`: too many callers wait already.
    #[error("{0} callers wait for confirmations already: send without waiting, or later")]
    TooMany(usize),
    /// `FF10441`: the namespace stops. The request was stored and goes on at the next start.
    #[error("the namespace is stopping; the request was stored and goes on at the next start")]
    Stopping,
}

impl Error {
    /// The rejection of a message whose record says why.
    pub(crate) fn rejected(message: &Message) -> Self {
        Self::Rejected { message: message.header.id, reason: message.reject_reason.clone() }
    }

    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TimedOut(_) | Self::NoReply { .. } => "FF10260",
            Self::Rejected { .. } => "FF10269",
            Self::TooMany(_) => "FF00166",
            Self::Stopping => "FF10441",
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::TimedOut(_) | Self::NoReply { .. } => Kind::TimedOut,
            Self::Rejected { .. } => Kind::Conflict,
            Self::TooMany(_) => Kind::Overloaded,
            Self::Stopping => Kind::Unavailable,
        }
    }
}

/// What a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// The fate of the message or identity of this id.
    Of(Uuid),
    /// A confirmed message that names this one in `cid`.
    ReplyTo(Uuid),
}

/// How the subject of a waiter ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The message is decided; its record says how.
    Message(Arc<Message>),
    /// The message is confirmed, as whoever waits with a copy of it needs no record to know: its transaction, and when.
    Confirmed(Option<Uuid>, Time),
    /// The identity is registered or updated.
    Identity,
}

/// Wakes callers. Shared by the namespace's services.
pub(crate) struct Bridge {
    waiting: Arc<Mutex<Waiting>>,
    limit: usize,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    by_subject: HashMap<Subject, Vec<Place>>,
    count: usize,
}

struct Place {
    ticket: u64,
    /// Whether the caller has a copy of the message, so that no record is read for it if the message is confirmed.
    copy: bool,
    wake: oneshot::Sender<Verdict>,
}

/// A caller's place in the bridge; dropping it gives the place up.
pub(crate) struct Waiter {
    subject: Subject,
    ticket: u64,
    verdict: oneshot::Receiver<Verdict>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Bridge {
    /// A bridge for at most `limit` callers at a time.
    pub(crate) fn new(limit: usize) -> Self {
        Self { waiting: Arc::default(), limit }
    }

    /// A place to wait for the message or identity of this id. To be taken before it is stored.
    pub(crate) fn register(&self, subject: Uuid) -> Result<Waiter, Error> {
        self.place(Subject::Of(subject), false)
    }

    /// As [`Bridge::register`], for a caller who has a copy of the message.
    pub(crate) fn register_with_copy(&self, message: Uuid) -> Result<Waiter, Error> {
        self.place(Subject::Of(message), true)
    }

    /// As [`Bridge::register`], for any subject.
    pub(crate) fn register_for(&self, subject: Subject) -> Result<Waiter, Error> {
        self.place(subject, false)
    }

    /// How many of these messages somebody waits for.
    pub(crate) fn awaited(&self, messages: impl IntoIterator<Item = Uuid>) -> usize {
        let waiting = self.waiting.lock();
        messages.into_iter().filter(|message| waiting.by_subject.contains_key(&Subject::Of(*message))).count()
    }

    fn place(&self, subject: Subject, copy: bool) -> Result<Waiter, Error> {
        let (wake, verdict) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.count >= self.limit {
            return Err(Error::TooMany(self.limit));
        }
        let ticket = waiting.next;
        waiting.next += 1;
        waiting.count += 1;
        waiting.by_subject.entry(subject).or_default().push(Place { ticket, copy, wake });
        Ok(Waiter { subject, ticket, verdict, waiting: Arc::clone(&self.waiting) })
    }

    /// Wakes whoever waits for identities that the events are about. Returns the messages among their subjects that
    /// somebody waits for, or whose answer somebody waits for with them.
    fn notice(&self, events: &[Event]) -> Vec<Uuid> {
        let mut messages = Vec::new();
        for event in events {
            let Some(subject) = event.reference else { continue };
            match event.kind {
                kind if is_about_identity(kind) => self.settle(Subject::Of(subject), &Verdict::Identity),
                event::Type::MessageConfirmed => {
                    self.wake(Subject::Of(subject), &Verdict::Confirmed(event.tx, event.created), |place| place.copy);
                    messages.push((subject, event.correlator));
                }
                event::Type::MessageRejected => messages.push((subject, event.correlator)),
                _ => {}
            }
        }
        let waiting = self.waiting.lock();
        messages.retain(|(subject, answers)| {
            waiting.by_subject.contains_key(&Subject::Of(*subject))
                || answers.is_some_and(|request| waiting.by_subject.contains_key(&Subject::ReplyTo(request)))
        });
        drop(waiting);
        let mut messages: Vec<_> = messages.into_iter().map(|(subject, _)| subject).collect();
        messages.sort_unstable();
        messages.dedup();
        messages
    }

    /// Wakes whoever waits for the subject.
    fn settle(&self, subject: Subject, verdict: &Verdict) {
        self.wake(subject, verdict, |_| true);
    }

    /// As [`Bridge::settle`], those whom `who` names.
    fn wake(&self, subject: Subject, verdict: &Verdict, who: impl Fn(&Place) -> bool) {
        let woken: Vec<_> = {
            let mut waiting = self.waiting.lock();
            let hash_map::Entry::Occupied(mut places) = waiting.by_subject.entry(subject) else { return };
            let woken: Vec<_> = places.get_mut().extract_if(.., |place| who(place)).collect();
            if places.get().is_empty() {
                places.remove();
            }
            waiting.count -= woken.len();
            woken
        };
        for place in woken {
            // The caller may have given up at this moment; then nobody is left to tell.
            let _ = place.wake.send(verdict.clone());
        }
    }

    /// What is waited for now.
    fn subjects(&self) -> Vec<Subject> {
        self.waiting.lock().by_subject.keys().copied().collect()
    }

    /// How many callers wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().count
    }
}

impl Waiter {
    /// Waits for the verdict, at most for `limit`.
    pub(crate) async fn verdict(mut self, limit: Duration) -> Result<Verdict, Error> {
        match tokio::time::timeout(limit, &mut self.verdict).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(_)) => Err(Error::Stopping),
            Err(_) => Err(Error::TimedOut(limit)),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        let Some(places) = waiting.by_subject.get_mut(&self.subject) else { return };
        let before = places.len();
        places.retain(|place| place.ticket != self.ticket);
        let (gone, empty) = (before - places.len(), places.is_empty());
        waiting.count -= gone;
        if empty {
            waiting.by_subject.remove(&self.subject);
        }
    }
}

/// Follows the store's feed for as long as the namespace runs.
pub(crate) fn start(core: &Arc<Core>) {
    // Subscribed before anything is sent, so that nothing passes unseen.
    let feed = Arc::new(tokio::sync::Mutex::new(core.store.feed(core.name())));
    let (owner, tasks) = (Arc::clone(core), core.tasks.clone());
    tasks.spawn("confirmations", move || follow(Arc::clone(&owner), Arc::clone(&feed)));
}

async fn follow(
    core: Arc<Core>,
    feed: Arc<tokio::sync::Mutex<photinus_store::Feed>>,
) -> Result<(), photinus_store::Error> {
    let mut feed = feed.lock().await;
    // After a failure of this task something may have passed.
    recheck(&core).await?;
    loop {
        let next = tokio::select! {
            biased;
            () = core.tasks.stopping().cancelled() => return Ok(()),
            next = feed.next() => next,
        };
        match next? {
            Ok(events) => {
                // Whoever is woken must not read what was before.
                let changed = events.iter().filter(|event| is_about_identity(event.kind));
                changed.filter_map(|event| event.reference).for_each(|id| core.identities.forget(id));
                core.backlog.decided(&events);
                let messages = core.confirmations.notice(&events);
                tell(&core, &messages).await?;
            }
            Err(_missed) => recheck(&core).await?,
        }
    }
}

fn is_about_identity(kind: event::Type) -> bool {
    matches!(kind, event::Type::IdentityConfirmed | event::Type::IdentityUpdated)
}

/// Reads messages, many at once, and wakes whoever waits for those that are decided.
async fn tell(core: &Core, messages: &[Uuid]) -> Result<(), photinus_store::Error> {
    for ids in messages.chunks(READ) {
        for message in core.store.read(core.name()).messages_by_ids(ids).await? {
            if message.state.is_some_and(State::is_final) {
                settle(core, message);
            }
        }
    }
    Ok(())
}

/// Wakes whoever waits for a message that is decided, or for it as an answer.
fn settle(core: &Core, message: Message) {
    let message = Arc::new(message);
    let verdict = Verdict::Message(Arc::clone(&message));
    core.confirmations.settle(Subject::Of(message.header.id), &verdict);
    if let Some(request) = message.header.cid.filter(|_| message.state == Some(State::Confirmed)) {
        core.confirmations.settle(Subject::ReplyTo(request), &verdict);
    }
}

/// The answers to a request that are confirmed.
async fn answers(core: &Core, request: Uuid) -> Result<Vec<Message>, photinus_store::Error> {
    let Some(cid) = collection::MESSAGES.field("cid") else { return Ok(Vec::new()) };
    let query = Query::filtered(Condition::text(cid, request.to_string()));
    let found = core.store.read(core.name()).find::<Message>(&query).await?.items;
    Ok(found.into_iter().filter(|message| message.state == Some(State::Confirmed)).collect())
}

/// Messages in one read.
const READ: usize = 500;

/// Looks up everything that is waited for.
async fn recheck(core: &Core) -> Result<(), photinus_store::Error> {
    let of = |subject: &Subject| match subject {
        Subject::Of(id) => Some(*id),
        Subject::ReplyTo(_) => None,
    };
    let subjects: Vec<_> = core.confirmations.subjects().iter().filter_map(of).collect();
    tell(core, &subjects).await?;
    for subject in core.confirmations.subjects() {
        match subject {
            Subject::Of(id) => {
                if core.store.read(core.name()).identity(id).await?.is_some() {
                    core.confirmations.settle(subject, &Verdict::Identity);
                }
            }
            Subject::ReplyTo(request) => {
                answers(core, request).await?.into_iter().for_each(|found| settle(core, found))
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    fn event(kind: event::Type, reference: Uuid) -> Event {
        Event {
            id: Uuid::nil(),
            sequence: 0,
            kind,
            namespace: "ns".into(),
            reference: Some(reference),
            correlator: None,
            tx: None,
            topic: String::new(),
            created: photinus_model::Time::from_unix_nanos(0),
        }
    }

    #[tokio::test]
    async fn every_waiter_of_a_subject_is_woken_once() {
        let (bridge, subject) = (Bridge::new(10), Uuid::from_u128(1));
        let (first, second) = (bridge.register(subject).unwrap(), bridge.register(subject).unwrap());
        let other = bridge.register(Uuid::from_u128(2)).unwrap();
        assert!(bridge.notice(&[event(event::Type::TransactionSubmitted, subject)]).is_empty());
        let confirmed = event(event::Type::MessageConfirmed, subject);
        let unwanted = event(event::Type::MessageConfirmed, Uuid::from_u128(3));
        assert_eq!(bridge.notice(&[confirmed.clone(), unwanted, confirmed]), [subject]);
        assert_eq!(bridge.len(), 3);
        bridge.notice(&[event(event::Type::IdentityConfirmed, subject)]);
        assert_eq!(first.verdict(LONG).await.unwrap(), Verdict::Identity);
        assert_eq!(second.verdict(LONG).await.unwrap(), Verdict::Identity);
        assert_eq!(bridge.subjects(), [Subject::Of(Uuid::from_u128(2))]);
        drop(other);
        assert_eq!(bridge.len(), 0);
    }

    #[tokio::test]
    async fn whoever_has_a_copy_is_told_without_a_read() {
        let (bridge, subject) = (Bridge::new(10), Uuid::from_u128(1));
        let (with, without) = (bridge.register_with_copy(subject).unwrap(), bridge.register(subject).unwrap());
        let also = bridge.register_with_copy(Uuid::from_u128(2)).unwrap();
        let tx = Some(Uuid::from_u128(3));
        let rejected = event(event::Type::MessageRejected, Uuid::from_u128(2));
        let confirmed = Event { tx, ..event(event::Type::MessageConfirmed, subject) };
        assert_eq!(bridge.notice(&[rejected, confirmed]), [subject, Uuid::from_u128(2)]);
        assert_eq!(with.verdict(LONG).await.unwrap(), Verdict::Confirmed(tx, Time::from_unix_nanos(0)));
        assert_eq!(bridge.len(), 2);
        drop((without, also));
        assert_eq!(bridge.len(), 0);
    }

    #[tokio::test]
    async fn an_answer_is_noticed_by_what_it_names() {
        let (bridge, request) = (Bridge::new(10), Uuid::from_u128(1));
        let waiter = bridge.register_for(Subject::ReplyTo(request)).unwrap();
        let answer = Event { correlator: Some(request), ..event(event::Type::MessageConfirmed, Uuid::from_u128(2)) };
        let other = Event { correlator: None, ..event(event::Type::MessageConfirmed, request) };
        assert_eq!(bridge.notice(&[other, answer]), [Uuid::from_u128(2)]);
        bridge.settle(Subject::ReplyTo(request), &Verdict::Identity);
        assert_eq!(waiter.verdict(LONG).await.unwrap(), Verdict::Identity);
    }

    #[tokio::test]
    async fn places_are_bounded_and_given_back() {
        let bridge = Bridge::new(1);
        let waiter = bridge.register(Uuid::from_u128(1)).unwrap();
        assert!(matches!(bridge.register(Uuid::from_u128(2)), Err(Error::TooMany(1))));
        assert!(matches!(waiter.verdict(Duration::ZERO).await, Err(Error::TimedOut(_))));
        assert!(bridge.register(Uuid::from_u128(2)).is_ok());
    }
}
