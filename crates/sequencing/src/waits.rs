//! What waits, and waking it: a wait is a row under its reason, so a fact finds what it sets free and nothing else.

use crate::facts::Place;
use crate::mutation::{self, Mutation};
use crate::reason::Reason;
use crate::rows::row::Row;
use crate::rows::{Key, Stop, key};
use crate::step::Machine;
use crate::work::Item;

/// Has everything looked at that is in a list, up to and with the place `to` if there is one.
pub(crate) fn wake(machine: &mut Machine<'_>, list: Key, to: Option<Place>) -> Result<(), Stop> {
    wake_from(machine, list, Place::default(), to)
}

/// Looks at what waits at `at`, and finds the next one. One at a time, so that a wait which many share costs no more
/// memory than one that few share. Whatever still has to wait stays, and is not met again on this way up.
pub(crate) fn wake_next(machine: &mut Machine<'_>, list: &Key, at: Place, to: Option<Place>) -> Result<(), Stop> {
    machine.look(at);
    match at.next() {
        Some(next) => wake_from(machine, list.clone(), next, to),
        None => Ok(()),
    }
}

fn wake_from(machine: &mut Machine<'_>, list: Key, from: Place, to: Option<Place>) -> Result<(), Stop> {
    if mutation::is(Mutation::WakesNobody) {
        return Ok(());
    }
    let (_, end) = key::of_list(&list);
    let first = machine.rows.first_place(&(key::in_list(&list, from), end))?;
    if let Some(at) = first
        && to.is_none_or(|to| at <= to)
    {
        machine.later(at, Item::Wake { list, to });
    }
    Ok(())
}

/// Changes what the item at `place` waits for. Its state must be written by the caller.
pub(crate) fn change(machine: &mut Machine<'_>, place: Place, before: Option<&Reason>, after: Option<&Reason>) {
    if before == after {
        return;
    }
    for list in before.into_iter().flat_map(lists) {
        machine.rows.remove(key::in_list(&list, place));
    }
    for list in after.into_iter().flat_map(lists) {
        machine.rows.put(key::in_list(&list, place), Row::Mark);
    }
}

/// The lists in which an item with this reason is found.
fn lists(reason: &Reason) -> impl Iterator<Item = Key> {
    // An interface may come to be known, or all content below may come without it.
    let second = match reason {
        Reason::Interface(..) => Some(key::unknown_list()),
        // So may the message before it.
        Reason::Before { moving: true, .. } => Some(key::moving_list()),
        _ => None,
    };
    [Some(key::list(reason)), second].into_iter().flatten()
}
