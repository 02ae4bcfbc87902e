//! Verifications: the word of a parent that a claim is its child's. They come before the claim or after it.

use super::claim::{self, Candidate};
use crate::decision::Code;
use crate::facts::MessageKey;
use crate::facts::definition::Base;
use crate::keys::{self, Status};
use crate::rows::row::{Row, VerificationState};
use crate::rows::{Stop, key};
use crate::step::Machine;
use crate::topics;
use crate::verdict::{Judgement, Subject};

pub(super) fn judge(
    machine: &mut Machine<'_>,
    subject: &Subject<'_>,
    claimed: &MessageKey,
    base: &Base,
) -> Result<Judgement, Stop> {
    let author = &subject.content.author;
    if !topics::is_only(subject.message, &topics::of_did(&base.did)) {
        return Ok(Judgement::reject(Code::Topic));
    }
    let Some(parent) = &base.parent else { return Ok(Judgement::reject(Code::Invalid)) };
    let Some(known) = machine.rows.identity(author)? else { return Ok(Judgement::reject(Code::IdentityUnknown)) };
    if known.base.id != *parent {
        return Ok(Judgement::reject(Code::DefinitionAuthor));
    }
    let did = base.did.as_str();
    let Some(claim) = machine.rows.claim(&key::claim(did, claimed))? else {
        let (from, to) = key::claims(did, &claimed.id);
        if machine.rows.first(&from, &to)?.is_some() {
            return Ok(Judgement::reject(Code::ClaimHash));
        }
        let kept = VerificationState { base: base.clone(), author: author.clone(), message: subject.message.key };
        machine.rows.put(key::verification(did, claimed, subject.place), Row::Verification(kept.into()));
        return Ok(Judgement::confirm());
    };
    if claim.base != *base {
        // Other members would create the identity, so they will hear its key and we must not wait for it.
        keys::refuse(machine, &claim.key, subject.place)?;
        return Ok(Judgement::reject(Code::Base));
    }
    if !claim::is_parent(machine, base, author)? {
        return Ok(Judgement::confirm());
    }
    match keys::status(machine.rows, &claim.key, subject.place)? {
        Status::Wait(reason) => return Ok(Judgement::Wait(reason)),
        Status::Registered(did) if did != base.did => return Ok(Judgement::reject(Code::Exists)),
        Status::Registered(_) | Status::Refused | Status::Unregistered { .. } => {}
    }
    let candidate = Candidate {
        base,
        key: &claim.key,
        parent: Some(author),
        peer: None,
        claim: *claimed,
        payload: claim.payload,
        verification: Some(subject.message.key),
        place: subject.place.max(claim.place),
    };
    match claim::judge_existing(machine, &candidate)? {
        Some(judgement) => Ok(judgement),
        None => claim::accept(machine, &candidate),
    }
}
