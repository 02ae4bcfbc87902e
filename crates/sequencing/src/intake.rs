//! Taking a fact in: recording it, and finding out what it touches.

use std::sync::Arc;

use crate::decision::{Alarm, Contract, Decision};
use crate::facts::content::Content;
use crate::facts::{BatchKey, Event, Fact, Order, Place, Source, TokenRecord};
use crate::reason::Reason;
use crate::rows::row::{Batch, Pinned, Row, Stored};
use crate::rows::{Stop, key};
use crate::step::Machine;
use crate::work::Item;
use crate::{contract, lanes, open, release, retraction};

/// How many deliverers of one batch are remembered.
const SOURCES: usize = 16;

/// Takes a fact in.
pub(crate) fn take(machine: &mut Machine<'_>, fact: &Fact) -> Result<(), Stop> {
    match fact {
        Fact::Pinned(event) => pinned(machine, event),
        Fact::Action(action) => contract::action(machine, action),
        Fact::Release(vote) => release::take(machine, vote),
        Fact::Retracted(pos) => retraction::start(machine, *pos),
        Fact::Content(content, source) => known(machine, content, source),
        Fact::Group(group) => lanes::told(machine, group),
        Fact::Forgotten(batch) => forgotten(machine, batch),
        Fact::BlobGone(hash) => {
            let key = key::blob(hash);
            if machine.rows.has(&key)? {
                machine.rows.remove(key);
            }
            Ok(())
        }
        Fact::BlobHeld(hash) => mark(machine, key::blob(hash), Reason::Blob(*hash)),
        Fact::TokenSeen(record, message) => {
            let reason = match record {
                TokenRecord::Transfer => Reason::Transfer(*message),
                TokenRecord::Approval => Reason::Approval(*message),
            };
            mark(machine, key::token(*record, message), reason)
        }
        Fact::PoolActive(pool) => mark(machine, key::active_pool(pool), Reason::Pool(*pool)),
        Fact::Operator(Order::Abandon(pos)) => retraction::abandon(machine, *pos, None),
        Fact::Continue => contract::look(machine),
    }
}

/// Records something that is a fact from now on, and wakes what waits for it.
fn mark(machine: &mut Machine<'_>, key: key::Key, reason: Reason) -> Result<(), Stop> {
    if machine.rows.has(&key)? {
        return Ok(());
    }
    machine.rows.put(key, Row::Mark);
    machine.wake(&reason)
}

fn pinned(machine: &mut Machine<'_>, event: &Arc<Event>) -> Result<(), Stop> {
    machine.rows.require([key::event(event.pos), key::meta(), key::content(&event.batch)], [])?;
    if let Some(before) = machine.rows.event(event.pos)? {
        if before.event != *event {
            machine.say(Decision::Alarm(Alarm::OtherLog { pos: event.pos }));
        }
        return Ok(());
    }
    if !contract::admits(machine, event.contract, event.pos)? {
        return Ok(());
    }
    let mut meta = machine.rows.meta()?;
    if let Some(next) = event.pos.next() {
        meta.next = next;
        machine.rows.put(key::meta(), Row::Meta(meta));
    }
    let pinned = Pinned { event: Arc::clone(event), void: false };
    machine.rows.put(key::event(event.pos), Row::Event(pinned));
    if event.values.is_empty() {
        return Ok(());
    }
    if event.masked() {
        return lanes::pinned(machine, event);
    }
    match machine.rows.content(&event.batch)? {
        Some(stored) => open::bind(machine, event, &stored, true),
        None => {
            open::close(machine, event);
            let (payload_ref, signer) = (event.payload_ref.clone(), event.signer.clone());
            machine.say(Decision::Fetch { pos: event.pos, batch: event.batch, payload_ref, signer });
            Ok(())
        }
    }
}

fn known(machine: &mut Machine<'_>, content: &Arc<Content>, source: &Source) -> Result<(), Stop> {
    let batch = content.batch;
    machine
        .rows
        .require([key::batch(&batch), key::content(&batch)], [key::namings(&batch), key::deliveries(&batch)])?;
    let mut state = machine.rows.batch(&batch)?.unwrap_or_default();
    let from_another = !state.sources.contains(source) && state.sources.len() < SOURCES;
    if from_another {
        state.sources.push(source.clone());
        machine.rows.put(key::batch(&batch), Row::Batch(Batch { sources: state.sources }));
    }
    let first = machine.rows.content(&batch)?.is_none();
    if first {
        machine.rows.put(key::content(&batch), Row::Content(Arc::new(Stored::new(Arc::clone(content)))));
        machine.later(Place::default(), Item::Bind(batch));
        for group in content.messages.iter().filter_map(|message| message.defines_group.as_ref()) {
            lanes::learn(machine, group)?;
        }
    }
    if first || from_another {
        lanes::arrive(machine, &batch)?;
    }
    Ok(())
}

/// Forgets content that no event names: nothing was made of it but what it told of groups, which stays true.
fn forgotten(machine: &mut Machine<'_>, batch: &BatchKey) -> Result<(), Stop> {
    if machine.rows.standing(batch)?.pinned {
        return Ok(());
    }
    for key in [key::content(batch), key::batch(batch)] {
        if machine.rows.has(&key)? {
            machine.rows.remove(key);
        }
    }
    Ok(())
}

/// Tells that a log must be given again later.
pub(crate) fn not_taken(machine: &mut Machine<'_>, pos: crate::facts::Pos) {
    machine.say(Decision::Contract(Contract::NotTaken { pos }));
}
