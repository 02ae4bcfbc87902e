//! How far the logs of each contract are taken.

use photinus_model::JsonText;
use photinus_ports::blockchain::{Cursor, Position};
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
}

impl Taken {
    /// Whether the log at this position was taken.
    pub(super) fn covers(&self, position: Position) -> bool {
        self.last.is_some_and(|last| position <= last)
    }

    /// Forgets that logs from this block on were taken.
    pub(super) fn retract(&mut self, block: u64) {
        if self.last.is_some_and(|last| last.block >= block) {
            // The highest position below the block: every log before it was taken.
            self.last = block.checked_sub(1).map(|block| Position { block, transaction: u32::MAX, log: u32::MAX });
        }
    }
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
        let mut taken = Taken { cursor: None, last: Some(at(5, 3)) };
        assert!(taken.covers(at(5, 3)) && taken.covers(at(4, 9)) && !taken.covers(at(5, 4)));
        taken.retract(6);
        assert!(taken.covers(at(5, 3)));
        taken.retract(5);
        assert!(!taken.covers(at(5, 0)) && taken.covers(at(4, 9)));
        taken.retract(0);
        assert!(!taken.covers(at(0, 0)));
    }
}
