//! What definition messages change, one kind per module.
//!
//! Every definition stands on the one topic of its kind and name, so the context of that topic puts all that concerns
//! one name into one order. What is defined takes effect from the place of its message on.

mod api;
mod claim;
mod datatype;
mod interface;
mod pool;
mod update;
mod verification;

use photinus_model::Uuid;

use crate::decision::{Code, Event, EventKind, Topic};
use crate::facts::DataKey;
use crate::facts::definition::Definition;
use crate::rows::row::Named;
use crate::rows::{Key, Stop};
use crate::step::Machine;
use crate::verdict::{Judgement, Subject};

/// Judges a message of type `definition`.
pub(crate) fn judge(machine: &mut Machine<'_>, subject: &Subject<'_>) -> Result<Judgement, Stop> {
    let Some(definition) = &subject.message.definition else { return Ok(Judgement::reject(Code::UnknownTag)) };
    let [data] = subject.message.data.as_slice() else { return Ok(Judgement::reject(Code::Payload)) };
    let payload = data.key;
    match definition {
        Definition::Malformed(code) => Ok(Judgement::reject(*code)),
        Definition::UnknownTag => Ok(Judgement::reject(Code::UnknownTag)),
        Definition::Claim(claim) => claim::judge(machine, subject, claim, payload),
        Definition::LegacyNode { claim, owner } => claim::judge_legacy_node(machine, subject, claim, owner, payload),
        Definition::Verification { claim, identity } => verification::judge(machine, subject, claim, identity),
        Definition::Update { identity } => update::judge(machine, subject, identity, payload),
        Definition::Datatype { id, datatype } => datatype::judge(machine, subject, *id, datatype, payload),
        Definition::Interface { id, network_name, version } => {
            interface::judge(machine, subject, *id, network_name, version, payload)
        }
        Definition::Api { id, network_name, interface } => {
            api::judge(machine, subject, *id, network_name, *interface, payload)
        }
        Definition::Pool { id, network_name, connector, tx } => {
            let pool = pool::Pool { id: *id, network_name, connector, tx: *tx };
            pool::judge(machine, subject, &pool, payload)
        }
    }
}

/// Whether another message has taken this name.
fn is_taken(machine: &mut Machine<'_>, key: &Key) -> Result<bool, Stop> {
    Ok(machine.rows.named(key)?.is_some())
}

/// What is written under a name.
fn named(subject: &Subject<'_>, payload: DataKey) -> Named {
    Named { message: subject.message.key, payload, place: subject.place }
}

/// An event about something that a message of this batch defined.
fn event(subject: &Subject<'_>, kind: EventKind, reference: Uuid, topic: Topic) -> Event {
    Event { kind, reference, tx: Some(subject.content.tx), topic, correlator: None }
}

/// An event about an identity, which names no transaction.
fn identity_event(kind: EventKind, reference: Uuid) -> Event {
    Event { kind, reference, tx: None, topic: Topic::Definition, correlator: None }
}
