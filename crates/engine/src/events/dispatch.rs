//! Delivering the events of one subscription to one connection.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use photinus_model::{Uuid, subscription};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    balance::{SHARED_AHEAD, is_balanced},
    enrich::{Delivered, Shared},
    filter::Compiled,
    registry::Active,
    window::Window,
};
use crate::core::Core;

/// Events read at once.
const PAGE: usize = 200;

/// What a connection is given. It answers each event with its sequence, when the subscriber is done with it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The subscription.
    pub subscription: Arc<subscription::Ref>,
    /// The events: one, or those of a batch.
    pub events: Vec<Delivered>,
    /// Id of the batch, when the subscription asks for batches.
    pub batch: Option<Uuid>,
    /// Changes when delivery starts over; what was in flight before counts no longer.
    pub run: u64,
    acks: mpsc::UnboundedSender<i64>,
}

impl Delivery {
    /// A delivery of a run that takes acknowledgements from `acks`.
    #[must_use]
    pub fn new(
        subscription: Arc<subscription::Ref>,
        events: Vec<Delivered>,
        batch: Option<Uuid>,
        run: u64,
        acks: mpsc::UnboundedSender<i64>,
    ) -> Self {
        Self { subscription, events, batch, run, acks }
    }

    /// The subscriber is done with the event of this sequence.
    pub fn acknowledge(&self, sequence: i64) {
        // A run that is over takes no acknowledgements: its events come again.
        let _ = self.acks.send(sequence);
    }

    /// What acknowledges events of this delivery later, without holding them.
    #[must_use]
    pub fn acknowledger(&self) -> Acknowledger {
        Acknowledger { run: self.run, acks: self.acks.clone() }
    }
}

/// Acknowledges events of one run.
#[derive(Clone, Debug)]
pub struct Acknowledger {
    /// The run.
    pub run: u64,
    acks: mpsc::UnboundedSender<i64>,
}

impl Acknowledger {
    /// The subscriber is done with the event of this sequence.
    pub fn acknowledge(&self, sequence: i64) {
        // As above.
        let _ = self.acks.send(sequence);
    }
}

/// How events are handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Events in flight at most, or of a batch.
    pub(super) size: usize,
    /// How long a batch waits to fill; `None` delivers events one by one.
    pub(super) batch: Option<Duration>,
}

impl Pace {
    pub(super) fn new(options: &subscription::Options) -> Self {
        let ahead = usize::try_from(options.read_ahead.unwrap_or(0)).unwrap_or(usize::MAX);
        let timeout = options.batch_timeout.as_ref().and_then(|text| text.parse::<photinus_model::Duration>().ok());
        match options.batch {
            Some(true) => Self { size: ahead.max(1), batch: Some(timeout.map_or(Duration::ZERO, |timeout| timeout.0)) },
            _ => {
                // Whoever shares a subscription has a window of its own.
                let windows = if is_balanced(options).unwrap_or_default() { SHARED_AHEAD } else { 1 };
                Self { size: ahead.saturating_add(1).saturating_mul(windows), batch: None }
            }
        }
    }
}

/// One run of delivery.
pub(super) struct Run<'a> {
    pub(super) core: &'a Core,
    pub(super) subscription: Arc<subscription::Ref>,
    pub(super) filter: &'a Compiled,
    pub(super) pace: Pace,
    /// Where the connection takes deliveries. Full, it makes this run wait, and nobody else.
    pub(super) connection: &'a mpsc::Sender<Delivery>,
    /// Ends the run: the subscription changed, or the connection closed.
    pub(super) over: [&'a CancellationToken; 2],
    /// The durable subscription, whose progress is kept.
    pub(super) durable: Option<&'a Arc<Active>>,
}

/// Counts runs in this process, so that their acknowledgements are told apart.
static RUNS: AtomicU64 = AtomicU64::new(1);

