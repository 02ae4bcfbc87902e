//! From single messages to batches on the ledger.
//!
//! Each author has one processor. While it is idle a message is sealed into a batch of its own at once; while a batch is on its
//! way the next ones gather, up to the configured size. A processor works in order, so batches are pinned in the order in
//! which they were sealed, and one author's trouble delays nobody else.
//!
//! Memory carries the messages from the request to the processor. The store is what is read when there are more than fit, and
//! after a crash: sealed batches that were not pinned are sent again unchanged, and messages that no batch holds are batched.
//!
//! Deliberately not here: batches of private messages.

mod again;
mod cut;
mod dispatch;
mod processor;
mod queue;
mod recover;
mod seal;
pub mod status;

use std::{collections::HashMap, sync::Arc};

pub(crate) use again::pin_again;
pub(crate) use cut::{Bounds, Entry};
pub(crate) use dispatch::repeat;
use parking_lot::Mutex;
use processor::Processor;
pub use recover::Error as RecoveryError;
pub(crate) use recover::{rebuild, recover};
pub(crate) use seal::{Outbound, PinInput, UploadInput};

use crate::{core::Core, messaging::Sealed};

/// What the processors' batches are for, as applications see it.
const DISPATCHER: &str = "pinned_broadcast";

/// The processors of a namespace, by author.
#[derive(Default)]
pub(crate) struct Handle {
    processors: Mutex<HashMap<String, Arc<Processor>>>,
}

/// Hands a stored message to its author's processor. Never waits: what the processor cannot hold it reads from the store.
pub(crate) fn offer(core: &Arc<Core>, sealed: Arc<Sealed>) {
    let author = sealed.message.header.author.clone();
    with_processor(core, &author, |processor| processor.queue.push(sealed));
}

/// Hands a batch that was sealed before a crash to its author's processor, ahead of everything else.
pub(crate) fn resume(core: &Arc<Core>, batch: Outbound) {
    let author = batch.batch.author.clone();
    with_processor(core, &author, |processor| processor.queue.push_sealed(batch));
}

/// Calls `act` with the author's processor, which is started if need be and cannot end meanwhile.
fn with_processor(core: &Arc<Core>, author: &str, act: impl FnOnce(&Processor)) {
    let mut processors = core.batching.processors.lock();
    match processors.get(author) {
        Some(processor) => act(processor),
        None => {
            let processor = Arc::new(Processor::new(author, core.options.batching.queue));
            act(&processor);
            processors.insert(author.to_owned(), Arc::clone(&processor));
            processor::spawn(core, processor);
        }
    }
}

impl Handle {
    /// Ends a processor that has nothing to do. `false` when it got work in the meantime.
    fn retire(&self, processor: &Processor) -> bool {
        let mut processors = self.processors.lock();
        let idle = processor.queue.is_empty();
        if idle {
            processors.remove(processor.author());
        }
        idle
    }

    /// How the processors do, by author.
    pub(crate) fn report(&self) -> status::Report {
        let mut processors: Vec<_> = self.processors.lock().values().map(|processor| processor.report()).collect();
        processors.sort_by(|one, other| one.name.cmp(&other.name));
        status::Report { processors }
    }
}
