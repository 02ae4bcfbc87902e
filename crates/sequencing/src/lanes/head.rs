//! The head of a lane: its next slot, and the message that has it.

use std::sync::Arc;

use photinus_model::Hash;

use super::claims::{self, Standing, Winner};
use super::{groups, order, twice};
use crate::decision::{Code, Decided, Decision, Effect, Pins, Verdict};
use crate::facts::content::{Content, Message};
use crate::facts::{Event, MessageKey, Place, Pos};
use crate::keys::{self, Status};
use crate::mutation::{self, Mutation};
use crate::reason::Reason;
use crate::rows::row::{LaneState, MessageState, Pinned, Row, SlotState};
use crate::rows::{Stop, key};
use crate::rules::PrivateOrder;
use crate::step::Machine;
use crate::verdict::{self, Judgement, Ruling, Subject};
use crate::waits;

/// The tag of a message that stands in for another one.
pub(super) const GAP_FILL: &str = "ff_gap_fill";

/// How far ahead of what is claimed a value may be and still be one that its author will reach.
const AHEAD: u64 = 4096;

/// Looks at the lanes of the private message that owns the value at this place, and at all that its event concerns if
/// the place is its first.
pub(crate) fn look_at(machine: &mut Machine<'_>, pinned: &Pinned, at: Place) -> Result<(), Stop> {
    let event = &pinned.event;
    if at.index == 0 {
        super::meet(machine, event)?;
    }
    // The slot may be held by what is not known of the signer, and the content be missing.
    if let Some(value) = event.values.get(at.index as usize)
        && let Some(slot) = machine.rows.slot(value)?
    {
        machine.look_at_lane(slot.lane);
    }
    let Some(stored) = machine.rows.content(&event.batch)? else { return Ok(()) };
    let Some((_, message)) = stored.owner(at.index) else { return Ok(()) };
    for lane in super::of_message(&stored.content, message) {
        machine.look_at_lane(lane);
    }
    Ok(())
}

/// Decides the message that has the next slot of a lane, if it has the next slot of all its lanes.
pub(crate) fn look(machine: &mut Machine<'_>, id: &Hash) -> Result<(), Stop> {
    let Some(lane) = machine.rows.lane(id)? else { return Ok(()) };
    let lane = claims::extend(machine, id, &lane)?;
    let claims = claims::standing(machine.rows, &lane, lane.next)?;
    for message in &claims.ruled_out {
        if stop_waiting(machine, message)? {
            order::changed(machine, &lane.lane, lane.next)?;
        }
    }
    let winner = match claims.standing {
        Standing::Won(winner) => winner,
        Standing::Unclaimed => return hold(machine, &lane, None).map(|_| ()),
        Standing::Open(place) => {
            lacking(machine, &lane, place)?;
            let held = order::doubt(machine, place)?;
            return hold(machine, &lane, held).map(|_| ());
        }
        Standing::Skipped(place) => {
            hold(machine, &lane, None)?;
            use_slot(machine, id, place.pos, &mut Vec::new())?;
            machine.look_at_lane(*id);
            return Ok(());
        }
    };
    let Some(message) = winner.message() else { return hold(machine, &lane, None).map(|_| ()) };
    let state = machine.rows.message(&message.key)?;
    // A message that was decided elsewhere, or that is none of a private kind, uses the slot up without a word.
    if matches!(state, Some(MessageState::Decided { .. })) || !message.kind.is_private() {
        return use_silently(machine, id, &lane, &winner);
    }
    let (anchor, waiting) = match state {
        Some(MessageState::Pending { anchor, waiting, .. }) => (anchor, waiting),
        _ => (winner.place(), None),
    };
    if hold(machine, &lane, None)? {
        // The slot may have been in the list at the very place of the message.
        waits::change(machine, anchor, None, waiting.as_ref());
    }
    // First of all it must be certain that the signer does not speak for another: then others may have the slot.
    let judgement = match keys::status(machine.rows, &winner.event.signer, winner.place())? {
        Status::Wait(reason) => Judgement::Wait(reason),
        _ => match stand(machine, &winner, message)? {
            // It is looked at again when those slots are used.
            Stand::Behind => return stop_waiting(machine, &message.key).map(|_| ()),
            stand => match before(machine, &winner, message)? {
                Some(reason) => Judgement::Wait(reason),
                None if matches!(stand, Stand::Broken) => Judgement::reject(Code::Pins),
                None => judge(machine, &winner, message, waiting.as_ref())?,
            },
        },
    };
    match judgement {
        Judgement::Wait(reason) => {
            if waiting.as_ref() != Some(&reason) {
                waits::change(machine, anchor, waiting.as_ref(), Some(&reason));
                let (batch, group) = (winner.event.batch, message.group);
                machine.say(Decision::Waiting { message: message.key, batch, group, reason: reason.clone() });
                let state = MessageState::Pending { anchor, copies: false, waiting: Some(reason) };
                machine.rows.put(key::message(&message.key), Row::Message(state));
            }
            Ok(())
        }
        Judgement::Decide(ruling) => {
            waits::change(machine, anchor, waiting.as_ref(), None);
            decide(machine, &winner, message, *ruling)
        }
    }
}

