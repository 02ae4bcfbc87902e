//! Shared storage: contents by their addresses, which some members reach later than others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_model::cid;
use photinus_ports::{
    health::Health,
    storage::{Error, SharedStorage},
    stream::{self, ByteStream, CollectError},
};

use super::{Life, World};

/// Most bytes of a streamed upload.
const LIMIT: usize = 1 << 26;

/// What all members share.
#[derive(Default)]
pub(crate) struct Storage {
    contents: Mutex<BTreeMap<String, Bytes>>,
    /// Contents that nobody gets for now, by member.
    hidden: Mutex<BTreeSet<(usize, String)>>,
    /// Members whose uploads others do not get for now: whose, from whom.
    veiled: Mutex<BTreeSet<(usize, usize)>>,
}

impl Storage {
    /// Puts a content under its address.
    pub(crate) fn put(&self, content: Bytes) -> String {
        let reference = cid::of(&content);
        self.contents.lock().insert(reference.clone(), content);
        reference
    }

    /// Everything, by address.
    pub(crate) fn contents(&self) -> BTreeMap<String, Bytes> {
        self.contents.lock().clone()
    }

    /// Keeps a content from a member until [`Storage::show_all`].
    pub(crate) fn hide(&self, member: usize, reference: &str) {
        self.hidden.lock().insert((member, reference.to_owned()));
    }

    /// Keeps from a member what another uploads, from now on or no longer. What was kept stays so until
    /// [`Storage::show_all`].
    pub(crate) fn veil(&self, whose: usize, from: usize, is: bool) {
        let mut veiled = self.veiled.lock();
        if is {
            veiled.insert((whose, from))
        } else {
            veiled.remove(&(whose, from))
        };
    }

    /// Puts a content of a member under its address.
    fn put_for(&self, member: usize, content: Bytes) -> String {
        let reference = self.put(content);
        let veiled = self.veiled.lock();
        for (_, from) in veiled.iter().filter(|(whose, _)| *whose == member) {
            self.hide(*from, &reference);
        }
        reference
    }

    /// Everybody gets everything.
    pub(crate) fn show_all(&self) {
        self.veiled.lock().clear();
        self.hidden.lock().clear();
    }
}

/// One life's access to it.
pub(crate) struct Access {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
    pub(crate) storage: Arc<Storage>,
}

fn dead() -> Error {
    Error::Failed("the member is gone".to_owned())
}

impl Access {
    async fn put(&self, content: Bytes) -> Result<String, Error> {
        self.world.lasts(|weather| weather.fetch.clone()).await;
        let blind = self.world.weather.lock().blind.contains(&self.life.member);
        if blind || self.world.happens(|weather| weather.storage) {
            return Err(Error::Failed("no storage".to_owned()));
        }
        let reference = self.storage.put_for(self.life.member, content);
        self.world.note(&self.life, format_args!("uploads {reference}"));
        // It arrived, and the answer did not.
        if self.world.happens(|weather| weather.storage) {
            return Err(Error::Failed("no answer from storage".to_owned()));
        }
        Ok(reference)
    }

    async fn get(&self, reference: &str, limit: u64) -> Result<Bytes, Error> {
        if !cid::is_valid(reference) {
            return Err(Error::InvalidReference(reference.to_owned()));
        }
        self.world.lasts(|weather| weather.fetch.clone()).await;
        let blind = self.world.weather.lock().blind.contains(&self.life.member);
        let hidden = self.storage.hidden.lock().contains(&(self.life.member, reference.to_owned()));
        let content = self.storage.contents.lock().get(reference).cloned();
        let content = content.filter(|_| !blind && !hidden && !self.world.happens(|weather| weather.storage));
        let content = content.ok_or_else(|| Error::Unavailable(reference.to_owned()))?;
        self.world.note(&self.life, format_args!("downloads {reference}"));
        if content.len() as u64 > limit { Err(Error::TooLarge(limit)) } else { Ok(content) }
    }
}

#[async_trait]
impl SharedStorage for Access {
    fn plugin_type(&self) -> &'static str {
        "simulated"
    }

    async fn upload(&self, content: Bytes) -> Result<String, Error> {
        self.life.bound(dead(), self.put(content)).await
    }

    async fn upload_stream(&self, content: ByteStream) -> Result<String, Error> {
        let content = stream::collect(content, LIMIT).await.map_err(|error| match error {
            CollectError::TooLarge(limit) => Error::TooLarge(limit as u64),
            CollectError::Io(error) => Error::Failed(error.to_string()),
        })?;
        self.life.bound(dead(), self.put(content)).await
    }

    async fn download(&self, reference: &str, limit: u64) -> Result<ByteStream, Error> {
        self.life.bound(dead(), self.get(reference, limit)).await.map(stream::once)
    }

    fn health(&self) -> Health {
        Health::Up
    }
}
