//! What one member shows at the end.

use std::collections::{BTreeMap, BTreeSet};

use photinus_engine::Namespace;
use photinus_model::{
    Hash, Uuid,
    event::{self, Event},
    message::{Message, State, TxType, Type},
    operation::Operation,
    pin::Pin,
};
use photinus_ports::stream;
use photinus_query::{Filter, Query};
use photinus_store::Error;

use crate::world::NAMESPACE;

/// Everything of a member that the checks look at.
pub(crate) struct View {
    pub(crate) member: usize,
    pub(crate) messages: Vec<Message>,
    pub(crate) events: Vec<Event>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) open: Vec<Pin>,
    /// What each undecided message waits for, in words.
    pub(crate) waits: BTreeMap<Uuid, Vec<String>>,
    /// Failures of long-lived tasks.
    pub(crate) faults: Vec<String>,
    /// What is owed to others.
    pub(crate) owed: usize,
    /// What is wrong with the files of what was confirmed.
    pub(crate) files: Vec<String>,
    /// Why nothing is taken from the ledger.
    pub(crate) held: Option<String>,
}

/// A context in which members must agree: a topic of broadcasts, or one author's lane on a topic of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Context {
    Open(String),
    Lane { group: Hash, topic: String, author: String },
}

/// A verdict as members show it: confirmed, and the code of the reason if not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) message: Uuid,
    pub(crate) confirmed: bool,
    pub(crate) reason: String,
}

impl View {
    pub(crate) async fn of(member: usize, namespace: &Namespace) -> Result<Self, Error> {
        let read = namespace.store().read(NAMESPACE);
        let everything = || Query::filtered(Filter::everything());
        let messages = read.find::<Message>(&everything()).await?.items;
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(-1, |event| event.sequence);
            let page = read.events_after(after, 500).await?;
            if page.is_empty() {
                break;
            }
            events.extend(page);
        }
        let mut waits = BTreeMap::new();
        for message in messages.iter().filter(|message| !is_final(message)) {
            let why = namespace.why(message.header.id).await.ok().flatten();
            let causes = why.into_iter().flat_map(|why| why.waits_for);
            let causes = causes.map(|cause| format!("{}: {}", cause.kind, cause.reason));
            waits.insert(message.header.id, causes.collect());
        }
        let vitals = namespace.vitals();
        let faults = vitals.faults.iter().map(|fault| format!("{}: {}", fault.name, fault.last_error)).collect();
        let held = namespace.status().await.ok().and_then(|status| status.multiparty.problem);
        Ok(Self {
            member,
            events,
            operations: read.unfinished_operations().await?,
            open: read.undispatched_pins(0, 100_000).await?,
            waits,
            faults,
            owed: vitals.behind.iter().map(|(_, behind)| usize::try_from(*behind).unwrap_or(usize::MAX)).sum(),
            held,
            files: files(namespace, &messages).await?,
            messages,
        })
    }

    pub(crate) fn message(&self, id: Uuid) -> Option<&Message> {
        let mut found = self.messages.iter().filter(|message| message.header.id == id);
        // Liars use known ids again: what was decided is meant.
        found.clone().find(|message| is_final(message)).or_else(|| found.next())
    }

    /// The message that an event tells of. Liars use known ids again, so an id alone does not say.
    fn told(&self, id: Uuid, confirmed: bool, topic: &str) -> Option<&Message> {
        let state = if confirmed { State::Confirmed } else { State::Rejected };
        let is = |message: &&Message| {
            message.header.id == id
                && message.state == Some(state)
                && message.header.topics.iter().any(|own| own == topic)
        };
        self.messages.iter().find(is).or_else(|| self.message(id))
    }

    /// Whether liars have used this id again.
    pub(crate) fn is_ambiguous(&self, id: Uuid) -> bool {
        self.messages.iter().filter(|message| message.header.id == id).count() > 1
    }

    /// The decisions of pinned messages in their order, by context.
    pub(crate) fn contexts(&self) -> BTreeMap<Context, Vec<Shown>> {
        self.decisions(|message, topic| Some(context(message, topic)))
    }

    /// The decisions of private messages in their order, by group and topic.
    pub(crate) fn ordered(&self) -> BTreeMap<(Hash, String), Vec<Shown>> {
        self.decisions(|message, topic| match context(message, topic) {
            Context::Lane { group, topic, .. } => Some((group, topic)),
            Context::Open(_) => None,
        })
    }

    fn decisions<K: Ord>(&self, of: impl Fn(&Message, &str) -> Option<K>) -> BTreeMap<K, Vec<Shown>> {
        let mut decisions: BTreeMap<K, Vec<Shown>> = BTreeMap::new();
        for event in &self.events {
            let confirmed = match event.kind {
                event::Type::MessageConfirmed => true,
                event::Type::MessageRejected => false,
                _ => continue,
            };
            let Some(message) = event.reference.and_then(|id| self.told(id, confirmed, &event.topic)) else { continue };
            if message.header.tx_type == TxType::Unpinned {
                continue;
            }
            let shown = Shown { message: message.header.id, confirmed, reason: message.reject_reason.clone() };
            if let Some(key) = of(message, &event.topic) {
                decisions.entry(key).or_default().push(shown);
            }
        }
        decisions
    }
}

/// The context of a message that this topic stands for.
pub(crate) fn context(message: &Message, topic: &str) -> Context {
    match message.header.group {
        Some(group) if is_private(&message.header.kind) => {
            Context::Lane { group, topic: topic.to_owned(), author: message.header.author.clone() }
        }
        _ => Context::Open(topic.to_owned()),
    }
}

pub(crate) fn is_private(kind: &Type) -> bool {
    matches!(kind, Type::Private | Type::GroupInit | Type::TransferPrivate | Type::ApprovalPrivate)
}

pub(crate) fn is_final(message: &Message) -> bool {
    message.state.is_some_and(State::is_final)
}

/// The contexts that any of these members has decided something in.
pub(crate) fn all_contexts(views: &[BTreeMap<Context, Vec<Shown>>]) -> BTreeSet<Context> {
    views.iter().flat_map(|view| view.keys().cloned()).collect()
}

/// Whether a member has every file of what it has confirmed, byte for byte.
async fn files(namespace: &Namespace, messages: &[Message]) -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    for message in messages.iter().filter(|message| message.state == Some(State::Confirmed)) {
        for wanted in &message.data {
            let data = namespace.store().read(NAMESPACE).data(wanted.id).await?;
            let Some(hash) = data.and_then(|data| data.blob).and_then(|blob| blob.hash) else { continue };
            let found = match namespace.open_blob(wanted.id).await {
                Ok((_, _, content)) => stream::collect(content, usize::MAX).await.map(|bytes| Hash::of(&bytes)).ok(),
                Err(_) => None,
            };
            if found != Some(hash) {
                wrong.push(format!("message {} is confirmed, and its file {hash} is {found:?}", message.header.id));
            }
        }
    }
    Ok(wrong)
}
