//! Deliveries that go out while their batch is still being stored, which saves the time of one of the two.
//!
//! Nothing is pinned before both are done. What is written of them is what is written of every delivery: until it is struck out, a
//! crash delivers once more. A batch that a member has and that is not stored after all is never pinned, and what comes of it is what
//! comes of all content without a pin.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use photinus_model::{Uuid, wire};

use super::{queue::Waiting, seal::Outbound};
use crate::{
    core::Core,
    delivery::{self, Delivery, What},
};

/// The deliveries of one batch that were begun, by their operations.
#[derive(Default)]
pub(super) struct Ahead {
    payload: Option<Bytes>,
    /// In the order of their operations, so that what is left of them is left in one order.
    begun: BTreeMap<Uuid, Delivery>,
    attempts: FuturesUnordered<BoxFuture<'static, (Uuid, bool)>>,
}

impl Ahead {
    /// Begins to deliver a batch to those members that can be reached and are owed nothing else.
    ///
    /// Not where files belong to it. Not without a pin, because such messages count when they arrive. And not where a message may turn
    /// out to have been sent before: then another batch takes the others.
    pub(super) async fn begin(core: &Arc<Core>, outbound: &Outbound, messages: &[Waiting]) -> Self {
        let may = outbound.is_pinned()
            && outbound.deliveries.iter().all(|delivery| matches!(delivery.what, What::Batch { .. }))
            && messages.iter().all(|waiting| waiting.sealed.message.idempotency_key.is_none());
        let mut ahead = Self::default();
        if !may {
            return ahead;
        }
        for delivery in &outbound.deliveries {
            if !delivery::is_free(core, delivery.node).await {
                continue;
            }
            let payload = ahead.payload.get_or_insert_with(|| Bytes::from(wire::wrap(None, &outbound.batch))).clone();
            let (core, mut attempt) = (Arc::clone(core), Delivery { payload: Some(payload), ..delivery.clone() });
            ahead.begun.insert(delivery.operation, attempt.clone());
            ahead.attempts.push(Box::pin(async move {
                let arrived = delivery::attempt_once(&core, &mut attempt).await;
                (attempt.operation, arrived)
            }));
        }
        ahead
    }

    /// The wrapper that is delivered, if it was made.
    pub(super) fn payload(&self) -> Option<Bytes> {
        self.payload.clone()
    }

    /// Whether the delivery of this operation was begun.
    pub(super) fn has(&self, operation: Uuid) -> bool {
        self.begun.contains_key(&operation)
    }

    /// Goes on with the attempts until `end`, whose outcome is returned. For ever, if `end` takes so long.
    pub(super) async fn during<T>(&mut self, end: impl Future<Output = T>) -> T {
        let mut end = std::pin::pin!(end);
        let mut arrived = Vec::new();
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut end => break outcome,
                Some(one) = self.attempts.next(), if !self.attempts.is_empty() => arrived.push(one),
            }
        };
        // What was found out meanwhile is told once the batch is stored.
        self.attempts.extend(arrived.into_iter().map(|one| Box::pin(std::future::ready(one)) as BoxFuture<'static, _>));
        outcome
    }

    /// Brings the attempts to their end. What has not arrived waits in its peer's queue from then on.
    pub(super) async fn finish(&mut self, core: &Arc<Core>) {
        while let Some((operation, arrived)) = self.attempts.next().await {
            let Some(delivery) = self.begun.remove(&operation) else { continue };
            if arrived {
                delivery::has_arrived(core, &delivery).await;
            } else {
                delivery::send(core, [delivery]);
            }
        }
    }

    /// Leaves what has not arrived to the queues of its peers.
    pub(super) fn leave(self, core: &Arc<Core>) {
        delivery::send(core, self.begun.into_values());
    }
}
