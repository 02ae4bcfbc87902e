//! One stream's batches, one after the other.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use photinus_model::{Uuid, batch, message::State as MessageState};
use photinus_sequencing::facts::Source;
use photinus_store as store;
use tokio::time::Instant;

use super::{
    Bounds, Stream, admission,
    ahead::Ahead,
    dispatch,
    private::{self, Nonces},
    queue::{Queue, Waiting, Work},
    recover,
    seal::{self, Outbound},
    status::{self, Totals},
};
use crate::{aggregation, confirm, core::Core, messaging::Sent};

/// The state of one stream's processor.
pub(super) struct Processor {
    stream: Stream,
    pub(super) queue: Queue,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The batch on its way, kept so that a restart of the task sends this one and not another.
    current: Option<Arc<Outbound>>,
    status: status::Status,
    totals: Totals,
}

impl Processor {
    pub(super) fn new(stream: Stream, limit: usize) -> Self {
        Self { stream, queue: Queue::new(limit), state: Mutex::default() }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// How it does.
    pub(super) fn report(&self) -> status::Processor {
        let state = self.state.lock();
        let mut status = state.status.clone();
        state.totals.fill(&mut status);
        status::Processor { dispatcher: self.stream.dispatcher(), name: self.stream.to_string(), status }
    }

    /// Notes a failed attempt, for operators.
    pub(super) fn failed(&self, core: &Core, error: &str) {
        tracing::warn!(namespace = core.name(), stream = %self.stream, error, "batch is tried again");
        let mut state = self.state.lock();
        state.status.blocked = true;
        state.status.total_errors += 1;
        state.status.last_flush_error = Some(error.to_owned());
        state.status.last_flush_error_time = Some(core.ports.clock.now());
    }

    fn begin(&self, core: &Core, batch: Option<&Arc<Outbound>>) {
        let mut state = self.state.lock();
        state.current = batch.map(Arc::clone);
        state.status.flushing = batch.map(|outbound| outbound.batch.id);
        state.status.last_flush_start_time = Some(core.ports.clock.now());
    }

    fn end(&self, outbound: &Outbound, bytes: usize, since: Instant) {
        let payload = &outbound.batch.payload;
        let mut state = self.state.lock();
        state.current = None;
        state.status.flushing = None;
        state.status.blocked = false;
        state.totals.add(bytes, payload.messages.len(), payload.data.len(), since.elapsed());
    }
}

/// Starts the processor's task.
pub(super) fn spawn(core: &Arc<Core>, processor: Arc<Processor>) {
    let tasks = core.tasks.clone();
    let (core, mut again) = (Arc::clone(core), false);
    tasks.spawn(format!("batching {}", processor.stream), move || {
        if again {
            // What the failed run had taken out of the queue is in the store only.
            processor.queue.fall_behind();
        }
        again = true;
        run(Arc::clone(&core), Arc::clone(&processor))
    });
}

async fn run(core: Arc<Core>, processor: Arc<Processor>) -> Result<(), serde_json::Error> {
    let bounds = Bounds::new(&core.options.batching);
    let mut nonces = Nonces::default();
    let unfinished = processor.state.lock().current.clone();
    if let Some(outbound) = unfinished {
        flush(&core, &processor, outbound, Ahead::default()).await;
    }
    let mut sent: Option<Callers> = None;
    loop {
        if let Some(callers) = sent.take() {
            gather(&core, &processor, &bounds, callers).await;
        }
        let next = tokio::select! {
            biased;
            () = core.tasks.stopping().cancelled() => return Ok(()),
            next = tokio::time::timeout(core.options.batching.idle, processor.queue.next(&processor.stream.author, &bounds)) => next,
        };
        match next {
            Err(_) => {
                if core.batching.retire(&processor) {
                    return Ok(());
                }
            }
            Ok(Work::Sealed(outbound)) => {
                flush(&core, &processor, Arc::from(outbound), Ahead::default()).await;
            }
            Ok(Work::Messages(messages)) => {
                let since = Instant::now();
                if let Some((outbound, ahead)) = sealed(&core, &processor, &mut nonces, messages).await? {
                    sent = Callers::of(&core, &outbound);
                    flush(&core, &processor, Arc::new(outbound), ahead).await;
                }
                processor.queue.paced(since.elapsed());
            }
            Ok(Work::CatchUp) => catch_up(&core, &processor).await,
        }
    }
}

/// The requests that wait for the ledger to decide the messages of a batch.
struct Callers {
    /// How many they are.
    count: usize,
    /// Waits for the last message.
    last: confirm::Waiter,
}

impl Callers {
    fn of(core: &Core, outbound: &Outbound) -> Option<Self> {
        let messages = &outbound.batch.payload.messages;
        let last = messages.last().filter(|_| outbound.is_pinned())?;
        let count = core.confirmations.awaited(messages.iter().map(|message| message.header.id));
        Some(Self { count, last: core.confirmations.register(last.header.id).ok()? })
    }
}

/// Lets the next batch fill while the ledger is busy with the one before, which costs as much as a large one: until that is
/// decided, but not longer than a fast ledger takes, and not once the next one is full. Once it is decided, its callers are
/// likely to come back with their next messages, within moments of each other: those go together too.
async fn gather(core: &Core, processor: &Processor, bounds: &Bounds, callers: Callers) {
    let (author, queue) = (&processor.stream.author, &processor.queue);
    let together = queue.len() + callers.count;
    let decided = tokio::select! {
        biased;
        () = core.tasks.stopping().cancelled() => return,
        verdict = callers.last.verdict(FAST) => verdict.is_ok(),
        () = queue.fill(author, bounds, GATHER) => false,
    };
    if decided && together > 1 {
        tokio::select! {
            biased;
            () = core.tasks.stopping().cancelled() => {}
            () = queue.have(together, author, bounds, LULL, RETURN) => {}
        }
    }
}

/// Longest time for which messages wait for a batch before theirs to be decided.
const GATHER: Duration = Duration::from_millis(20);

/// A ledger that has not decided a batch after this is a slow one: nobody's return is waited for.
const FAST: Duration = Duration::from_millis(200);

/// Longest time for which messages wait for those of callers whose last ones were decided.
const RETURN: Duration = Duration::from_millis(10);

/// When nobody has come back for so long, nobody else will. A timer cannot tell less.
const LULL: Duration = Duration::from_millis(2);

/// Seals messages into a batch and stores it. `None` when none of them waits any more, or the namespace stops.
async fn sealed(
    core: &Arc<Core>,
    processor: &Processor,
    nonces: &mut Nonces,
    mut messages: Vec<Waiting>,
) -> Result<Option<(Outbound, Ahead)>, serde_json::Error> {
    let mut backoff = core.tasks.backoff(core.options.retry);
    let mut assembled = None;
    loop {
        let error = match attempt(core, processor, nonces, &mut messages, &mut assembled).await {
            Ok(end) => return Ok(end),
            Err(Failure::Json(error)) => return Err(error),
            Err(Failure::Changed) => continue,
            Err(Failure::Again(error)) => error,
        };
        processor.failed(core, &error);
        if !core.tasks.pause(backoff.advance()).await {
            return Ok(None);
        }
    }
}

/// Why an attempt to seal did not come to an end.
enum Failure {
    /// Fewer messages wait than was thought.
    Changed,
    /// Repeating helps.
    Again(String),
    /// A record cannot be written.
    Json(serde_json::Error),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Again(error.to_string())
    }
}

