//! What the chain looks like now, shared by everything that waits for it.
//!
//! One task follows the chain ([`follower`]) and keeps its newest blocks here. Whoever is interested is told that something
//! changed, looks, and compares with what it has dealt with so far. Nothing is queued, so nobody can miss a block or be
//! drowned in blocks: one who is late sees the newest state and catches up by asking.

pub(crate) mod follower;
pub(crate) mod ring;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::{RwLock, RwLockReadGuard};
use photinus_ports::health::Health;
use tokio::sync::{Notify, watch};

use self::ring::{Change, Ring};
use crate::rpc::{Client, Error, Header};

/// The newest blocks, the chain's identity and its state of health.
#[derive(Debug)]
pub(crate) struct Chain {
    blocks: RwLock<Ring>,
    changed: watch::Sender<u64>,
    identity: RwLock<Option<u64>>,
    troubles: RwLock<BTreeMap<String, String>>,
    poke: Notify,
    pushed: AtomicBool,
}

/// The name under which the follower reports its troubles.
const FOLLOWER: &str = "chain";

impl Chain {
    /// Knows nothing yet and keeps up to `capacity` blocks.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            blocks: RwLock::new(Ring::new(capacity)),
            changed: watch::Sender::new(0),
            identity: RwLock::new(None),
            troubles: RwLock::new(BTreeMap::from([(FOLLOWER.to_owned(), "not connected yet".to_owned())])),
            poke: Notify::new(),
            pushed: AtomicBool::new(false),
        }
    }

    /// The newest blocks; hold it briefly.
    pub(crate) fn blocks(&self) -> RwLockReadGuard<'_, Ring> {
        self.blocks.read()
    }

    pub(crate) fn tip(&self) -> Option<Header> {
        self.blocks.read().tip().copied()
    }

    /// Tells when the blocks changed.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The chain's id, once it was asked and found to be the expected one.
    pub(crate) fn id(&self) -> Option<u64> {
        *self.identity.read()
    }

    /// The chain's id, asked for if it is not known yet.
    pub(crate) async fn id_of(&self, client: &Client, expected: Option<u64>) -> Result<u64, Error> {
        if let Some(id) = self.id() {
            return Ok(id);
        }
        let id = client.chain_id().await?;
        self.identify(id, expected).map_err(Error::Unreachable)?;
        Ok(id)
    }

    /// Takes note of the chain's id; `Err` when it was another one before.
    pub(crate) fn identify(&self, id: u64, expected: Option<u64>) -> Result<(), String> {
        let mut identity = self.identity.write();
        match expected.or(*identity) {
            Some(known) if known != id => Err(format!("the chain's id is {id}, expected was {known}")),
            _ => {
                *identity = Some(id);
                Ok(())
            }
        }
    }

    /// Makes everybody look who waits for changes.
    pub(crate) fn wake(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Says that a transaction was just handed to the chain: where blocks are polled, this is a good moment to ask.
    pub(crate) fn poke(&self) {
        self.poke.notify_one();
    }

    /// Whether new blocks are pushed.
    pub(crate) fn is_pushed(&self) -> bool {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Records what is wrong with a part, or that it works again.
    pub(crate) fn report(&self, part: &str, trouble: Option<String>) {
        let mut troubles = self.troubles.write();
        match trouble {
            Some(trouble) => {
                troubles.insert(part.to_owned(), trouble);
            }
            None => {
                troubles.remove(part);
            }
        }
    }

    pub(crate) fn health(&self) -> Health {
        let troubles = self.troubles.read();
        if troubles.is_empty() {
            return Health::Up;
        }
        Health::Down(troubles.iter().map(|(part, trouble)| format!("{part}: {trouble}")).collect::<Vec<_>>().join("; "))
    }

    /// Changes the blocks, and tells everybody unless nothing came of it.
    fn update(&self, change: impl FnOnce(&mut Ring) -> Option<Change>) -> Option<Change> {
        let change = change(&mut self.blocks.write());
        if change.is_some() {
            self.wake();
        }
        change
    }
}
