//! Giving an event up together: votes on the ledger to release what is not decided of it.
//!
//! A vote counts if it was signed by an organisation without parent that was registered below the event. One such vote is
//! enough by the organisation above the signer of the event; otherwise more than half of all of them must have voted. Whoever
//! registers later has no say, so nobody can gather votes once there is something to release.

use crate::facts::definition::{Definition, IdentityKind};
use crate::facts::{BatchKey, Event, Place, Pos, Release};
use crate::keys::{self, Status};
use crate::rows::row::{Ballot, Holder, Row};
use crate::rows::{Rows, Stop, key};
use crate::step::Machine;
use crate::text::{Did, Signer};
use crate::{contract, retraction, waits};

/// How many ancestors of an identity are looked at.
const ANCESTORS: usize = 16;

/// How the votes on an event stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The batch that it names.
    pub batch: BatchKey,
    /// How many of its values are not decided.
    pub undecided: usize,
    /// Whose votes count.
    pub votes: Vec<Did>,
    /// The organisation whose vote is enough, if that is known.
    pub owner: Option<Did>,
    /// How many may vote. Nothing while it is not known who was registered below the event.
    pub electorate: Option<usize>,
}

/// Takes a vote in.
pub(crate) fn take(machine: &mut Machine<'_>, vote: &Release) -> Result<(), Stop> {
    if !contract::note(machine, vote.contract, vote.pos)? || vote.target >= vote.pos {
        return Ok(());
    }
    let Some(pinned) = machine.rows.event(vote.target)? else { return Ok(()) };
    if pinned.void {
        return Ok(());
    }
    let ballot = Ballot { target: vote.target, signer: vote.signer.clone() };
    look(machine, vote.pos, &ballot)
}

/// Where what concerns an event as a whole stands.
fn place(pos: Pos) -> Place {
    Place { pos, index: 0 }
}

/// Looks again at the votes that could not be counted, because more is known of who may vote.
pub(crate) fn count_again(machine: &mut Machine<'_>) -> Result<(), Stop> {
    waits::wake(machine, key::ballot_list(), None)
}

/// Counts a vote, or keeps it until it is known whether it counts and what it comes to.
pub(crate) fn look(machine: &mut Machine<'_>, at: Pos, ballot: &Ballot) -> Result<(), Stop> {
    let target = ballot.target;
    let pinned = machine.rows.event(target)?.filter(|pinned| !pinned.void);
    let Some(pinned) = pinned else { return drop_ballot(machine, at) };
    let voter = match voter(machine.rows, &ballot.signer, target)? {
        Voter::Nobody => return drop_ballot(machine, at),
        Voter::Unknown => return keep(machine, at, ballot),
        Voter::Is(voter) => voter,
    };
    let tally = key::tally(target, voter.as_str());
    if !machine.rows.has(&tally)? {
        machine.rows.put(tally, Row::Holder(Holder { did: voter, place: place(at) }));
    }
    let enough = match of_owner(machine.rows, &pinned.event)? {
        Verdict::Yes => true,
        Verdict::No => match of_majority(machine.rows, target)? {
            Verdict::Yes => true,
            Verdict::No => return drop_ballot(machine, at),
            Verdict::Unknown => false,
        },
        Verdict::Unknown => matches!(of_majority(machine.rows, target)?, Verdict::Yes),
    };
    if !enough {
        return keep(machine, at, ballot);
    }
    drop_ballot(machine, at)?;
    for vote in votes(machine.rows, target)? {
        machine.rests_on(vote.place.pos);
    }
    retraction::abandon(machine, target, Some(at))
}

/// Forgets the votes on an event that was given up, those that could not be counted yet as well.
pub(crate) fn close(machine: &mut Machine<'_>, target: Pos) -> Result<(), Stop> {
    for vote in votes(machine.rows, target)? {
        machine.rows.remove(key::tally(target, vote.did.as_str()));
    }
    count_again(machine)
}

fn keep(machine: &mut Machine<'_>, at: Pos, ballot: &Ballot) -> Result<(), Stop> {
    if !machine.rows.has(&key::ballot(at))? {
        machine.rows.put(key::ballot(at), Row::Ballot(ballot.clone()));
        machine.rows.put(key::in_list(&key::ballot_list(), place(at)), Row::Mark);
    }
    Ok(())
}

fn drop_ballot(machine: &mut Machine<'_>, at: Pos) -> Result<(), Stop> {
    if machine.rows.has(&key::ballot(at))? {
        machine.rows.remove(key::ballot(at));
        machine.rows.remove(key::in_list(&key::ballot_list(), place(at)));
    }
    Ok(())
}

/// Forgets the votes from a position on, which the ledger withdrew.
pub(crate) fn forget(machine: &mut Machine<'_>, from: Pos) -> Result<(), Stop> {
    let (mut low, high) = key::ballots_from(from);
    while let Some(found) = machine.rows.first(&low, &high)? {
        low = key::successor(&found);
        if let Some(at) = key::trailing_pos(&found) {
            drop_ballot(machine, at)?;
        }
    }
    let (mut low, high) = key::all_tallies();
    while let Some(found) = machine.rows.first(&low, &high)? {
        low = key::successor(&found);
        if machine.rows.holder(&found)?.is_some_and(|vote| vote.place >= place(from)) {
            machine.rows.remove(found);
        }
    }
    Ok(())
}

enum Voter {
    Is(Did),
    Nobody,
    Unknown,
}