/// Tells of a claim whose content is missing.
fn lacking(machine: &mut Machine<'_>, lane: &LaneState, claim: Place) -> Result<(), Stop> {
    let event = machine.rows.event(claim.pos)?.ok_or_else(|| Stop::inconsistent("a claim"))?.event;
    if machine.rows.content(&event.batch)?.is_none() {
        machine.say(Decision::Lacking { batch: event.batch, pos: claim.pos, lane: lane.lane.clone() });
    }
    Ok(())
}

/// Uses the next slot of a lane up, as soon as it is certain that the signer of the claim does not speak for another.
fn use_silently(machine: &mut Machine<'_>, id: &Hash, lane: &LaneState, winner: &Winner) -> Result<(), Stop> {
    if let Status::Wait(reason) = keys::status(machine.rows, &winner.event.signer, winner.place())? {
        return hold(machine, lane, Some((winner.place(), reason))).map(|_| ());
    }
    hold(machine, lane, None)?;
    use_slot(machine, id, winner.event.pos, &mut Vec::new())?;
    machine.look_at_lane(*id);
    Ok(())
}

/// Changes what must be known before the next slot of a lane is used up. False if nothing changed.
fn hold(machine: &mut Machine<'_>, lane: &LaneState, held: Option<(Place, Reason)>) -> Result<bool, Stop> {
    let value = super::value(&lane.lane, lane.next);
    let Some(slot) = machine.rows.slot(&value)? else { return Ok(false) };
    if slot.held == held {
        return Ok(false);
    }
    if let Some((place, reason)) = &slot.held {
        waits::change(machine, *place, Some(reason), None);
    }
    if let Some((place, reason)) = &held {
        waits::change(machine, *place, None, Some(reason));
    }
    machine.rows.put(key::slot(&value), Row::Slot(SlotState { held, ..slot }));
    order::changed(machine, &lane.lane, lane.next)?;
    Ok(true)
}

