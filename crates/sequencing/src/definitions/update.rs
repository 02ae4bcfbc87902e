//! Updates of an identity: description and profile are replaced, the rest must be as it was claimed.

use super::identity_event;
use crate::decision::{Code, Effect, EventKind};
use crate::facts::DataKey;
use crate::facts::definition::{Base, IdentityKind};
use crate::rows::Stop;
use crate::step::Machine;
use crate::topics;
use crate::verdict::{Judgement, Subject};

pub(super) fn judge(
    machine: &mut Machine<'_>,
    subject: &Subject<'_>,
    base: &Base,
    payload: DataKey,
) -> Result<Judgement, Stop> {
    if !topics::is_only(subject.message, &topics::of_did(&base.did)) {
        return Ok(Judgement::reject(Code::Topic));
    }
    let known = machine.rows.identity(&base.did)?.filter(|known| known.base.id == base.id);
    let Some(known) = known else { return Ok(Judgement::reject(Code::IdentityUnknown)) };
    // A node does not sign: its parent speaks for it.
    let speaker = match (known.base.kind, &known.parent) {
        (IdentityKind::Node, Some(parent)) => parent,
        _ => &known.base.did,
    };
    if *speaker != subject.content.author {
        return Ok(Judgement::reject(Code::DefinitionAuthor));
    }
    if known.base != *base {
        return Ok(Judgement::reject(Code::Base));
    }
    let effect = Effect::IdentityUpdated { did: base.did.clone(), id: base.id, message: subject.message.key, payload };
    let event = identity_event(EventKind::IdentityUpdated, base.id);
    Ok(Judgement::confirm_with(vec![effect], vec![event]))
}
