//! One subscription shared by several connections that work at the same time (ours: `options.distribution` is `balanced`).
//!
//! One task reads and spreads, whoever of the connections comes and goes. What a connection that left did not acknowledge goes
//! to the others; nothing else is delivered again.

mod shares;

use std::sync::Arc;

use futures::future::join;
use parking_lot::Mutex;
use photinus_model::subscription::Options;
use shares::Shares;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Delivery, Error, attach::serve, registry::Active};
use crate::core::Core;

/// Connections whose events are read ahead.
pub(super) const SHARED_AHEAD: usize = 16;
/// Deliveries between reading and spreading.
const QUEUE: usize = 64;

/// Whether a subscription is shared so.
///
/// # Errors
/// When it says neither of the words, or asks for batches too.
pub(super) fn is_balanced(options: &Options) -> Result<bool, Error> {
    let Some(value) = options.transport.get(OPTION) else { return Ok(false) };
    let wrong = |reason: &str| Error::Option { field: OPTION, reason: reason.to_owned() };
    match value.read::<Option<String>>().ok().flatten().as_deref() {
        Some("failover") => Ok(false),
        Some("balanced") if options.batch == Some(true) => {
            Err(wrong("batches cannot be shared with the order of topics kept: leave 'options.batch' out"))
        }
        Some("balanced") => Ok(true),
        _ if value.is_null() => Ok(false),
        _ => Err(wrong("it is failover or balanced")),
    }
}

const OPTION: &str = "distribution";

/// The connections of a subscription.
#[derive(Default)]
pub(super) struct Group {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    members: Vec<(u64, mpsc::UnboundedSender<Delivery>)>,
    /// Whether a task reads and spreads.
    served: bool,
}

/// The place of a connection. Dropped, what it had goes to the others.
struct Place<'a> {
    group: &'a Group,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.group.state.lock().members.retain(|(id, _)| *id != self.id);
        self.group.changed.notify_one();
    }
}

/// Has a connection take part until it closes, the subscription changes, or `over`.
pub(super) async fn attend(
    core: &Arc<Core>,
    active: &Arc<Active>,
    connection: &mpsc::Sender<Delivery>,
    over: &CancellationToken,
) {
    // Bounded by what may be in flight to one connection.
    let (queue, mut deliveries) = mpsc::unbounded_channel();
    let (place, serves) = {
        let mut state = active.group.state.lock();
        let id = state.next;
        state.next += 1;
        state.members.push((id, queue));
        (Place { group: &active.group, id }, !std::mem::replace(&mut state.served, true))
    };
    active.group.changed.notify_one();
    if serves {
        let (core, active) = (Arc::clone(core), Arc::clone(active));
        let name = format!("subscription {}", active.subscription.name);
        core.tasks.clone().spawn_once(name, async move { spread(&core, &active).await });
    }
    loop {
        let delivery = tokio::select! {
            biased;
            () = over.cancelled() => break,
            () = active.over.cancelled() => break,
            Some(delivery) = deliveries.recv() => delivery,
            else => break,
        };
        tokio::select! {
            biased;
            () = over.cancelled() => break,
            () = active.over.cancelled() => break,
            sent = connection.send(delivery) => if sent.is_err() { break },
        }
    }
    drop(place);
}

/// Reads and spreads while anybody takes part.
async fn spread(core: &Core, active: &Arc<Active>) {
    let mut backoff = core.tasks.backoff(core.options.retry);
    loop {
        let _turn = tokio::select! {
            biased;
            () = active.over.cancelled() => return,
            () = core.tasks.stopping().cancelled() => return,
            turn = active.progress.turn.lock() => turn,
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let end = core.tasks.stopping().child_token();
        let source = async {
            let served = serve(core, active, &sender, &end).await;
            drop(sender);
            served
        };
        let sink = async {
            let deserted = route(active, receiver).await;
            end.cancel();
            deserted
        };
        let (served, deserted) = join(source, sink).await;
        if deserted || active.over.is_cancelled() || core.tasks.stopping().is_cancelled() {
            return;
        }
        if let Err(error) = served {
            let name = &active.subscription.name;
            tracing::warn!(namespace = core.name(), subscription = name, %error, "delivery starts over");
            if !core.tasks.pause(backoff.advance()).await {
                return;
            }
        }
    }
}

/// `true` when nobody takes part any more, and nobody is told that this ends; `false` when there is nothing more to spread.
async fn route(active: &Active, mut deliveries: mpsc::Receiver<Delivery>) -> bool {
    let ahead = usize::try_from(active.subscription.options.read_ahead.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut shares: Shares<Delivery> = Shares::new(ahead.saturating_add(1));
    let (acks, mut acknowledged) = mpsc::unbounded_channel();
    let group = &active.group;
    loop {
        {
            let mut state = group.state.lock();
            if state.members.is_empty() {
                state.served = false;
                return true;
            }
            let members: Vec<u64> = state.members.iter().map(|(id, _)| *id).collect();
            shares.set_members(&members);
            for (member, delivery) in shares.send() {
                let Delivery { subscription, events, batch, run, .. } = delivery;
                let delivery = Delivery::new(subscription, events, batch, run, acks.clone());
                if let Some((_, queue)) = state.members.iter().find(|(id, _)| *id == member) {
                    // Who left meanwhile tells so, and what it was sent goes to another.
                    let _ = queue.send(delivery);
                }
            }
        }
        tokio::select! {
            () = group.changed.notified() => {}
            Some(sequence) = acknowledged.recv() => {
                let mut next = Some(sequence);
                while let Some(sequence) = next {
                    if let Some(delivery) = shares.done(sequence) {
                        delivery.acknowledge(sequence);
                    }
                    next = acknowledged.try_recv().ok();
                }
            }
            delivery = deliveries.recv() => {
                let Some(delivery) = delivery else { return false };
                if let Some(event) = delivery.events.first() {
                    let (sequence, topic) = (event.event.event.sequence, event.event.event.topic.clone());
                    shares.push(sequence, &topic, delivery);
                }
            }
        }
    }
}
