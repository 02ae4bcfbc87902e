//! Looking once more for what is missing, by hand.
//!
//! The order of the ledger never has to be read again: each value that waits is woken by the fact that it waits for. What an
//! operator can do is to have everything that is missing asked for at once, in place of when its next attempt is due.

use photinus_model::{Uuid, pin::Pin};
use serde::{Deserialize, Serialize};

use crate::{Namespace, operations::Error};

/// From where to look again, as it is asked for and answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewind {
    /// Sequence of a pin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// A batch that was pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Uuid>,
}

impl Namespace {
    /// Asks at once for all contents and files that are missing. Answers the first pin of the batch that was named.
    ///
    /// # Errors
    /// When neither a sequence nor a batch is given, or there is no such pin.
    pub async fn rewind(&self, wanted: Rewind) -> Result<Rewind, Error> {
        let core = self.core();
        let read = core.store.read(core.name());
        let pin: Option<Pin> = match (wanted.sequence, wanted.batch) {
            (Some(sequence), _) => read.pin(sequence).await?,
            (None, Some(batch)) => read.pins_of(batch).await?.into_iter().next(),
            (None, None) => return Err(Error::NoPlace),
        };
        let pin = pin.ok_or(Error::NoPin)?;
        core.aggregation.hurry();
        Ok(Rewind { sequence: Some(pin.sequence), batch: Some(pin.batch) })
    }
}
