//! What the ledger withdrew: the records of it go, in the commit in which the order takes it back.
//!
//! The events that told applications of it stay. They were told, in an order that nobody can change any more; what they refer
//! to is gone, as it is from the ledger.

use std::sync::Arc;

use photinus_model::{blockchain_event::BlockchainEvent, pin::Pin};
use photinus_sequencing::facts::{Event, Pos};
use photinus_store::{Change, Error};
use serde::Deserialize;

use super::{fetches, group::Group, waits};
use crate::core::Core;

/// What the record of a pin says of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    author: String,
    batch_hash: String,
}

/// Removes what was written of a position.
pub(super) async fn apply(
    core: &Core,
    group: &mut Group<'_>,
    pos: Pos,
    event: Option<Arc<Event>>,
) -> Result<(), Error> {
    let protocol_id = waits::position(pos).protocol_id();
    group.push(Change::DeleteBlockchainEvent { protocol_id: protocol_id.clone() });
    let unwritten = group.unpinned_again(pos, protocol_id);
    let Some(event) = event else { return Ok(()) };
    if !event.masked() {
        fetches::withdraw(core, group, &event).await?;
    }
    if unwritten {
        return Ok(());
    }
    let read = core.store.read(core.name());
    let written = read.pins_of(event.batch.id).await?;
    let sequences: Vec<i64> = written.iter().filter(|pin| is_of(&event, pin)).map(|pin| pin.sequence).collect();
    if sequences.is_empty() {
        return Ok(());
    }
    // Pins are written once, however often a signer pins a batch: they go with the last event that has them.
    let others = read.blockchain_events_of(event.tx).await?;
    let stands = others.iter().any(|record| !group.is_withdrawn(&record.protocol_id) && pins_the_same(&event, record));
    if !stands {
        group.push(Change::DeletePins { batch: event.batch.id, sequences });
    }
    Ok(())
}

/// Whether a pin was written for an event.
fn is_of(event: &Event, pin: &Pin) -> bool {
    let value = usize::try_from(pin.index).ok().and_then(|index| event.values.get(index));
    pin.batch_hash == event.batch.hash && pin.signer == event.signer.as_str() && value == Some(&pin.hash)
}

/// Whether a record is that of a pin of the same batch by the same signer.
fn pins_the_same(event: &Event, record: &BlockchainEvent) -> bool {
    let output = record.output.as_ref().and_then(|output| serde_json::from_str::<Output>(output.as_str()).ok());
    output.is_some_and(|output| {
        let hash = output.batch_hash.strip_prefix("0x").unwrap_or(&output.batch_hash);
        output.author == event.signer.as_str() && *hash == event.batch.hash.to_string()
    })
}