/// What another author wrote that stands before a message, where there is one order across authors.
fn before(machine: &mut Machine<'_>, winner: &Winner, message: &Message) -> Result<Option<Reason>, Stop> {
    if machine.rules.private_order == PrivateOrder::Author {
        return Ok(None);
    }
    let pos = after(machine, winner, message)?;
    let Some(group) = &message.group else { return Ok(None) };
    for ((topic, id), index) in
        message.topics.iter().zip(super::of_message(&winner.stored.content, message)).zip(winner.base..)
    {
        if has_next(machine, winner, &id, index)?
            && let Some(reason) = order::before(machine.rows, group, topic, &winner.stored.content.author, pos)?
        {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// A message that is not at the head of its lanes, or can never be, waits for nothing of its own. False if it did not.
pub(super) fn stop_waiting(machine: &mut Machine<'_>, message: &MessageKey) -> Result<bool, Stop> {
    if let Some(MessageState::Pending { anchor, copies, waiting: Some(reason) }) = machine.rows.message(message)? {
        waits::change(machine, anchor, Some(&reason), None);
        let state = MessageState::Pending { anchor, copies, waiting: None };
        machine.rows.put(key::message(message), Row::Message(state));
        return Ok(true);
    }
    Ok(false)
}

/// How a message that has the next slot of one of its lanes stands in all of them.
enum Stand {
    /// It has the next slot of each.
    Head,
    /// Other slots of its lanes come first.
    Behind,
    /// It has the next slot of those that are left; a slot of another lane was lost, or is none of that lane.
    Broken,
}

fn stand(machine: &mut Machine<'_>, winner: &Winner, message: &Message) -> Result<Stand, Stop> {
    let Some(group) = &message.group else { return Ok(Stand::Broken) };
    let author = &winner.stored.content.author;
    let mut broken = false;
    for (topic, index) in message.topics.iter().zip(winner.base..) {
        let id = super::id(group, topic, author);
        // Another lane may have found the message before its event was met.
        groups::open(machine, group, topic)?;
        let Some(lane) = machine.rows.lane(&id)? else {
            broken = true;
            continue;
        };
        let lane = claims::extend(machine, &id, &lane)?;
        let Some(value) = winner.event.values.get(index as usize) else {
            broken = true;
            continue;
        };
        match machine.rows.slot(value)? {
            Some(slot) if slot.lane == id && slot.used.is_some() => broken = true,
            Some(slot) if slot.lane == id && slot.nonce == lane.next => {
                match claims::standing(machine.rows, &lane, lane.next)?.standing {
                    Standing::Won(other) if other.event.pos == winner.event.pos && other.base == winner.base => {}
                    _ => return Ok(Stand::Behind),
                }
            }
            Some(slot) if slot.lane == id => return Ok(Stand::Behind),
            Some(_) => broken = true,
            None if may_come(machine, &lane, value, winner.event.pos)? => return Ok(Stand::Behind),
            None => broken = true,
        }
    }
    Ok(if broken { Stand::Broken } else { Stand::Head })
}

/// Whether a value is one that its lane may still reach, as of the position of the event that has it.
fn may_come(machine: &mut Machine<'_>, lane: &LaneState, value: &Hash, pos: Pos) -> Result<bool, Stop> {
    // The lowest nonce that nothing below the event has claimed.
    let mut free = lane.unclaimed;
    while let Some(nonce) = free.checked_sub(1)
        && lane.unclaimed - nonce <= AHEAD
    {
        let claimed = super::value(&lane.lane, nonce);
        let used = machine.rows.slot(&claimed)?.and_then(|slot| slot.used);
        let lowest = match used {
            Some(place) => Some(place),
            None => machine.rows.first_place(&key::claims_on(&claimed))?,
        };
        if lowest.is_some_and(|lowest| lowest.pos < pos) {
            break;
        }
        free = nonce;
    }
    Ok((free..free.saturating_add(AHEAD)).any(|nonce| super::value(&lane.lane, nonce) == *value))
}

fn judge(
    machine: &mut Machine<'_>,
    winner: &Winner,
    message: &Message,
    waiting: Option<&Reason>,
) -> Result<Judgement, Stop> {
    // Whoever pinned any value of the message first is held against it, whatever that value is.
    let (mut from, to) = key::deliveries(&winner.event.batch);
    let mut authority = winner.event.signer.clone();
    while let Some(found) = machine.rows.first(&from, &to)? {
        from = key::successor(&found);
        let Some(pos) = key::trailing_pos(&found) else { continue };
        let event = machine.rows.event(pos)?.ok_or_else(|| Stop::inconsistent("a masked event"))?.event;
        if event.values.len() > winner.base as usize && !mutation::is(Mutation::ForgetsEarlierPins) {
            authority = event.signer.clone();
            break;
        }
    }
    let pos = after(machine, winner, message)?;
    let subject = Subject {
        content: &winner.stored.content,
        message,
        authority: &authority,
        place: Place { pos, index: 0 },
        waiting,
    };
    verdict::judge(machine, &subject)
}

/// Where a message stands: at its event, or at the message before it in any lane of which it has the next slot, if that
/// is higher.
fn after(machine: &mut Machine<'_>, winner: &Winner, message: &Message) -> Result<Pos, Stop> {
    let mut pos = winner.event.pos;
    for (id, index) in super::of_message(&winner.stored.content, message).zip(winner.base..) {
        if has_next(machine, winner, &id, index)?
            && let Some(lane) = machine.rows.lane(&id)?
        {
            pos = pos.max(lane.after);
        }
    }
    Ok(pos)
}

/// Whether the value at `index` is that of the next slot of a lane.
fn has_next(machine: &mut Machine<'_>, winner: &Winner, id: &Hash, index: u32) -> Result<bool, Stop> {
    let Some(lane) = machine.rows.lane(id)? else { return Ok(false) };
    let next = super::value(&lane.lane, lane.next);
    Ok(winner.event.values.get(index as usize) == Some(&next))
}

fn decide(machine: &mut Machine<'_>, winner: &Winner, message: &Message, mut ruling: Ruling) -> Result<(), Stop> {
    let content = &winner.stored.content;
    let pos = after(machine, winner, message)?;
    let place = Place { pos, index: winner.base };
    let mut claims = Vec::new();
    let mut replaced = Vec::new();
    let lanes: Vec<Hash> = super::of_message(content, message).collect();
    for (id, index) in lanes.iter().zip(winner.base..) {
        if !has_next(machine, winner, id, index)? {
            continue;
        }
        let first = claims.len();
        let lane = machine.rows.lane(id)?;
        use_slot(machine, id, pos, &mut claims)?;
        if let (Some(lane), Some(claims @ [_, _, ..])) = (lane, claims.get(first..)) {
            twice::among(machine, &lane, lane.next, claims)?;
        }
        if message.tag == GAP_FILL && ruling.verdict == Verdict::Confirmed {
            replaced.extend(targets(machine, content, message, claims.get(first..).unwrap_or_default())?);
        }
    }
    replaced.sort_unstable();
    replaced.dedup();
    ruling.effects.extend(replaced.into_iter().map(|message| Effect::Cancelled { message }));
    if let Some(group) = &message.defines_group
        && message.group == Some(group.hash)
    {
        ruling.effects.push(Effect::Group { group: group.clone(), message: message.key });
    }
    let state = MessageState::Decided { verdict: ruling.verdict, place };
    machine.rows.put(key::message(&message.key), Row::Message(state));
    machine.count_decision(pos);
    machine.say(Decision::Decided(Box::new(Decided {
        message: message.key,
        batch: content.batch,
        place,
        verdict: ruling.verdict,
        events: ruling.events(content, message),
        effects: ruling.effects,
        pins: runs(claims),
    })));
    for lane in lanes {
        machine.look_at_lane(lane);
    }
    Ok(())
}

/// Uses the next slot of a lane up: whoever else claimed it has nothing.
fn use_slot(machine: &mut Machine<'_>, id: &Hash, pos: Pos, claims: &mut Vec<(Place, Arc<Event>)>) -> Result<(), Stop> {
    let lane = machine.rows.lane(id)?.ok_or_else(|| Stop::inconsistent("a lane in use"))?;
    hold(machine, &lane, None)?;
    let value = super::value(&lane.lane, lane.next);
    let (from, to) = key::claims_on(&value);
    let mut lowest = None;
    while let Some(found) = machine.rows.first(&from, &to)? {
        let Some(place) = key::trailing_place(&found) else { break };
        lowest = lowest.or(Some(place));
        let event = machine.rows.event(place.pos)?.ok_or_else(|| Stop::inconsistent("a claim"))?.event;
        // Whoever has lost the slot may have others, in lanes that wait for it.
        if let Some(stored) = machine.rows.content(&event.batch)?
            && let Some((_, loser)) = stored.owner(place.index)
        {
            for lane in super::of_message(&stored.content, loser) {
                machine.look_at_lane(lane);
            }
        }
        claims.push((place, event));
        machine.rows.remove(found);
    }
    let slot = SlotState { lane: *id, nonce: lane.next, used: lowest, held: None };
    machine.rows.put(key::slot(&value), Row::Slot(slot));
    let next = lane.next.checked_add(1).ok_or_else(|| Stop::inconsistent("a lane without end"))?;
    let state = LaneState { lane: lane.lane.clone(), next, unclaimed: lane.unclaimed, after: lane.after.max(pos) };
    machine.rows.put(key::lane(id), Row::Lane(state.into()));
    machine.rests_on(pos);
    order::changed(machine, &lane.lane, lane.next)
}

/// The messages that a gap fill replaces: those that it names, by the same author, which claimed the same slot and were
/// not decided.
fn targets(
    machine: &mut Machine<'_>,
    content: &Content,
    message: &Message,
    claims: &[(Place, Arc<Event>)],
) -> Result<Vec<MessageKey>, Stop> {
    let mut targets = Vec::new();
    for (place, event) in claims {
        let Some(stored) = machine.rows.content(&event.batch)? else { continue };
        let Some((_, other)) = stored.owner(place.index) else { continue };
        let named = Some(other.key.id) == message.cid && other.key != message.key;
        let same = stored.content.author == content.author && other.group == message.group && other.kind.is_private();
        let decided = matches!(machine.rows.message(&other.key)?, Some(MessageState::Decided { .. }));
        if named && same && !decided {
            targets.push(other.key);
        }
    }
    Ok(targets)
}

/// Claims as runs of values.
fn runs(mut claims: Vec<(Place, Arc<Event>)>) -> Vec<Pins> {
    claims.sort_unstable_by_key(|(place, _)| *place);
    let mut runs: Vec<Pins> = Vec::new();
    for (Place { pos, index }, event) in claims {
        match runs.last_mut() {
            Some(run) if run.pos == pos && run.first.checked_add(run.count) == Some(index) => run.count += 1,
            _ => runs.push(Pins { pos, batch: event.batch, first: index, count: 1 }),
        }
    }
    runs
}
