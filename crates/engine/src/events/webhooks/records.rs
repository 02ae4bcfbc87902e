//! What is kept of deliveries that failed: events that are parked, the event that is being tried, and the secrets.

use photinus_model::{
    Time, Uuid,
    event::{Event, Type},
};
use photinus_store::{Change, ChangeSet, Error, Precondition};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::sign::Secrets;
use crate::{core::Core, space};

/// An event that a webhook did not take, and that was put aside so that the others go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The event.
    pub event: Uuid,
    /// Its sequence.
    pub sequence: i64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Its topic.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// Why the last call failed.
    pub reason: String,
    /// Calls until now.
    pub tries: u32,
    /// When the first call was made.
    pub first: Time,
    /// When it was parked.
    pub parked: Time,
    /// Whether it was asked to be tried again, and waits for that.
    #[serde(default)]
    pub resumed: bool,
}

/// The event that is being tried, so that a restart does not start counting anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trying {
    pub(super) sequence: i64,
    pub(super) tries: u32,
    pub(super) first: Time,
    pub(super) reason: String,
}

const PARKED: u8 = b'p';
const TRYING: u8 = b't';
const SECRETS: u8 = b's';

/// The records of one subscription.
#[derive(Clone, Copy)]
pub(super) struct Records<'a> {
    core: &'a Core,
    subscription: Uuid,
}

impl<'a> Records<'a> {
    pub(super) fn new(core: &'a Core, subscription: Uuid) -> Self {
        Self { core, subscription }
    }

    fn prefix(&self, kind: u8) -> Vec<u8> {
        let mut key = vec![kind];
        key.extend_from_slice(self.subscription.as_bytes());
        key
    }

    fn parked_key(&self, sequence: i64) -> Vec<u8> {
        let mut key = self.prefix(PARKED);
        key.extend_from_slice(&sequence.to_be_bytes());
        key
    }

    async fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        let bytes = self.core.store.kv_get(self.core.name(), space::WEBHOOKS, key).await?;
        Ok(bytes.and_then(|bytes| read(&bytes)))
    }

    async fn put<T: Serialize>(&self, key: Vec<u8>, value: &T) -> Result<(), Error> {
        let mut changes = ChangeSet::new(self.core.name());
        changes.push(put(key, value));
        self.core.store.submit(changes).await.map(|_| ())
    }

    async fn delete(&self, keys: impl IntoIterator<Item = Vec<u8>>) -> Result<(), Error> {
        let mut changes = ChangeSet::new(self.core.name());
        changes.extend(keys.into_iter().map(|key| Change::DeleteKv { space: space::WEBHOOKS, key }));
        self.core.store.submit(changes).await.map(|_| ())
    }

    /// Parked events behind a sequence, in order, at most `limit`.
    pub(super) async fn parked(&self, behind: i64, limit: usize) -> Result<Vec<Parked>, Error> {
        let (name, prefix) = (self.core.name(), self.prefix(PARKED));
        // Sequences are positive, or their keys would not be in their order.
        let after = (behind >= 0).then(|| self.parked_key(behind));
        let found = self.core.store.kv_scan(name, space::WEBHOOKS, &prefix, after.as_deref(), limit).await?;
        Ok(found.iter().filter_map(|(_, bytes)| read(bytes)).collect())
    }

    /// How many events are parked.
    pub(super) async fn parked_count(&self) -> Result<usize, Error> {
        let (mut count, mut behind) = (0, -1);
        loop {
            let page = self.parked(behind, PAGE).await?;
            let Some(last) = page.last() else { return Ok(count) };
            behind = last.sequence;
            count += page.len();
        }
    }

    /// A parked event.
    pub(super) async fn one_parked(&self, sequence: i64) -> Result<Option<Parked>, Error> {
        self.get(&self.parked_key(sequence)).await
    }

    /// Parks events, and forgets what was noted of trying them.
    pub(super) async fn park(&self, parked: &[Parked]) -> Result<(), Error> {
        let mut changes = ChangeSet::new(self.core.name());
        changes.extend(parked.iter().map(|one| put(self.parked_key(one.sequence), one)));
        changes.push(Change::DeleteKv { space: space::WEBHOOKS, key: self.prefix(TRYING) });
        self.core.store.submit(changes).await.map(|_| ())
    }

    /// Replaces a parked event, unless somebody else changed or dropped it meanwhile; then `false`.
    pub(super) async fn replace(&self, old: &Parked, new: Option<&Parked>) -> Result<bool, Error> {
        let key = self.parked_key(old.sequence);
        let mut changes = ChangeSet::new(self.core.name());
        changes.require(Precondition::KvIs { space: space::WEBHOOKS, key: key.clone(), value: Some(written(old)) });
        changes.push(match new {
            Some(new) => put(key, new),
            None => Change::DeleteKv { space: space::WEBHOOKS, key },
        });
        match self.core.store.submit(changes).await {
            Ok(_) => Ok(true),
            Err(Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes a failed call of an event that will be called again.
    pub(super) async fn note(&self, trying: &Trying) -> Result<(), Error> {
        self.put(self.prefix(TRYING), trying).await
    }

    /// What was noted of the event that was tried last.
    pub(super) async fn trying(&self) -> Result<Option<Trying>, Error> {
        self.get(&self.prefix(TRYING)).await
    }

    /// The event that was tried is delivered.
    pub(super) async fn delivered(&self) -> Result<(), Error> {
        self.delete([self.prefix(TRYING)]).await
    }

    pub(super) async fn secrets(&self) -> Result<Option<Secrets>, Error> {
        self.get(&self.prefix(SECRETS)).await
    }

    pub(super) async fn set_secrets(&self, secrets: Option<&Secrets>) -> Result<(), Error> {
        match secrets {
            Some(secrets) => self.put(self.prefix(SECRETS), secrets).await,
            None => self.delete([self.prefix(SECRETS)]).await,
        }
    }

    /// Forgets everything of the subscription.
    pub(super) async fn clear(&self) -> Result<(), Error> {
        loop {
            let page = self.parked(-1, PAGE).await?;
            let keys = page.iter().map(|parked| self.parked_key(parked.sequence));
            self.delete(keys.chain([self.prefix(TRYING), self.prefix(SECRETS)])).await?;
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

/// Entries read at once.
const PAGE: usize = 500;

impl Parked {
    /// A record of an event that is parked now.
    pub(super) fn new(event: &Event, reason: String, tries: u32, first: Time, now: Time) -> Self {
        Self {
            event: event.id,
            sequence: event.sequence,
            kind: event.kind,
            topic: event.topic.clone(),
            reason,
            tries,
            first,
            parked: now,
            resumed: false,
        }
    }
}

fn put<T: Serialize>(key: Vec<u8>, value: &T) -> Change {
    Change::PutKv { space: space::WEBHOOKS, key, value: written(value) }
}

/// Records have text keys and serialisers that only write: this does not fail.
fn written<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// An entry that cannot be read was not written by any version of this program, and counts as absent.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}
