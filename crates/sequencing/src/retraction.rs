//! Taking events back: because the ledger withdrew them, or because the operator gave their content up.

use photinus_model::Hash;

use crate::decision::{Alarm, Decision};
use crate::facts::content::Message;
use crate::facts::{Event, Place, Pos};
use crate::open;
use crate::rows::row::{MessageState, Pinned, Row};
use crate::rows::{Stop, key};
use crate::step::Machine;
use crate::waits;
use crate::work::Item;
use crate::{contract, lanes, release};

/// Takes back everything from a position on. If a decision rests on any of it there is no way back: the machine stops
/// taking logs.
pub(crate) fn start(machine: &mut Machine<'_>, from: Pos) -> Result<(), Stop> {
    let mut meta = machine.rows.meta()?;
    if meta.halted || from >= meta.next {
        return Ok(());
    }
    if let Some(decided) = meta.decided
        && decided >= from
    {
        meta.halted = true;
        machine.rows.put(key::meta(), Row::Meta(meta));
        machine.say(Decision::Alarm(Alarm::RetractedDecision { pos: from, decided }));
        return Ok(());
    }
    meta.next = from;
    machine.rows.put(key::meta(), Row::Meta(meta));
    contract::forget(machine, from)?;
    release::forget(machine, from)?;
    machine.later(Place::default(), Item::Retract(from));
    Ok(())
}

/// Takes back the lowest event from a position on.
pub(crate) fn next(machine: &mut Machine<'_>, from: Pos) -> Result<(), Stop> {
    let (low, high) = key::events_from(from);
    let Some(pos) = machine.rows.first_pos(&(low, high))? else { return Ok(()) };
    if let Some(pinned) = machine.rows.event(pos)? {
        // What was given up has nothing left, but for the claims on slots that nobody has.
        if !pinned.void || pinned.event.masked() {
            unbind(machine, &pinned.event)?;
        }
        if pinned.event.masked() {
            lanes::forget(machine, &pinned.event)?;
        }
        if pinned.void {
            machine.rows.remove(key::released(&pinned.event.batch, pos));
        }
        machine.rows.remove(key::event(pos));
        machine.say(Decision::Withdrawn { pos, event: Some(pinned.event) });
    }
    machine.later(Place::default(), Item::Retract(from));
    Ok(())
}

/// Voids the values of an event that no decided message has used, by a vote or by order of the operator.
pub(crate) fn abandon(machine: &mut Machine<'_>, pos: Pos, vote: Option<Pos>) -> Result<(), Stop> {
    let Some(pinned) = machine.rows.event(pos)? else { return Ok(()) };
    if pinned.void {
        return Ok(());
    }
    let event = &pinned.event;
    let indexes = if event.masked() { lanes::give_up(machine, event)? } else { unbind(machine, event)? };
    if indexes.is_empty() {
        return Ok(());
    }
    machine.say(Decision::Released { pos, batch: event.batch, indexes, vote });
    machine.rows.put(key::released(&event.batch, pos), Row::Mark);
    machine.rows.put(key::event(pos), Row::Event(Pinned { event: pinned.event, void: true }));
    release::close(machine, pos)
}

/// Takes back all that an event noted. Returns the indexes of the values that were still open, ascending.
fn unbind(machine: &mut Machine<'_>, event: &Event) -> Result<Vec<u32>, Stop> {
    if event.masked() {
        return lanes::withdraw(machine, event);
    }
    open::prepare(machine.rows, &event.values)?;
    let mut released = Vec::new();
    if machine.rows.has(&key::unknown(event.pos))? {
        for (value, index) in event.values.iter().zip(0_u32..) {
            machine.rows.remove(key::open(value, event.place(index)));
            released.push(index);
        }
        open::clear_unknown(machine, event)?;
    } else if let Some(stored) = machine.rows.content(&event.batch)? {
        machine.rows.require(stored.content.messages.iter().map(|message| key::message(&message.key)), [])?;
        for (base, message) in stored.content.owners().filter(|(base, message)| open::anchors(event, *base, message)) {
            if unanchor(machine, message, event.place(base))? {
                open::release_anchor(machine, message, event.place(base))?;
                released.extend(base..base.saturating_add(message.width()));
            }
        }
    }
    let mut contexts: Vec<Hash> =
        released.iter().filter_map(|index| event.values.get(*index as usize)).copied().collect();
    contexts.sort_unstable();
    contexts.dedup();
    for context in &contexts {
        open::release(machine, context)?;
    }
    Ok(released)
}

/// Takes an anchor from a message that is not decided. False if the message did not have it.
fn unanchor(machine: &mut Machine<'_>, message: &Message, place: Place) -> Result<bool, Stop> {
    let Some(MessageState::Pending { anchor, copies, waiting }) = machine.rows.message(&message.key)? else {
        return Ok(false);
    };
    if anchor != place {
        let copy = key::copy(&message.key, place);
        let known = machine.rows.has(&copy)?;
        machine.rows.remove(copy);
        return Ok(known);
    }
    waits::change(machine, anchor, waiting.as_ref(), None);
    let next = if copies { machine.rows.first_place(&key::copies(&message.key))? } else { None };
    if let Some(next) = next {
        machine.rows.remove(key::copy(&message.key, next));
        let state = MessageState::Pending { anchor: next, copies, waiting: None };
        machine.rows.put(key::message(&message.key), Row::Message(state));
        machine.look(next);
    } else {
        machine.rows.remove(key::message(&message.key));
    }
    Ok(true)
}
