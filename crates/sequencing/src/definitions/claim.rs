//! Claims of identities. An organisation without a parent and a node exist at once; any other identity exists when its
//! parent has verified the claim.

use std::sync::Arc;

use crate::decision::{Code, Effect, EventKind, Identity};
use crate::facts::definition::{Base, Claim, IdentityKind};
use crate::facts::{DataKey, MessageKey, Place};
use crate::keys::{self, Status};
use crate::reason::Reason;
use crate::rows::row::{ClaimState, Holder, IdentityState, Row, VerificationState};
use crate::rows::{Stop, key};
use crate::step::Machine;
use crate::text::{Did, Signer};
use crate::topics;
use crate::verdict::{Judgement, Subject};
use crate::waits;

use super::identity_event;

/// An identity that may come to exist.
pub(super) struct Candidate<'a> {
    pub(super) base: &'a Base,
    pub(super) key: &'a Signer,
    /// DID of the parent, if there is one.
    pub(super) parent: Option<&'a Did>,
    pub(super) peer: Option<&'a str>,
    pub(super) claim: MessageKey,
    pub(super) payload: DataKey,
    pub(super) verification: Option<MessageKey>,
    /// From where on it exists.
    pub(super) place: Place,
}

/// Judges a node claim of the oldest networks, which names the key of the parent in place of its id.
pub(super) fn judge_legacy_node(
    machine: &mut Machine<'_>,
    subject: &Subject<'_>,
    claim: &Claim,
    owner: &Signer,
    payload: DataKey,
) -> Result<Judgement, Stop> {
    let parent = match keys::status(machine.rows, owner, subject.place)? {
        Status::Wait(reason) => return Ok(Judgement::Wait(reason)),
        Status::Registered(did) => machine.rows.identity(&did)?,
        Status::Refused | Status::Unregistered { .. } => None,
    };
    let Some(parent) = parent else { return Ok(Judgement::reject(Code::IdentityUnknown)) };
    let identity = Base { parent: Some(parent.base.id), ..claim.identity.clone() };
    judge(machine, subject, &Claim { identity, peer: claim.peer.clone() }, payload)
}

/// Judges a claim.
pub(super) fn judge(
    machine: &mut Machine<'_>,
    subject: &Subject<'_>,
    claim: &Claim,
    payload: DataKey,
) -> Result<Judgement, Stop> {
    let base = &claim.identity;
    let (key, author) = (&subject.content.key, &subject.content.author);
    if !topics::is_only(subject.message, &topics::of_did(&base.did)) {
        if base.kind != IdentityKind::Node {
            keys::refuse(machine, key, subject.place)?;
        }
        return Ok(Judgement::reject(Code::Topic));
    }
    if let Some(judgement) = judge_parent(machine, base, author)? {
        return Ok(judgement);
    }
    let mut candidate = Candidate {
        base,
        key,
        parent: (base.kind == IdentityKind::Node).then_some(author),
        peer: claim.peer.as_deref(),
        claim: subject.message.key,
        payload,
        verification: None,
        place: subject.place,
    };
    if let Some(judgement) = judge_existing(machine, &candidate)? {
        return Ok(judgement);
    }
    if base.kind == IdentityKind::Node || base.parent.is_none() {
        return accept(machine, &candidate);
    }
    let verified = find_verification(machine, &candidate)?;
    let unverified = machine.rows.signer(key)?.unverified;
    if verified.is_none() && unverified >= machine.rules.claims_per_key {
        keys::refuse(machine, key, subject.place)?;
        return Ok(Judgement::reject(Code::TooManyClaims));
    }
    // Kept in either case: another verification of the same claim finds it.
    let kept = ClaimState { base: base.clone(), key: key.clone(), place: subject.place, payload };
    machine.rows.put(key::claim(base.did.as_str(), &candidate.claim), Row::Claim(kept.into()));
    let Some((verification, verified_at)) = &verified else {
        let mut signer = machine.rows.signer(key)?;
        signer.unverified += 1;
        machine.rows.put(key::signer(key.as_str()), Row::Signer(signer));
        let holder = Holder { did: base.did.clone(), place: subject.place };
        machine.rows.put(key::unverified(key.as_str(), base.did.as_str()), Row::Holder(holder));
        return Ok(Judgement::confirm());
    };
    candidate.verification = Some(verification.message);
    candidate.parent = Some(&verification.author);
    candidate.place = subject.place.max(*verified_at);
    accept(machine, &candidate)
}