/// Whose vote it is, counting what is placed below the event.
fn voter(rows: &mut Rows, signer: &Signer, target: Pos) -> Result<Voter, Stop> {
    Ok(match keys::status(rows, signer, place(target))? {
        Status::Registered(did) => {
            let identity = rows.identity(&did)?;
            let root = identity.is_some_and(|identity| is_root(&identity.base));
            if root { Voter::Is(did) } else { Voter::Nobody }
        }
        Status::Wait(_) => Voter::Unknown,
        Status::Refused | Status::Unregistered { .. } => Voter::Nobody,
    })
}

fn is_root(base: &crate::facts::definition::Base) -> bool {
    base.kind == IdentityKind::Org && base.parent.is_none()
}

enum Verdict {
    Yes,
    No,
    Unknown,
}

/// Whether the organisation above the signer of an event has voted.
fn of_owner(rows: &mut Rows, event: &Event) -> Result<Verdict, Stop> {
    Ok(match owner(rows, event)? {
        Owner::Is(owner) if rows.has(&key::tally(event.pos, owner.as_str()))? => Verdict::Yes,
        Owner::Is(_) | Owner::Nobody => Verdict::No,
        Owner::Unknown => Verdict::Unknown,
    })
}

enum Owner {
    Is(Did),
    Nobody,
    Unknown,
}

/// The organisation without parent above the signer of an event, as of the event.
fn owner(rows: &mut Rows, event: &Event) -> Result<Owner, Stop> {
    let mut did = match keys::status(rows, &event.signer, place(event.pos))? {
        Status::Registered(did) => did,
        Status::Wait(_) => return Ok(Owner::Unknown),
        Status::Refused | Status::Unregistered { .. } => return Ok(Owner::Nobody),
    };
    for _ in 0..ANCESTORS {
        let Some(identity) = rows.identity(&did)? else { return Ok(Owner::Nobody) };
        match identity.parent.clone() {
            Some(parent) => did = parent,
            None => return Ok(Owner::Is(did)),
        }
    }
    Ok(Owner::Nobody)
}

/// Whether more than half of those who may vote have.
fn of_majority(rows: &mut Rows, target: Pos) -> Result<Verdict, Stop> {
    let Some(electorate) = electorate(rows, target)? else { return Ok(Verdict::Unknown) };
    let votes = votes(rows, target)?.len();
    Ok(if votes.saturating_mul(2) > electorate { Verdict::Yes } else { Verdict::No })
}

fn votes(rows: &mut Rows, target: Pos) -> Result<Vec<Holder>, Stop> {
    let (mut low, high) = key::tallies(target);
    let mut votes = Vec::new();
    while let Some(found) = rows.first(&low, &high)? {
        votes.extend(rows.holder(&found)?);
        low = key::successor(&found);
    }
    Ok(votes)
}

/// How many organisations without parent were registered below an event. Nothing while something lower could still turn out
/// to register one.
fn electorate(rows: &mut Rows, target: Pos) -> Result<Option<usize>, Stop> {
    let lowest = rows.first_pos(&key::unknowns())?;
    if lowest.is_some_and(|lowest| lowest < target) || claims_wait(rows, target)? {
        return Ok(None);
    }
    let (mut low, high) = key::identities();
    let mut count = 0;
    while let Some(found) = rows.first(&low, &high)? {
        if let Some(Row::Identity(identity)) = rows.get(&found)?
            && is_root(&identity.base)
            && identity.place < place(target)
        {
            count += 1;
        }
        low = key::successor(&found);
    }
    Ok(Some(count))
}

/// Whether a claim of an organisation without parent waits below an event.
fn claims_wait(rows: &mut Rows, target: Pos) -> Result<bool, Stop> {
    let (mut low, high) = key::all_histories();
    let mut places = Vec::new();
    while let Some(found) = rows.first(&low, &high)? {
        places.extend(key::trailing_place(&found).filter(|at| *at < place(target)));
        low = key::successor(&found);
    }
    rows.require(places.iter().map(|at| key::event(at.pos)), [])?;
    let mut contents = Vec::with_capacity(places.len());
    for at in &places {
        contents.extend(rows.event(at.pos)?.map(|pinned| (*at, pinned.event.batch)));
    }
    rows.require(contents.iter().map(|(_, batch)| key::content(batch)), [])?;
    for (at, batch) in contents {
        let Some(stored) = rows.content(&batch)? else { continue };
        let claims = match stored.owner(at.index).and_then(|(_, message)| message.definition.as_ref()) {
            Some(Definition::Claim(claim)) => is_root(&claim.identity),
            _ => false,
        };
        if claims {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How the votes on an event stand. Nothing if there is no such event, or it was given up.
pub(crate) fn tally(rows: &mut Rows, target: Pos) -> Result<Option<Tally>, Stop> {
    let Some(pinned) = rows.event(target)?.filter(|pinned| !pinned.void) else { return Ok(None) };
    let owner = match owner(rows, &pinned.event)? {
        Owner::Is(owner) => Some(owner),
        Owner::Nobody | Owner::Unknown => None,
    };
    let votes = votes(rows, target)?.into_iter().map(|vote| vote.did).collect();
    let event = &pinned.event;
    let mut undecided = 0;
    for (value, index) in event.values.iter().zip(0..) {
        let at = event.place(index);
        let open = if event.masked() { key::claim_on(value, at) } else { key::open(value, at) };
        undecided += usize::from(rows.has(&open)?);
    }
    let batch = event.batch;
    Ok(Some(Tally { batch, undecided, votes, owner, electorate: electorate(rows, target)? }))
}

/// Where events were given up that name a batch: the lowest.
pub(crate) fn given_up(rows: &mut Rows, batch: &BatchKey) -> Result<Option<Pos>, Stop> {
    rows.first_pos(&key::releases(batch))
}
