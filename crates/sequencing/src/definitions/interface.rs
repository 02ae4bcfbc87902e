//! Contract interfaces: one per network name and version, the first one for ever.

use photinus_model::Uuid;

use super::{event, is_taken, named};
use crate::decision::{Code, Effect, EventKind, Topic};
use crate::facts::DataKey;
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
    version: &str,
    payload: DataKey,
) -> Result<Judgement, Stop> {
    if !topics::Kind::Interface.holds(machine.rules, subject.message, network_name) {
        return Ok(Judgement::reject(Code::Topic));
    }
    let key = key::interface(network_name, version);
    if is_taken(machine, &key)? {
        return Ok(Judgement::reject(Code::Exists));
    }
    machine.rows.put(key, Row::Named(named(subject, payload)));
    machine.rows.put(key::interface_id(&id, subject.place), Row::Mark);
    let effect = Effect::Interface { id, message: subject.message.key, payload };
    let event = event(subject, EventKind::InterfaceConfirmed, id, Topic::Interface(network_name.to_owned()));
    Ok(Judgement::confirm_with(vec![effect], vec![event]))
}
