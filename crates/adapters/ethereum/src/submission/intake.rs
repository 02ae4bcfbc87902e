//! From a request to a signed and journalled transaction, in the order of arrival, for one key.
//!
//! What arrives while a journal write is under way goes into the next one together.

use std::{sync::Arc, time::Instant};

use alloy::primitives::{Address, Bytes};
use futures::{StreamExt, stream};
use photinus_ports::{OperationRef, blockchain::Error};
use tokio::sync::{mpsc, oneshot};

use super::{
    Submission, clock_now,
    gas::Refusal,
    outbox,
    pool::{Phase, Tx},
    record::Signed,
    sign::Draft,
    space::{BySpace, Space},
};
use crate::{fees, keys};

/// Submissions that are journalled together.
const GROUP: usize = 64;
/// Groups that were journalled and wait to be sent.
const SEND_QUEUE: usize = 16;
/// Gas estimations under way at once.
const ESTIMATES: usize = 8;
/// Groups larger than this are signed on a thread of their own.
const SIGN_IN_PLACE: usize = 2;

/// A call that somebody waits to see accepted.
pub(crate) struct Request {
    pub(crate) operation: OperationRef,
    pub(crate) space: Arc<Space>,
    pub(crate) to: Address,
    pub(crate) input: Bytes,
    pub(crate) answer: oneshot::Sender<Result<(), Error>>,
}

impl Request {
    fn answer(self, result: Result<(), Error>) {
        // A caller that stopped waiting asks again, and finds the operation known.
        let _ = self.answer.send(result);
    }
}

/// Serves one key until the adapter stops.
pub(crate) async fn run(shared: Arc<Submission>, from: Address, mut queue: mpsc::Receiver<Request>) {
    let (groups, to_send) = mpsc::channel(SEND_QUEUE);
    shared.tasks.spawn(outbox::run(shared.clone(), to_send));
    let mut group = Vec::with_capacity(GROUP);
    loop {
        let arrived = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            arrived = queue.recv_many(&mut group, GROUP) => arrived,
        };
        if arrived == 0 {
            return;
        }
        while !group.is_empty() {
            let Some(room) = room(&shared, from).await else { return };
            let rest = group.split_off(room.min(group.len()));
            let requests = std::mem::replace(&mut group, rest);
            let accepted = accept(&shared, from, requests).await;
            if !accepted.is_empty() && groups.send(accepted).await.is_err() {
                return;
            }
        }
    }
}

/// Waits until the key may have more transactions in flight; how many more. `None` when the adapter stops.
async fn room(shared: &Submission, from: Address) -> Option<usize> {
    loop {
        let freed = shared.room.notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        let waiting = shared.pool.lock().account(from).waiting().len();
        match shared.options.max_in_flight.max(1).checked_sub(waiting) {
            Some(room) if room > 0 => return Some(room),
            _ => tokio::select! {
                () = shared.stop.cancelled() => return None,
                () = freed => {}
            },
        }
    }
}

/// Accepts or refuses requests. Returns the operations that are to be sent.
async fn accept(shared: &Arc<Submission>, from: Address, requests: Vec<Request>) -> Vec<OperationRef> {
    let mut fresh: Vec<Request> = Vec::with_capacity(requests.len());
    for request in requests {
        let twice = fresh.iter().any(|other| other.operation == request.operation);
        if twice || shared.pool.lock().get(&request.operation).is_some() {
            request.answer(Ok(()));
        } else {
            fresh.push(request);
        }
    }
    if fresh.is_empty() {
        return Vec::new();
    }
    let terms = match Terms::now(shared, from).await {
        Ok(terms) => terms,
        Err(reason) => {
            for request in fresh {
                request.answer(Err(Error::Unavailable(reason.clone())));
            }
            return Vec::new();
        }
    };
    let mut by_space = BySpace::new();
    for (request, gas) in allowances(shared, from, fresh, terms.block_limit).await {
        by_space.push(&request.space.clone(), (request, gas));
    }
    let mut accepted = Vec::new();
    for (space, group) in by_space {
        accepted.extend(seal(shared, from, &terms, &space, group).await);
    }
    accepted
}

/// What all transactions of a group have in common.
struct Terms {
    chain_id: u64,
    price: fees::Price,
    block_limit: u64,
}

