//! From the stores of the namespaces that run into one listener's outbox. Namespaces may come and go meanwhile.

use std::{collections::HashSet, convert::Infallible, sync::Arc};

use futures::{
    StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use photinus_engine::Namespace;
use photinus_store::{Lagged, Noted};

use super::outbox::Outbox;
use crate::namespaces::{Namespaces, State};

/// What a namespace has to tell.
enum Told {
    Changes(String, Arc<[Noted]>),
    /// So many commits were not seen.
    Missed(u64),
    /// It stopped.
    Ended(String),
}

/// Fills the outbox from when its listener wants something.
pub(super) async fn follow(namespaces: &Namespaces, outbox: &Outbox) -> Infallible {
    outbox.started().await;
    let mut changed = namespaces.changed();
    let mut followed = HashSet::new();
    let mut feeds: SelectAll<BoxStream<'static, Told>> = SelectAll::new();
    loop {
        changed.mark_unchanged();
        for (name, state) in namespaces.all() {
            // One that is stopping has its place in the list until it is over.
            if let State::Running(namespace) = state
                && !namespace.stopping().is_cancelled()
                && followed.insert(name)
            {
                feeds.push(feed(namespace));
            }
        }
        tokio::select! {
            // The list outlives whoever reads it.
            _ = changed.changed() => {}
            Some(told) = feeds.next() => match told {
                Told::Changes(namespace, noted) => outbox.offer(&namespace, &noted),
                Told::Missed(commits) => outbox.lose(commits),
                Told::Ended(name) => drop(followed.remove(&name)),
            },
        }
    }
}

/// The changes of a namespace until it stops.
fn feed(namespace: Namespace) -> BoxStream<'static, Told> {
    let name = namespace.name().to_owned();
    let feed = namespace.store().watch(&name);
    stream::unfold(Some((name, feed, namespace.stopping().clone())), async move |open| {
        let (name, mut feed, stopping) = open?;
        let next = tokio::select! {
            () = stopping.cancelled() => None,
            next = feed.next() => next.ok(),
        };
        match next {
            Some(Ok(noted)) => Some((Told::Changes(name.clone(), noted), Some((name, feed, stopping)))),
            Some(Err(Lagged(commits))) => Some((Told::Missed(commits), Some((name, feed, stopping)))),
            None => {
                // A store that is closed first must not be asked again.
                stopping.cancelled().await;
                Some((Told::Ended(name), None))
            }
        }
    })
    .boxed()
}
