//! Claims: who pinned the value of a slot, and who of them has it.

use std::sync::Arc;

use photinus_model::Hash;

use super::deliver;
use crate::facts::content::Message;
use crate::facts::{Event, MessageKey, Place};
use crate::keys::{self, Status};
use crate::mutation::{self, Mutation};
use crate::rows::row::{LaneState, Pinned, Row, SlotState, Stored};
use crate::rows::{Rows, Stop, key};
use crate::step::Machine;
use crate::work::Item;

/// How many values of one lane are looked up in one unit of work.
const LOOKUPS: u64 = 64;

/// A claim whose content is known and usable.
pub(crate) struct Winner {
    pub(crate) event: Arc<Event>,
    pub(crate) stored: Arc<Stored>,
    /// Index of the first value that the message owns.
    pub(crate) base: u32,
}

impl Winner {
    /// Where the first value of the message stands.
    pub(crate) fn place(&self) -> Place {
        self.event.place(self.base)
    }

    pub(crate) fn message(&self) -> Option<&Message> {
        self.stored.owner(self.base).map(|(_, message)| message)
    }
}

/// Who has the next slot of a lane.
pub(crate) enum Standing {
    /// Nobody has claimed it.
    Unclaimed,
    /// Somebody has, but it cannot be told yet who has it: this is the lowest claim.
    Open(Place),
    /// This claim has it.
    Won(Winner),
    /// All that claimed it was given up; this is the lowest claim.
    Skipped(Place),
}

/// Looks up the values behind the last one that was claimed.
pub(super) fn extend(machine: &mut Machine<'_>, id: &Hash, lane: &Arc<LaneState>) -> Result<Arc<LaneState>, Stop> {
    let mut unclaimed = lane.unclaimed;
    while machine.rows.first_place(&key::claims_on(&super::value(&lane.lane, unclaimed)))?.is_some() {
        if unclaimed - lane.unclaimed == LOOKUPS {
            machine.later(Place::default(), Item::Lane(*id));
            break;
        }
        let Some(next) = unclaimed.checked_add(1) else { break };
        unclaimed = next;
        let slot = key::slot(&super::value(&lane.lane, unclaimed));
        machine.rows.put(slot, Row::Slot(SlotState { lane: *id, nonce: unclaimed, used: None, held: None }));
    }
    if unclaimed == lane.unclaimed {
        return Ok(Arc::clone(lane));
    }
    let extended = Arc::new(LaneState { lane: lane.lane.clone(), unclaimed, ..**lane });
    machine.rows.put(key::lane(id), Row::Lane(Arc::clone(&extended)));
    super::moved(machine)?;
    Ok(extended)
}

/// What became of all claims on a slot.
pub(crate) struct Claims {
    pub(crate) standing: Standing,
    /// Messages that claimed it and can never have it.
    pub(crate) ruled_out: Vec<MessageKey>,
    /// Whether another claim, lower than the one that has it, may still come to have it.
    pub(crate) contested: bool,
}

/// What is known of one claim.
enum Claim {
    /// It can never be the one: its content is another message's, it was not signed by the key that its message names,
    /// or its signer speaks for somebody else. With the message, if the content is known.
    RuledOut(Option<MessageKey>),
    /// Its content is missing, or has not come from anybody entitled to it.
    Open,
    Usable(Arc<Stored>, u32),
}

/// Finds out who has a slot of a lane that is not used: the lowest usable claim, unless a lower one by the same signer may
/// still be usable. What was given up counts for nothing beside others.
pub(crate) fn standing(rows: &mut Rows, lane: &LaneState, nonce: u64) -> Result<Claims, Stop> {
    let value = super::value(&lane.lane, nonce);
    let mut skipped = None;
    let (mut from, to) = key::claims_on(&value);
    let mut open: Vec<(Place, Arc<Event>)> = Vec::new();
    let mut ruled_out = Vec::new();
    let mut won = None;
    while let Some(found) = rows.first(&from, &to)? {
        from = key::successor(&found);
        let Some(place) = key::trailing_place(&found) else { continue };
        let Pinned { event, void } = rows.event(place.pos)?.ok_or_else(|| Stop::inconsistent("a claim"))?;
        if void {
            skipped = skipped.or(Some(place));
            continue;
        }
        match judge(rows, lane, &event, place)? {
            Claim::RuledOut(message) => ruled_out.extend(message),
            Claim::Open => open.push((place, event)),
            Claim::Usable(stored, base) => {
                if open
                    .iter()
                    .all(|(_, lower)| lower.signer != event.signer && !mutation::is(Mutation::WaitsForStrangers))
                {
                    won = Some(Winner { event, stored, base });
                }
                break;
            }
        }
    }
    let standing = match (won, open.first()) {
        (Some(winner), _) => Standing::Won(winner),
        (None, Some((lowest, _))) => Standing::Open(*lowest),
        (None, None) => skipped.map_or(Standing::Unclaimed, Standing::Skipped),
    };
    Ok(Claims { standing, ruled_out, contested: !open.is_empty() })
}

fn judge(rows: &mut Rows, lane: &LaneState, event: &Event, place: Place) -> Result<Claim, Stop> {
    let stored = rows.content(&event.batch)?;
    let owner = stored.as_ref().and_then(|stored| stored.owner(place.index));
    // What is open waits for something else, if it stands on an open event as well.
    let key = owner.filter(|(_, message)| message.kind.is_private()).map(|(_, message)| message.key);
    if let Status::Registered(did) = keys::status(rows, &event.signer, place)?
        && did != lane.lane.author
    {
        return Ok(Claim::RuledOut(key));
    }
    let Some(stored) = &stored else { return Ok(Claim::Open) };
    let content = &stored.content;
    let Some((base, message)) = owner else { return Ok(Claim::RuledOut(None)) };
    let topic = place.index.checked_sub(base).and_then(|nth| message.topics.get(nth as usize));
    let fits = content.author == lane.lane.author
        && message.group == Some(lane.lane.group)
        && topic == Some(&lane.lane.topic)
        && (content.key == event.signer || mutation::is(Mutation::CopiesTakeSlots));
    if !fits {
        return Ok(Claim::RuledOut(key));
    }
    let usable = deliver::is_usable(rows, content)?;
    Ok(if usable { Claim::Usable(Arc::clone(stored), base) } else { Claim::Open })
}
