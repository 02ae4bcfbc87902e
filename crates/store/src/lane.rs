//! The one writer: takes what waits, judges it, writes it in one transaction, and answers.

use std::{collections::HashMap, future::Future, sync::Arc};

use parking_lot::RwLock;
use photinus_model::event::Event;
use tokio::sync::{mpsc, oneshot};

use crate::{
    change::ChangeSet,
    error::Error,
    feed::Feeds,
    noted::Noted,
    plan::{self, Added, Counters, Facts, Group, Recent, Wants, Writes},
};

/// What a change set has become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The events of the set with their sequences, in their order.
    pub events: Vec<Event>,
}

/// Numbers of namespaces by name, of those that are in the database.
pub(crate) type Namespaces = Arc<RwLock<HashMap<String, i64>>>;

/// What the lane does its work with: one connection that nobody else writes on.
pub(crate) trait Backend: Send {
    /// Numbers of namespaces by name.
    fn namespaces(&mut self) -> impl Future<Output = Result<HashMap<String, i64>, Failure>> + Send;
    /// Finds rows. Values are of their columns' kinds; each want gets an answer, if an empty one.
    fn load(&mut self, wants: Wants) -> impl Future<Output = Result<Facts, Failure>> + Send;
    /// Writes everything in one transaction; returns when it is durable.
    fn write(&mut self, writes: &Writes) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Ends the connection.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Why a group was not committed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Nothing was written and the same may succeed later.
    Unavailable(String),
    /// All was written, or nothing.
    Unknown(String),
    /// Nothing was written, because of what is in the group.
    Refused(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(reason) => Self::Unavailable(reason),
            Failure::Unknown(reason) => Self::Unknown(reason),
            Failure::Refused(reason) => Self::Refused(reason),
        }
    }
}

/// Why the last group was not committed; none when it was.
pub(crate) type Health = Arc<RwLock<Option<String>>>;

/// Something for the lane to do.
pub(crate) enum Request {
    /// Commit a set.
    Submit(ChangeSet, oneshot::Sender<Result<Committed, Error>>),
    /// Commit what came before, then end.
    Close(oneshot::Sender<()>),
}

/// A set that waits for its commit.
struct Waiting {
    set: ChangeSet,
    answer: oneshot::Sender<Result<Committed, Error>>,
}

/// The lane of a store.
pub(crate) struct Lane<B> {
    pub(crate) backend: B,
    pub(crate) counters: Counters,
    pub(crate) recent: Recent,
    pub(crate) namespaces: Namespaces,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) health: Health,
    pub(crate) notes: Arc<Feeds<Noted>>,
    /// Weight after which a group is closed.
    pub(crate) group: usize,
}

