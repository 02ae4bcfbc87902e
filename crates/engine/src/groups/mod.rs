//! Groups: who receives a private message.
//!
//! A group is its namespace, name and members; its hash names it, so every member that resolves the same members comes to the
//! same group. Whoever uses a group first tells the others of it by a message of its own, ahead of the first one to it.
//!
//! Deliberately not here: the order in which other members' groups become known (crate `sequencing`).

mod error;
mod resolve;

use std::sync::Arc;

pub use error::Error;
use photinus_model::{
    Hash,
    batch::Batch,
    definition::received::{self, Payload},
    group::Group,
    message::Message,
    tag,
};
use photinus_store::Store;
use quick_cache::sync::Cache;
pub(crate) use resolve::{Recipients, resolve};

/// The groups that messages of a batch define: each message that says so, and its group if that validates and is the one that
/// the message is for.
pub(crate) fn definitions_in(batch: &Batch) -> impl Iterator<Item = (&Message, Group)> {
    let defining = batch.payload.messages.iter().filter(|message| message.header.tag == tag::DEFINE_GROUP);
    defining.filter_map(|message| {
        let wanted = message.data.first()?;
        let data = batch.payload.data.iter().find(|data| data.id == wanted.id && data.hash == Some(wanted.hash))?;
        let Payload::Group(group) = received::parse(tag::DEFINE_GROUP, data.value.as_ref()) else { return None };
        (group.validate().is_ok() && group.hash == message.header.group).then_some((message, group))
    })
}

/// The groups that come with a batch.
pub(crate) fn defined_in(batch: &Batch) -> Vec<Group> {
    definitions_in(batch).map(|(_, group)| group).collect()
}

/// Looks groups up: the store's rows behind a bounded cache. A group never changes, so nothing is ever forgotten.
pub(crate) struct Directory {
    store: Store,
    namespace: String,
    known: Cache<Hash, Arc<Group>>,
    /// Held while a group is created, so that two requests do not create it twice.
    pub(crate) creating: tokio::sync::Mutex<()>,
}

impl Directory {
    /// An empty cache of at most `entries`.
    pub(crate) fn new(store: Store, namespace: &str, entries: usize) -> Self {
        Self {
            store,
            namespace: namespace.to_owned(),
            known: Cache::new(entries),
            creating: tokio::sync::Mutex::default(),
        }
    }

    /// A group by its hash.
    pub(crate) async fn get(&self, hash: Hash) -> Result<Option<Arc<Group>>, photinus_store::Error> {
        if let Some(found) = self.known.get(&hash) {
            return Ok(Some(found));
        }
        let Some(found) = self.store.read(&self.namespace).group(hash).await? else { return Ok(None) };
        let found = Arc::new(found);
        self.known.insert(hash, Arc::clone(&found));
        Ok(Some(found))
    }
}
