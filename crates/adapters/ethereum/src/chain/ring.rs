//! The newest blocks of the chain, each the parent of the next.
//!
//! A plain data structure: blocks are put in, and it says whether they fit. Whoever drives it fetches what is missing.

use std::collections::VecDeque;

use alloy::primitives::B256;

use crate::rpc::Header;

/// How a block relates to the blocks that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is one of them.
    Known,
    /// Its parent is one of them.
    Follows,
    /// Its parent is not known.
    Detached,
}

/// What became of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Blocks were added on top.
    Grown,
    /// Blocks from this number on were replaced or removed.
    Forked(u64),
}

/// The newest blocks, linked without gaps.
#[derive(Debug)]
pub(crate) struct Ring {
    blocks: VecDeque<Header>,
    capacity: usize,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { blocks: VecDeque::with_capacity(capacity), capacity: capacity.max(1) }
    }

    pub(crate) fn tip(&self) -> Option<&Header> {
        self.blocks.back()
    }

    /// Number of the oldest block that is known.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.blocks.front().map(|header| header.number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Header> {
        let index = number.checked_sub(self.oldest()?)?;
        self.blocks.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn holds(&self, number: u64, hash: B256) -> bool {
        self.get(number).is_some_and(|header| header.hash == hash)
    }

    /// The blocks from one number to another, as far as they are known.
    pub(crate) fn range(&self, from: u64, to: u64) -> impl Iterator<Item = &Header> {
        (from..=to).map_while(|number| self.get(number))
    }

    pub(crate) fn fit(&self, header: &Header) -> Fit {
        if self.holds(header.number, header.hash) {
            Fit::Known
        } else if header.number.checked_sub(1).is_some_and(|parent| self.holds(parent, header.parent_hash)) {
            Fit::Follows
        } else {
            Fit::Detached
        }
    }

    /// Adds blocks of which the first [follows](Fit::Follows) and each other one is the child of the one before it.
    /// Blocks that they compete with are forgotten. Blocks that do not link are not added.
    pub(crate) fn add(&mut self, blocks: impl IntoIterator<Item = Header>) -> Change {
        let mut change = Change::Grown;
        for header in blocks {
            if self.fit(&header) != Fit::Follows {
                break;
            }
            if let Some(forked) = self.cut_back(header.number) {
                change = Change::Forked(forked);
            }
            self.push(header);
        }
        change
    }

    /// Forgets everything and starts from one block. For a first block, and for one so far away that the way to it is not
    /// worth fetching.
    pub(crate) fn restart(&mut self, header: Header) {
        self.blocks.clear();
        self.push(header);
    }

    /// Forgets the blocks above `number`, which the chain no longer has.
    pub(crate) fn roll_back(&mut self, number: u64) -> Option<Change> {
        self.cut_back(number.saturating_add(1)).map(Change::Forked)
    }

    fn push(&mut self, header: Header) {
        if self.blocks.len() == self.capacity {
            self.blocks.pop_front();
        }
        self.blocks.push_back(header);
    }

    /// Removes the blocks from `number` on; the number of the first one when there were any.
    fn cut_back(&mut self, number: u64) -> Option<u64> {
        let before = self.blocks.len();
        while self.blocks.back().is_some_and(|header| header.number >= number) {
            self.blocks.pop_back();
        }
        (self.blocks.len() < before).then_some(number)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Block `number` of the branch called `branch`, whose parent is on the branch called `parent`.
    pub(crate) fn block(number: u64, branch: u8, parent: u8) -> Header {
        Header {
            number,
            hash: hash(number, branch),
            parent_hash: number.checked_sub(1).map_or(B256::ZERO, |below| hash(below, parent)),
            timestamp: number,
            base_fee_per_gas: None,
            gas_limit: 30_000_000,
        }
    }

    pub(crate) fn hash(number: u64, branch: u8) -> B256 {
        let mut bytes = [branch; 32];
        bytes[1..8].copy_from_slice(&number.to_be_bytes()[1..]);
        bytes.into()
    }

    fn ring(to: u64, capacity: usize) -> Ring {
        let mut ring = Ring::new(capacity);
        ring.restart(block(0, 0, 0));
        assert_eq!(ring.add((1..=to).map(|number| block(number, 0, 0))), Change::Grown);
        ring
    }

    #[test]
    fn tells_how_a_block_fits() {
        let ring = ring(5, 10);
        assert_eq!(ring.fit(&block(3, 0, 0)), Fit::Known);
        assert_eq!(ring.fit(&block(6, 0, 0)), Fit::Follows);
        assert_eq!(ring.fit(&block(4, 1, 0)), Fit::Follows);
        assert_eq!(ring.fit(&block(7, 0, 0)), Fit::Detached);
        assert_eq!(ring.fit(&block(4, 1, 1)), Fit::Detached);
        assert_eq!(ring.fit(&block(0, 1, 1)), Fit::Detached);
    }

    #[test]
    fn a_competing_branch_replaces_blocks() {
        let mut ring = ring(5, 10);
        assert_eq!(ring.add([block(4, 1, 0), block(5, 1, 1), block(6, 1, 1)]), Change::Forked(4));
        assert!(ring.holds(3, hash(3, 0)) && ring.holds(4, hash(4, 1)) && ring.holds(6, hash(6, 1)));
        assert_eq!(ring.tip().unwrap().number, 6);
    }

    #[test]
    fn rolls_back_and_keeps_its_capacity() {
        let mut ring = ring(9, 4);
        assert_eq!(ring.oldest(), Some(6));
        assert_eq!(ring.range(0, 20).count(), 0);
        assert_eq!(ring.range(7, 20).map(|header| header.number).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(ring.roll_back(9), None);
        assert_eq!(ring.roll_back(7), Some(Change::Forked(8)));
        assert_eq!(ring.tip().unwrap().number, 7);
    }

    proptest! {
        #[test]
        fn blocks_are_always_linked(steps in prop::collection::vec((0..20_u64, 0..3_u8, 0..3_u8), 0..200)) {
            let mut ring = ring(3, 8);
            for (number, branch, parent) in steps {
                let header = block(number, branch, parent);
                match ring.fit(&header) {
                    Fit::Known => {}
                    Fit::Follows => { ring.add([header]); }
                    Fit::Detached => {
                        let before = *ring.tip().unwrap();
                        prop_assert_eq!(ring.add([header]), Change::Grown);
                        prop_assert_eq!(*ring.tip().unwrap(), before);
                    }
                }
                let blocks: Vec<_> = ring.blocks.iter().collect();
                prop_assert!(blocks.len() <= 8);
                for pair in blocks.windows(2) {
                    prop_assert_eq!(pair[1].parent_hash, pair[0].hash);
                    prop_assert_eq!(pair[1].number, pair[0].number + 1);
                }
            }
        }
    }
}
