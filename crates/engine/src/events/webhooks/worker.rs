//! The delivery of one webhook's events: one after the other, each until it is taken, parked or the namespace stops.

use std::sync::Arc;

use futures::future::join;
use photinus_model::{JsonText, Time, Uuid, event::Event, message::Message};
use photinus_ports::webhooks::{Answer, Error as CallError};
use photinus_store::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::{Policy, failure},
    control::later,
    options::Webhook,
    records::{Parked, Records, Trying},
    reply,
    request::{self, Prepared, Subject},
};
use crate::{
    Namespace,
    core::Core,
    error::Kind,
    events::{Delivered, Delivery, attach::serve, enrich::enrich, registry::Active},
};

/// Delivers until the subscription changes or the namespace stops.
pub(super) async fn work(core: Arc<Core>, active: Arc<Active>) {
    let hook = match Webhook::read(&active.subscription.options) {
        Ok(hook) => Arc::new(hook),
        Err(error) => {
            let name = &active.subscription.name;
            tracing::error!(namespace = core.name(), subscription = name, %error, "a webhook is left out");
            active.progress.health.lock().last_error = error.to_string();
            return;
        }
    };
    let permits = Arc::new(Semaphore::new(core.options.webhooks.parallel.max(1)));
    let worker = Worker { core, active, hook, permits };
    let mut backoff = worker.core.tasks.backoff(worker.core.options.retry);
    while !worker.is_over() {
        match worker.turn().await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                let (namespace, name) = (worker.core.name(), &worker.active.subscription.name);
                tracing::warn!(namespace, subscription = name, %error, "delivery starts over");
                worker.active.progress.health.lock().last_error = error.to_string();
                worker.pause(backoff.advance()).await;
            }
        }
    }
}

/// What became of a delivery.
enum Fate {
    /// It is taken, parked, or was not to be called for.
    Done,
    /// There was no time left to find out: it comes again.
    Open,
}

/// How a series of calls ended.
enum End {
    Answered(Result<Answer, CallError>, Series),
    Open,
}

/// Calls of one delivery until now.
#[derive(Clone, Copy)]
struct Series {
    tries: u32,
    first: Time,
}

#[derive(Clone)]
struct Worker {
    core: Arc<Core>,
    active: Arc<Active>,
    hook: Arc<Webhook>,
    /// Calls that nobody waits for.
    permits: Arc<Semaphore>,
}

impl Worker {
    fn is_over(&self) -> bool {
        self.active.over.is_cancelled() || self.core.tasks.stopping().is_cancelled()
    }

    async fn over(&self) {
        tokio::select! {
            () = self.active.over.cancelled() => {}
            () = self.core.tasks.stopping().cancelled() => {}
        }
    }