impl Run<'_> {
    /// Delivers from behind the offset until the run is over.
    pub(super) async fn deliver(self, offset: i64) -> Result<(), photinus_store::Error> {
        let (acks, mut acknowledged) = mpsc::unbounded_channel();
        let mut window = Window::new(offset, self.pace.size);
        let ended = self.serve(&mut window, &acks, &mut acknowledged).await;
        // What was acknowledged before the connection closed counts, or it would come again for nothing.
        while let Ok(sequence) = acknowledged.try_recv() {
            window.ack(sequence);
        }
        self.note(&window);
        ended
    }

    async fn serve(
        &self,
        window: &mut Window,
        acks: &mpsc::UnboundedSender<i64>,
        acknowledged: &mut mpsc::UnboundedReceiver<i64>,
    ) -> Result<(), photinus_store::Error> {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let source = &self.core.events.source;
        let mut newest = source.changes();
        let mut ready: VecDeque<Arc<Shared>> = VecDeque::new();
        let mut read_to = window.offset();
        loop {
            newest.borrow_and_update();
            let mut nothing = false;
            if ready.is_empty() && (self.pace.batch.is_none() || window.is_idle()) {
                if let Some(timeout) = self.pace.batch {
                    self.fill(read_to, timeout).await?;
                }
                let limit = if self.pace.batch.is_some() { self.pace.size } else { PAGE };
                let events = source.enriched_after(read_to, limit).await?;
                // A namespace without events counts as read up to a number that none of them has.
                nothing = events.is_empty();
                read_to = events.last().map_or(read_to, |last| last.event.sequence);
                ready.extend(events);
            }
            let mut events = Vec::new();
            while window.room() > 0
                && let Some(next) = ready.pop_front()
            {
                let sequence = next.event.sequence;
                if !self.filter.passes(&next) {
                    window.pass(sequence);
                    continue;
                }
                window.send(sequence);
                events.push(Delivered { event: next, subscription: Arc::clone(&self.subscription) });
            }
            let more = !nothing && ready.is_empty() && window.room() > 0 && read_to < *newest.borrow();
            let delivery =
                |events, batch| Delivery::new(Arc::clone(&self.subscription), events, batch, run, acks.clone());
            if self.pace.batch.is_some() {
                if !events.is_empty() && !self.hand_over(delivery(events, Some(self.core.ports.ids.next()))).await {
                    return Ok(());
                }
            } else {
                for event in events {
                    if !self.hand_over(delivery(vec![event], None)).await {
                        return Ok(());
                    }
                }
            }
            self.note(window);
            if more && (self.pace.batch.is_none() || window.is_idle()) {
                if self.over.iter().any(|over| over.is_cancelled()) {
                    return Ok(());
                }
                continue;
            }
            tokio::select! {
                biased;
                () = self.over[0].cancelled() => return Ok(()),
                () = self.over[1].cancelled() => return Ok(()),
                Some(sequence) = acknowledged.recv() => {
                    window.ack(sequence);
                    while let Ok(sequence) = acknowledged.try_recv() {
                        window.ack(sequence);
                    }
                    self.note(window);
                }
                changed = newest.changed(), if ready.is_empty() && window.room() > 0 => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits until a batch is full, or its time is over. An empty one has no time: the first event starts it.
    async fn fill(&self, behind: i64, timeout: Duration) -> Result<(), photinus_store::Error> {
        let source = &self.core.events.source;
        let mut newest = source.changes();
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        loop {
            newest.borrow_and_update();
            let waiting = source.after(behind, self.pace.size).await?.len();
            if waiting == 0 || waiting >= self.pace.size {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = &mut deadline => return Ok(()),
                () = self.over[0].cancelled() => return Ok(()),
                () = self.over[1].cancelled() => return Ok(()),
                changed = newest.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// `false` when the run is over.
    async fn hand_over(&self, delivery: Delivery) -> bool {
        tokio::select! {
            biased;
            () = self.over[0].cancelled() => false,
            () = self.over[1].cancelled() => false,
            sent = self.connection.send(delivery) => sent.is_ok(),
        }
    }

    fn note(&self, window: &Window) {
        if let Some(active) = self.durable {
            self.core.events.registry.done(active, window.offset());
        }
    }
}
