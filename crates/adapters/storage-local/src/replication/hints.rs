//! Who said to have which content. Only a hint: it decides who is asked first.

use std::collections::{HashMap, VecDeque};

use photinus_ports::peers::PeerId;

use photinus_ports::content::Reference;

/// Contents that are remembered.
const CONTENTS: usize = 4096;
/// Peers that are remembered per content.
const PEERS: usize = 8;

/// The newest announcements.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    peers: HashMap<Reference, Vec<PeerId>>,
    order: VecDeque<Reference>,
}

impl Hints {
    pub(crate) fn add(&mut self, reference: &Reference, peer: &PeerId) {
        let peers = self.peers.entry(reference.clone()).or_insert_with(|| {
            self.order.push_back(reference.clone());
            Vec::new()
        });
        if peers.len() < PEERS && !peers.contains(peer) {
            peers.push(peer.clone());
        }
        while self.order.len() > CONTENTS {
            if let Some(oldest) = self.order.pop_front() {
                self.peers.remove(&oldest);
            }
        }
    }

    /// Whether this peer said to have it.
    pub(crate) fn has(&self, reference: &Reference, peer: &PeerId) -> bool {
        self.peers.get(reference).is_some_and(|peers| peers.contains(peer))
    }
}

#[cfg(test)]
mod tests {
    use photinus_model::cid;

    use super::*;

    #[test]
    fn is_bounded() {
        let mut hints = Hints::default();
        let reference = |n: usize| Reference::parse(&cid::of(n.to_string().as_bytes())).unwrap();
        let peer = |n: usize| PeerId(n.to_string());
        for n in 0..100 {
            hints.add(&reference(0), &peer(n));
        }
        assert!(hints.has(&reference(0), &peer(7)) && !hints.has(&reference(0), &peer(8)));
        for n in 1..=CONTENTS {
            hints.add(&reference(n), &peer(0));
        }
        assert!(!hints.has(&reference(0), &peer(7)), "the oldest is forgotten");
        assert_eq!((hints.peers.len(), hints.order.len()), (CONTENTS, CONTENTS));
    }
}