    /// `false` when there is no time left.
    async fn pause(&self, wait: std::time::Duration) -> bool {
        tokio::select! {
            () = self.over() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    fn records(&self) -> Records<'_> {
        Records::new(&self.core, self.active.subscription.id)
    }

    /// Delivers while nothing breaks.
    async fn turn(&self) -> Result<(), Error> {
        let _turn = tokio::select! {
            () = self.over() => return Ok(()),
            turn = self.active.progress.turn.lock() => turn,
        };
        let (sender, receiver) = mpsc::channel(1);
        let end = CancellationToken::new();
        let source = async {
            let served = serve(&self.core, &self.active, &sender, &end).await;
            drop(sender);
            served
        };
        let sink = async {
            let consumed = self.consume(receiver).await;
            // What was acknowledged is counted before the source ends.
            end.cancel();
            consumed
        };
        let (served, consumed) = join(source, sink).await;
        served.and(consumed)
    }

    async fn consume(&self, mut deliveries: mpsc::Receiver<Delivery>) -> Result<(), Error> {
        let progress = &self.active.progress;
        self.resume().await?;
        loop {
            let delivery = tokio::select! {
                biased;
                () = self.over() => return Ok(()),
                () = progress.resumed.notified() => {
                    self.resume().await?;
                    continue;
                }
                delivery = deliveries.recv() => match delivery {
                    Some(delivery) => delivery,
                    None => return Ok(()),
                },
            };
            if self.hook.fast_ack {
                self.call_behind(delivery).await?;
                continue;
            }
            let policy = Policy::new(&self.hook, &self.core.options.webhooks);
            match self.deliver(&delivery.events, delivery.batch, &policy).await? {
                Fate::Done => acknowledge(&delivery),
                Fate::Open => return Ok(()),
            }
        }
    }

    /// Acknowledges, and calls without being waited for.
    async fn call_behind(&self, delivery: Delivery) -> Result<(), Error> {
        let permit = tokio::select! {
            () = self.over() => return Ok(()),
            permit = Arc::clone(&self.permits).acquire_owned() => permit,
        };
        acknowledge(&delivery);
        let worker = self.clone();
        self.core.tasks.spawn_once(format!("webhook {}", self.active.subscription.name), async move {
            let policy = Policy::once_or_retried(&worker.hook, &worker.core.options.webhooks);
            if let Err(error) = worker.deliver(&delivery.events, delivery.batch, &policy).await {
                let (namespace, name) = (worker.core.name(), &worker.active.subscription.name);
                tracing::warn!(namespace, subscription = name, %error, "an acknowledged event was not delivered");
            }
            drop(permit);
        });
        Ok(())
    }

    /// Tries parked events again that somebody asked for, in their order.
    async fn resume(&self) -> Result<(), Error> {
        let (records, mut behind) = (self.records(), -1);
        let policy = Policy::once_or_retried(&self.hook, &self.core.options.webhooks);
        loop {
            let page = records.parked(behind, 100).await?;
            let Some(last) = page.last() else { return Ok(()) };
            behind = last.sequence;
            for parked in page.iter().filter(|parked| parked.resumed) {
                if !self.resume_one(parked, &policy).await? {
                    return Ok(());
                }
            }
        }
    }

    /// `false` when there is no time left.
    async fn resume_one(&self, parked: &Parked, policy: &Policy) -> Result<bool, Error> {
        let read = self.core.store.read(self.core.name());
        let Some(event) = read.event(parked.event).await? else {
            self.records().replace(parked, None).await?;
            return Ok(true);
        };
        let subscription = self.active.reference(self.core.name());
        let enriched = enrich(&read, std::slice::from_ref(&event)).await?;
        let events: Vec<Delivered> =
            enriched.into_iter().map(|event| Delivered::new(event, subscription.clone())).collect();
        let Some(prepared) = self.prepare(&events, None).await? else {
            self.records().replace(parked, None).await?;
            return Ok(true);
        };
        let before = Series { tries: 0, first: self.core.ports.clock.now() };
        let reason = match prepared {
            Err(reason) => Some(reason),
            Ok(prepared) => match self.calls(&prepared, event.id, event.sequence, policy, before).await? {
                End::Open => return Ok(false),
                End::Answered(answer, _) => self.conclude(&events, &prepared, &answer).await,
            },
        };
        let again = reason.map(|reason| Parked {
            reason,
            tries: parked.tries.saturating_add(1),
            parked: self.core.ports.clock.now(),
            resumed: false,
            ..parked.clone()
        });
        self.records().replace(parked, again.as_ref()).await?;
        Ok(true)
    }

    async fn deliver(&self, events: &[Delivered], batch: Option<Uuid>, policy: &Policy) -> Result<Fate, Error> {
        let Some(prepared) = self.prepare(events, batch).await? else { return Ok(Fate::Done) };
        let Some(head) = events.first().map(|event| &event.event.event) else { return Ok(Fate::Done) };
        let noted =
            self.records().trying().await?.filter(|noted| self.is_guaranteed() && noted.sequence == head.sequence);
        let before = match &noted {
            Some(noted) => Series { tries: noted.tries, first: noted.first },
            None => Series { tries: 0, first: self.core.ports.clock.now() },
        };
        let (reason, series) = match prepared {
            Err(reason) => (Some(reason), before),
            Ok(prepared) => {
                let id = batch.unwrap_or(head.id);
                match self.calls(&prepared, id, head.sequence, policy, before).await? {
                    End::Open => return Ok(Fate::Open),
                    End::Answered(answer, series) => (self.conclude(events, &prepared, &answer).await, series),
                }
            }
        };
        match reason {
            Some(reason) => return self.park(events, &reason, series).await,
            None if series.tries > 1 && self.is_guaranteed() => self.records().delivered().await?,
            None => {}
        }
        Ok(Fate::Done)
    }

    fn is_guaranteed(&self) -> bool {
        self.hook.guarantee.is_some()
    }

    /// The call for some events. `None` when none is to be made; the inner error tells why none can be made.
    async fn prepare(
        &self,
        events: &[Delivered],
        batch: Option<Uuid>,
    ) -> Result<Option<Result<Prepared, String>>, Error> {
        let mut subjects = Vec::with_capacity(events.len());
        for event in events.iter().filter(|event| !self.is_answered(event)) {
            let values = match &event.event.message {
                Some(message) if self.hook.with_data => self.values(message).await?,
                _ => Vec::new(),
            };
            subjects.push(Subject { event: event.clone(), values });
        }
        let prepared = match (batch, subjects.as_slice()) {
            (_, []) => return Ok(None),
            (None, [one]) => request::single(&self.hook, one),
            (_, several) => request::batch(&self.hook, several),
        };
        Ok(Some(prepared.map_err(|error| format!("the event cannot be written as a call: {error}"))))
    }

    /// A message that answers another is not answered, or two webhooks would talk to each other for ever.
    fn is_answered(&self, event: &Delivered) -> bool {
        self.hook.reply && event.event.message.as_ref().is_some_and(|message| message.header.cid.is_some())
    }

    /// The values of a message, in order. Blobs have none.
    async fn values(&self, message: &Message) -> Result<Vec<JsonText>, Error> {
        let read = self.core.store.read(self.core.name());
        let mut values = Vec::with_capacity(message.data.len());
        for reference in &message.data {
            let data = read.data_with_hash(reference.id, reference.hash).await?;
            values.extend(data.and_then(|data| data.value).filter(|value| !value.is_null()));
        }
        Ok(values)
    }

    /// Calls until there is an answer that takes the event, or no more calls are to be made.
    async fn calls(
        &self,
        prepared: &Prepared,
        id: Uuid,
        sequence: i64,
        policy: &Policy,
        before: Series,
    ) -> Result<End, Error> {
        let mut series = before;
        let mut backoff = self.core.tasks.backoff(policy.waits);
        // Waits go on where they were.
        for _ in 0..series.tries.min(64) {
            backoff.advance();
        }
        loop {
            series.tries = series.tries.saturating_add(1);
            let answer = self.call(prepared, id).await?;
            let Some(reason) = failure(&answer) else {
                *self.active.progress.health.lock() = super::Health::default();
                return Ok(End::Answered(answer, series));
            };
            let now = self.core.ports.clock.now();
            let again = policy.again(series.tries, series.first, now, &answer);
            let wait = backoff.advance();
            {
                let mut health = self.active.progress.health.lock();
                health.failures += 1;
                health.last_error.clone_from(&reason);
                health.retrying = again.then_some(sequence);
                health.next_try = again.then(|| later(now, wait));
            }
            if !again {
                return Ok(End::Answered(answer, series));
            }
            if self.is_guaranteed() {
                let Series { tries, first } = series;
                self.records().note(&Trying { sequence, tries, first, reason }).await?;
            }
            if !self.pause(wait).await {
                return Ok(End::Open);
            }
        }
    }

    /// One call, signed if there is a secret.
    async fn call(&self, prepared: &Prepared, id: Uuid) -> Result<Result<Answer, CallError>, Error> {
        let Some(port) = &self.core.ports.webhooks else {
            return Ok(Err(CallError::Invalid("webhooks are switched off by event.transports.enabled".into())));
        };
        let mut call = prepared.call.clone();
        if let Some(secrets) = self.records().secrets().await? {
            let body = call.body.as_deref().unwrap_or_default();
            call.headers.extend(secrets.headers(id, body, self.core.ports.clock.now()).into_iter().flatten());
        }
        Ok(port.call(call, &self.hook.profile).await)
    }

    /// Sends the replies, where there are any. Gives why the delivery failed, if it did.
    async fn conclude(
        &self,
        events: &[Delivered],
        prepared: &Prepared,
        answer: &Result<Answer, CallError>,
    ) -> Option<String> {
        let failed = failure(answer);
        if !self.hook.reply {
            return failed;
        }
        let value = match reply::value(&self.hook, answer) {
            Ok(value) => value,
            Err(error) => return Some(format!("the answer cannot be written as a reply: {error}")),
        };
        let mut outcome = None;
        let mut replied = false;
        for event in events.iter().filter(|event| !self.is_answered(event)) {
            if let Some(message) = &event.event.message {
                replied = true;
                if let Err(reason) = self.reply(&event.event.event, message, prepared, value.clone()).await {
                    outcome = Some(reason);
                }
            }
        }
        // Whoever asked was told of the failure by the reply.
        if replied { outcome } else { failed }
    }

    async fn reply(
        &self,
        event: &Event,
        message: &Message,
        prepared: &Prepared,
        value: JsonText,
    ) -> Result<(), String> {
        let subscription = self.active.subscription.id;
        let input = reply::message(&self.hook, message, event.id, subscription, prepared.reply_tx.as_ref(), value);
        let namespace = Namespace::of(&self.core);
        let mut backoff = self.core.tasks.backoff(self.core.options.retry);
        for _ in 0..REPLY_TRIES {
            let sent = match input.header.group {
                Some(_) => namespace.send_private(input.clone(), None).await,
                None => namespace.broadcast(input.clone(), None).await,
            };
            let error = match sent {
                // It was sent before a crash, or before the event came again.
                Ok(_) | Err(crate::Error::Messaging(crate::messaging::Error::Idempotency { .. })) => return Ok(()),
                Err(error) => error,
            };
            let worth = matches!(error.kind(), Kind::Unavailable | Kind::Overloaded | Kind::Internal);
            if !worth || !self.pause(backoff.advance()).await {
                return Err(format!("the reply was not sent: {}", error.describe()));
            }
        }
        Err("the reply was not sent: the node was not able to".into())
    }

    /// Puts events aside. Where delivery is guaranteed and there is no room, waits for it.
    async fn park(&self, events: &[Delivered], reason: &str, series: Series) -> Result<Fate, Error> {
        let (records, most) = (self.records(), self.core.options.webhooks.parked.max(1));
        let room = most.saturating_sub(events.len());
        while records.parked_count().await? > room {
            if !self.is_guaranteed() {
                let Some(oldest) = records.parked(-1, 1).await?.pop() else { break };
                let (namespace, name, event) = (self.core.name(), &self.active.subscription.name, oldest.event);
                tracing::warn!(namespace, subscription = name, %event, "dropped the oldest parked event: {most} are parked");
                records.replace(&oldest, None).await?;
                continue;
            }
            let full = format!("{most} events are parked: resume or drop some; {reason}");
            self.active.progress.health.lock().last_error = full;
            tokio::select! {
                () = self.over() => return Ok(Fate::Open),
                () = self.active.progress.resumed.notified() => self.resume().await?,
            }
        }
        let now = self.core.ports.clock.now();
        let parked: Vec<Parked> = events
            .iter()
            .filter(|event| !self.is_answered(event))
            .map(|event| Parked::new(&event.event.event, reason.to_owned(), series.tries, series.first, now))
            .collect();
        let (namespace, name, count) = (self.core.name(), &self.active.subscription.name, parked.len());
        tracing::warn!(namespace, subscription = name, count, reason, "parked events that the endpoint did not take");
        records.park(&parked).await?;
        Ok(Fate::Done)
    }
}

/// Calls of the node for a reply that could succeed later.
const REPLY_TRIES: u32 = 5;

fn acknowledge(delivery: &Delivery) {
    delivery.events.iter().for_each(|event| delivery.acknowledge(event.event.event.sequence));
}
