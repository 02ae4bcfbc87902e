//! Token pools: one per network name, the first one for ever. A pool counts when its connector has activated it, which
//! makes its verdict a local one.

use photinus_model::Uuid;

use super::{event, is_taken, named};
use crate::decision::{Code, Decision, Effect, EventKind, Topic};
use crate::facts::DataKey;
use crate::reason::Reason;
use crate::rows::row::Row;
use crate::rows::{Stop, key};
use crate::step::Machine;
use crate::topics;
use crate::verdict::{Judgement, Subject};

/// A pool as its definition names it.
pub(super) struct Pool<'a> {
    pub(super) id: Uuid,
    pub(super) network_name: &'a str,
    pub(super) connector: &'a str,
    pub(super) tx: Option<Uuid>,
}

pub(super) fn judge(
    machine: &mut Machine<'_>,
    subject: &Subject<'_>,
    pool: &Pool<'_>,
    payload: DataKey,
) -> Result<Judgement, Stop> {
    if !topics::Kind::Pool.holds(machine.rules, subject.message, pool.network_name) {
        return Ok(Judgement::reject(Code::Topic));
    }
    if !machine.rules.connectors.contains(pool.connector) {
        return Ok(Judgement::reject(Code::Connector));
    }
    let key = key::pool(pool.network_name);
    if is_taken(machine, &key)? {
        return Ok(Judgement::reject(Code::Exists));
    }
    let message = subject.message.key;
    if !machine.rows.has(&key::active_pool(&pool.id))? {
        let reason = Reason::Pool(pool.id);
        if subject.waiting != Some(&reason) {
            machine.say(Decision::ActivatePool { pool: pool.id, message, payload });
        }
        return Ok(Judgement::Wait(reason));
    }
    machine.rows.put(key, Row::Named(named(subject, payload)));
    let mut confirmed = event(subject, EventKind::PoolConfirmed, pool.id, Topic::Pool(pool.id));
    confirmed.tx = pool.tx;
    let effect = Effect::Pool { id: pool.id, message, payload };
    let mut judgement = Judgement::confirm_with(vec![effect], vec![confirmed]);
    if let Judgement::Decide(ruling) = &mut judgement {
        ruling.correlator = Some(pool.id);
    }
    Ok(judgement)
}
