//! Which multiparty contract is in force, and the network action that ends it.

use crate::decision::{Alarm, Contract, Decision};
use crate::explain::Admission;
use crate::facts::{Action, Place, Pos};
use crate::intake;
use crate::keys::{self, Status};
use crate::reason::Reason;
use crate::rows::row::{Hold, Meta, Row};
use crate::rows::{Rows, Stop, key};
use crate::step::Machine;
use crate::waits;

const TERMINATE: &str = "firefly:terminate";

/// Whether a log at this position, of this contract, is to be taken.
pub(crate) fn admits(machine: &mut Machine<'_>, contract: u32, pos: Pos) -> Result<bool, Stop> {
    let meta = machine.rows.meta()?;
    if holds(&meta, pos) {
        intake::not_taken(machine, pos);
        return Ok(false);
    }
    if !in_force(machine.rows, &meta, contract, pos)? {
        machine.say(Decision::Alarm(Alarm::WrongContract { pos }));
        return Ok(false);
    }
    if pos < meta.next {
        machine.say(Decision::Alarm(Alarm::OutOfOrder { pos, next: meta.next }));
        return Ok(false);
    }
    Ok(true)
}

/// What would become of a log, without taking it.
pub(crate) fn admission(rows: &mut Rows, contract: u32, pos: Pos) -> Result<Admission, Stop> {
    if rows.has(&key::event(pos))? || rows.has(&key::action(pos))? {
        return Ok(Admission::Taken);
    }
    let meta = rows.meta()?;
    if meta.halted {
        return Ok(Admission::Halted);
    }
    if holds(&meta, pos) {
        return Ok(Admission::Held);
    }
    let taken = in_force(rows, &meta, contract, pos)? && pos >= meta.next;
    Ok(if taken { Admission::Taken } else { Admission::Never })
}

fn holds(meta: &Meta, pos: Pos) -> bool {
    meta.halted || meta.hold.as_ref().is_some_and(|hold| pos > hold.action.pos)
}

/// Whether the contract is the one whose logs count at a position.
fn in_force(rows: &mut Rows, meta: &Meta, contract: u32, pos: Pos) -> Result<bool, Stop> {
    let since = match meta.contract.checked_sub(1) {
        Some(previous) => rows.end(previous)?,
        None => None,
    };
    Ok(contract == meta.contract && since.is_none_or(|since| pos > since))
}

/// Takes a network action in.
pub(crate) fn action(machine: &mut Machine<'_>, action: &Action) -> Result<(), Stop> {
    if action.action != TERMINATE || !note(machine, action.contract, action.pos)? {
        return Ok(());
    }
    judge(machine, action)
}

/// Notes that the action at a position was taken in. False if it was before, or does not count.
pub(crate) fn note(machine: &mut Machine<'_>, contract: u32, pos: Pos) -> Result<bool, Stop> {
    let known = key::action(pos);
    if machine.rows.has(&known)? || !admits(machine, contract, pos)? {
        return Ok(false);
    }
    machine.rows.put(known, Row::Mark);
    let mut meta = machine.rows.meta()?;
    if let Some(next) = pos.next() {
        meta.next = next;
        machine.rows.put(key::meta(), Row::Meta(meta));
    }
    Ok(true)
}

/// Where a termination stands among the values of events.
fn place(pos: Pos) -> Place {
    Place { pos, index: 0 }
}

/// Decides whether a termination counts.
fn judge(machine: &mut Machine<'_>, action: &Action) -> Result<(), Stop> {
    let at = action.pos;
    let index = machine.rows.meta()?.contract;
    let has_next = index.saturating_add(1) < machine.rules.contracts;
    match keys::status(machine.rows, &action.signer, place(at))? {
        Status::Registered(did) => {
            let root = machine.rows.identity(&did)?.is_some_and(|identity| identity.base.parent.is_none());
            if !root {
                return resume(machine, at);
            }
            if !has_next {
                machine.say(Decision::Alarm(Alarm::NoNextContract { at }));
                return hold(machine, action, None);
            }
            release(machine)?;
            let mut meta = machine.rows.meta()?;
            meta.contract = index.saturating_add(1);
            machine.rows.put(key::meta(), Row::Meta(meta));
            machine.rows.put(key::contract(index), Row::End(at));
            machine.rests_on(at);
            machine.say(Decision::Contract(Contract::Ended { contract: index, at }));
            Ok(())
        }
        Status::Wait(_) if !has_next => {
            machine.say(Decision::Alarm(Alarm::TerminationIgnored { at }));
            resume(machine, at)
        }
        Status::Wait(reason) => {
            machine.say(Decision::Contract(Contract::Hold { at }));
            hold(machine, action, Some(reason))
        }
        Status::Refused | Status::Unregistered { .. } => resume(machine, at),
    }
}

/// Looks again at a termination that could not be carried out before.
pub(crate) fn look(machine: &mut Machine<'_>) -> Result<(), Stop> {
    match machine.rows.meta()?.hold {
        Some(hold) => judge(machine, &hold.action),
        None => Ok(()),
    }
}

/// Forgets the actions from a position on, which the ledger withdrew.
pub(crate) fn forget(machine: &mut Machine<'_>, from: Pos) -> Result<(), Stop> {
    let (mut low, high) = key::actions_from(from);
    while let Some(found) = machine.rows.first(&low, &high)? {
        low = key::successor(&found);
        if let Some(pos) = key::trailing_pos(&found) {
            machine.say(Decision::Withdrawn { pos, event: None });
        }
        machine.rows.remove(found);
    }
    match machine.rows.meta()?.hold {
        Some(hold) if hold.action.pos >= from => resume(machine, hold.action.pos),
        _ => Ok(()),
    }
}

/// Takes no log above an action until it can be carried out.
fn hold(machine: &mut Machine<'_>, action: &Action, waiting: Option<Reason>) -> Result<(), Stop> {
    release(machine)?;
    waits::change(machine, place(action.pos), None, waiting.as_ref());
    let mut meta = machine.rows.meta()?;
    meta.hold = Some(Hold { action: action.clone(), waiting });
    machine.rows.put(key::meta(), Row::Meta(meta));
    Ok(())
}

/// Ends a hold. True if there was one.
fn release(machine: &mut Machine<'_>) -> Result<bool, Stop> {
    let mut meta = machine.rows.meta()?;
    let Some(hold) = meta.hold.take() else { return Ok(false) };
    waits::change(machine, place(hold.action.pos), hold.waiting.as_ref(), None);
    machine.rows.put(key::meta(), Row::Meta(meta));
    Ok(true)
}

/// Goes on after a termination that does not count.
fn resume(machine: &mut Machine<'_>, at: Pos) -> Result<(), Stop> {
    if release(machine)? {
        machine.say(Decision::Contract(Contract::Resume { at }));
    }
    Ok(())
}
