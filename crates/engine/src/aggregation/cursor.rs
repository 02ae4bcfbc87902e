//! How far the logs of each contract are taken.

use std::collections::BTreeSet;

use photinus_model::{Hash, JsonText};
use photinus_ports::blockchain::{Cursor, Delivery, Log, PinEvent, Position};
use photinus_store::Change;
use serde::{Deserialize, Serialize};

use crate::{core::Core, space};

/// What is stored per contract, in the commit that takes the logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Where the adapter resumes.
    pub(super) cursor: Option<Cursor>,
    /// The last log that was taken; the stream may repeat logs, and a repeated one is skipped.
    pub(super) last: Option<Position>,
    /// Logs above the cursor, of a delivery that was not taken to its end. The adapter does not know that they were taken, so it
    /// does not say when the ledger withdraws them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) beyond: BTreeSet<(Position, Hash)>,
}

impl Taken {
    /// Whether the log at this position was taken.
    pub(super) fn covers(&self, position: Position) -> bool {
        self.last.is_some_and(|last| position <= last)
    }

    /// The first block in which a delivery has other logs than were taken above the cursor: the ledger withdrew it.
    pub(super) fn withdrawn(&self, delivery: &Delivery) -> Option<u64> {
        let (last, _) = self.beyond.last()?;
        let above = |position: Position| self.cursor.as_ref().is_none_or(|cursor| position.block > cursor.block);
        let logs = delivery.logs.iter().filter(|log| above(log.position) && log.position <= *last);
        let told: BTreeSet<_> = logs.map(|log| (log.position, digest(log))).collect();
        let taken = self.beyond.iter().filter(|(position, _)| position.block <= delivery.cursor.block);
        let taken: BTreeSet<_> = taken.copied().collect();
        taken.symmetric_difference(&told).next().map(|(position, _)| position.block)
    }

    /// Notes that a log was taken.
    pub(super) fn take(&mut self, position: Position) {
        self.last = Some(position);
    }

    /// Notes that of a delivery no more was taken than these logs, which the cursor does not cover.
    pub(super) fn cut(&mut self, logs: &[&Log]) {
        self.beyond.extend(logs.iter().map(|log| (log.position, digest(log))));
    }

    /// Notes that a delivery was taken to its end.
    pub(super) fn reach(&mut self, cursor: Cursor) {
        self.beyond.retain(|(position, _)| position.block > cursor.block);
        self.cursor = Some(cursor);
    }

    /// Forgets that logs from this block on were taken.
    pub(super) fn retract(&mut self, block: u64) {
        if self.last.is_some_and(|last| last.block >= block) {
            // The highest position below the block: every log before it was taken.
            self.last = block.checked_sub(1).map(|block| Position { block, transaction: u32::MAX, log: u32::MAX });
        }
        self.beyond.retain(|(position, _)| position.block < block);
        if let Some(cursor) = self.cursor.take_if(|cursor| cursor.block >= block) {
            // A retraction comes alone, and its own cursor takes the place of this one. Should an adapter tell of logs with it, and
            // not all of them be taken, its blocks are not to be withdrawn once more.
            let before = block.checked_sub(1).map(|block| Cursor { block, block_hash: String::new() });
            self.cursor = before.filter(|before| before.block < cursor.block);
        }
    }
}

/// What a log says, as far as anything is made of it.
fn digest(log: &Log) -> Hash {
    let PinEvent { signer, action, uuids, batch_hash, payload_ref, contexts } = &log.pin;
    let mut parts: Vec<&[u8]> = Vec::with_capacity(contexts.len() + 6);
    for text in [&log.transaction_hash, signer, action, payload_ref] {
        parts.extend([text.as_bytes(), &[0]]);
    }
    parts.extend([uuids.as_slice(), batch_hash.as_slice()]);
    parts.extend(contexts.iter().map(|context| context.as_bytes().as_slice()));
    Hash::concat(&parts)
}

fn key(contract: u32) -> Vec<u8> {
    contract.to_be_bytes().to_vec()
}

/// What was stored of a contract; nothing is a beginning.
pub(super) async fn load(core: &Core, contract: u32) -> Result<Taken, super::driver::Error> {
    let found = core.store.kv_get(core.name(), space::LEDGER_CURSOR, &key(contract)).await?;
    Ok(found.map(|bytes| serde_json::from_slice(&bytes)).transpose()?.unwrap_or_default())
}

