//! Messages that this member sends: from a request to a sealed message that is stored and on its way.
//!
//! A message counts as accepted when it is stored. From then on it reaches the ledger, whatever crashes in between.
//! Deliberately not here: who is in a group, and how messages are gathered into batches.

mod broadcast;
mod error;
mod private;
mod reply;
mod seal;

use std::{sync::Arc, time::Duration};

pub use error::Error;
use photinus_model::message::{Message, State};
use photinus_store::{Change, ChangeSet};
pub(crate) use seal::{Entry, Outgoing, Sealed};

use crate::{batching, confirm, core::Core, space};

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

/// As [`accept`], with more changes in the same commit.
async fn accept_with(core: &Arc<Core>, sealed: &[Arc<Sealed>], more: Vec<Change>) -> Result<(), Error> {
    core.backlog.reserve(sealed)?;
    let mut changes = ChangeSet::new(core.name());
    changes.extend(more);
    for sealed in sealed {
        for entry in sealed.data.iter().filter(|entry| !entry.stored) {
            changes.push(Change::InsertData(entry.data.clone()));
        }
        changes.push(Change::InsertMessage(sealed.message.clone()));
    }
    let mut undecided = Undecided { core, sealed };
    let stored = core.store.submit(changes).await;
    undecided.sealed = &[];
    match stored {
        Ok(_) => {
            core.tally.sent(sealed.iter().map(|sealed| &sealed.message));
            sealed.iter().for_each(|message| batching::offer(core, Arc::clone(message)));
            Ok(())
        }
        Err(error @ photinus_store::Error::Unknown(_)) => {
            look_up_later(core, sealed.to_vec());
            Err(error.into())
        }
        Err(error) => {
            core.backlog.withdraw(sealed);
            match error {
                photinus_store::Error::Conflict(conflict) => Err(idempotency(sealed, conflict)),
                error => Err(error.into()),
            }
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
    // The store works in order: once it has done this, which changes nothing, it has done what came before.
    let mut barrier = ChangeSet::new(core.name());
    barrier.push(Change::DeleteKv { space: space::NETWORK, key: b"barrier".to_vec() });
    core.store.submit(barrier).await?;
    for message in sealed {
        match core.store.read(core.name()).message(message.message.header.id).await? {
            None => core.backlog.withdraw(std::slice::from_ref(message)),
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

/// Waits until a message is decided. Answers the message as it is then, or why it was rejected.
pub(crate) async fn confirmed(waiter: confirm::Waiter, limit: Duration) -> Result<Message, confirm::Error> {
    match waiter.verdict(limit).await? {
        confirm::Verdict::Message(message) if message.state == Some(State::Confirmed) => {
            Ok(Arc::try_unwrap(message).unwrap_or_else(|shared| Message::clone(&shared)))
        }
        confirm::Verdict::Message(message) => Err(confirm::Error::rejected(&message)),
        // Ids of messages and identities do not meet.
        confirm::Verdict::Identity => Err(confirm::Error::Stopping),
    }
}
