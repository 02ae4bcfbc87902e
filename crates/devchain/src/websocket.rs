//! One WebSocket connection: requests, many at a time, and subscriptions.
//!
//! A subscription is a position in the chain, not a queue. What a slow client has not taken yet is read from the chain when
//! its turn comes, so no event is lost and nothing piles up here. Only the hashes of waiting transactions may be skipped.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use alloy::primitives::U128;
use alloy::rpc::types::{Filter, FilterBlockOption};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;

use crate::archive::Failure;
use crate::block::Block;
use crate::options::{MAX_IN_FLIGHT, MAX_SUBSCRIPTIONS, PING_PERIOD};
use crate::rpc::Api;
use crate::rpc::filters::check;
use crate::rpc::params::Params;
use crate::rpc::wire::{self, Answer, Error, Request, answer};

/// Serves a connection until the client leaves or the chain stops.
pub(crate) async fn serve(socket: WebSocket, api: Arc<Api>, stop: CancellationToken) {
    let (sink, stream) = socket.split();
    let mut connection = Connection {
        heads: api.ledger.heads(),
        admissions: api.ledger.admissions(),
        api,
        sink,
        subscriptions: Subscriptions::default(),
    };
    let close = tokio::select! {
        close = connection.run(stream) => close,
        () = stop.cancelled() => Close::Stopping,
    };
    let (code, reason) = match close {
        Close::Gone => return,
        Close::Stopping => (close_code::AWAY, "the chain is stopping"),
        Close::Failed => (close_code::ERROR, "the stored chain cannot be read"),
    };
    let frame = CloseFrame { code, reason: reason.into() };
    // A client that takes nothing any more does not get to see it.
    let farewell = connection.sink.send(Message::Close(Some(frame)));
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), farewell).await;
}

/// Why a connection ends.
enum Close {
    Gone,
    Stopping,
    Failed,
}

impl From<axum::Error> for Close {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}

impl From<Failure> for Close {
    fn from(failure: Failure) -> Self {
        tracing::error!(%failure, "cannot read the stored chain");
        Self::Failed
    }
}

struct Connection {
    api: Arc<Api>,
    sink: SplitSink<WebSocket, Message>,
    heads: watch::Receiver<u64>,
    admissions: watch::Receiver<u64>,
    subscriptions: Subscriptions,
}

#[derive(Default)]
struct Subscriptions {
    open: HashMap<U128, Subscription>,
    /// The next block to report.
    next: u64,
    /// How many admitted transactions have been reported.
    seen: u64,
}

struct Subscription {
    kind: Kind,
    /// The first block that came after the subscription.
    from: u64,
}

enum Kind {
    NewHeads,
    Logs(Box<Filter>),
    NewPendingTransactions,
}

impl Connection {
    async fn run(&mut self, stream: SplitStream<WebSocket>) -> Close {
        match self.take_turns(stream).await {
            Ok(never) => match never {},
            Err(close) => close,
        }
    }

