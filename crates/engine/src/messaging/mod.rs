//! Messages that this member sends: from a request to a sealed message that is stored and on its way.
//!
//! A message counts as accepted when it is stored. From then on it reaches the ledger, whatever crashes in between.
//! Deliberately not here: who is in a group, and how messages are gathered into batches.

mod broadcast;
mod error;
mod private;
mod reply;
mod seal;

use std::{future::Future, sync::Arc, time::Duration};

pub use error::Error;
use photinus_model::message::{Message, State};
use photinus_store::{Change, ChangeSet};
pub(crate) use seal::{Entry, Outgoing, Sealed, Sent};

use crate::{batching, certain, confirm, core::Core};

/// Longest idempotency key, in bytes.
pub(crate) const MAX_IDEMPOTENCY_KEY: usize = 256;

/// Gives a message its id and time, seals it and checks that a batch can carry it.
pub(crate) fn seal(core: &Core, outgoing: Outgoing) -> Result<Sealed, Error> {
    let sealed = outgoing.seal(&seal::Place {
        id: core.ports.ids.next(),
        created: core.ports.clock.now(),
        network_namespace: &core.options.network_namespace,
        namespace: core.name(),
    })?;
    let header = &sealed.message.header;
    let room = batching::Bounds::new(&core.options.batching).room(&header.author, &header.key);
    if sealed.size > room {
        return Err(Error::TooLarge { size: sealed.size, limit: room, private: header.group.is_some() });
    }
    Ok(sealed)
}

/// Stores sealed messages with the data that is new, all or nothing, and hands them to batching in their order. Refuses them
/// when too many wait already.
///
/// When this returns `Ok` the messages are durable; when it fails none is stored. A caller that gives up in between learns
/// neither; what was stored is sent all the same.
pub(crate) async fn accept(core: &Arc<Core>, sealed: &[Arc<Sealed>]) -> Result<(), Error> {
    accept_with(core, sealed, Vec::new()).await
}

/// As [`accept`], of one message: it is stored with its batch where that comes at once. `confirm` says that the caller waits for the
/// message to be decided anyway.
pub(crate) async fn accept_one(core: &Arc<Core>, sealed: &Arc<Sealed>, confirm: bool) -> Result<(), Error> {
    let _counted = batching::in_crowd(core);
    let one = std::slice::from_ref(sealed);
    reserve(core, one)?;
    let mut undecided = Undecided { core, sealed: one };
    let mut outcome = None;
    if let Some(arriving) = batching::leave(core, sealed, confirm) {
        outcome = arriving.outcome(batching::patience(confirm)).await;
        if outcome.is_none() {
            batching::late(core, sealed);
        }
    }
    undecided.sealed = &[];
    match outcome {
        None => store(core, one, Vec::new()).await,
        Some(Ok(())) => {
            core.tally.sent(one);
            Ok(())
        }
        Some(Err(error)) => Err(not_stored(core, one, error)),
    }
}

/// As [`accept`], with more changes in the same commit.
async fn accept_with(core: &Arc<Core>, sealed: &[Arc<Sealed>], more: Vec<Change>) -> Result<(), Error> {
    reserve(core, sealed)?;
    store(core, sealed, more).await
}

/// Finds room for messages.
fn reserve(core: &Core, sealed: &[Arc<Sealed>]) -> Result<(), Error> {
    core.backlog.reserve(sealed)?;
    core.tally.offered(sealed);
    Ok(())
}

/// Gives the room of messages that are not stored to others.
fn withdraw(core: &Core, sealed: &[Arc<Sealed>]) {
    core.backlog.withdraw(sealed);
    core.tally.withdrawn(sealed);
}

/// Stores messages for which there is room, and hands them to batching.
async fn store(core: &Arc<Core>, sealed: &[Arc<Sealed>], more: Vec<Change>) -> Result<(), Error> {
    let mut changes = ChangeSet::new(core.name());
    changes.extend(more);
    changes.extend(sealed.iter().flat_map(|sealed| sealed.insert()));
    let mut undecided = Undecided { core, sealed };
    let stored = core.store.submit(changes).await;
    undecided.sealed = &[];
    match stored {
        Ok(_) => {
            core.tally.sent(sealed);
            sealed.iter().for_each(|message| batching::offer(core, Arc::clone(message)));
            Ok(())
        }
        Err(error) => Err(not_stored(core, sealed, error)),
    }
}

