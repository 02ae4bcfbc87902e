//! What a stream remembers of the blocks that it has read, to notice when the chain takes some of them back.
//!
//! The newest blocks are remembered one by one, older ones only where they held logs, and of those the newest few. That is
//! enough to say from where on a reorganisation removed logs, in memory and, by way of the cursor's text, after a restart.
//! When none of the remembered blocks is on the chain any more, all that was ever read counts as removed.

use std::collections::{HashMap, VecDeque};

use alloy::primitives::B256;
use photinus_ports::blockchain::Cursor;

use crate::pin::hex0x;

/// Blocks remembered in memory whether or not they held logs.
const RECENT: usize = 128;
/// Blocks with logs that a cursor tells of.
const WITH_LOGS: usize = 16;

/// The start of a block's hash: long enough that nobody finds a second one, short enough for every cursor to carry several.
type Print = [u8; 8];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    number: u64,
    print: Print,
    logs: bool,
}

/// The blocks that a stream has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trail {
    /// Where the stream began.
    origin: u64,
    /// The next block to read.
    next: u64,
    /// Hash of the last block that was read, when it is known.
    last: Option<B256>,
    /// Ascending.
    marks: VecDeque<Mark>,
}

/// Whether what was read is still on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Intact,
    /// The chain is shorter than what was read, and otherwise the same: wait.
    Behind,
    /// It is not: gather the chain's hashes of [`Trail::numbers`] and [rewind](Trail::rewind).
    Broken,
}

impl Trail {
    /// A stream that starts with block `origin`.
    pub(crate) fn begin(origin: u64) -> Self {
        Self { origin, next: origin, last: None, marks: VecDeque::new() }
    }

    /// A stream that goes on from a cursor. What the cursor does not tell is unknown; `origin` then stands for where
    /// the stream began.
    pub(crate) fn resume(cursor: &Cursor, origin: u64) -> Self {
        let mut words = cursor.block_hash.split(' ');
        let last: Option<B256> = words.next().and_then(|word| word.parse().ok());
        let mut trail = Self {
            origin: origin.min(cursor.block),
            next: cursor.block.saturating_add(1),
            last,
            marks: VecDeque::new(),
        };
        for word in words {
            if let Some(origin) = word.strip_prefix("from=").and_then(|number| number.parse().ok()) {
                trail.origin = origin;
            } else if let Some(mark) = parse_mark(word)
                && trail.marks.back().is_none_or(|last| last.number < mark.number)
                && mark.number < cursor.block
                && trail.marks.len() < WITH_LOGS
            {
                trail.marks.push_back(mark);
            }
        }
        if let Some(hash) = last {
            trail.marks.push_back(Mark { number: cursor.block, print: print(&hash), logs: true });
        }
        trail
    }

    /// The next block to read.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The last block that was read, as a cursor. Before the first block there is nothing to say, and block 0, which never
    /// holds a log, stands for that.
    pub(crate) fn cursor(&self) -> Cursor {
        let block = self.next.saturating_sub(1);
        let mut block_hash = self.last.map(hex0x).unwrap_or_default();
        block_hash.push_str(&format!(" from={}", self.origin));
        let with_logs: Vec<_> = self.marks.iter().filter(|mark| mark.logs && mark.number < block).collect();
        for mark in &with_logs[with_logs.len().saturating_sub(WITH_LOGS)..] {
            block_hash.push_str(&format!(" {}:{}", mark.number, hex::encode(mark.print)));
        }
        Cursor { block, block_hash }
    }

    /// Notes that all blocks up to `number` were read, that this one's hash is `hash`, and whether it held logs.
    pub(crate) fn read(&mut self, number: u64, hash: B256, logs: bool) {
        self.next = number.saturating_add(1);
        self.last = Some(hash);
        self.marks.push_back(Mark { number, print: print(&hash), logs });
        let mut with_logs = self.marks.iter().filter(|mark| mark.logs).count();
        let mut index = 0;
        while self.marks.len() > RECENT && index < self.marks.len() - RECENT {
            if self.marks[index].logs && with_logs <= WITH_LOGS {
                index += 1;
                continue;
            }
            with_logs -= usize::from(self.marks[index].logs);
            self.marks.remove(index);
        }
    }

    /// The last block that was read and is not above `tip`, whose hash on the chain decides the [verdict](Self::verdict).
    pub(crate) fn witness(&self, tip: u64) -> Option<u64> {
        self.marks.iter().rev().map(|mark| mark.number).find(|number| *number <= tip)
    }

    /// Compares with the chain: its tip, and its hash of the [witness](Self::witness) if there is one.
    pub(crate) fn verdict(&self, tip: u64, witness: Option<B256>) -> Verdict {
        let mark = self.marks.iter().rev().find(|mark| mark.number <= tip);
        match mark {
            Some(mark) if witness.is_none_or(|hash| print(&hash) != mark.print) => Verdict::Broken,
            _ if self.next.saturating_sub(1) > tip => Verdict::Behind,
            _ => Verdict::Intact,
        }
    }

    /// The blocks whose hashes on the chain [`Trail::rewind`] needs.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.marks.iter().map(|mark| mark.number)
    }

    /// Goes back to the last block that is still on the chain. Returns the first block whose logs are gone, if any were.
    pub(crate) fn rewind(&mut self, chain: &HashMap<u64, B256>) -> Option<u64> {
        let mut retracted = None;
        while let Some(mark) = self.marks.back() {
            if let Some(hash) = chain.get(&mark.number)
                && print(hash) == mark.print
            {
                self.next = mark.number + 1;
                self.last = Some(*hash);
                return retracted;
            }
            if mark.logs {
                retracted = Some(mark.number);
            }
            self.marks.pop_back();
        }
        let had_read = self.next > self.origin;
        self.next = self.origin;
        self.last = None;
        had_read.then_some(self.origin)
    }
}