/// Where the stream of a contract resumes.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn resume(core: &Core, contract: u32) -> Result<Option<Cursor>, super::Error> {
    Ok(load(core, contract).await.map_err(super::Error::from)?.cursor)
}

pub(super) fn store(contract: u32, taken: &Taken) -> Result<Change, serde_json::Error> {
    let value = JsonText::write(taken)?.as_str().as_bytes().to_vec();
    Ok(Change::PutKv { space: space::LEDGER_CURSOR, key: key(contract), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(block: u64, log: u32) -> Position {
        Position { block, transaction: 0, log }
    }

    #[test]
    fn repeated_logs_are_covered_until_they_are_withdrawn() {
        let mut taken = Taken { last: Some(at(5, 3)), ..Taken::default() };
        assert!(taken.covers(at(5, 3)) && taken.covers(at(4, 9)) && !taken.covers(at(5, 4)));
        taken.retract(6);
        assert!(taken.covers(at(5, 3)));
        taken.retract(5);
        assert!(!taken.covers(at(5, 0)) && taken.covers(at(4, 9)));
        taken.retract(0);
        assert!(!taken.covers(at(0, 0)));
    }

    fn log(position: Position, signer: &str) -> Log {
        Log {
            position,
            name: "BatchPin".into(),
            transaction_hash: "0x01".into(),
            timestamp: photinus_model::Time::from_unix_nanos(0),
            output: serde_json::Map::default(),
            info: serde_json::Map::default(),
            pin: PinEvent {
                signer: signer.into(),
                action: String::new(),
                uuids: [0; 32],
                batch_hash: [0; 32],
                payload_ref: String::new(),
                contexts: vec![Hash::of("t")],
            },
        }
    }

    fn cursor(block: u64) -> Cursor {
        Cursor { block, block_hash: "0x02".into() }
    }

    fn delivery(logs: &[Log], up_to: u64) -> Delivery {
        Delivery { retracted_from: None, logs: logs.to_vec(), cursor: cursor(up_to) }
    }

    #[test]
    fn what_is_withdrawn_above_the_cursor_is_noticed() {
        let logs = [log(at(5, 0), "a"), log(at(6, 0), "b"), log(at(6, 1), "c"), log(at(7, 0), "d")];
        let mut taken = Taken { cursor: Some(cursor(4)), ..Taken::default() };
        assert_eq!(taken.withdrawn(&delivery(&logs, 7)), None);
        taken.take(at(6, 1));
        taken.cut(&[&logs[0], &logs[1], &logs[2]]);
        // The same again, whole or in parts, with what was not taken before.
        assert_eq!(taken.withdrawn(&delivery(&logs, 7)), None);
        assert_eq!(taken.withdrawn(&delivery(&logs[..1], 5)), None);
        // Another one in the place of one, one less, and one more.
        let other = [logs[0].clone(), log(at(6, 0), "x"), logs[2].clone()];
        assert_eq!(taken.withdrawn(&delivery(&other, 7)), Some(6));
        assert_eq!(taken.withdrawn(&delivery(&logs[..2], 7)), Some(6));
        assert_eq!(taken.withdrawn(&delivery(&[], 5)), Some(5));
        assert_eq!(taken.withdrawn(&delivery(&[logs[0].clone(), log(at(5, 1), "e")], 5)), Some(5));
        taken.reach(cursor(5));
        assert_eq!(taken.withdrawn(&delivery(&logs[1..], 7)), None);
        taken.retract(6);
        assert!(taken.beyond.is_empty() && taken.cursor == Some(cursor(5)));
        taken.retract(5);
        assert_eq!(taken.cursor, Some(Cursor { block: 4, block_hash: String::new() }));
    }

    #[test]
    fn what_is_cut_after_a_retraction_resumes_where_the_branches_part() {
        let mut taken = Taken { last: Some(at(9, 0)), cursor: Some(cursor(9)), ..Taken::default() };
        taken.retract(7);
        taken.reach(cursor(6));
        let new = log(at(7, 0), "a");
        taken.take(new.position);
        taken.cut(&[&new]);
        // With its hash, so that a fork below it is noticed too.
        assert_eq!(taken.cursor, Some(cursor(6)));
        assert_eq!(taken.withdrawn(&delivery(&[new], 7)), None);
        assert_eq!(taken.withdrawn(&delivery(&[], 7)), Some(7));
    }
}
