//! Commits that did not say how they ended: whether they were written is found out, and not guessed.
//!
//! Whoever acts on what a commit holds must not sleep until the next start because the answer was lost.

use photinus_store::{Change, ChangeSet, Error};

use crate::{core::Core, space};

/// Commits. When the store does not say how that ended, asks `written` for as long as the store does not answer.
///
/// # Errors
/// That of the commit when it was not written, or when the namespace stops before it is known.
pub(crate) async fn submit<F: Future<Output = Result<bool, Error>>>(
    core: &Core,
    changes: ChangeSet,
    written: impl Fn() -> F,
) -> Result<(), Error> {
    let Err(error) = core.store.submit(changes).await else { return Ok(()) };
    if !matches!(error, Error::Unknown(_)) {
        return Err(error);
    }
    let mut backoff = core.tasks.backoff(core.options.retry);
    loop {
        let found = match settled(core).await {
            Ok(()) => written().await,
            Err(error) => Err(error),
        };
        match found {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(error),
            Err(error) => tracing::warn!(namespace = core.name(), %error, "how a commit ended is asked again"),
        }
        if !core.tasks.pause(backoff.advance()).await {
            return Err(error);
        }
    }
}

/// Returns when every commit that was begun before has come to its end, also one that did not say how.
pub(crate) async fn settled(core: &Core) -> Result<(), Error> {
    // The store works in order, and this changes nothing.
    let mut barrier = ChangeSet::new(core.name());
    barrier.push(Change::DeleteKv { space: space::NETWORK, key: b"barrier".to_vec() });
    core.store.submit(barrier).await.map(|_| ())
}
