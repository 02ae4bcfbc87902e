//! Messages that were accepted and are not decided: bounded, so that a sender who is faster than the network is told so before
//! memory, disk and everybody's waiting time grow without end.
//!
//! A message counts from the moment before it is stored until it is decided here. One that is in a batch and still not decided
//! after a while waits for something else than its turn, such as a payload that nobody has; it no longer counts, because one topic
//! that stands still must not close the door for all. What is refused is not stored: the sender may repeat it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use photinus_model::{Uuid, event};
use tokio::time::Instant;

use crate::{messaging::Sealed, options::Limits};

/// How long a message in a batch counts without being decided.
const TURN: Duration = Duration::from_secs(60);

/// What waits for its turn, and how much of it there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Messages that were accepted and are not decided.
    pub messages: usize,
    /// Bytes of those among them that no batch holds yet.
    pub bytes: usize,
    /// Most messages.
    pub max_messages: usize,
    /// Most bytes.
    pub max_bytes: usize,
    /// Messages that were refused since the start because there were so many.
    pub refused: u64,
}

/// There is no room; nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{messages} accepted messages of {bytes} bytes wait for their turn already: repeat the request later, or send more slowly"
)]
pub struct Full {
    /// Messages that wait.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// Counts what waits.
pub(crate) struct Backlog {
    inner: Mutex<Inner>,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Inner {
    /// Bytes of each message; none once a batch holds them.
    open: HashMap<Uuid, usize>,
    bytes: usize,
    /// Messages in batches, in the order of time.
    sealed: VecDeque<(Instant, Uuid)>,
    refused: u64,
}

impl Backlog {
    /// An empty one.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { inner: Mutex::default(), max_messages: limits.backlog, max_bytes: limits.backlog_size }
    }

    /// Makes room for messages, all or none. One that is larger than all the room is taken when there is nothing else.
    pub(crate) fn reserve(&self, messages: &[Arc<Sealed>]) -> Result<(), Full> {
        let size: usize = messages.iter().map(|sealed| sealed.size).sum();
        let mut inner = self.inner.lock();
        inner.expire(Instant::now());
        let many = inner.open.len() + messages.len() > self.max_messages;
        let large = inner.bytes + size > self.max_bytes && inner.bytes > 0;
        if many || large {
            inner.refused += messages.len() as u64;
            return Err(Full { messages: inner.open.len(), bytes: inner.bytes });
        }
        inner.add(messages);
        Ok(())
    }

    /// Counts messages that an earlier life accepted.
    pub(crate) fn restore(&self, messages: &[Arc<Sealed>]) {
        self.inner.lock().add(messages);
    }

    /// Messages were not stored after all.
    pub(crate) fn withdraw(&self, messages: &[Arc<Sealed>]) {
        let mut inner = self.inner.lock();
        messages.iter().for_each(|sealed| inner.remove(sealed.message.header.id));
    }

    /// Messages are in a batch that is stored.
    pub(crate) fn sealed(&self, messages: impl Iterator<Item = Uuid>) {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        inner.expire(now);
        for id in messages {
            if let Some(size) = inner.open.get_mut(&id).map(std::mem::take) {
                inner.bytes = inner.bytes.saturating_sub(size);
                inner.sealed.push_back((now, id));
            }
        }
    }

    /// Events were committed, some of which decide messages.
    pub(crate) fn decided(&self, events: &[event::Event]) {
        use event::Type::{MessageConfirmed, MessageRejected};
        let mut inner = self.inner.lock();
        let decided = events.iter().filter(|event| matches!(event.kind, MessageConfirmed | MessageRejected));
        decided.filter_map(|event| event.reference).for_each(|id| inner.remove(id));
    }

    /// How much waits.
    pub(crate) fn report(&self) -> Report {
        let mut inner = self.inner.lock();
        inner.expire(Instant::now());
        Report {
            messages: inner.open.len(),
            bytes: inner.bytes,
            max_messages: self.max_messages,
            max_bytes: self.max_bytes,
            refused: inner.refused,
        }
    }
}

impl Inner {
    fn add(&mut self, messages: &[Arc<Sealed>]) {
        for sealed in messages {
            let before = self.open.insert(sealed.message.header.id, sealed.size).unwrap_or_default();
            self.bytes = self.bytes.saturating_sub(before) + sealed.size;
        }
    }

