//! Where one batch ends and the next begins. Pure rules.

use photinus_model::transaction;

use crate::options::Batching;

/// Bytes of a batch beside its messages, their data, its author and its key: ids, hash, times, names and brackets.
const FRAME: usize = 704;

/// What readers allow beyond the payload limit before they refuse a batch. They refuse at the limit, not above it.
const TOLERANCE: usize = 1024;

/// What a message weighs in a batch, and what it may share a batch with.
pub(crate) trait Entry {
    /// Signing key.
    fn key(&self) -> &str;
    /// Transaction type.
    fn tx_type(&self) -> &transaction::Type;
    /// Bytes of the message and its data as they go on the wire, with a comma each.
    fn size(&self) -> usize;
}

/// The bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most messages.
    pub(crate) messages: usize,
    /// Most bytes as serialised.
    pub(crate) bytes: usize,
}

impl Bounds {
    /// The bounds that a namespace's options set.
    pub(crate) fn new(options: &Batching) -> Self {
        Self { messages: options.size.max(1), bytes: options.payload_limit + TOLERANCE - 1 }
    }

    /// Bytes that are left for messages and data in a batch of this author and key.
    pub(crate) fn room(&self, author: &str, key: &str) -> usize {
        // Each byte of a name may be escaped to six.
        self.bytes.saturating_sub(FRAME + escaped(author) + escaped(key))
    }

    /// How many of the waiting messages, from the front, make the next batch; and whether it ends there because it is full
    /// or the next message cannot join it, so that waiting for more would not make it bigger.
    pub(crate) fn cut<'a, E: Entry + 'a>(&self, author: &str, waiting: impl IntoIterator<Item = &'a E>) -> Cut {
        let mut growing = Growing::default();
        self.grow(author, waiting, &mut growing);
        growing.cut
    }

    /// The same for a cut that was made before, where nothing has changed but that more may wait behind.
    pub(crate) fn grow<'a, E: Entry + 'a>(
        &self,
        author: &str,
        waiting: impl IntoIterator<Item = &'a E>,
        growing: &mut Growing,
    ) {
        let Growing { cut: Cut { messages, closed }, bytes, room } = growing;
        let mut waiting = waiting.into_iter();
        let Some(first) = waiting.next().filter(|_| !*closed) else { return };
        if *messages == 0 {
            (*messages, *bytes, *room) = (1, first.size(), self.room(author, first.key()));
            *closed = *first.tx_type() == transaction::Type::ContractInvokePin;
        }
        for entry in waiting.skip(*messages - 1) {
            let joins = !*closed
                && *messages < self.messages
                && entry.key() == first.key()
                && entry.tx_type() == first.tx_type()
                && bytes.saturating_add(entry.size()) <= *room;
            if !joins {
                *closed = true;
                return;
            }
            *messages += 1;
            *bytes += entry.size();
        }
        *closed |= *messages >= self.messages || *bytes >= *room;
    }
}

/// A cut that may grow.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    pub(crate) cut: Cut,
    bytes: usize,
    room: usize,
}

fn escaped(text: &str) -> usize {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'/' | b'.' | b'_' | b'-' | b' ' | b'=' | b',') {
                1
            } else {
                6
            }
        })
        .sum()
}

/// The front of a queue that becomes a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Number of messages.
    pub(crate) messages: usize,
    /// Whether no further message could join.
    pub(crate) closed: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    struct Waiting(&'static str, transaction::Type, usize);

    impl Entry for Waiting {
        fn key(&self) -> &str {
            self.0
        }
        fn tx_type(&self) -> &transaction::Type {
            &self.1
        }
        fn size(&self) -> usize {
            self.2
        }
    }

    const BOUNDS: Bounds = Bounds { messages: 5, bytes: 2_000 };

    fn entries() -> impl Strategy<Value = Vec<Waiting>> {
        let entry = (
            prop_oneof![Just("k1"), Just("k2")],
            prop_oneof![9 => Just(transaction::Type::BatchPin), 1 => Just(transaction::Type::ContractInvokePin)],
            1usize..900,
        );
        prop::collection::vec(entry.prop_map(|(key, tx, size)| Waiting(key, tx, size)), 0..40)
    }

    proptest! {
        #[test]
        fn a_cut_that_grows_is_that_of_all(queue in entries(), steps in prop::collection::vec(0usize..5, 0..20)) {
            let mut growing = Growing::default();
            let mut seen = 0;
            for step in steps {
                seen = queue.len().min(seen + step);
                BOUNDS.grow("did:firefly:org/a", &queue[..seen], &mut growing);
                prop_assert_eq!(growing.cut, BOUNDS.cut("did:firefly:org/a", &queue[..seen]));
            }
        }

        #[test]
        fn cuts_are_uniform_bounded_greedy_and_lose_nothing(queue in entries()) {
            let mut at = 0;
            while at < queue.len() {
                let cut = BOUNDS.cut("did:firefly:org/a", &queue[at..]);
                prop_assert!(cut.messages >= 1 && cut.messages <= BOUNDS.messages);
                let batch = &queue[at..at + cut.messages];
                let bytes: usize = batch.iter().map(Entry::size).sum();
                let room = BOUNDS.room("did:firefly:org/a", batch[0].0);
                prop_assert!(batch.len() == 1 || bytes <= room);
                prop_assert!(batch.iter().all(|entry| entry.0 == batch[0].0 && entry.1 == batch[0].1));
                prop_assert!(batch[0].1 != transaction::Type::ContractInvokePin || batch.len() == 1);
                if let Some(next) = queue.get(at + cut.messages) {
                    prop_assert!(cut.closed);
                    let could_join = batch.len() < BOUNDS.messages && next.0 == batch[0].0 && next.1 == batch[0].1
                        && bytes + next.2 <= room && batch[0].1 != transaction::Type::ContractInvokePin;
                    prop_assert!(!could_join);
                }
                at += cut.messages;
            }
            prop_assert_eq!(at, queue.len());
        }
    }

    #[test]
    fn nothing_waits_for_nothing() {
        assert_eq!(BOUNDS.cut::<Waiting>("a", []), Cut { messages: 0, closed: false });
        let one = Waiting("k1", transaction::Type::BatchPin, 10);
        assert_eq!(BOUNDS.cut("a", [&one]), Cut { messages: 1, closed: false });
    }
}