/// What is said, and done, of messages whose commit failed.
fn not_stored(core: &Arc<Core>, sealed: &[Arc<Sealed>], error: photinus_store::Error) -> Error {
    match error {
        error @ photinus_store::Error::Unknown(_) => {
            look_up_later(core, sealed.to_vec());
            error.into()
        }
        photinus_store::Error::Conflict(conflict) => {
            withdraw(core, sealed);
            idempotency(sealed, conflict)
        }
        error => {
            withdraw(core, sealed);
            error.into()
        }
    }
}

/// Messages that were handed to the store by a caller that may stop waiting for the answer.
struct Undecided<'a> {
    core: &'a Arc<Core>,
    sealed: &'a [Arc<Sealed>],
}

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        if !self.sealed.is_empty() {
            look_up_later(self.core, self.sealed.to_vec());
        }
    }
}

/// Finds out whether messages were stored after all, and sends them if they were.
fn look_up_later(core: &Arc<Core>, sealed: Vec<Arc<Sealed>>) {
    let owner = Arc::clone(core);
    core.tasks.spawn_once("messages without an answer", async move {
        let mut backoff = owner.tasks.backoff(owner.options.retry);
        while let Err(error) = look_up(&owner, &sealed).await {
            tracing::warn!(namespace = owner.name(), %error, "whether messages were stored is looked up later");
            if !owner.tasks.pause(backoff.advance()).await {
                return;
            }
        }
    });
}

async fn look_up(core: &Arc<Core>, sealed: &[Arc<Sealed>]) -> Result<(), photinus_store::Error> {
    certain::settled(core).await?;
    for message in sealed {
        match core.store.read(core.name()).message(message.message.header.id).await? {
            None => withdraw(core, std::slice::from_ref(message)),
            Some(found) if found.state == Some(State::Ready) => batching::offer(core, Arc::clone(message)),
            Some(_) => {}
        }
    }
    Ok(())
}

/// What a conflict of a message with the store says to its sender.
fn idempotency(sealed: &[Arc<Sealed>], conflict: photinus_store::Conflict) -> Error {
    let key = sealed.iter().find_map(|sealed| sealed.message.idempotency_key.clone());
    match (conflict.what, key, conflict.existing) {
        (photinus_store::What::MessageKey, Some(key), Some(existing)) => Error::Idempotency { key, existing },
        _ => photinus_store::Error::Conflict(conflict).into(),
    }
}

/// Largest message, in bytes, that a caller keeps while waiting for it: there may be many such callers, for long.
const COPY: usize = 16 * 1024;

/// Stores a message, sends it on its way and, if asked, waits until it is decided. Answers the message as it is then, or why it
/// was rejected. `accept` stores it.
async fn send<F: Future<Output = Result<(), Error>>>(
    core: &Arc<Core>,
    sealed: Arc<Sealed>,
    wait: Option<Duration>,
    accept: impl FnOnce(Arc<Sealed>) -> F,
) -> Result<Message, crate::Error> {
    let id = sealed.message.header.id;
    let Some(limit) = wait else {
        accept(Arc::clone(&sealed)).await?;
        return Ok(sealed.message.clone());
    };
    let small = sealed.size <= COPY;
    let bridge = &core.confirmations;
    let waiter = if small { bridge.register_with_copy(id)? } else { bridge.register(id)? };
    let copy = small.then(|| Arc::clone(&sealed));
    accept(sealed).await?;
    match (waiter.verdict(limit).await?, copy) {
        (confirm::Verdict::Confirmed(tx, at), Some(copy)) => match copy.confirmed(tx, at) {
            Some(message) => Ok(message),
            None => Ok(core.store.read(core.name()).message(id).await?.ok_or(confirm::Error::Stopping)?),
        },
        (verdict, _) => Ok(decided(verdict)?),
    }
}

/// A message that is confirmed, or why it is not.
fn decided(verdict: confirm::Verdict) -> Result<Message, confirm::Error> {
    match verdict {
        confirm::Verdict::Message(message) if message.state == Some(State::Confirmed) => {
            Ok(Arc::try_unwrap(message).unwrap_or_else(|shared| Message::clone(&shared)))
        }
        confirm::Verdict::Message(message) => Err(confirm::Error::rejected(&message)),
        // Ids of messages and identities do not meet, and only who has a copy is told less than the record.
        confirm::Verdict::Identity | confirm::Verdict::Confirmed(..) => Err(confirm::Error::Stopping),
    }
}
