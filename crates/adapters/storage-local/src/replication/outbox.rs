//! What waits to be told to one peer.

use std::collections::{HashSet, VecDeque};

use photinus_ports::content::Reference;

/// A bounded queue in which each content is at most once. Full, it drops its oldest: the peer can pull what it was not told.
#[derive(Debug)]
pub(crate) struct Queue {
    order: VecDeque<Reference>,
    inside: HashSet<Reference>,
    capacity: usize,
    dropped: u64,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { order: VecDeque::new(), inside: HashSet::new(), capacity: capacity.max(1), dropped: 0 }
    }

    pub(crate) fn push(&mut self, reference: Reference) {
        if !self.inside.insert(reference.clone()) {
            return;
        }
        self.order.push_back(reference);
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.inside.remove(&oldest);
                self.dropped += 1;
            }
        }
    }

    /// The oldest ones, at most `count`.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Reference> {
        let taken: Vec<_> = self.order.drain(..count.min(self.order.len())).collect();
        for reference in &taken {
            self.inside.remove(reference);
        }
        taken
    }

    /// Puts one back that could not be told, where it came from. A full queue has no room for it.
    pub(crate) fn put_back(&mut self, reference: Reference) {
        if self.order.len() == self.capacity {
            self.dropped += 1;
        } else if self.inside.insert(reference.clone()) {
            self.order.push_front(reference);
        }
    }

    /// How many were dropped.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use photinus_model::cid;

    use super::*;

    fn reference(n: u8) -> Reference {
        Reference::parse(&cid::of(&[n])).unwrap()
    }

    #[test]
    fn keeps_the_newest_once() {
        let mut queue = Queue::new(3);
        for n in [1, 2, 2, 1, 3, 4] {
            queue.push(reference(n));
        }
        assert_eq!(queue.dropped(), 1);
        assert_eq!(queue.take(2), [reference(2), reference(3)]);
        queue.put_back(reference(3));
        queue.put_back(reference(2));
        assert_eq!(queue.take(9), [reference(2), reference(3), reference(4)]);
        assert!(queue.take(9).is_empty());
    }

    #[test]
    fn does_not_grow_by_what_is_put_back() {
        let mut queue = Queue::new(1);
        queue.push(reference(1));
        queue.put_back(reference(2));
        assert_eq!((queue.take(9), queue.dropped()), (vec![reference(1)], 1));
    }
}