/// One attempt to seal. What was assembled stays, because an earlier attempt may have stored it without saying so.
async fn attempt(
    core: &Arc<Core>,
    processor: &Processor,
    nonces: &mut Nonces,
    messages: &mut Vec<Waiting>,
    assembled: &mut Option<(Outbound, Ahead)>,
) -> Result<Option<(Outbound, Ahead)>, Failure> {
    let stream = &processor.stream;
    let (outbound, ahead) = match assembled.as_mut() {
        Some(assembled) => assembled,
        None => match assemble(core, stream, nonces, messages).await {
            Ok(outbound) => {
                let ahead = Ahead::begin(core, &outbound, messages).await;
                assembled.insert((outbound, ahead))
            }
            Err(error) => {
                admission::failed(messages, &error);
                return if messages.is_empty() { Ok(None) } else { Err(error.into()) };
            }
        },
    };
    sent(outbound, messages);
    let stored = core.store.submit(seal::changes(core, outbound, messages).map_err(Failure::Json)?);
    let stored = ahead.during(async { tokio::join!(stored, dispatch::publish_early(core, outbound)) });
    let (stored, published) = stored.await;
    outbound.published = published;
    let Err(error) = stored else {
        in_batch(core, messages);
        nonces.keep();
        return Ok(assembled.take());
    };
    let refused = matches!(error, store::Error::Refused(_)) && !messages.iter().all(Waiting::is_stored);
    if matches!(error, store::Error::Conflict(_)) && is_stored(core, outbound.batch.id).await? {
        // An earlier attempt got through without saying so.
        in_batch(core, messages);
        nonces.keep();
        return Ok(assembled.take());
    }
    let again = if refused || matches!(error, store::Error::Conflict(_)) {
        admission::store_each(core, messages).await;
        Failure::Changed
    } else if admission::failed(messages, &error) {
        Failure::Again(error.to_string())
    } else {
        return Err(error.into());
    };
    // What was assembled has other messages.
    *assembled = None;
    nonces.forget();
    keep_waiting(core, messages).await?;
    if messages.is_empty() { Ok(None) } else { Err(again) }
}