fn print(hash: &B256) -> Print {
    let mut print = Print::default();
    print.copy_from_slice(&hash[..8]);
    print
}

fn parse_mark(word: &str) -> Option<Mark> {
    let (number, digits) = word.split_once(':')?;
    let mut print = Print::default();
    hex::decode_to_slice(digits, &mut print).ok()?;
    Some(Mark { number: number.parse().ok()?, print, logs: true })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chain::ring::tests::hash;

    fn chain(forks_at: u64, tip: u64) -> HashMap<u64, B256> {
        (0..=tip).map(|number| (number, hash(number, u8::from(number >= forks_at)))).collect()
    }

    /// A trail that has read blocks 0 to `last`, of which every `every`th held logs.
    fn trail(last: u64, every: u64) -> Trail {
        let mut trail = Trail::begin(0);
        for number in 0..=last {
            trail.read(number, hash(number, 0), number % every == 0);
        }
        trail
    }

    #[test]
    fn an_unchanged_chain_is_intact() {
        let trail = trail(10, 3);
        assert_eq!(trail.witness(20), Some(10));
        assert_eq!(trail.verdict(20, Some(hash(10, 0))), Verdict::Intact);
        assert_eq!(trail.verdict(8, Some(hash(8, 0))), Verdict::Behind);
        assert_eq!(trail.verdict(8, Some(hash(8, 1))), Verdict::Broken);
        assert_eq!(Trail::begin(5).verdict(3, None), Verdict::Behind);
        assert_eq!(Trail::begin(5).verdict(4, None), Verdict::Intact);
    }

    #[test]
    fn a_fork_takes_back_the_logs_above_it_only() {
        let mut forked = trail(10, 3);
        assert_eq!(forked.rewind(&chain(8, 12)), Some(9));
        assert_eq!(forked.next(), 8);
        let mut forked = trail(10, 3);
        assert_eq!(forked.rewind(&chain(10, 12)), None);
        assert_eq!(forked.next(), 10);
    }

    #[test]
    fn a_cursor_remembers_blocks_with_logs() {
        let cursor = trail(1_000, 10).cursor();
        assert!(cursor.block_hash.len() < 600, "{}", cursor.block_hash);
        let mut resumed = Trail::resume(&cursor, 0);
        assert_eq!(resumed.next(), 1_001);
        assert_eq!(resumed.verdict(1_000, Some(hash(1_000, 0))), Verdict::Intact);
        // Block 930 is the newest one with logs that is still there.
        assert_eq!(resumed.rewind(&chain(935, 1_100)), Some(940));
        assert_eq!(resumed.next(), 931);
    }

    #[test]
    fn another_chain_takes_back_everything() {
        let mut replaced = Trail::resume(&trail(1_000, 10).cursor(), 500);
        assert_eq!(replaced.verdict(3, None), Verdict::Behind);
        assert_eq!(replaced.rewind(&chain(0, 3)), Some(0));
        assert_eq!(replaced.next(), 0);
        let mut nothing = Trail::begin(7);
        assert_eq!(nothing.rewind(&HashMap::new()), None);
        assert_eq!(nothing.next(), 7);
    }

    #[test]
    fn a_cursor_without_a_hash_is_believed() {
        let resumed = Trail::resume(&Cursor { block: 7, block_hash: String::new() }, 3);
        assert_eq!(resumed.next(), 8);
        assert_eq!(resumed.witness(100), None);
        assert_eq!(resumed.verdict(100, None), Verdict::Intact);
    }

    proptest! {
        #[test]
        fn a_rewind_loses_and_repeats_nothing(last in 0..400_u64, every in 1..40_u64, fork in 0..400_u64, grown in 0..10_u64,
                                              restarted: bool) {
            let mut trail = trail(last, every);
            if restarted {
                trail = Trail::resume(&trail.cursor(), 0);
            }
            let tip = last.max(fork) + grown;
            let chain = chain(fork, tip);
            let witness = trail.witness(tip).and_then(|number| chain.get(&number).copied());
            match trail.verdict(tip, witness) {
                Verdict::Intact => prop_assert!(fork > last),
                Verdict::Behind => prop_assert!(false, "the chain is not shorter"),
                Verdict::Broken => {
                    prop_assert!(fork <= last);
                    let retracted = trail.rewind(&chain);
                    // Nothing that is still on the chain is read again if it held logs, unless it was taken back.
                    prop_assert!(trail.next() <= fork);
                    for number in trail.next()..=last {
                        if number % every == 0 {
                            prop_assert!(retracted.is_some_and(|from| from <= number));
                        }
                    }
                    // With a memory that reaches far enough, nothing is taken back that is still on the chain; the block of
                    // a cursor counts as one with logs.
                    if let Some(from) = retracted && fork > 0 && last - fork < 100 && every <= 4 && !restarted {
                        prop_assert!(from >= fork);
                    }
                }
            }
        }

        #[test]
        fn reading_a_cursor_never_panics(block: u64, text in "[0-9a-fx: =rom]{0,200}") {
            let trail = Trail::resume(&Cursor { block, block_hash: text }, 0);
            let _ = trail.cursor();
        }
    }
}
