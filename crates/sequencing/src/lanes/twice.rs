//! An author that pinned two messages under one value: which of them counts is decided by the ledger, but members to which one of
//! them did not come may see it otherwise, so it is told.

use std::sync::Arc;

use crate::decision::{Alarm, Claimed, Decision, TwoMessages};
use crate::facts::content::{Content, Message};
use crate::facts::{Event, Place};
use crate::rows::row::{LaneState, Stored};
use crate::rows::{Rows, Stop};
use crate::step::Machine;

use super::{deliver, head::GAP_FILL};

/// Looks at all that claimed a slot which is being used up.
pub(super) fn among(
    machine: &mut Machine<'_>,
    lane: &LaneState,
    nonce: u64,
    claims: &[(Place, Arc<Event>)],
) -> Result<(), Stop> {
    for (position, (place, event)) in claims.iter().enumerate() {
        for (other_place, other) in claims.get(position + 1..).unwrap_or_default() {
            compare(machine, lane, nonce, (event, *place), (other, *other_place))?;
        }
    }
    Ok(())
}

/// Looks at what claims a slot that is used up, beside what claimed it first.
pub(super) fn late(machine: &mut Machine<'_>, event: &Event) -> Result<(), Stop> {
    for (value, index) in event.values.iter().zip(0_u32..) {
        let Some(slot) = machine.rows.slot(value)? else { continue };
        let Some(used) = slot.used.filter(|used| used.pos != event.pos) else { continue };
        let Some(first) = machine.rows.event(used.pos)? else { continue };
        let Some(lane) = machine.rows.lane(&slot.lane)? else { continue };
        compare(machine, &lane, slot.nonce, (&first.event, used), (event, event.place(index)))?;
    }
    Ok(())
}

fn compare(
    machine: &mut Machine<'_>,
    lane: &LaneState,
    nonce: u64,
    one: (&Event, Place),
    other: (&Event, Place),
) -> Result<(), Stop> {
    let Some(first) = of_author(machine.rows, lane, one.0)? else { return Ok(()) };
    let Some(second) = of_author(machine.rows, lane, other.0)? else { return Ok(()) };
    let (Some((_, a)), Some((_, b))) = (first.owner(one.1.index), second.owner(other.1.index)) else { return Ok(()) };
    if a.key == b.key || !is_of(lane, &first.content, a) || !is_of(lane, &second.content, b) {
        return Ok(());
    }
    if replaces(a, b) || replaces(b, a) {
        return Ok(());
    }
    let pinned = |content: &Content, message: &Message| Claimed { batch: content.batch, message: message.key };
    machine.say(Decision::Alarm(Alarm::TwoMessages(Box::new(TwoMessages {
        lane: lane.lane.clone(),
        nonce,
        one: pinned(&first.content, a),
        other: pinned(&second.content, b),
    }))));
    Ok(())
}

/// The content of an event, if the author of the lane pinned it.
fn of_author(rows: &mut Rows, lane: &LaneState, event: &Event) -> Result<Option<Arc<Stored>>, Stop> {
    let Some(stored) = rows.content(&event.batch)? else { return Ok(None) };
    let own = stored.content.author == lane.lane.author && stored.content.key == event.signer;
    Ok(if own && deliver::is_usable(rows, &stored.content)? { Some(stored) } else { None })
}

fn is_of(lane: &LaneState, content: &Content, message: &Message) -> bool {
    message.kind.is_private() && message.group == Some(lane.lane.group) && content.author == lane.lane.author
}

/// Whether a message fills the gap of one whose pin was given up, and was mined after all.
fn replaces(one: &Message, other: &Message) -> bool {
    one.tag == GAP_FILL && one.cid == Some(other.key.id)
}