    fn remove(&mut self, id: Uuid) {
        self.bytes = self.bytes.saturating_sub(self.open.remove(&id).unwrap_or_default());
    }

    /// Forgets what has had its turn. The list is as long as what was sealed within that time, decided or not.
    fn expire(&mut self, now: Instant) {
        while let Some((since, id)) = self.sealed.front().copied()
            && now.duration_since(since) > TURN
        {
            self.sealed.pop_front();
            self.remove(id);
        }
        // What is decided leaves the front at once, so that the list stays short while all goes well.
        while self.sealed.front().is_some_and(|(_, id)| !self.open.contains_key(id)) {
            self.sealed.pop_front();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use photinus_model::{
        Time,
        message::{Header, Message, TxType, Type},
    };

    use super::*;

    pub(crate) fn message(id: u128, size: usize) -> Arc<Sealed> {
        let header = Header {
            id: Uuid::from_u128(id),
            cid: None,
            kind: Type::Broadcast,
            tx_type: TxType::BatchPin,
            author: String::new(),
            key: String::new(),
            created: None,
            namespace: String::new(),
            group: None,
            topics: Vec::new(),
            tag: String::new(),
            data_hash: None,
            tx_parent: None,
        };
        let message = Message {
            header,
            data: Vec::new(),
            local_namespace: String::new(),
            hash: None,
            batch: None,
            tx_id: None,
            state: None,
            confirmed: None,
            reject_reason: String::new(),
            pins: Vec::new(),
            idempotency_key: None,
        };
        Arc::new(Sealed { message, data: Vec::new(), size, sent: parking_lot::Mutex::default() })
    }

    fn backlog(messages: usize, bytes: usize) -> Backlog {
        Backlog::new(&Limits { backlog: messages, backlog_size: bytes, ..Limits::default() })
    }

    fn confirmed(id: u128) -> event::Event {
        event::Event {
            id: Uuid::nil(),
            sequence: 0,
            kind: event::Type::MessageConfirmed,
            namespace: "ns".into(),
            reference: Some(Uuid::from_u128(id)),
            correlator: None,
            tx: None,
            topic: String::new(),
            created: Time::from_unix_nanos(0),
        }
    }

    fn counts(backlog: &Backlog) -> (usize, usize) {
        let report = backlog.report();
        (report.messages, report.bytes)
    }

    #[test]
    fn messages_are_counted_until_they_are_decided() {
        let backlog = backlog(2, 1_000);
        backlog.reserve(&[message(1, 10), message(2, 20)]).unwrap();
        assert_eq!(backlog.reserve(&[message(3, 1)]), Err(Full { messages: 2, bytes: 30 }));
        backlog.sealed([Uuid::from_u128(1), Uuid::from_u128(9)].into_iter());
        assert_eq!(counts(&backlog), (2, 20));
        assert!(backlog.reserve(&[message(3, 1)]).is_err(), "what is in a batch counts");
        backlog.decided(&[confirmed(1), confirmed(1), confirmed(9)]);
        assert_eq!(counts(&backlog), (1, 20));
        backlog.reserve(&[message(3, 1)]).unwrap();
        backlog.withdraw(&[message(3, 1), message(3, 1)]);
        backlog.decided(&[confirmed(2)]);
        assert_eq!((counts(&backlog), backlog.report().refused), ((0, 0), 2));
    }

    #[test]
    fn bytes_are_bounded_and_a_large_message_passes_alone() {
        let backlog = backlog(100, 50);
        backlog.reserve(&[message(1, 60)]).unwrap();
        assert!(backlog.reserve(&[message(2, 1)]).is_err());
        backlog.sealed([Uuid::from_u128(1)].into_iter());
        backlog.reserve(&[message(2, 50)]).unwrap();
        backlog.restore(&[message(2, 50), message(3, 70)]);
        assert_eq!(counts(&backlog), (3, 120), "an earlier life may have accepted more");
    }

    #[test]
    fn what_stands_still_does_not_close_the_door() {
        let backlog = backlog(2, 1_000);
        backlog.reserve(&[message(1, 10), message(2, 10)]).unwrap();
        backlog.sealed([Uuid::from_u128(1)].into_iter());
        backlog.inner.lock().expire(Instant::now() + TURN * 2);
        assert_eq!(counts(&backlog), (1, 10), "one that no batch holds keeps counting");
        backlog.reserve(&[message(3, 10)]).unwrap();
    }
}