    async fn take_turns(&mut self, mut stream: SplitStream<WebSocket>) -> Result<Infallible, Close> {
        let mut in_flight: FuturesUnordered<BoxFuture<'static, Option<String>>> = FuturesUnordered::new();
        let mut ping = interval_at(Instant::now() + PING_PERIOD, PING_PERIOD);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                message = stream.next(), if in_flight.len() < MAX_IN_FLIGHT => {
                    let message = message.ok_or(Close::Gone)??;
                    heard = Instant::now();
                    let text = match message {
                        Message::Text(text) => text.as_str().to_owned(),
                        Message::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                        Message::Close(_) => return Err(Close::Gone),
                        Message::Ping(_) | Message::Pong(_) => continue,
                    };
                    match subscription_request(&text) {
                        // At once, so that the answer is ahead of the first notification.
                        Some(request) => {
                            self.catch_up().await?;
                            let response = self.change_subscriptions(&request);
                            self.send(response).await?;
                        }
                        None => {
                            let api = Arc::clone(&self.api);
                            in_flight.push(async move { api.handle(&text).await }.boxed());
                        }
                    }
                }
                Some(answer) = in_flight.next(), if !in_flight.is_empty() => {
                    if let Some(answer) = answer {
                        self.send(answer).await?;
                    }
                }
                () = reached(&mut self.heads, self.subscriptions.next), if self.subscriptions.want_blocks() => {
                    self.report_block().await?;
                }
                _ = self.admissions.changed(), if self.subscriptions.want_pending() => {
                    self.report_pending().await?;
                }
                _ = ping.tick() => {
                    if heard.elapsed() > 2 * PING_PERIOD && in_flight.is_empty() {
                        return Err(Close::Gone);
                    }
                    self.sink.send(Message::Ping(Vec::new().into())).await?;
                }
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<(), Close> {
        Ok(self.sink.send(Message::Text(text.into())).await?)
    }

    /// Reports what came before this moment. Clients that ask for the same events twice, as alloy does, listen to the
    /// newer subscription alone as soon as they read its answer: what came before it must be on the wire before it.
    async fn catch_up(&mut self) -> Result<(), Close> {
        while self.subscriptions.want_blocks() && self.subscriptions.next <= *self.heads.borrow() {
            self.report_block().await?;
        }
        Ok(())
    }

    async fn report_block(&mut self) -> Result<(), Close> {
        let number = self.subscriptions.next;
        // It has been announced, so it is there, or the archive is damaged.
        let block = self.api.ledger.block(number).await?.ok_or(Close::Failed)?;
        self.subscriptions.next = number + 1;
        for notification in self.subscriptions.notifications(&block) {
            self.sink.feed(Message::Text(notification.into())).await?;
        }
        Ok(self.sink.flush().await?)
    }

    async fn report_pending(&mut self) -> Result<(), Close> {
        let (hashes, seen) = self.api.ledger.admitted_since(self.subscriptions.seen);
        self.subscriptions.seen = seen;
        for (id, subscription) in &self.subscriptions.open {
            if matches!(subscription.kind, Kind::NewPendingTransactions) {
                for hash in &hashes {
                    self.sink.feed(Message::Text(notification(*id, hash).into())).await?;
                }
            }
        }
        Ok(self.sink.flush().await?)
    }

    fn change_subscriptions(&mut self, request: &Request<'_>) -> String {
        let answer =
            if request.method == "eth_subscribe" { self.subscribe(request) } else { self.unsubscribe(request) };
        wire::response(request.id(), answer)
    }

    fn subscribe(&mut self, request: &Request<'_>) -> Answer {
        let params = Params::parse(request.params)?;
        let name: String = params.required(0)?;
        let kind = match name.as_str() {
            "newHeads" => Kind::NewHeads,
            "logs" => {
                let mut filter: Filter = params.optional(1)?.unwrap_or_default();
                check(&filter)?;
                filter.block_option = FilterBlockOption::default();
                Kind::Logs(Box::new(filter))
            }
            "newPendingTransactions" if params.optional::<bool>(1)?.unwrap_or(false) => {
                return Err(Error::invalid_params("newPendingTransactions reports hashes only"));
            }
            "newPendingTransactions" => Kind::NewPendingTransactions,
            other => return Err(Error::invalid_params(format!("no \"{other}\" subscription in eth namespace"))),
        };
        if self.subscriptions.open.len() >= MAX_SUBSCRIPTIONS {
            return Err(Error::limit(format!(
                "at most {MAX_SUBSCRIPTIONS} subscriptions can be open on one connection"
            )));
        }
        if !self.subscriptions.want_blocks() {
            self.subscriptions.next = self.api.ledger.latest().block.header.number + 1;
        }
        // A block since the others caught up is reported to all.
        let from = self.subscriptions.next;
        if !self.subscriptions.want_pending() {
            (_, self.subscriptions.seen) = self.api.ledger.admitted_since(u64::MAX);
        }
        let id = U128::from(rand::random::<u128>());
        self.subscriptions.open.insert(id, Subscription { kind, from });
        answer(&id)
    }

    fn unsubscribe(&mut self, request: &Request<'_>) -> Answer {
        let id: U128 = Params::parse(request.params)?.required(0)?;
        match self.subscriptions.open.remove(&id) {
            Some(_) => answer(&true),
            None => Err(Error::server("subscription not found")),
        }
    }
}

/// The request for or against a subscription in a message, if it is one.
fn subscription_request(text: &str) -> Option<Request<'_>> {
    Request::parse(text).ok().filter(|request| matches!(&*request.method, "eth_subscribe" | "eth_unsubscribe"))
}

/// Returns when the chain has a block of this number.
async fn reached(heads: &mut watch::Receiver<u64>, number: u64) {
    if heads.wait_for(|head| *head >= number).await.is_err() {
        // The ledger is gone, and no block will come.
        std::future::pending().await
    }
}

impl Subscriptions {
    fn want_blocks(&self) -> bool {
        self.open.values().any(|subscription| !matches!(subscription.kind, Kind::NewPendingTransactions))
    }

    fn want_pending(&self) -> bool {
        self.open.values().any(|subscription| matches!(subscription.kind, Kind::NewPendingTransactions))
    }

    fn notifications(&self, block: &Block) -> Vec<String> {
        let mut notifications = Vec::new();
        for (id, subscription) in &self.open {
            if block.header.number < subscription.from {
                continue;
            }
            match &subscription.kind {
                Kind::NewHeads => notifications.push(notification(*id, &block.rpc_header())),
                Kind::Logs(filter) => {
                    let mut logs = Vec::new();
                    block.append_logs(filter, &mut logs);
                    notifications.extend(logs.iter().map(|log| notification(*id, log)));
                }
                Kind::NewPendingTransactions => {}
            }
        }
        notifications
    }
}

fn notification<T: Serialize>(subscription: U128, result: &T) -> String {
    #[derive(Serialize)]
    struct Notification<'a, T> {
        jsonrpc: &'static str,
        method: &'static str,
        params: Event<'a, T>,
    }
    #[derive(Serialize)]
    struct Event<'a, T> {
        subscription: U128,
        result: &'a T,
    }
    let params = Event { subscription, result };
    let notification = Notification { jsonrpc: "2.0", method: "eth_subscription", params };
    // Headers, log entries and hashes: nothing in them can fail to be written.
    serde_json::to_string(&notification).unwrap_or_default()
}