impl Terms {
    async fn now(shared: &Submission, from: Address) -> Result<Self, String> {
        let chain_id = shared.chain.id_of(&shared.client, shared.options.chain_id).await;
        let chain_id = chain_id.map_err(|error| error.to_string())?;
        if shared.pool.lock().allot(from, 0).is_none() {
            let (_, pending) = shared.client.transaction_counts(from).await.map_err(|error| error.to_string())?;
            shared.pool.lock().account(from).sync(pending);
        }
        let market = shared.prices.market().await.map_err(|error| error.to_string())?;
        let block_limit = shared.chain.tip().map_or(u64::MAX, |tip| tip.gas_limit);
        Ok(Self { chain_id, price: fees::price(&shared.options.fees, &market), block_limit })
    }
}

/// How much gas each request gets; those that would fail are refused.
async fn allowances(
    shared: &Submission,
    from: Address,
    requests: Vec<Request>,
    block_limit: u64,
) -> Vec<(Request, u64)> {
    let asked: Vec<_> = stream::iter(requests)
        .map(|request| async move {
            let limit = shared.gas.limit(from, request.to, &request.input, block_limit).await;
            (request, limit)
        })
        .buffered(ESTIMATES)
        .collect()
        .await;
    let mut allowed = Vec::with_capacity(asked.len());
    for (request, limit) in asked {
        match limit {
            Ok(gas) => allowed.push((request, gas)),
            Err(refusal) => {
                shared.counters.rejected.add(1);
                request.answer(Err(match refusal {
                    Refusal::Rejected(reason) => Error::Rejected(reason),
                    Refusal::Unavailable(reason) => Error::Unavailable(reason),
                }));
            }
        }
    }
    allowed
}

/// Gives nonces, signs, journals and answers.
async fn seal(
    shared: &Arc<Submission>,
    from: Address,
    terms: &Terms,
    space: &Arc<Space>,
    group: Vec<(Request, u64)>,
) -> Vec<OperationRef> {
    let count = group.len() as u64;
    let Some(first) = shared.pool.lock().allot(from, count) else { return Vec::new() };
    let drafts: Vec<Draft> = (first..)
        .zip(&group)
        .map(|(nonce, (request, gas))| Draft {
            nonce,
            to: Some(request.to),
            input: request.input.clone(),
            gas: *gas,
            price: terms.price,
        })
        .collect();
    let outcome = match sign(shared, from, drafts, terms.chain_id).await {
        Ok(signed) => {
            let entries = group.iter().zip(&signed).map(|((request, _), signed)| (&request.operation, signed));
            space.record(entries).await.map(|()| signed)
        }
        Err(error) => Err(error),
    };
    let signed = match outcome {
        Ok(signed) => signed,
        Err(error) => {
            shared.pool.lock().take_back(from, first, count);
            for (request, _) in group {
                request.answer(Err(match &error {
                    Error::Journal(reason) => Error::Journal(reason.clone()),
                    other => Error::Unavailable(other.to_string()),
                }));
            }
            return Vec::new();
        }
    };
    shared.counters.submitted.add(signed.len());
    shared.counters.journal_groups.add(1);
    let (now, head) = (Instant::now(), shared.head());
    let mut accepted = Vec::with_capacity(signed.len());
    {
        let mut pool = shared.pool.lock();
        for ((request, _), signed) in group.iter().zip(signed) {
            // A namespace that was let go meanwhile takes the operation up again from its journal.
            if !space.stop.is_cancelled() {
                pool.insert(Tx::new(request.operation.clone(), signed, Phase::Waiting, now, head));
                accepted.push(request.operation.clone());
            }
        }
    }
    for (request, _) in group {
        request.answer(Ok(()));
    }
    accepted
}

async fn sign(shared: &Submission, from: Address, drafts: Vec<Draft>, chain_id: u64) -> Result<Vec<Signed>, Error> {
    let signer = shared.keyring.signer(&from).ok_or_else(|| Error::UnknownKey(keys::normal(&from)))?.clone();
    let now = clock_now();
    let in_place = drafts.len() <= SIGN_IN_PLACE;
    let sign_all = move || {
        drafts
            .into_iter()
            .map(|draft| {
                let (hash, raw) = draft.sign(&signer, chain_id)?;
                Ok(Signed { from, nonce: draft.nonce, hash, raw, earlier: Vec::new(), created: now, sent: now })
            })
            .collect::<Result<Vec<_>, super::sign::Error>>()
    };
    let signed = if in_place {
        sign_all()
    } else {
        tokio::task::spawn_blocking(sign_all).await.map_err(|error| Error::Unavailable(error.to_string()))?
    };
    signed.map_err(|error| Error::Unavailable(error.to_string()))
}