async fn assemble(
    core: &Core,
    stream: &Stream,
    nonces: &mut Nonces,
    messages: &[Waiting],
) -> Result<Outbound, store::Error> {
    match stream.group {
        Some(group) => private::assemble(core, stream, group, nonces, messages).await,
        None => Ok(seal::assemble(core, &stream.author, messages)),
    }
}

/// Tells messages how they are sent, before anybody can be told that they are confirmed: whoever waits for them need not read it.
fn sent(outbound: &Outbound, messages: &[Waiting]) {
    let batch = &outbound.batch;
    let private = batch.kind == batch::Type::Private;
    for (message, waiting) in batch.payload.messages.iter().zip(messages) {
        let pins = if private { message.pins.clone() } else { Vec::new() };
        *waiting.sealed.sent.lock() = Some(Sent { batch: batch.id, tx: outbound.tx, pins });
    }
}

/// Messages wait no longer for a batch.
fn in_batch(core: &Core, messages: &mut Vec<Waiting>) {
    core.backlog.sealed(messages.iter().map(|waiting| waiting.sealed.message.header.id));
    for waiting in messages.drain(..) {
        waiting.answer(Ok(()));
    }
}

async fn is_stored(core: &Core, batch: Uuid) -> Result<bool, store::Error> {
    Ok(core.store.read(core.name()).batch(batch).await?.is_some())
}

/// After a conflict: keeps those messages that wait for a batch. A message can come twice, from memory and from the store.
async fn keep_waiting(core: &Core, messages: &mut Vec<Waiting>) -> Result<(), store::Error> {
    let read = core.store.read(core.name());
    let mut ready: HashSet<Uuid> = HashSet::new();
    for waiting in messages.iter() {
        let id = waiting.sealed.message.header.id;
        if read.message(id).await?.is_some_and(|message| message.state == Some(MessageState::Ready)) {
            ready.insert(id);
        }
    }
    let mut others = messages.extract_if(.., |waiting| !ready.remove(&waiting.sealed.message.header.id)).collect();
    in_batch(core, &mut others);
    Ok(())
}

/// Sends a batch on its way and to the ledger, for as long as it takes.
async fn flush(core: &Arc<Core>, processor: &Processor, outbound: Arc<Outbound>, ahead: Ahead) {
    let since = Instant::now();
    processor.begin(core, Some(&outbound));
    if outbound.is_pinned() {
        let content = aggregation::Content { batch: Arc::clone(&outbound.batch), manifest: None, source: Source::Own };
        if core.aggregation.content(content).await.is_err() {
            return;
        }
    }
    if let Some(bytes) = dispatch::send(core, processor, &outbound, ahead).await {
        processor.end(&outbound, bytes, since);
    }
}

/// Reads messages that wait in the store.
async fn catch_up(core: &Core, processor: &Processor) {
    let mark = processor.queue.mark();
    let page = core.options.batching.page.max(1);
    match recover::waiting(core, &processor.stream, page).await {
        Ok(messages) => {
            let complete = messages.len() < page;
            processor.queue.refill(messages, complete, mark);
        }
        Err(error) => {
            processor.failed(core, &error.to_string());
            core.tasks.pause(core.options.retry.initial).await;
        }
    }
}
