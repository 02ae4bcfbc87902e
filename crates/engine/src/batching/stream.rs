//! What the messages of one processor have in common.

use std::fmt;

use photinus_model::{
    Hash,
    batch::Batch,
    message::{Header, TxType},
};

/// Messages that are batched together and sent one batch after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stream {
    /// DID of the author.
    pub(crate) author: String,
    /// The group that they are for; none is everybody.
    pub(crate) group: Option<Hash>,
    /// Whether they go to the ledger.
    pub(crate) pinned: bool,
}

impl Stream {
    /// The stream of a message.
    pub(super) fn of(header: &Header) -> Self {
        let pinned = header.tx_type != TxType::Unpinned;
        Self { author: header.author.clone(), group: header.group, pinned }
    }

    /// The stream of a batch.
    pub(super) fn of_batch(batch: &Batch) -> Self {
        let pinned = batch.payload.tx.kind != TxType::Unpinned;
        Self { author: batch.author.clone(), group: batch.group, pinned }
    }

    /// What its batches are for, as applications see it.
    pub(super) fn dispatcher(&self) -> &'static str {
        match (self.group, self.pinned) {
            (None, _) => "pinned_broadcast",
            (Some(_), true) => "pinned_private",
            (Some(_), false) => "unpinned_private",
        }
    }
}

impl fmt::Display for Stream {
    /// `<author>|<group>`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|", self.author)?;
        self.group.map_or(Ok(()), |group| write!(f, "{group}"))
    }
}
