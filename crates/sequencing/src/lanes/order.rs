//! One order across the authors of a group, on one topic: [`PrivateOrder::Ledger`].
//!
//! A message stands at its event, or at a message before it in one of its lanes if that stands higher. Of two messages on one
//! topic the one that stands lower is decided first. What is not known of a slot can only make its message stand higher than
//! it seems to, so a message goes on when nothing of the others can come to stand below it.

use std::collections::BTreeSet;

use photinus_model::Hash;

use super::claims::{self, Standing, Winner};
use crate::facts::{Place, Pos};
use crate::keys::{self, Status};
use crate::reason::{Lane, Reason};
use crate::rows::row::LaneState;
use crate::rows::{Rows, Stop, key};
use crate::rules::PrivateOrder;
use crate::step::Machine;
use crate::text::Did;
use crate::waits;

/// How many slots are looked at to learn how high one stands. Behind more than these it counts as lower than it is, so that
/// others wait for it.
const SLOTS: usize = 256;

/// What stands below `pos` on a topic of a group and was written by others than `author`: the first of it.
pub(super) fn before(
    rows: &mut Rows,
    group: &Hash,
    topic: &str,
    author: &Did,
    pos: Pos,
) -> Result<Option<Reason>, Stop> {
    let Some(members) = rows.group(group)? else { return Ok(None) };
    let others: BTreeSet<_> = members.members.iter().filter(|member| *member != author).collect();
    let ids: Vec<Hash> = others.into_iter().map(|member| super::id(group, topic, member)).collect();
    rows.require(ids.iter().map(key::lane), [])?;
    let mut lowest: Option<(Pos, Reason)> = None;
    for id in ids {
        let Some(lane) = rows.lane(&id)? else { continue };
        let mut walk = Walk { rows, left: SLOTS, seen: BTreeSet::new(), moving: false };
        let at = walk.stands(&id, &lane, lane.next)?;
        let moving = walk.moving;
        if at < pos && lowest.as_ref().is_none_or(|(lower, _)| at < *lower) {
            lowest = Some((at, Reason::Before { lane: lane.lane.clone(), nonce: lane.next, moving }));
        }
    }
    Ok(lowest.map(|(_, reason)| reason))
}

/// Looks again at those who stand behind a slot, which was used or may stand higher now.
pub(super) fn changed(machine: &mut Machine<'_>, lane: &Lane, nonce: u64) -> Result<(), Stop> {
    if machine.rules.private_order == PrivateOrder::Author {
        return Ok(());
    }
    let reason = Reason::Before { lane: lane.clone(), nonce, moving: false };
    waits::wake(machine, key::list(&reason), None)?;
    moved(machine)
}

/// Looks again at those who stand behind a message whose place may have moved up.
pub(crate) fn moved(machine: &mut Machine<'_>) -> Result<(), Stop> {
    match machine.rules.private_order {
        PrivateOrder::Author => Ok(()),
        PrivateOrder::Ledger => waits::wake(machine, key::moving_list(), None),
    }
}

/// Looks again at those who stand behind the slots that an event claims.
pub(super) fn claimed(machine: &mut Machine<'_>, values: &[Hash]) -> Result<(), Stop> {
    if machine.rules.private_order == PrivateOrder::Author {
        return Ok(());
    }
    for value in values {
        if let Some(slot) = machine.rows.slot(value)?
            && let Some(lane) = machine.rows.lane(&slot.lane)?
        {
            changed(machine, &lane.lane, slot.nonce)?;
        }
    }
    moved(machine)
}

/// What must be known of the signer of a claim without content, before it is certain that others must wait for it: one who
/// speaks for somebody else holds up nobody.
pub(super) fn doubt(machine: &mut Machine<'_>, place: Place) -> Result<Option<(Place, Reason)>, Stop> {
    if machine.rules.private_order == PrivateOrder::Author {
        return Ok(None);
    }
    let event = machine.rows.event(place.pos)?.ok_or_else(|| Stop::inconsistent("a claim"))?.event;
    Ok(match keys::status(machine.rows, &event.signer, place)? {
        Status::Wait(reason) => Some((place, reason)),
        _ => None,
    })
}

/// A walk along the slots on which it depends how high one stands.
struct Walk<'a> {
    rows: &'a mut Rows,
    left: usize,
    /// Slots on the way. Whoever meets one again learns nothing from it.
    seen: BTreeSet<(Hash, u64)>,
    /// Whether the place of the slot hangs on other lanes than its own.
    moving: bool,
}

impl Walk<'_> {
    /// The lowest position at which the message of a slot can come to stand.
    fn stands(&mut self, id: &Hash, lane: &LaneState, nonce: u64) -> Result<Pos, Stop> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(Pos::default()) };
        self.left = left;
        if !self.seen.insert((*id, nonce)) {
            return Ok(Pos::default());
        }
        let pos = self.behind(id, lane, nonce)?;
        let claims = claims::standing(self.rows, lane, nonce)?;
        Ok(match claims.standing {
            // Whoever claims it will do so above all that is there.
            Standing::Unclaimed => pos.max(self.rows.meta()?.next),
            Standing::Open(place) | Standing::Skipped(place) => pos.max(place.pos),
            Standing::Won(winner) => self.others(id, &winner)?.max(pos).max(winner.event.pos),
        })
    }

    /// Where that stands which comes before a slot in its lane.
    fn behind(&mut self, id: &Hash, lane: &LaneState, nonce: u64) -> Result<Pos, Stop> {
        match nonce.checked_sub(1) {
            Some(before) if before >= lane.next => self.stands(id, lane, before),
            _ => Ok(lane.after),
        }
    }

    /// Where that stands which comes before a message in its other lanes, as far as it is certain that it has slots of them.
    fn others(&mut self, id: &Hash, winner: &Winner) -> Result<Pos, Stop> {
        let mut pos = Pos::default();
        let Some(message) = winner.message() else { return Ok(pos) };
        for (other, index) in super::of_message(&winner.stored.content, message).zip(winner.base..) {
            if other == *id {
                continue;
            }
            self.moving = true;
            let Some(value) = winner.event.values.get(index as usize) else { continue };
            let Some(slot) = self.rows.slot(value)?.filter(|slot| slot.lane == other && slot.used.is_none()) else {
                continue;
            };
            let Some(lane) = self.rows.lane(&other)? else { continue };
            let claims = claims::standing(self.rows, &lane, slot.nonce)?;
            let same = |won: &Winner| won.event.pos == winner.event.pos && won.base == winner.base;
            if !claims.contested && matches!(&claims.standing, Standing::Won(won) if same(won)) {
                pos = pos.max(self.behind(&other, &lane, slot.nonce)?);
            }
        }
        Ok(pos)
    }
}
