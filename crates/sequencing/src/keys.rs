//! What a signing key stands for, as of a place.
//!
//! A key is registered once, to one identity, for ever. Whether that has happened below a place is only known when
//! everything below it that the key signed is known, which is why a key has a history.

use crate::facts::Place;
use crate::open;
use crate::reason::Reason;
use crate::rows::row::{Row, SignerState};
use crate::rows::{Rows, Stop, key};
use crate::step::Machine;
use crate::text::{Did, Signer};
use crate::{lanes, release, topics};

/// What a key stands for as of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// It belongs to this identity.
    Registered(Did),
    /// It is not known yet.
    Wait(Reason),
    /// It tried to register in a way that members disagree about, and has not been registered since.
    Refused,
    /// It belongs to nobody as of the place; later on, perhaps to this identity.
    Unregistered {
        /// To whom it was registered at the place or above it.
        later: Option<Did>,
    },
}

/// What `signer` stands for, counting what is placed below `at`.
pub(crate) fn status(rows: &mut Rows, signer: &Signer, at: Place) -> Result<Status, Stop> {
    let state = rows.signer(signer)?;
    if let Some((did, since)) = &state.registered
        && *since < at
    {
        return Ok(Status::Registered(did.clone()));
    }
    let lowest = rows.first_place(&key::histories(signer.as_str()))?;
    if lowest.is_some_and(|lowest| lowest < at) {
        return Ok(Status::Wait(Reason::SignerHistory(signer.clone())));
    }
    if let Some(reason) = verification_may_come(rows, signer, &state, at)? {
        return Ok(Status::Wait(reason));
    }
    if state.refused.is_some_and(|since| since < at) {
        return Ok(Status::Refused);
    }
    Ok(Status::Unregistered { later: state.registered.map(|(did, _)| did) })
}

/// Whether a verification of one of the key's claims may still turn up below `at`: then the reason to wait.
fn verification_may_come(
    rows: &mut Rows,
    signer: &Signer,
    state: &SignerState,
    at: Place,
) -> Result<Option<Reason>, Stop> {
    if state.unverified == 0 {
        return Ok(None);
    }
    let (mut from, to) = key::unverifieds(signer.as_str());
    while let Some(found) = rows.first(&from, &to)? {
        if let Some(claim) = rows.holder(&found)?
            && claim.place < at
        {
            let context = topics::context_of_did(&claim.did);
            if open::head(rows, &context)?.is_some_and(|head| head < at) {
                return Ok(Some(Reason::Below(context, at)));
            }
        }
        from = key::successor(&found);
    }
    Ok(None)
}

/// Notes that a key is refused from `at` on.
pub(crate) fn refuse(machine: &mut Machine<'_>, signer: &Signer, at: Place) -> Result<(), Stop> {
    let mut state = machine.rows.signer(signer)?;
    if state.refused.is_some_and(|since| since <= at) {
        return Ok(());
    }
    state.refused = Some(at);
    machine.rows.put(key::signer(signer.as_str()), Row::Signer(state));
    machine.wake(&Reason::Registration(signer.clone()))
}

/// Registers a key to an identity from `at` on.
pub(crate) fn register(machine: &mut Machine<'_>, signer: &Signer, did: &Did, at: Place) -> Result<(), Stop> {
    let mut state = machine.rows.signer(signer)?;
    state.registered = Some((did.clone(), at));
    state.unverified = 0;
    machine.rows.put(key::signer(signer.as_str()), Row::Signer(state));
    let (from, to) = key::unverifieds(signer.as_str());
    while let Some(found) = machine.rows.first(&from, &to)? {
        if let Some(claim) = machine.rows.holder(&found)? {
            // Whoever waited for a verification of another claim need not wait any longer.
            let context = topics::context_of_did(&claim.did);
            machine.wake(&Reason::Below(context, Place::default()))?;
        }
        machine.rows.remove(found);
    }
    lanes::moved(machine)?;
    release::count_again(machine)?;
    machine.wake(&Reason::SignerHistory(signer.clone()))?;
    machine.wake(&Reason::Registration(signer.clone()))
}
