//! Contract APIs: one per network name, the first one for ever. The interface may be on any other topic, so it counts
//! as unknown only when nothing lower on the ledger can still define it.

use photinus_model::Uuid;

use super::{event, is_taken, named};
use crate::decision::{Code, Effect, EventKind, Topic};
use crate::facts::{DataKey, Place};
use crate::reason::Reason;
use crate::rows::row::Row;
use crate::rows::{Stop, key};
use crate::step::Machine;
use crate::topics;
use crate::verdict::{Judgement, Subject};

pub(super) fn judge(
    machine: &mut Machine<'_>,
    subject: &Subject<'_>,
    id: Uuid,
    network_name: &str,
    interface: Option<Uuid>,
    payload: DataKey,
) -> Result<Judgement, Stop> {
    if !topics::Kind::Api.holds(machine.rules, subject.message, network_name) {
        return Ok(Judgement::reject(Code::Topic));
    }
    let Some(interface) = interface else { return Ok(Judgement::reject(Code::Invalid)) };
    let key = key::api(network_name);
    if is_taken(machine, &key)? {
        return Ok(Judgement::reject(Code::Exists));
    }
    match find_interface(machine, &interface, subject.place)? {
        Found::Known => {}
        Found::Maybe(reason) => return Ok(Judgement::Wait(reason)),
        Found::Unknown => return Ok(Judgement::reject(Code::Invalid)),
    }
    machine.rows.put(key, Row::Named(named(subject, payload)));
    let effect = Effect::Api { id, message: subject.message.key, payload };
    let event = event(subject, EventKind::ApiConfirmed, id, Topic::Definition);
    Ok(Judgement::confirm_with(vec![effect], vec![event]))
}

enum Found {
    Known,
    Maybe(Reason),
    Unknown,
}

/// Whether an interface with this id is defined below a place.
fn find_interface(machine: &mut Machine<'_>, id: &Uuid, at: Place) -> Result<Found, Stop> {
    if machine.rows.first_place(&key::interface_ids(id))?.is_some_and(|since| since < at) {
        return Ok(Found::Known);
    }
    let unknown = machine.rows.first_pos(&key::unknowns())?.map(|pos| Place { pos, index: 0 });
    let undecided = machine.rows.first_place(&key::interfaces_open(id))?;
    if [unknown, undecided].into_iter().flatten().any(|place| place < at) {
        return Ok(Found::Maybe(Reason::Interface(*id, at)));
    }
    Ok(Found::Unknown)
}
