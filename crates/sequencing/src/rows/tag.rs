//! The tables that rows belong to: the first byte of each key.

/// The tables. The numbers are persisted: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    Meta = 1,
    Event = 2,
    Content = 3,
    Batch = 4,
    /// (batch, position) of open events whose content is missing.
    Naming = 5,
    Message = 6,
    /// (message, place) of anchors above the lowest one.
    Copy = 7,
    /// (context, 0, place) of open values, then (context, 1, place) of those who wait for values below them.
    Open = 8,
    /// Positions of open events without content.
    Unknown = 9,
    Signer = 10,
    /// (signer, place) of open events without content and of claims not decided.
    History = 11,
    Unverified = 12,
    Identity = 13,
    IdentityId = 14,
    Peer = 15,
    Claim = 16,
    Verification = 17,
    Datatype = 18,
    Interface = 19,
    InterfaceId = 20,
    InterfaceOpen = 21,
    Api = 22,
    Pool = 23,
    Blob = 24,
    Token = 25,
    ActivePool = 26,
    Wait = 27,
    Work = 28,
    Contract = 29,
    Action = 30,
    /// (value, 0) of the slot that has a masked value, then (value, 1, place) of the claims on it.
    Masked = 31,
    Lane = 32,
    /// (group, topic) pairs whose lanes are known.
    Lanes = 33,
    Group = 34,
    /// (batch, position) of all masked events.
    Delivery = 35,
    /// Position of a vote to release an event.
    Ballot = 36,
    /// (position of an event, DID) of those whose vote to release it counts.
    Tally = 37,
    /// (batch, position) of events that were given up.
    Released = 38,
}

impl Table {
    const ALL: [Self; 38] = [
        Self::Meta,
        Self::Event,
        Self::Content,
        Self::Batch,
        Self::Naming,
        Self::Message,
        Self::Copy,
        Self::Open,
        Self::Unknown,
        Self::Signer,
        Self::History,
        Self::Unverified,
        Self::Identity,
        Self::IdentityId,
        Self::Peer,
        Self::Claim,
        Self::Verification,
        Self::Datatype,
        Self::Interface,
        Self::InterfaceId,
        Self::InterfaceOpen,
        Self::Api,
        Self::Pool,
        Self::Blob,
        Self::Token,
        Self::ActivePool,
        Self::Wait,
        Self::Work,
        Self::Contract,
        Self::Action,
        Self::Masked,
        Self::Lane,
        Self::Lanes,
        Self::Group,
        Self::Delivery,
        Self::Ballot,
        Self::Tally,
        Self::Released,
    ];

    /// The table that a key belongs to.
    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        let tag = *key.first()?;
        Self::ALL.into_iter().find(|table| *table as u8 == tag)
    }
}

/// Whether rows of the table that a key belongs to are looked for by ranges of keys. The others are only ever got by their keys.
pub(crate) const fn is_scanned(key: &[u8]) -> bool {
    const GOT: [Table; 17] = [
        Table::Meta,
        Table::Content,
        Table::Batch,
        Table::Message,
        Table::Signer,
        Table::Peer,
        Table::Datatype,
        Table::Interface,
        Table::Api,
        Table::Pool,
        Table::Blob,
        Table::Token,
        Table::ActivePool,
        Table::Contract,
        Table::Lane,
        Table::Lanes,
        Table::Group,
    ];
    const SCANNED: [bool; 256] = {
        let mut scanned = [true; 256];
        let mut index = 0;
        while index < GOT.len() {
            scanned[GOT[index] as usize] = false;
            index += 1;
        }
        scanned
    };
    match key.first() {
        Some(table) => SCANNED[*table as usize],
        None => true,
    }
}

/// Parts a key of a table that is only looked through for one thing at a time: that thing with the tag, and what follows.
pub(crate) fn shard_of(key: &[u8]) -> Option<(&[u8], &[u8])> {
    const HASH: usize = 1 + 32;
    const ID: usize = HASH + 16;
    const LENGTH: [usize; 256] = {
        let mut length = [0; 256];
        length[Table::Open as usize] = HASH;
        length[Table::Masked as usize] = HASH;
        length[Table::Naming as usize] = ID;
        length[Table::Delivery as usize] = ID;
        length[Table::Copy as usize] = ID;
        length
    };
    match LENGTH[usize::from(*key.first()?)] {
        0 => None,
        length => key.split_at_checked(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_own_tag() {
        for (i, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table as usize, i + 1);
            assert_eq!(Table::of(&[table as u8]), Some(table));
        }
        assert!(Table::of(&[0]).is_none() && Table::of(&[]).is_none());
    }
}
