//! What waits to be told to one listener. Whoever offers a change never waits: what finds no room is counted instead.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use photinus_model::Time;
use photinus_ports::clock::{Clock, System};
use photinus_store::Noted;
use tokio::sync::{Notify, mpsc};

use super::frame::{self, Wanted};
use crate::options::Changes;

/// Frames that wait to be sent.
pub(super) type Waiting = mpsc::Receiver<String>;

/// What waits for one listener.
pub(super) struct Outbox {
    wanted: Mutex<Wanted>,
    started: Notify,
    queue: mpsc::Sender<String>,
    lost: Mutex<Lost>,
    warn: Duration,
}

#[derive(Default)]
struct Lost {
    since: Option<Time>,
    count: u64,
    /// When the log was told.
    warned: Option<Instant>,
}

impl Outbox {
    pub(super) fn new(options: &Changes) -> (Self, Waiting) {
        let (queue, waiting) = mpsc::channel(options.queue.max(1));
        let outbox = Self {
            wanted: Mutex::default(),
            started: Notify::new(),
            queue,
            lost: Mutex::default(),
            warn: options.warn,
        };
        (outbox, waiting)
    }

    /// Takes the place of what was wanted before.
    pub(super) fn start(&self, wanted: Wanted) {
        *self.wanted.lock() = wanted;
        self.started.notify_one();
    }

    /// Returns when something is wanted.
    pub(super) async fn started(&self) {
        while !self.wanted.lock().something() {
            self.started.notified().await;
        }
    }

    /// Offers the changes of a commit.
    pub(super) fn offer(&self, namespace: &str, noted: &[Noted]) {
        let wanted = self.wanted.lock();
        for noted in noted.iter().filter(|noted| wanted.wants(namespace, noted)) {
            match frame::change(namespace, noted) {
                Ok(frame) => {
                    if self.queue.try_send(frame).is_err() {
                        self.lose(1);
                    }
                }
                Err(error) => tracing::error!(%error, "a change cannot be written as JSON"),
            }
        }
    }

    /// Counts changes that will not be told.
    pub(super) fn lose(&self, count: u64) {
        let mut lost = self.lost.lock();
        lost.since.get_or_insert_with(|| System.now());
        lost.count = lost.count.saturating_add(count);
        if lost.warned.is_none_or(|at| at.elapsed() >= self.warn) {
            lost.warned = Some(Instant::now());
            tracing::warn!(lost = lost.count, "a listener to changes is slow and loses some");
        }
    }

    /// The frame that tells of what was lost since it was last asked for.
    pub(super) fn take_dropped(&self) -> Option<String> {
        let mut lost = self.lost.lock();
        let since = lost.since.take()?;
        let count = std::mem::take(&mut lost.count);
        frame::dropped(since, count).ok()
    }
}

#[cfg(test)]
mod tests {
    use photinus_store::Happened;

    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_told_once() {
        let (outbox, mut waiting) = Outbox::new(&Changes { queue: 2, ..Changes::default() });
        let noted = |sequence| Noted {
            collection: "pins",
            what: Happened::Created,
            id: None,
            hash: None,
            sequence: Some(sequence),
        };
        let all: Vec<Noted> = (1..=5).map(noted).collect();
        outbox.offer("ns", &all);
        assert!(waiting.try_recv().is_err(), "nothing was started");
        outbox.start(frame::read(br#"{"type":"start","collections":["pins"]}"#).unwrap().unwrap());
        outbox.offer("ns", &all);
        assert!(waiting.try_recv().unwrap().contains(r#""sequence":1}"#));
        let dropped = outbox.take_dropped().unwrap();
        assert!(dropped.contains(r#""droppedCount":3"#), "{dropped}");
        assert!(outbox.take_dropped().is_none());
        assert!(waiting.try_recv().unwrap().contains(r#""sequence":2}"#));
        outbox.offer("ns", &all[..1]);
        assert!(waiting.try_recv().is_ok() && outbox.take_dropped().is_none());
    }
}