impl<B: Backend> Lane<B> {
    /// Works until it is told to close or every sender is gone.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut closed = None;
        while closed.is_none() {
            let Some(mut request) = requests.recv().await else { break };
            let mut waiting = Vec::new();
            let mut weight = 0;
            loop {
                match request {
                    Request::Submit(set, answer) => {
                        weight += set.weight();
                        waiting.push(Waiting { set, answer });
                    }
                    Request::Close(done) => {
                        closed = Some(done);
                        break;
                    }
                }
                if weight >= self.group {
                    break;
                }
                match requests.try_recv() {
                    Ok(next) => request = next,
                    Err(_) => break,
                }
            }
            self.commit(waiting).await;
        }
        requests.close();
        self.feeds.close();
        self.notes.close();
        self.backend.close().await;
        if let Some(done) = closed {
            // Whoever closes may have gone away meanwhile.
            let _gone = done.send(());
        }
    }

    async fn commit(&mut self, waiting: Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        let sets: Vec<&ChangeSet> = waiting.iter().map(|waiting| &waiting.set).collect();
        let results = match self.attempt(&sets).await {
            Ok(results) => results,
            // One set has something that the database does not take; the others must not suffer.
            Err(Failure::Refused(_)) if sets.len() > 1 => {
                let mut results = Vec::with_capacity(sets.len());
                for set in &sets {
                    results.push(match self.attempt(std::slice::from_ref(set)).await {
                        Ok(mut one) => one.pop().unwrap_or(Err(Error::Closed)),
                        Err(failure) => Err(failure.into()),
                    });
                }
                results
            }
            Err(failure) => {
                self.note(Some(&failure));
                tracing::warn!(error = %Error::from(failure.clone()), sets = sets.len(), "a commit failed");
                vec![Err(Error::from(failure)); sets.len()]
            }
        };
        for (waiting, result) in waiting.into_iter().zip(results) {
            // A submitter that went away does not want to know.
            let _gone = waiting.answer.send(result);
        }
    }

    /// Remembers how the database does. What it refuses for its content says nothing of that.
    fn note(&self, failure: Option<&Failure>) {
        let problem = match failure {
            Some(Failure::Unavailable(reason) | Failure::Unknown(reason)) => Some(reason.clone()),
            Some(Failure::Refused(_)) | None => None,
        };
        if problem.is_some() || self.health.read().is_some() {
            *self.health.write() = problem;
        }
    }

    /// Commits sets as one group; a set that conflicts is left out.
    async fn attempt(&mut self, sets: &[&ChangeSet]) -> Result<Vec<Result<Committed, Error>>, Failure> {
        if sets.iter().any(|set| !self.namespaces.read().contains_key(set.namespace())) {
            // It may have come with a commit whose outcome is unknown.
            let known = self.backend.namespaces().await?;
            self.namespaces.write().extend(known);
        }
        let mut group = Group::new(&mut self.counters, self.notes.wanted());
        let numbers: Vec<i64> = {
            let known = self.namespaces.read();
            let number = |set: &&ChangeSet| {
                known.get(set.namespace()).copied().unwrap_or_else(|| group.namespace(set.namespace()))
            };
            sets.iter().map(number).collect()
        };
        let mut wanted = Wants::default();
        for (set, ns) in sets.iter().zip(&numbers) {
            plan::wants(*ns, set, &mut wanted);
        }
        group.learn(self.recent.take(&mut wanted));
        if !wanted.is_empty() {
            group.learn(self.backend.load(wanted).await?);
        }
        let judged: Vec<_> = sets.iter().zip(&numbers).map(|(set, ns)| group.add(*ns, set)).collect();
        let (writes, namespaces, facts) = group.into_parts();
        if !writes.is_empty() {
            if let Err(failure) = self.backend.write(&writes).await {
                self.recent.forget();
                if matches!(failure, Failure::Unknown(_)) {
                    // It may be there all the same; then whoever follows must not go on behind it.
                    for set in sets {
                        self.feeds.gap(set.namespace());
                        self.notes.gap(set.namespace());
                    }
                }
                return Err(failure);
            }
            // A group that writes nothing says nothing of the disk.
            self.note(None);
        }
        self.recent.keep(facts);
        if !namespaces.is_empty() {
            self.namespaces.write().extend(namespaces);
        }
        self.publish(sets, &judged);
        Ok(judged.into_iter().map(|result| Ok(Committed { events: result?.events })).collect())
    }

    fn publish<E>(&self, sets: &[&ChangeSet], judged: &[Result<Added, E>]) {
        let mut by_namespace: HashMap<&str, (Vec<Event>, Vec<Noted>)> = HashMap::new();
        for (set, added) in sets.iter().zip(judged) {
            match added {
                Ok(added) if !added.events.is_empty() || !added.noted.is_empty() => {
                    let (events, noted) = by_namespace.entry(set.namespace()).or_default();
                    events.extend_from_slice(&added.events);
                    noted.extend_from_slice(&added.noted);
                }
                _ => {}
            }
        }
        for (namespace, (events, noted)) in by_namespace {
            if !events.is_empty() {
                self.feeds.publish(namespace, events.into());
            }
            if !noted.is_empty() {
                self.notes.publish(namespace, noted.into());
            }
        }
    }
}
