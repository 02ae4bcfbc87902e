//! Rows by their type.

use std::sync::Arc;

use photinus_model::Hash;

use super::key;
use super::row::{
    Ballot, Batch, ClaimState, Holder, IdentityState, LaneState, MessageState, Meta, Named, Pinned, Row, SignerState,
    SlotState, Stored, VerificationState,
};
use super::{Key, Rows, Stop};
use crate::explain::Standing;
use crate::facts::content::Group;
use crate::facts::{BatchKey, MessageKey, Place, Pos};
use crate::text::{Did, Signer};
use crate::work::Work;

/// Reads the row under a key, which must be of the kind that its table holds.
macro_rules! read {
    ($rows:expr, $key:expr, $kind:ident) => {
        match $rows.get(&$key)? {
            None => Ok(None),
            Some(Row::$kind(row)) => Ok(Some(row.clone())),
            Some(_) => Err(Stop::inconsistent("a row of another table")),
        }
    };
}

impl Rows {
    pub(crate) fn meta(&mut self) -> Result<Meta, Stop> {
        let meta: Result<Option<Meta>, Stop> = read!(self, key::meta(), Meta);
        Ok(meta?.unwrap_or_default())
    }

    pub(crate) fn event(&mut self, pos: Pos) -> Result<Option<Pinned>, Stop> {
        read!(self, key::event(pos), Event)
    }

    pub(crate) fn content(&mut self, batch: &BatchKey) -> Result<Option<Arc<Stored>>, Stop> {
        read!(self, key::content(batch), Content)
    }

    pub(crate) fn batch(&mut self, batch: &BatchKey) -> Result<Option<Batch>, Stop> {
        read!(self, key::batch(batch), Batch)
    }

    pub(crate) fn message(&mut self, message: &MessageKey) -> Result<Option<MessageState>, Stop> {
        read!(self, key::message(message), Message)
    }

    pub(crate) fn signer(&mut self, signer: &Signer) -> Result<SignerState, Stop> {
        let state: Result<Option<SignerState>, Stop> = read!(self, key::signer(signer.as_str()), Signer);
        Ok(state?.unwrap_or_default())
    }

    pub(crate) fn identity(&mut self, did: &Did) -> Result<Option<Arc<IdentityState>>, Stop> {
        read!(self, key::identity(did.as_str()), Identity)
    }

    pub(crate) fn claim(&mut self, key: &[u8]) -> Result<Option<Arc<ClaimState>>, Stop> {
        read!(self, key, Claim)
    }

    pub(crate) fn verification(&mut self, key: &[u8]) -> Result<Option<Arc<VerificationState>>, Stop> {
        read!(self, key, Verification)
    }

    pub(crate) fn named(&mut self, key: &[u8]) -> Result<Option<Named>, Stop> {
        read!(self, key, Named)
    }

    pub(crate) fn holder(&mut self, key: &[u8]) -> Result<Option<Holder>, Stop> {
        read!(self, key, Holder)
    }

    pub(crate) fn slot(&mut self, value: &Hash) -> Result<Option<SlotState>, Stop> {
        read!(self, key::slot(value), Slot)
    }

    pub(crate) fn lane(&mut self, id: &Hash) -> Result<Option<Arc<LaneState>>, Stop> {
        read!(self, key::lane(id), Lane)
    }

    pub(crate) fn group(&mut self, hash: &Hash) -> Result<Option<Arc<Group>>, Stop> {
        read!(self, key::group(hash), Group)
    }

    pub(crate) fn ballot(&mut self, pos: Pos) -> Result<Option<Ballot>, Stop> {
        read!(self, key::ballot(pos), Ballot)
    }

    pub(crate) fn end(&mut self, contract: u32) -> Result<Option<Pos>, Stop> {
        read!(self, key::contract(contract), End)
    }

    pub(crate) fn work(&mut self, number: u32) -> Result<Option<Work>, Stop> {
        read!(self, key::work(number), Work)
    }

    /// Whether there is a row under the key.
    pub(crate) fn has(&mut self, key: &[u8]) -> Result<bool, Stop> {
        Ok(self.get(key)?.is_some())
    }

    /// The place of the lowest row of a range whose keys end with one.
    pub(crate) fn first_place(&mut self, range: &(Key, Key)) -> Result<Option<Place>, Stop> {
        Ok(self.first(&range.0, &range.1)?.as_deref().and_then(key::trailing_place))
    }

    /// The position of the lowest row of a range whose keys end with one.
    pub(crate) fn first_pos(&mut self, range: &(Key, Key)) -> Result<Option<Pos>, Stop> {
        Ok(self.first(&range.0, &range.1)?.as_deref().and_then(key::trailing_pos))
    }

    /// Whether the content of a batch is here, and whether an event names it.
    pub(crate) fn standing(&mut self, batch: &BatchKey) -> Result<Standing, Stop> {
        let (namings, deliveries) = (key::namings(batch), key::deliveries(batch));
        self.require([key::batch(batch), key::content(batch)], [namings.clone(), deliveries.clone()])?;
        let pinned = self.first_pos(&namings)?.is_some() || self.first_pos(&deliveries)?.is_some();
        Ok(Standing { known: self.content(batch)?.is_some(), pinned })
    }
}
