//! What masked events and their content set in motion, and who may deliver content.

use std::collections::BTreeSet;

use photinus_model::Hash;

use crate::facts::content::{Content, Message};
use crate::facts::{BatchKey, Event, Place, Pos, Source};
use crate::mutation::{self, Mutation};
use crate::reason::Reason;
use crate::rows::row::{MessageState, Row};
use crate::rows::{Key, Rows, Stop, key};
use crate::step::Machine;
use crate::text::Did;
use crate::work::Item;

use super::{groups, head, order, twice};

/// How many ancestors of an author are looked at.
const ANCESTORS: usize = 16;

/// Takes a masked event in: every value claims the slot that has it, if there is one.
pub(crate) fn pinned(machine: &mut Machine<'_>, event: &Event) -> Result<(), Stop> {
    machine.rows.require([], event.values.iter().map(key::of_value))?;
    for (value, index) in event.values.iter().zip(0_u32..) {
        // Nobody claims a slot that is used: the value is dead.
        if machine.rows.slot(value)?.is_none_or(|slot| slot.used.is_none()) {
            machine.rows.put(key::claim_on(value, event.place(index)), Row::Mark);
        }
    }
    machine.rows.put(key::delivery(&event.batch, event.pos), Row::Mark);
    meet(machine, event)?;
    if machine.rows.content(&event.batch)?.is_some() {
        // With its content here it may have slots that a lower claim without content held up others for.
        order::claimed(machine, &event.values)?;
    }
    Ok(())
}

/// Content came, or came from somebody else: everything that was pinned of it is met again.
pub(crate) fn arrive(machine: &mut Machine<'_>, batch: &BatchKey) -> Result<(), Stop> {
    deliver_from(machine, batch, Pos::default())
}

/// Meets the masked event at `pos`, then finds the next one that names the batch.
pub(crate) fn deliver_next(machine: &mut Machine<'_>, batch: &BatchKey, pos: Pos) -> Result<(), Stop> {
    if let Some(pinned) = machine.rows.event(pos)? {
        meet(machine, &pinned.event)?;
        order::claimed(machine, &pinned.event.values)?;
    }
    match pos.next() {
        Some(next) => deliver_from(machine, batch, next),
        None => Ok(()),
    }
}

fn deliver_from(machine: &mut Machine<'_>, batch: &BatchKey, from: Pos) -> Result<(), Stop> {
    let (_, end) = key::deliveries(batch);
    if let Some(pos) = machine.rows.first_pos(&(key::delivery(batch, from), end))? {
        machine.later(Place { pos, index: 0 }, Item::Deliver(*batch));
    }
    Ok(())
}

/// Looks at all lanes that a masked event may concern: those whose slots it claims, and those of its messages, which
/// become known with the first content that is usable.
pub(crate) fn meet(machine: &mut Machine<'_>, event: &Event) -> Result<(), Stop> {
    for value in &event.values {
        if let Some(slot) = machine.rows.slot(value)? {
            machine.look_at_lane(slot.lane);
        }
    }
    let Some(stored) = machine.rows.content(&event.batch)? else { return Ok(()) };
    let content = &stored.content;
    let private = || content.owners().filter(|(_, message)| message.kind.is_private());
    require(machine.rows, private().map(|(_, message)| message), event.place(0))?;
    for (base, message) in private() {
        note(machine, event.place(base), message)?;
    }
    let usable = is_usable(machine.rows, content)?;
    let at = event.place(0);
    if quarantine(machine, content, at, !usable)? {
        order::claimed(machine, &event.values)?;
    }
    if !usable {
        return Ok(());
    }
    twice::late(machine, event)?;
    for (_, message) in private() {
        let Some(group) = &message.group else { continue };
        let mut known = true;
        for topic in &message.topics {
            known &= groups::open(machine, group, topic)?;
        }
        enlist(machine, &key::list(&Reason::Group(*group)), at, !known)?;
        for lane in super::of_message(content, message) {
            machine.look_at_lane(lane);
        }
    }
    Ok(())
}

/// Has all rows loaded that meeting these messages reads, in one go: a unit of work begins anew after each need.
fn require<'a>(rows: &mut Rows, messages: impl Iterator<Item = &'a Message>, at: Place) -> Result<(), Stop> {
    let mut wanted = BTreeSet::new();
    for message in messages {
        wanted.insert(key::message(&message.key));
        let Some(group) = &message.group else { continue };
        wanted.insert(key::group(group));
        wanted.insert(key::in_list(&key::list(&Reason::Group(*group)), at));
        wanted.extend(message.topics.iter().map(|topic| key::lanes(group, topic)));
    }
    rows.require(wanted, [])
}

/// Notes that a message is pinned, so that it can be told what it waits for.
fn note(machine: &mut Machine<'_>, anchor: Place, message: &Message) -> Result<(), Stop> {
    if machine.rows.message(&message.key)?.is_none() {
        let state = MessageState::Pending { anchor, copies: false, waiting: None };
        machine.rows.put(key::message(&message.key), Row::Message(state));
    }
    Ok(())
}

/// Puts an item into a list, or takes it out. False if nothing changed.
fn enlist(machine: &mut Machine<'_>, list: &Key, at: Place, listed: bool) -> Result<bool, Stop> {
    let item = key::in_list(list, at);
    if machine.rows.has(&item)? == listed {
        return Ok(false);
    }
    if listed {
        machine.rows.put(item, Row::Mark);
    } else {
        machine.rows.remove(item);
    }
    Ok(true)
}

