//! Connections and the subscriptions that they start.

use std::sync::Arc;

use photinus_model::{
    Uuid,
    subscription::{self, Filter, Options},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Error,
    balance::{attend, is_balanced},
    dispatch::{Delivery, Pace, Run},
    filter::Compiled,
    position::resolve,
    registry::Active,
    subscription::{WEBSOCKETS, complete, start},
};
use crate::{Namespace, core::Core};

/// Kind of reader under which the offsets of subscriptions are stored.
pub(super) const OFFSETS: &str = "subscription";

impl Namespace {
    /// Has the events of a durable subscription delivered, by its name, until `closed`. If there is none, as soon as there is one.
    /// Of several connections of one subscription one is served; when it closes, the next takes over.
    pub fn attach(&self, name: &str, connection: mpsc::Sender<Delivery>, closed: CancellationToken) {
        let (core, name) = (Arc::clone(self.core()), name.to_owned());
        self.core().tasks.spawn_once(format!("subscription {name}"), async move {
            let over = core.tasks.stopping().child_token();
            let serving = durable(&core, &name, &connection, &over);
            tokio::pin!(serving);
            tokio::select! {
                () = &mut serving => {}
                () = closed.cancelled() => {
                    // It ends by itself, so that it counts what was acknowledged until now.
                    over.cancel();
                    serving.await;
                }
            }
        });
    }

    /// Has events delivered until `closed`, without a trace in the store. Returns what the subscription is called in the
    /// deliveries. From where it starts is settled when this returns.
    ///
    /// # Errors
    /// When filter or options are wrong.
    pub async fn attach_ephemeral(
        &self,
        filter: &Filter,
        mut options: Options,
        connection: mpsc::Sender<Delivery>,
        closed: CancellationToken,
    ) -> Result<subscription::Ref, Error> {
        let core = Arc::clone(self.core());
        complete(&mut options, WEBSOCKETS, &core.options.subscriptions)?;
        let filter = Compiled::new(filter)?;
        let offset = resolve(&core, start(options.first_event.as_deref())?).await?;
        let id = core.ports.ids.next();
        let subscription = subscription::Ref { id, namespace: core.name().to_owned(), name: id.to_string() };
        let named = subscription.clone();
        self.core().tasks.spawn_once("ephemeral subscription", async move {
            let stopping = core.tasks.stopping().clone();
            let run = Run {
                core: &core,
                subscription: Arc::new(named),
                filter: &filter,
                pace: Pace::new(&options),
                connection: &connection,
                over: [&closed, &stopping],
                durable: None,
            };
            if let Err(error) = run.deliver(offset).await {
                // Nothing is lost that was promised: the connection closes, and the subscriber starts anew.
                tracing::warn!(namespace = core.name(), %error, "an ephemeral subscription broke off");
                closed.cancel();
            }
        });
        Ok(subscription)
    }
}

/// Serves a durable subscription whenever it is this connection's turn, until `over`.
async fn durable(core: &Arc<Core>, name: &str, connection: &mpsc::Sender<Delivery>, over: &CancellationToken) {
    let mut changes = core.events.registry.changes();
    let mut backoff = core.tasks.backoff(core.options.retry);
    while !over.is_cancelled() {
        changes.borrow_and_update();
        let found = core.events.registry.get(name);
        let Some(active) = found.filter(|active| active.subscription.transport == WEBSOCKETS) else {
            tokio::select! {
                biased;
                () = over.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            continue;
        };
        if is_balanced(&active.subscription.options).unwrap_or_default() {
            attend(core, &active, connection, over).await;
            if connection.is_closed() {
                return;
            }
            continue;
        }
        let turn = tokio::select! {
            biased;
            () = over.cancelled() => return,
            () = active.over.cancelled() => continue,
            turn = active.progress.turn.lock() => turn,
        };
        let served = serve(core, &active, connection, over).await;
        drop(turn);
        match served {
            // The connection is gone without a word: its turn is over too.
            Ok(()) if connection.is_closed() => return,
            Ok(()) => backoff.reset(),
            Err(error) => {
                tracing::warn!(namespace = core.name(), subscription = name, %error, "delivery starts over");
                tokio::select! {
                    biased;
                    () = over.cancelled() => return,
                    () = tokio::time::sleep(backoff.advance()) => {}
                }
            }
        }
    }
}

/// Delivers from where the subscription stands, until it changes or `over`.
pub(super) async fn serve(
    core: &Core,
    active: &Arc<Active>,
    connection: &mpsc::Sender<Delivery>,
    over: &CancellationToken,
) -> Result<(), photinus_store::Error> {
    let subscription = &active.subscription;
    let offset = match active.progress.offset() {
        Some(offset) => offset,
        None => stored_offset(core, subscription.id, &subscription.options).await?,
    };
    let run = Run {
        core,
        subscription: Arc::new(active.reference(core.name())),
        filter: &active.filter,
        pace: Pace::new(&subscription.options),
        connection,
        over: [over, &active.over],
        durable: Some(active),
    };
    run.deliver(offset).await
}

/// How far a subscription was delivered in earlier runs, or where it begins.
pub(super) async fn stored_offset(core: &Core, id: Uuid, options: &Options) -> Result<i64, photinus_store::Error> {
    let stored = core.store.read(core.name()).offset(OFFSETS, &id.to_string()).await?;
    let begin = || options.first_event.as_ref().and_then(|text| text.parse().ok()).unwrap_or(-1);
    Ok(stored.unwrap_or_else(begin))
}
