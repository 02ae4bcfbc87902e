//! The durable subscriptions of a namespace as they run: one turn each, and how far each was delivered.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use photinus_model::{
    Uuid,
    subscription::{self, Subscription},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{balance::Group, filter::Compiled};

/// A durable subscription in one of its forms; a change of it makes another.
pub(super) struct Active {
    pub(super) subscription: Subscription,
    pub(super) filter: Compiled,
    /// Cancelled when the subscription is changed or deleted.
    pub(super) over: CancellationToken,
    pub(super) progress: Arc<Progress>,
    /// The connections that share it, where they do.
    pub(super) group: Group,
}

impl Active {
    /// What the subscription is called in deliveries.
    pub(super) fn reference(&self, namespace: &str) -> subscription::Ref {
        let (id, name) = (self.subscription.id, self.subscription.name.clone());
        subscription::Ref { id, namespace: namespace.to_owned(), name }
    }
}

/// What stays of a subscription when it is changed.
pub(super) struct Progress {
    /// Held by the dispatcher that delivers. Others wait in line and take over when it ends.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    /// How a webhook is doing.
    pub(super) health: super::webhooks::Shown,
    /// Parked events are to be looked at.
    pub(super) resumed: Notify,
    offset: AtomicI64,
}

/// No dispatcher has run yet.
const UNKNOWN: i64 = i64::MIN;

impl Progress {
    fn new() -> Self {
        Self { turn: Arc::default(), health: Mutex::default(), resumed: Notify::new(), offset: AtomicI64::new(UNKNOWN) }
    }

    /// At another position. The turn is the same: whoever delivers now ends before another begins.
    fn moved(&self, offset: i64) -> Self {
        Self { turn: Arc::clone(&self.turn), offset: AtomicI64::new(offset), ..Self::new() }
    }

    /// The last event that is done, when a dispatcher has run since the start.
    pub(super) fn offset(&self) -> Option<i64> {
        Some(self.offset.load(Ordering::Acquire)).filter(|offset| *offset != UNKNOWN)
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Registry {
    by_name: RwLock<BTreeMap<String, Arc<Active>>>,
    changes: watch::Sender<u64>,
    dirty: Mutex<HashMap<Uuid, i64>>,
    written: Notify,
}

impl Registry {
    /// The subscription of a name.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Active>> {
        self.by_name.read().get(name).cloned()
    }

    /// The subscription of an id.
    pub(super) fn by_id(&self, id: Uuid) -> Option<Arc<Active>> {
        self.by_name.read().values().find(|active| active.subscription.id == id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Active>> {
        self.by_name.read().values().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.read().len()
    }

    /// Changes when a subscription is created, changed or deleted.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A new subscription, or a new form of one.
    pub(super) fn put(&self, subscription: Subscription, filter: Compiled) {
        let mut by_name = self.by_name.write();
        let progress = match by_name.get(&subscription.name) {
            Some(old) if old.subscription.id == subscription.id => Arc::clone(&old.progress),
            _ => Arc::new(Progress::new()),
        };
        let name = subscription.name.clone();
        let active = Active { subscription, filter, over: CancellationToken::new(), progress, group: Group::default() };
        if let Some(old) = by_name.insert(name, Arc::new(active)) {
            old.over.cancel();
        }
        drop(by_name);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// A subscription goes on from another position; who delivers starts over. `false` when there is none.
    pub(super) fn seek(&self, id: Uuid, offset: i64) -> bool {
        let mut by_name = self.by_name.write();
        let Some(active) = by_name.values_mut().find(|active| active.subscription.id == id) else { return false };
        let old = Arc::clone(active);
        *active = Arc::new(Active {
            subscription: old.subscription.clone(),
            filter: old.filter.clone(),
            over: CancellationToken::new(),
            progress: Arc::new(old.progress.moved(offset)),
            group: Group::default(),
        });
        self.dirty.lock().remove(&id);
        drop(by_name);
        old.over.cancel();
        self.changes.send_modify(|changes| *changes += 1);
        true
    }

    /// A subscription is gone.
    pub(super) fn remove(&self, id: Uuid) {
        let mut by_name = self.by_name.write();
        by_name.retain(|_, active| {
            let gone = active.subscription.id == id;
            if gone {
                active.over.cancel();
            }
            !gone
        });
        drop(by_name);
        self.dirty.lock().remove(&id);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Everything up to this sequence is done. Written down soon; a crash before that delivers some events again.
    pub(super) fn done(&self, active: &Active, offset: i64) {
        if active.progress.offset.swap(offset, Ordering::AcqRel) == offset {
            return;
        }
        // Within the lock of the names, so that nothing is noted of a position that was left.
        let by_name = self.by_name.read();
        let current = by_name.get(&active.subscription.name);
        if current.is_some_and(|current| Arc::ptr_eq(&current.progress, &active.progress)) {
            self.dirty.lock().insert(active.subscription.id, offset);
            drop(by_name);
            self.written.notify_one();
        }
    }

    /// Waits for offsets to write down.
    pub(super) async fn dirty(&self) {
        while self.dirty.lock().is_empty() {
            self.written.notified().await;
        }
    }

    /// Takes the offsets that are not written down.
    pub(super) fn take_dirty(&self) -> HashMap<Uuid, i64> {
        std::mem::take(&mut *self.dirty.lock())
    }

    /// Offsets that could not be written; newer ones win.
    pub(super) fn put_back(&self, offsets: HashMap<Uuid, i64>) {
        let mut dirty = self.dirty.lock();
        for (id, offset) in offsets {
            dirty.entry(id).or_insert(offset);
        }
    }
}
