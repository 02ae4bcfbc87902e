//! Finds a content that is not here: asks peers, one after the other and soon several at once, until the first has it.

use std::{
    collections::{HashSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use photinus_ports::{
    content::{self as wire, Answer, PROTOCOL, Reference, Request},
    peers::{self, Parcel, PeerId},
    stream,
};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    flights::{Flight, Outcome},
    serve,
};
use crate::{disk::Place, shared::Inner, transfer::blocking};

/// Peers that are asked at once.
const PARALLEL: usize = 3;
/// First pause after everybody was asked in vain.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A flow faster than this is not doubled by asking another peer, in bytes a second.
const EXPECTED_RATE: u64 = 8 << 20;

/// Times that answers move.
struct Pace {
    /// When the search is given up.
    deadline: Instant,
    /// When another peer is asked, although one is answering.
    hedge: Instant,
}

/// Why a peer did not deliver.
enum Failed {
    /// It has not got it, or cannot be reached: ask again later.
    NotNow(String),
    /// It began and did not finish, or sent something else: not asked again in this search.
    Wrong(String),
}

type Attempt<'a> = Pin<Box<dyn Future<Output = (PeerId, Result<(), Failed>)> + Send + 'a>>;

/// Searches until the content is on disk or the time is over.
pub(crate) async fn search(inner: &Arc<Inner>, reference: &Reference, flight: &Flight) -> Outcome {
    // It may have come after the caller looked and before the search was known to those who store.
    let (disk, sought) = (Arc::clone(&inner.disk), reference.clone());
    if matches!(blocking(move || Ok(disk.has(&sought))).await, Ok(true)) {
        return Outcome::Arrived;
    }
    let now = Instant::now();
    let pace = Mutex::new(Pace { deadline: now + inner.options.wait, hedge: now });
    let mut attempts: FuturesUnordered<Attempt<'_>> = FuturesUnordered::new();
    let (mut asking, mut excluded) = (HashSet::new(), HashSet::new());
    let mut waiting: VecDeque<PeerId> = order(inner, reference, &asking, &excluded);
    let mut changes = inner.peers.changes();
    let mut announced = inner.announced.subscribe();
    let (mut pause, mut again) = (FIRST_PAUSE, None);
    let mut seen = "no peer is known".to_owned();
    let mut arrived = std::pin::pin!(flight.outcome());
    loop {
        let (deadline, hedge) = {
            let pace = pace.lock();
            (pace.deadline, pace.hedge)
        };
        let free = attempts.len() < PARALLEL && (attempts.is_empty() || Instant::now() >= hedge);
        if free && let Some(peer) = waiting.pop_front() {
            asking.insert(peer.clone());
            pace.lock().hedge = Instant::now() + inner.options.hedge;
            attempts.push(Box::pin(attempt(inner, reference, peer, flight.limit, &pace)));
            again = None;
            continue;
        }
        if attempts.is_empty() && again.is_none() {
            again = Some(Instant::now() + pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let hedging = attempts.len() < PARALLEL && !waiting.is_empty();
        tokio::select! {
            outcome = arrived.as_mut() => return outcome,
            Some((peer, result)) = attempts.next(), if !attempts.is_empty() => match result {
                Ok(()) => return Outcome::Arrived,
                Err(failed) => {
                    asking.remove(&peer);
                    let (Failed::NotNow(reason) | Failed::Wrong(reason)) = &failed;
                    seen = format!("{}: {reason}", peer.0);
                    if matches!(failed, Failed::Wrong(_)) {
                        excluded.insert(peer);
                    }
                    // The next peer need not wait for the hedge.
                    let mut pace = pace.lock();
                    pace.hedge = pace.hedge.min(Instant::now());
                }
            },
            () = sleep_until(hedge), if hedging => {}
            () = sleep_until(again.unwrap_or(deadline)), if again.is_some() => {
                waiting = order(inner, reference, &asking, &excluded);
                again = None;
            }
            Ok(()) = changes.changed() => waiting = order(inner, reference, &asking, &excluded),
            Ok(()) = announced.changed() => waiting = order(inner, reference, &asking, &excluded),
            () = sleep_until(deadline) => {
                // An answer that began meanwhile has moved it.
                if pace.lock().deadline <= Instant::now() {
                    return Outcome::Unavailable(seen);
                }
            }
        }
    }
}

/// Whom to ask, those first who said to have it; the others begin with a different one each time.
fn order(
    inner: &Inner,
    reference: &Reference,
    asking: &HashSet<PeerId>,
    excluded: &HashSet<PeerId>,
) -> VecDeque<PeerId> {
    let mut peers = inner.peers.peers();
    peers.retain(|peer| !asking.contains(peer) && !excluded.contains(peer));
    if !peers.is_empty() {
        let first = rand::random_range(0..peers.len());
        peers.rotate_left(first);
    }
    let hints = inner.hints.lock();
    peers.sort_by_key(|peer| !hints.has(reference, peer));
    peers.into()
}

async fn attempt(
    inner: &Arc<Inner>,
    reference: &Reference,
    peer: PeerId,
    limit: u64,
    pace: &Mutex<Pace>,
) -> (PeerId, Result<(), Failed>) {
    let result = pull(inner, reference, &peer, limit, Place::Wanted, |budget, size| {
        let mut pace = pace.lock();
        let now = Instant::now();
        pace.deadline = pace.deadline.max(now + budget);
        pace.hedge = pace.hedge.max(now + inner.options.hedge + Duration::from_secs(size / EXPECTED_RATE));
    });
    let result = result.await;
    (peer, result)
}

/// Pulls ahead what a peer announced. Nobody waits for it.
pub(crate) async fn ahead(inner: &Arc<Inner>, peer: PeerId, reference: Reference, size: u64) {
    let place = Place::Offered(peer.clone());
    if let Err(Failed::NotNow(reason) | Failed::Wrong(reason)) =
        pull(inner, &reference, &peer, size, place, |_, _| ()).await
    {
        tracing::debug!(peer = %peer.0, %reference, reason, "announced content not pulled");
    }
}

/// Pulls from one peer. `flowing` learns, when bytes begin to flow, how long they may take and how many they are.
async fn pull(
    inner: &Arc<Inner>,
    reference: &Reference,
    peer: &PeerId,
    limit: u64,
    place: Place,
    flowing: impl FnOnce(Duration, u64),
) -> Result<(), Failed> {
    let head = wire::write(&Request::Pull { reference: reference.clone() }).map_err(Failed::NotNow)?;
    let request = Parcel { head, body: stream::once(Bytes::new()) };
    let answer = inner.peers.call(peer, PROTOCOL, request).await.map_err(|error| match error {
        peers::Error::Unreachable { reason, .. } | peers::Error::Refused { reason, .. } => Failed::NotNow(reason),
        peers::Error::UnknownPeer(_) => Failed::NotNow("no longer a peer".to_owned()),
    })?;
    let size = match wire::read(&answer.head).map_err(Failed::Wrong)? {
        Answer::Found { size } => size,
        Answer::Absent => return Err(Failed::NotNow("it has not got it".to_owned())),
        Answer::Stored | Answer::Noted => return Err(Failed::Wrong("it answered something else".to_owned())),
    };
    // Only the peer says so, and it may be wrong: no reason to give the content up.
    if size > limit {
        return Err(Failed::Wrong(format!("its copy has {size} bytes, more than the {limit} that are accepted")));
    }
    let budget = inner.options.wait + Duration::from_secs(size / inner.options.min_rate.max(1));
    flowing(budget, size);
    let stored = serve::store(inner, peer, reference, size, answer.body, |_| place);
    timeout(budget, stored).await.map_err(|_| Failed::Wrong("it was too slow".to_owned()))?.map_err(Failed::Wrong)
}
