//! Datatypes: one per name and version, the first one for ever.

use photinus_model::Uuid;

use super::{event, is_taken, named};
use crate::decision::{Code, Effect, EventKind, Topic};
use crate::facts::DataKey;
use crate::facts::content::Datatype;
use crate::mutation::{self, Mutation};
use crate::rows::row::Row;
use crate::rows::{Stop, key};
use crate::step::Machine;
use crate::verdict::{Judgement, Subject};
use crate::{schema, topics};

pub(super) fn judge(
    machine: &mut Machine<'_>,
    subject: &Subject<'_>,
    id: Uuid,
    datatype: &Datatype,
    payload: DataKey,
) -> Result<Judgement, Stop> {
    if !topics::Kind::Datatype.holds(machine.rules, subject.message, &datatype.name) {
        return Ok(Judgement::reject(Code::Topic));
    }
    let key = key::datatype(&datatype.name, &datatype.version);
    if is_taken(machine, &key)? && !mutation::is(Mutation::DefinesAgain) {
        return Ok(Judgement::reject(Code::Exists));
    }
    machine.rows.put(key, Row::Named(named(subject, payload)));
    schema::defined(machine, datatype)?;
    let effect = Effect::Datatype { id, datatype: datatype.clone(), message: subject.message.key, payload };
    let event = event(subject, EventKind::DatatypeConfirmed, id, Topic::Definition);
    Ok(Judgement::confirm_with(vec![effect], vec![event]))
}
