//! What becomes of messages that were to be stored with their batch when that could not be stored.

use std::mem;

use futures::future::join_all;
use photinus_store::{ChangeSet, Error};

use super::queue::{Place, Waiting};
use crate::core::Core;

/// Stores each message that the store does not hold by itself, and keeps those that it then holds. So only those are refused that
/// are in somebody's way, such as by an idempotency key that is in use.
pub(super) async fn store_each(core: &Core, messages: &mut Vec<Waiting>) {
    let each = mem::take(messages).into_iter().map(async |waiting| {
        if waiting.is_stored() {
            return Some(waiting);
        }
        let mut changes = ChangeSet::new(core.name());
        changes.extend(waiting.sealed.insert());
        let outcome = core.store.submit(changes).await.map(|_| ());
        let sealed = waiting.sealed.clone();
        // Whether the outcome is unknown is for the request to find out; if it is stored, it comes back.
        let stored = outcome.is_ok() || matches!(waiting.place, Place::Doubtful);
        waiting.answer(outcome);
        stored.then_some(Waiting { sealed, place: Place::Stored })
    });
    *messages = join_all(each).await.into_iter().flatten().collect();
}

/// After a failed commit: tells the requests that wait. What was not stored is theirs again, to be refused or repeated; of what may
/// be stored the batch is tried again until that is known. Answers whether there are fewer messages now.
pub(super) fn failed(messages: &mut Vec<Waiting>, error: &Error) -> bool {
    let before = messages.len();
    // What an earlier attempt may have stored must not change.
    let doubt = matches!(error, Error::Unknown(_)) || messages.iter().any(|one| matches!(one.place, Place::Doubtful));
    for Waiting { sealed, place } in mem::take(messages) {
        match place {
            Place::Here(arrival) => {
                arrival.answer(Err(error.clone()));
                if doubt {
                    messages.push(Waiting { sealed, place: Place::Doubtful });
                }
            }
            place => messages.push(Waiting { sealed, place }),
        }
    }
    messages.len() < before
}