/// Has the content of the event at `at` met again when somebody who may have delivered it is registered, or ends that.
/// False if nothing changed.
fn quarantine(machine: &mut Machine<'_>, content: &Content, at: Place, held: bool) -> Result<bool, Stop> {
    let sources = machine.rows.batch(&content.batch)?.unwrap_or_default().sources;
    let peers = sources.iter().filter_map(|source| match source {
        Source::Peer(peer) => Some(key::peer_list(peer)),
        Source::Own | Source::Storage | Source::Repair => None,
    });
    let lists = [key::author_list(content.author.as_str()), key::list(&Reason::Registration(content.key.clone()))];
    let mut changed = false;
    for list in peers.chain(lists).collect::<Vec<_>>() {
        changed |= enlist(machine, &list, at, held)?;
    }
    Ok(changed)
}

/// Whether content was delivered by somebody entitled to it: ourselves, a peer whose node belongs to the author or to an
/// ancestor of it, or anybody if its key is that of its author and members serve what they hold.
pub(crate) fn is_usable(rows: &mut Rows, content: &Content) -> Result<bool, Stop> {
    if mutation::is(Mutation::BelievesAnyPeer) {
        return Ok(true);
    }
    let sources = rows.batch(&content.batch)?.unwrap_or_default().sources;
    for source in &sources {
        let usable = match source {
            Source::Own => true,
            Source::Storage => false,
            Source::Peer(peer) => is_from(rows, peer, &content.author)?,
            Source::Repair => {
                let signer = rows.signer(&content.key)?;
                signer.registered.is_some_and(|(did, _)| did == content.author)
            }
        };
        if usable {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a peer's node belongs to an identity or to one of its ancestors.
fn is_from(rows: &mut Rows, peer: &str, author: &Did) -> Result<bool, Stop> {
    let Some(node) = rows.holder(&key::peer(peer))? else { return Ok(false) };
    let Some(owner) = rows.identity(&node.did)?.and_then(|node| node.parent.clone()) else { return Ok(false) };
    let mut ancestor = author.clone();
    for _ in 0..ANCESTORS {
        if ancestor == owner {
            return Ok(true);
        }
        match rows.identity(&ancestor)?.and_then(|identity| identity.parent.clone()) {
            Some(parent) => ancestor = parent,
            None => return Ok(false),
        }
    }
    Ok(false)
}

/// Gives a masked event up: nobody waits any longer for what claimed slots in it. Returns the indexes of those values.
///
/// The claims stay, so that a slot which nobody else claims is passed over, whenever its lane becomes known.
pub(crate) fn give_up(machine: &mut Machine<'_>, event: &Event) -> Result<Vec<u32>, Stop> {
    machine.rows.require([], event.values.iter().map(key::of_value))?;
    let mut released = Vec::new();
    for (value, index) in event.values.iter().zip(0_u32..) {
        if machine.rows.has(&key::claim_on(value, event.place(index)))? {
            released.push(index);
        }
        if let Some(slot) = machine.rows.slot(value)? {
            machine.look_at_lane(slot.lane);
        }
    }
    if let Some(stored) = machine.rows.content(&event.batch)? {
        quarantine(machine, &stored.content, event.place(0), false)?;
        for (_, message) in stored.content.owners().filter(|(_, message)| message.kind.is_private()) {
            head::stop_waiting(machine, &message.key)?;
            for lane in super::of_message(&stored.content, message) {
                machine.look_at_lane(lane);
            }
        }
    }
    order::claimed(machine, &event.values)?;
    Ok(released)
}

/// Takes a masked event back. Returns the indexes of the values that claimed a slot still open, or none known.
pub(crate) fn withdraw(machine: &mut Machine<'_>, event: &Event) -> Result<Vec<u32>, Stop> {
    machine.rows.require([], event.values.iter().map(key::of_value))?;
    let mut released = Vec::new();
    let mut lanes: Vec<Hash> = Vec::new();
    for (value, index) in event.values.iter().zip(0_u32..) {
        let claim = key::claim_on(value, event.place(index));
        if machine.rows.has(&claim)? {
            machine.rows.remove(claim);
            released.push(index);
        }
        lanes.extend(machine.rows.slot(value)?.map(|slot| slot.lane));
    }
    for lane in lanes {
        machine.look_at_lane(lane);
    }
    order::claimed(machine, &event.values)?;
    Ok(released)
}

/// Forgets a masked event that the ledger has withdrawn, with all that its content noted at its position.
pub(crate) fn forget(machine: &mut Machine<'_>, event: &Event) -> Result<(), Stop> {
    machine.rows.remove(key::delivery(&event.batch, event.pos));
    let Some(stored) = machine.rows.content(&event.batch)? else { return Ok(()) };
    let content = &stored.content;
    quarantine(machine, content, event.place(0), false)?;
    let next = machine.rows.first_pos(&key::deliveries(&event.batch))?;
    for (base, message) in content.owners().filter(|(_, message)| message.kind.is_private()) {
        if let Some(group) = &message.group {
            enlist(machine, &key::list(&Reason::Group(*group)), event.place(0), false)?;
        }
        let Some(MessageState::Pending { anchor, waiting, .. }) = machine.rows.message(&message.key)? else {
            continue;
        };
        if anchor != event.place(base) {
            continue;
        }
        crate::waits::change(machine, anchor, waiting.as_ref(), None);
        let message_key = key::message(&message.key);
        match next {
            Some(pos) => {
                let anchor = Place { pos, index: base };
                let state = MessageState::Pending { anchor, copies: false, waiting: None };
                machine.rows.put(message_key, Row::Message(state));
            }
            None => machine.rows.remove(message_key),
        }
    }
    Ok(())
}
