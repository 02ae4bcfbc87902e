//! Groups, and the lanes that become known with them.

use photinus_model::Hash;

use crate::facts::content::Group;
use crate::reason::{Lane, Reason};
use crate::rows::row::{LaneState, Row, SlotState};
use crate::rows::{Stop, key};
use crate::step::Machine;

/// A group is a fact about its hash, whoever tells of it.
pub(crate) fn learn(machine: &mut Machine<'_>, group: &Group) -> Result<(), Stop> {
    let key = key::group(&group.hash);
    if machine.rows.has(&key)? {
        return Ok(());
    }
    machine.rows.put(key, Row::Group(group.clone().into()));
    machine.wake(&Reason::Group(group.hash))
}

/// A group that did not come with the message that defines it. That message stands on the ledger like any other of its author,
/// under a topic that follows from the group: from here on it is missed.
pub(crate) fn told(machine: &mut Machine<'_>, group: &Group) -> Result<(), Stop> {
    learn(machine, group)?;
    open(machine, &group.hash, &group.hash.to_string())?;
    Ok(())
}

/// Makes the lanes of all members on a topic known. False if the group is not known.
pub(super) fn open(machine: &mut Machine<'_>, hash: &Hash, topic: &str) -> Result<bool, Stop> {
    let key = key::lanes(hash, topic);
    if machine.rows.has(&key)? {
        return Ok(true);
    }
    let Some(group) = machine.rows.group(hash)? else { return Ok(false) };
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_unstable();
    members.dedup();
    let lanes = members.into_iter().map(|author| {
        let lane = Lane { group: *hash, topic: topic.to_owned(), author: author.clone() };
        (super::id(hash, topic, author), super::value(&lane, 0), lane)
    });
    for (id, value, lane) in lanes {
        let state = LaneState { lane, next: 0, unclaimed: 0, after: Default::default() };
        machine.rows.put(key::lane(&id), Row::Lane(state.into()));
        machine.rows.put(key::slot(&value), Row::Slot(SlotState { lane: id, nonce: 0, used: None, held: None }));
        machine.look_at_lane(id);
    }
    machine.rows.put(key, Row::Mark);
    Ok(true)
}
