//! The multiparty contracts of a namespace: which one is in force, and which were before it.
//!
//! Which contract is in force is a decision of the ledger's order, so it is written by the commit that takes the decision
//! and by nothing else. What this node learned of a contract, such as its version, is a note beside it.

use photinus_ports::blockchain::{Blockchain, FirstEvent, Location, Position};
use photinus_store::{Change, Store};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{options, space};

/// Key of the contract in force and those before it; absent while the first one is in force.
const CONTRACTS: &[u8] = b"contracts in force";
/// Key of what was learned of the contract in force.
const LEARNED: &[u8] = b"contract learned";
/// Key of the index of the last contract for which open pins were made again.
const REPINNED: &[u8] = b"contract repinned";

/// The contracts of a network as `/status` shows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contracts {
    /// The contract in force.
    pub active: ActiveContract,
    /// Those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terminated: Vec<ActiveContract>,
}

/// A contract of the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveContract {
    /// Its place in the configuration.
    pub index: usize,
    /// Its place on the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// From where its events are read the first time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_event: String,
    /// What is known of it.
    #[serde(default)]
    pub info: ContractInfo,
}

/// What is known of a contract.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractInfo {
    /// Id of the stream of its events.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subscription: String,
    /// Its last event, once it is terminated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub final_event: String,
    /// Its version; zero until the ledger told it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub version: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(version: &u8) -> bool {
    *version == 0
}

impl Contracts {
    /// The contracts after the end of the one in force.
    pub(crate) fn after_end(&self, at: Position) -> Self {
        let mut terminated = self.terminated.clone();
        let mut ended = self.active.clone();
        ended.info.final_event = at.protocol_id();
        terminated.push(ended);
        let active = ActiveContract { index: self.active.index.saturating_add(1), ..ActiveContract::default() };
        Self { active, terminated }
    }

    /// What the commit writes in which the contract in force ends.
    pub(crate) fn change(&self) -> Result<Change, serde_json::Error> {
        Ok(Change::PutKv { space: space::NETWORK, key: CONTRACTS.to_vec(), value: serde_json::to_vec(self)? })
    }

    /// What was written of the contracts, joined with what the configuration says and what was learned of the one in force.
    pub(super) async fn load(
        options: &options::Options,
        blockchain: &dyn Blockchain,
        store: &Store,
    ) -> Result<Self, Error> {
        let mut contracts: Self = read(options, store, CONTRACTS).await?.unwrap_or_default();
        let index = contracts.active.index;
        let configured = options.contracts.get(index).ok_or(Error::NoContract(index))?;
        let location = blockchain.normalize_location(&configured.location)?;
        let learned: Option<ActiveContract> = read(options, store, LEARNED).await?;
        let learned = learned.filter(|known| known.index == index && known.location.as_ref() == Some(&location));
        contracts.active.info = learned.map(|known| known.info).unwrap_or_default();
        contracts.active.location = Some(location);
        contracts.active.first_event = match configured.first_event {
            FirstEvent::Oldest => "oldest".to_owned(),
            FirstEvent::Newest => "newest".to_owned(),
            FirstEvent::Block(number) => number.to_string(),
        };
        Ok(contracts)
    }

    /// From where the contract in force is read the first time. Nothing of it counts before the end of the one before it, and
    /// everything does behind that, also what came before this node was there: so whatever is configured cannot mean less.
    pub(super) fn first_event(&self, configured: FirstEvent) -> FirstEvent {
        let Some(since) = self.terminated.last().and_then(|contract| block_of(&contract.info.final_event)) else {
            return configured;
        };
        match configured {
            FirstEvent::Block(number) => FirstEvent::Block(number.max(since)),
            FirstEvent::Oldest | FirstEvent::Newest => FirstEvent::Block(since),
        }
    }

    /// Whether a contract before the one in force is, or the one in force is, of version 1.
    pub(crate) fn are_of_version_one(&self) -> bool {
        self.terminated.iter().chain([&self.active]).any(|contract| contract.info.version == 1)
    }
}

impl ActiveContract {
    /// What is written once something was learned of the contract in force.
    pub(super) fn learned(&self) -> Result<Change, serde_json::Error> {
        Ok(Change::PutKv { space: space::NETWORK, key: LEARNED.to_vec(), value: serde_json::to_vec(self)? })
    }
}

/// The block of a protocol id.
fn block_of(protocol_id: &str) -> Option<u64> {
    protocol_id.split('/').next()?.parse().ok()
}

/// Index of the last contract for which open pins were made again; the first contract needs none.
pub(super) async fn repinned(options: &options::Options, store: &Store) -> Result<usize, Error> {
    Ok(read(options, store, REPINNED).await?.unwrap_or_default())
}

/// What is written with the pins that are made again.
pub(super) fn repinned_for(index: usize) -> Result<Change, serde_json::Error> {
    Ok(Change::PutKv { space: space::NETWORK, key: REPINNED.to_vec(), value: serde_json::to_vec(&index)? })
}

async fn read<T: serde::de::DeserializeOwned>(
    options: &options::Options,
    store: &Store,
    key: &[u8],
) -> Result<Option<T>, Error> {
    let found = store.kv_get(&options.name, space::NETWORK, key).await?;
    Ok(found.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_contract_is_read_from_the_end_of_the_one_before_it() {
        let first = Contracts::default();
        assert_eq!(first.first_event(FirstEvent::Newest), FirstEvent::Newest);
        let next = first.after_end(Position { block: 42, transaction: 3, log: 1 });
        assert_eq!(
            (next.active.index, next.terminated[0].info.final_event.as_str()),
            (1, "000000000042/000003/000001")
        );
        for (configured, expected) in [
            (FirstEvent::Newest, 42),
            (FirstEvent::Oldest, 42),
            (FirstEvent::Block(7), 42),
            (FirstEvent::Block(50), 50),
        ] {
            assert_eq!(next.first_event(configured), FirstEvent::Block(expected));
        }
    }
}
