//! From where a subscription reads: words, sequences and times as positions in the order of events; and moving one that is there.

use photinus_model::{Time, Uuid};
use photinus_store::{Error as StoreError, Read};

use super::{
    Error, offsets,
    subscription::{Start, start},
};
use crate::{Namespace, core::Core};

/// Events are written nearly in the order of their times; beyond this many nanoseconds none is out of order.
const DISORDER: i64 = 5_000_000_000;
/// Events read at once.
const PAGE: usize = 1_000;

/// The sequence behind which a start reads.
pub(super) async fn resolve(core: &Core, start: Start) -> Result<i64, StoreError> {
    let read = core.store.read(core.name());
    match start {
        Start::Behind(sequence) => Ok(sequence),
        Start::Newest => read.last_event().await,
        Start::At(time) => before(&read, time).await,
    }
}

/// The sequence behind which the events of a time and after it are.
async fn before(read: &Read<'_>, time: Time) -> Result<i64, StoreError> {
    let near = Time::from_unix_nanos(time.as_unix_nanos().saturating_sub(DISORDER));
    // All events up to `low` are older; `high` is where the first that is not may be.
    let (mut low, mut high) = (-1, read.last_event().await?);
    while low < high {
        let middle = low + (high - low) / 2;
        match read.events_after(middle, 1).await?.first() {
            Some(event) if event.created < near => low = event.sequence,
            _ => high = middle,
        }
    }
    loop {
        let page = read.events_after(low, PAGE).await?;
        for event in &page {
            if event.created >= time {
                return Ok(low);
            }
            low = event.sequence;
        }
        if page.len() < PAGE {
            return Ok(low);
        }
    }
}

impl Namespace {
    /// Moves a subscription to another position, forwards or back: a word, a sequence or a time, as `firstEvent` has them.
    /// Acknowledgements of what is in flight count no longer. Gives the new position.
    ///
    /// # Errors
    /// When there is no such subscription, or the position is none.
    pub async fn seek(&self, subscription: Uuid, to: &str) -> Result<i64, Error> {
        let core = self.core();
        let offset = resolve(core, start(Some(to))?).await?;
        // Nothing older is written behind it.
        let _writing = core.events.writing.lock().await;
        if !core.events.registry.seek(subscription, offset) {
            return Err(Error::NotFound(subscription));
        }
        core.store.submit(offsets(core, &[(subscription, offset)].into())).await?;
        Ok(offset)
    }
}
