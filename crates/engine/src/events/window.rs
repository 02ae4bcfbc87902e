//! What is on its way to a subscriber, and how far it was acknowledged. Pure.
//!
//! Events are known by their sequence. Up to the offset everything is done; above it are events in flight, events that were
//! acknowledged out of order, and events that the filter passed over.

use std::collections::BTreeMap;

/// The window of one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Everything up to this sequence is done.
    offset: i64,
    /// Everything up to this sequence was looked at.
    seen: i64,
    /// Sequences above the offset that were sent, and whether they were acknowledged.
    sent: BTreeMap<i64, bool>,
    /// Events in flight at most.
    size: usize,
    in_flight: usize,
}

impl Window {
    /// A window behind this offset, with at most `size` events in flight.
    pub(super) fn new(offset: i64, size: usize) -> Self {
        Self { offset, seen: offset, sent: BTreeMap::new(), size: size.max(1), in_flight: 0 }
    }

    /// How many more events may be sent.
    pub(super) fn room(&self) -> usize {
        self.size.saturating_sub(self.in_flight)
    }

    /// Everything up to here is done; a restart resumes behind it.
    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    /// Whether nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0
    }

    /// An event that is sent now.
    pub(super) fn send(&mut self, sequence: i64) {
        self.seen = self.seen.max(sequence);
        if self.sent.insert(sequence, false).is_none() {
            self.in_flight += 1;
        }
    }

    /// An event that the filter passed over.
    pub(super) fn pass(&mut self, sequence: i64) {
        self.seen = self.seen.max(sequence);
        self.advance();
    }

    /// An event that the subscriber is done with. `false` when it is not in flight.
    pub(super) fn ack(&mut self, sequence: i64) -> bool {
        match self.sent.get_mut(&sequence) {
            Some(acknowledged) if !*acknowledged => {
                *acknowledged = true;
                self.in_flight -= 1;
                self.advance();
                true
            }
            _ => false,
        }
    }

    fn advance(&mut self) {
        while let Some(first) = self.sent.first_entry() {
            if !*first.get() {
                // Everything below the lowest event in flight is done.
                self.offset = self.offset.max(*first.key() - 1);
                return;
            }
            self.offset = self.offset.max(*first.key());
            first.remove();
        }
        self.offset = self.offset.max(self.seen);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_offset_never_passes_what_is_in_flight() {
        let mut window = Window::new(10, 2);
        window.pass(11);
        assert_eq!(window.offset(), 11);
        window.send(12);
        window.pass(13);
        window.send(14);
        assert_eq!((window.room(), window.offset()), (0, 11));
        assert!(window.ack(14));
        assert_eq!((window.room(), window.offset()), (1, 11));
        assert!(!window.ack(14), "twice");
        assert!(window.ack(12));
        assert_eq!((window.offset(), window.is_idle()), (14, true));
        assert!(!window.ack(12), "done");
    }

    proptest! {
        #[test]
        fn every_order_of_acknowledgements_ends_at_the_same_offset(
            passes in proptest::collection::vec(any::<bool>(), 1..40),
            order in any::<u64>(),
        ) {
            let mut window = Window::new(0, usize::MAX);
            let mut sent = Vec::new();
            for (sequence, pass) in (1..).zip(&passes) {
                if *pass { window.pass(sequence) } else { window.send(sequence); sent.push(sequence) }
            }
            // Any order: a simple shuffle from the seed.
            let mut seed = order;
            while !sent.is_empty() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let next = sent.swap_remove(usize::try_from(seed >> 33).unwrap() % sent.len());
                prop_assert!(window.ack(next));
                let lowest = sent.iter().min().copied();
                prop_assert!(lowest.is_none_or(|lowest| window.offset() < lowest));
            }
            prop_assert_eq!(window.offset(), i64::try_from(passes.len()).unwrap());
        }
    }
}