/// Whether the author may claim the identity, and whether its parent may be one. Nothing if so.
fn judge_parent(machine: &mut Machine<'_>, base: &Base, author: &Did) -> Result<Option<Judgement>, Stop> {
    if base.kind == IdentityKind::Node {
        let Some(owner) = machine.rows.identity(author)? else {
            return Ok(Some(Judgement::Wait(Reason::Owner(author.clone()))));
        };
        let fits = Some(owner.base.id) == base.parent && base.kind.allows_parent(owner.base.kind);
        return Ok((!fits).then(|| Judgement::reject(Code::ClaimAuthor)));
    }
    let by_id = || Did::from(format!("did:firefly:org/{}", base.id));
    if *author != base.did && !(base.kind == IdentityKind::Org && *author == by_id()) {
        return Ok(Some(Judgement::reject(Code::ClaimAuthor)));
    }
    let Some(parent) = &base.parent else {
        let orphan = base.kind == IdentityKind::Custom;
        return Ok(orphan.then(|| Judgement::reject(Code::Invalid)));
    };
    let (mut from, to) = key::identity_ids(parent);
    while let Some(found) = machine.rows.first(&from, &to)? {
        if let Some(holder) = machine.rows.holder(&found)?
            && let Some(identity) = machine.rows.identity(&holder.did)?
            && base.kind.allows_parent(identity.base.kind)
        {
            return Ok(None);
        }
        from = key::successor(&found);
    }
    Ok(Some(Judgement::Wait(Reason::Parent(*parent))))
}

/// If the DID is taken: the verdict.
pub(super) fn judge_existing(machine: &mut Machine<'_>, candidate: &Candidate<'_>) -> Result<Option<Judgement>, Stop> {
    let Some(known) = machine.rows.identity(&candidate.base.did)? else { return Ok(None) };
    let same_key = match candidate.base.kind {
        IdentityKind::Node => known.peer.as_deref() == candidate.peer,
        IdentityKind::Org | IdentityKind::Custom => known.key == *candidate.key,
    };
    if known.base != *candidate.base || !same_key {
        return Ok(Some(Judgement::reject(Code::Exists)));
    }
    let event = identity_event(EventKind::IdentityConfirmed, known.base.id);
    Ok(Some(Judgement::confirm_with(Vec::new(), vec![event])))
}

/// A verification of the claim that was confirmed before it, and its place.
fn find_verification(
    machine: &mut Machine<'_>,
    candidate: &Candidate<'_>,
) -> Result<Option<(Arc<VerificationState>, Place)>, Stop> {
    let (mut from, to) = key::verifications(candidate.base.did.as_str(), &candidate.claim);
    while let Some(found) = machine.rows.first(&from, &to)? {
        if let Some(verification) = machine.rows.verification(&found)?
            && verification.base == *candidate.base
            && is_parent(machine, candidate.base, &verification.author)?
            && let Some(place) = key::trailing_place(&found)
        {
            return Ok(Some((verification, place)));
        }
        from = key::successor(&found);
    }
    Ok(None)
}

/// Whether the identity with this DID is the parent that `base` names.
pub(super) fn is_parent(machine: &mut Machine<'_>, base: &Base, did: &Did) -> Result<bool, Stop> {
    let parent = machine.rows.identity(did)?;
    Ok(parent.is_some_and(|parent| Some(parent.base.id) == base.parent && base.kind.allows_parent(parent.base.kind)))
}

/// Makes the identity exist.
pub(super) fn accept(machine: &mut Machine<'_>, candidate: &Candidate<'_>) -> Result<Judgement, Stop> {
    let Candidate { base, key, parent, peer, claim, payload, verification, place } = *candidate;
    let is_node = base.kind == IdentityKind::Node;
    let identity = IdentityState {
        base: base.clone(),
        key: key.clone(),
        parent: parent.cloned(),
        peer: peer.map(str::to_owned),
        place,
        claim,
    };
    let did = base.did.as_str();
    machine.rows.put(key::identity(did), Row::Identity(identity.into()));
    let holder = Holder { did: base.did.clone(), place };
    machine.rows.put(key::identity_id(&base.id, did), Row::Holder(holder.clone()));
    let mut effects = vec![Effect::Identity(Box::new(Identity {
        base: base.clone(),
        key: key.clone(),
        peer: peer.map(str::to_owned),
        claim,
        payload,
        verification,
    }))];
    if !is_node {
        keys::register(machine, key, &base.did, place)?;
    } else if let Some(peer) = peer {
        let known = machine.rows.holder(&key::peer(peer))?;
        if known.is_none_or(|known| place < known.place) {
            machine.rows.put(key::peer(peer), Row::Holder(holder));
            effects.push(Effect::Peer { peer: peer.to_owned(), node: base.did.clone() });
            waits::wake(machine, key::peer_list(peer), None)?;
        }
    }
    waits::wake(machine, key::author_list(did), None)?;
    machine.wake(&Reason::Parent(base.id))?;
    machine.wake(&Reason::Owner(base.did.clone()))?;
    Ok(Judgement::confirm_with(effects, vec![identity_event(EventKind::IdentityConfirmed, base.id)]))
}
