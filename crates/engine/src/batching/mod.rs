//! From single messages to batches on the ledger.
//!
//! Each author has one processor for broadcasts, and two for each group that it writes to: with pins, and without. While it is idle a message is sealed into a batch of its own at once; while a batch is on its
//! way the next ones gather, up to the configured size. A processor works in order, so batches are pinned in the order in
//! which they were sealed, and one author's trouble delays nobody else.
//!
//! A message whose batch comes at once is stored with it ([`arrival`]); any other is stored first.
//!
//! Memory carries the messages from the request to the processor. The store is what is read when there are more than fit, and
//! after a crash: sealed batches that were not pinned are sent again unchanged, and messages that no batch holds are batched.
//!
//! Deliberately not here: the queues of what is owed to other members (module `delivery`).

mod admission;
mod again;
mod ahead;
mod arrival;
mod cut;
mod dispatch;
mod private;
mod processor;
mod queue;
mod recover;
mod seal;
pub mod status;
mod stream;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(crate) use again::pin_again;
pub(crate) use arrival::Arriving;
pub(crate) use cut::{Bounds, Entry};
pub(crate) use dispatch::repeat;
use parking_lot::Mutex;
pub(crate) use private::wrapper_group;
use processor::Processor;
pub use recover::Error as RecoveryError;
pub(crate) use recover::{rebuild, rebuild_record, recover};
pub(crate) use seal::{Outbound, PinInput, UploadInput};
pub(crate) use stream::Stream;

use crate::{core::Core, messaging::Sealed};

/// The processors of a namespace.
#[derive(Default)]
pub(crate) struct Handle {
    processors: Mutex<HashMap<Stream, Arc<Processor>>>,
    /// Requests whose messages are about to be stored.
    crowd: AtomicUsize,
}

/// Hands a stored message to its processor. Never waits: what the processor cannot hold it reads from the store.
pub(crate) fn offer(core: &Arc<Core>, sealed: Arc<Sealed>) {
    let stream = Stream::of(&sealed.message.header);
    with_processor(core, &stream, |processor| processor.queue.push(sealed));
}

/// Leaves a message that is not stored yet to its processor, which stores it with its batch. `None` when it is better stored at
/// once. `confirm` says that the request waits for the message to be decided.
pub(crate) fn leave(core: &Arc<Core>, sealed: &Arc<Sealed>, confirm: bool) -> Option<Arriving> {
    let stream = Stream::of(&sealed.message.header);
    let crowd = core.batching.crowd.load(Ordering::Relaxed);
    with_processor(core, &stream, |processor| processor.queue.arrive(sealed, confirm, crowd))
}

/// How long a request leaves its message to the processor: longer than a busy processor needs.
pub(crate) fn patience(confirm: bool) -> Duration {
    queue::pace(confirm) * 2
}

/// Notes that a message was left to its processor in vain: the next ones are stored at once, until it has sent a batch again.
pub(crate) fn late(core: &Arc<Core>, sealed: &Sealed) {
    let stream = Stream::of(&sealed.message.header);
    with_processor(core, &stream, |processor| processor.queue.paced(Duration::MAX));
}

/// Counts a request whose messages are about to be stored, for as long as this is held.
pub(crate) fn in_crowd(core: &Core) -> InCrowd<'_> {
    core.batching.crowd.fetch_add(1, Ordering::Relaxed);
    InCrowd(&core.batching.crowd)
}

/// See [`in_crowd`].
pub(crate) struct InCrowd<'a>(&'a AtomicUsize);

impl Drop for InCrowd<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hands a batch that was sealed before a crash to its processor, ahead of everything else.
pub(crate) fn resume(core: &Arc<Core>, batch: Outbound) {
    let stream = Stream::of_batch(&batch.batch);
    with_processor(core, &stream, |processor| processor.queue.push_sealed(batch));
}

/// Calls `act` with the stream's processor, which is started if need be and cannot end meanwhile.
fn with_processor<T>(core: &Arc<Core>, stream: &Stream, act: impl FnOnce(&Processor) -> T) -> T {
    let mut processors = core.batching.processors.lock();
    match processors.get(stream) {
        Some(processor) => act(processor),
        None => {
            let processor = Arc::new(Processor::new(stream.clone(), core.options.batching.queue));
            let done = act(&processor);
            processors.insert(stream.clone(), Arc::clone(&processor));
            processor::spawn(core, processor);
            done
        }
    }
}

impl Handle {
    /// Ends a processor that has nothing to do. `false` when it got work in the meantime.
    fn retire(&self, processor: &Processor) -> bool {
        let mut processors = self.processors.lock();
        let idle = processor.queue.is_empty();
        if idle {
            processors.remove(processor.stream());
        }
        idle
    }

    /// How the processors do, by name.
    pub(crate) fn report(&self) -> status::Report {
        let mut processors: Vec<_> = self.processors.lock().values().map(|processor| processor.report()).collect();
        processors.sort_by(|one, other| one.name.cmp(&other.name));
        status::Report { processors }
    }
}
