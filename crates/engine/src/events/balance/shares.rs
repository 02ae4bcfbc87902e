//! Who of several connections gets which event. Pure.
//!
//! The events of a topic stay with one connection while any of them is in flight there, so that they are worked on in their
//! order. A topic of which nothing is in flight goes to whoever has least to do. When a connection leaves, what it had goes to
//! the others, in order.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// The shares of all connections.
#[derive(Debug)]
pub(super) struct Shares<T> {
    /// Events in flight to one connection at most.
    most: usize,
    members: BTreeMap<u64, Share<T>>,
    /// Which connection has a topic, and how many events of it.
    topics: HashMap<String, (u64, usize)>,
    /// Events that nobody is there for.
    homeless: VecDeque<Item<T>>,
}

#[derive(Debug)]
struct Share<T> {
    in_flight: BTreeMap<i64, Item<T>>,
    waiting: VecDeque<Item<T>>,
}

#[derive(Debug)]
struct Item<T> {
    sequence: i64,
    topic: String,
    what: T,
}

impl<T> Share<T> {
    fn load(&self) -> usize {
        self.in_flight.len() + self.waiting.len()
    }
}

impl<T: Clone> Shares<T> {
    /// No connections, each of which may have `most` events in flight.
    pub(super) fn new(most: usize) -> Self {
        let (members, topics, homeless) = (BTreeMap::new(), HashMap::new(), VecDeque::new());
        Self { most: most.max(1), members, topics, homeless }
    }

    /// Which connections take part now.
    pub(super) fn set_members(&mut self, members: &[u64]) {
        let gone: Vec<u64> = self.members.keys().copied().filter(|member| !members.contains(member)).collect();
        for member in members {
            let empty = || Share { in_flight: BTreeMap::new(), waiting: VecDeque::new() };
            self.members.entry(*member).or_insert_with(empty);
        }
        for member in gone {
            let Some(share) = self.members.remove(&member) else { continue };
            self.topics.retain(|_, (owner, _)| *owner != member);
            share.in_flight.into_values().chain(share.waiting).for_each(|item| self.place(item));
        }
        if !self.members.is_empty() {
            std::mem::take(&mut self.homeless).into_iter().for_each(|item| self.place(item));
        }
    }

    /// An event that comes behind all others.
    pub(super) fn push(&mut self, sequence: i64, topic: &str, what: T) {
        self.place(Item { sequence, topic: topic.to_owned(), what });
    }

    fn place(&mut self, item: Item<T>) {
        let idle = || self.members.iter().min_by_key(|(_, share)| share.load()).map(|(member, _)| *member);
        let Some(member) = self.topics.get(&item.topic).map(|(member, _)| *member).or_else(idle) else {
            self.homeless.push_back(item);
            return;
        };
        let owned = self.topics.entry(item.topic.clone()).or_insert((member, 0));
        owned.1 += 1;
        if let Some(share) = self.members.get_mut(&member) {
            share.waiting.push_back(item);
        }
    }

    /// What to send now, and to whom.
    pub(super) fn send(&mut self) -> Vec<(u64, T)> {
        let mut sent = Vec::new();
        for (member, share) in &mut self.members {
            while share.in_flight.len() < self.most
                && let Some(item) = share.waiting.pop_front()
            {
                sent.push((*member, item.what.clone()));
                share.in_flight.insert(item.sequence, item);
            }
        }
        sent
    }

    /// An event is done. Gives it, if it was in flight.
    pub(super) fn done(&mut self, sequence: i64) -> Option<T> {
        let item = self.members.values_mut().find_map(|share| share.in_flight.remove(&sequence))?;
        if let Some((_, count)) = self.topics.get_mut(&item.topic) {
            *count -= 1;
            if *count == 0 {
                self.topics.remove(&item.topic);
            }
        }
        Some(item.what)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn topics_stay_where_they_are_in_flight() {
        let mut shares = Shares::new(2);
        shares.set_members(&[1, 2]);
        for (sequence, topic) in [(1, "a"), (2, "b"), (3, "a"), (4, "a")] {
            shares.push(sequence, topic, sequence);
        }
        assert_eq!(shares.send(), [(1, 1), (1, 3), (2, 2)], "one has no more than two");
        assert_eq!(shares.done(3), Some(3));
        assert_eq!(shares.send(), [(1, 4)]);
        assert_eq!(shares.done(3), None, "twice");
    }

    #[test]
    fn what_a_leaving_one_had_goes_to_the_others_in_order() {
        let mut shares = Shares::new(2);
        shares.set_members(&[1]);
        for sequence in 1..=3 {
            shares.push(sequence, "a", sequence);
        }
        assert_eq!(shares.send(), [(1, 1), (1, 2)]);
        shares.set_members(&[]);
        assert!(shares.send().is_empty());
        shares.set_members(&[2, 3]);
        assert_eq!(shares.send(), [(2, 1), (2, 2)]);
        shares.done(1);
        assert_eq!(shares.send(), [(2, 3)]);
    }

    proptest! {
        /// However connections come and go: each event is done, and those of a topic are first sent in their order, never while an
        /// earlier one is in flight elsewhere.
        #[test]
        fn order_is_kept_per_topic(
            topics in proptest::collection::vec(0_u8..4, 1..60),
            moves in proptest::collection::vec((0_u8..4, any::<u16>()), 0..120),
        ) {
            let mut shares = Shares::new(3);
            let mut members = vec![0_u64];
            shares.set_members(&members);
            let mut upcoming = (1_i64..).zip(&topics);
            let mut held: BTreeMap<i64, u64> = BTreeMap::new();
            let mut done = 0;
            let topic_of = |sequence: i64| topics[usize::try_from(sequence - 1).unwrap()];
            let mut moves = moves.into_iter();
            while done < topics.len() {
                let (what, which) = moves.next().unwrap_or((0, 0));
                match what {
                    1 => { members.push(members.iter().max().unwrap() + 1); shares.set_members(&members); }
                    2 if members.len() > 1 => {
                        let gone = members.remove(usize::from(which) % members.len());
                        held.retain(|_, holder| *holder != gone);
                        shares.set_members(&members);
                    }
                    _ => {}
                }
                if let Some((sequence, topic)) = upcoming.next() {
                    shares.push(sequence, &topic.to_string(), sequence);
                }
                for (member, sequence) in shares.send() {
                    let topic = topic_of(sequence);
                    let elsewhere = held.iter().any(|(other, holder)| topic_of(*other) == topic && *holder != member);
                    prop_assert!(!elsewhere, "{} of a topic that is in flight elsewhere", sequence);
                    let later = held.keys().any(|other| topic_of(*other) == topic && *other > sequence);
                    prop_assert!(!later, "{} behind a later one", sequence);
                    held.insert(sequence, member);
                }
                let oldest = held.keys().nth(usize::from(which) % held.len().max(1)).copied();
                if let Some(sequence) = oldest {
                    held.remove(&sequence);
                    prop_assert_eq!(shares.done(sequence), Some(sequence));
                    done += 1;
                }
            }
        }
    }
}
