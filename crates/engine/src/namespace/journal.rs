//! The ledger adapter's durable memory, in the namespace's store.

use async_trait::async_trait;
use photinus_ports::journal::{self, Entry, JournalError};
use photinus_store::{Change, ChangeSet, Store};

use crate::space;

/// Entries of one namespace.
pub(super) struct Journal {
    store: Store,
    namespace: String,
}

impl Journal {
    pub(super) fn new(store: Store, namespace: &str) -> Self {
        Self { store, namespace: namespace.to_owned() }
    }
}

#[async_trait]
impl journal::Journal for Journal {
    async fn write(&self, entries: Vec<Entry>) -> Result<(), JournalError> {
        let mut changes = ChangeSet::new(&self.namespace);
        for (key, value) in entries {
            changes.push(match value {
                Some(value) => Change::PutKv { space: space::JOURNAL, key, value },
                None => Change::DeleteKv { space: space::JOURNAL, key },
            });
        }
        self.store.submit(changes).await.map(|_| ()).map_err(|error| JournalError(error.to_string()))
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        let entries = self.store.kv_scan(&self.namespace, space::JOURNAL, prefix, after, limit).await;
        entries.map_err(|error| JournalError(error.to_string()))
    }
}
