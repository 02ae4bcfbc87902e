//! Following the chain: new blocks come by WebSocket when there is one, by polling otherwise, and gaps between them are
//! filled by asking for parents.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use alloy::primitives::B256;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    Chain, FOLLOWER,
    ring::{Change, Fit},
};
use crate::{
    backoff::Backoff,
    counters::Counters,
    options::{Options, Url},
    rpc::{Client, Error, Header, NewBlocks, Pushed},
};

/// A WebSocket is given up when polling found blocks this often in a row that it had not pushed.
const SILENT_POLLS: u32 = 2;

/// The task that keeps [`Chain`] current.
pub(crate) struct Follower {
    chain: Arc<Chain>,
    client: Client,
    counters: Arc<Counters>,
    ws_url: Option<Url>,
    chain_id: Option<u64>,
    poll_interval: Duration,
    heartbeat_interval: Duration,
    capacity: u64,
    /// Between failed polls.
    backoff: Backoff,
    /// Between attempts to open the WebSocket.
    ws_backoff: Backoff,
    /// Whether this is the right chain was checked since the last failure.
    identified: bool,
}

enum Feed {
    Off,
    Waiting(Instant),
    Opening(BoxFuture<'static, Result<NewBlocks, Error>>),
    Open { blocks: NewBlocks, silent: u32 },
}

/// What woke the follower.
enum Wake {
    Stop,
    Poll,
    Reopen,
    Opened(Result<NewBlocks, Error>),
    Pushed(Pushed),
}

impl Follower {
    pub(crate) fn new(
        chain: Arc<Chain>,
        client: Client,
        counters: Arc<Counters>,
        options: &Options,
        capacity: u64,
    ) -> Self {
        let backoff = Backoff::new(options.min_backoff.0, options.max_backoff.0);
        Self {
            chain,
            client,
            counters,
            ws_url: options.ws_url.clone(),
            chain_id: options.chain_id,
            poll_interval: options.poll_interval.0,
            heartbeat_interval: options.heartbeat_interval.0,
            capacity,
            ws_backoff: backoff.clone(),
            backoff,
            identified: false,
        }
    }

    /// Runs until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut feed = if self.ws_url.is_some() { Feed::Waiting(Instant::now()) } else { Feed::Off };
        let mut next_poll = Instant::now();
        loop {
            self.chain.pushed.store(matches!(feed, Feed::Open { .. }), Ordering::Relaxed);
            let wake = self.wait(&mut feed, next_poll, &stop).await;
            match wake {
                Wake::Stop => return,
                Wake::Reopen => feed = self.open(),
                Wake::Opened(Ok(blocks)) => {
                    self.counters.connections.add(1);
                    self.ws_backoff.reset();
                    feed = Feed::Open { blocks, silent: 0 };
                    // Blocks from before the subscription are not pushed.
                    next_poll = self.poll(&mut feed).await;
                }
                Wake::Opened(Err(error)) => {
                    tracing::warn!(%error, "cannot open the chain's WebSocket; polling meanwhile");
                    feed = Feed::Waiting(Instant::now() + self.ws_backoff.wait());
                }
                Wake::Pushed(Pushed::Block(header)) => {
                    if let Feed::Open { silent, .. } = &mut feed {
                        *silent = 0;
                    }
                    if !self.identified {
                        next_poll = self.poll(&mut feed).await;
                    } else if let Err(error) = self.observe(header).await {
                        // A block whose parents cannot be fetched now is found again by polling.
                        next_poll = self.failed(&error);
                    }
                }
                Wake::Pushed(Pushed::Closed) => {
                    tracing::warn!("the chain closed its WebSocket; polling until it is back");
                    self.identified = false;
                    feed = Feed::Waiting(Instant::now() + self.ws_backoff.wait());
                    next_poll = Instant::now();
                }
                Wake::Pushed(Pushed::Unclear) | Wake::Poll => next_poll = self.poll(&mut feed).await,
            }
        }
    }

    async fn wait(&self, feed: &mut Feed, next_poll: Instant, stop: &CancellationToken) -> Wake {
        let open = matches!(feed, Feed::Open { .. });
        let news = async {
            match feed {
                Feed::Off => std::future::pending().await,
                Feed::Waiting(until) => {
                    sleep_until(*until).await;
                    Wake::Reopen
                }
                Feed::Opening(opening) => Wake::Opened(opening.await),
                Feed::Open { blocks, .. } => Wake::Pushed(blocks.next().await),
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Wake::Stop,
            wake = news => wake,
            () = self.chain.poke.notified(), if !open => Wake::Poll,
            () = sleep_until(next_poll) => Wake::Poll,
        }
    }

    fn open(&self) -> Feed {
        let Some(url) = self.ws_url.clone() else { return Feed::Off };
        let client = self.client.clone();
        Feed::Opening(Box::pin(async move { client.subscribe(&url).await }))
    }

    /// Asks for the newest block; returns when to ask again.
    async fn poll(&mut self, feed: &mut Feed) -> Instant {
        match self.ask().await {
            Ok(grown) => {
                self.backoff.reset();
                self.chain.report(FOLLOWER, None);
                match feed {
                    Feed::Open { silent, .. } => {
                        *silent = if grown { *silent + 1 } else { 0 };
                        if *silent > SILENT_POLLS {
                            tracing::warn!("the chain's WebSocket pushes no blocks; opening it again");
                            *feed = Feed::Waiting(Instant::now() + self.ws_backoff.wait());
                        }
                        Instant::now() + self.heartbeat_interval
                    }
                    _ => Instant::now() + self.poll_interval,
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &Error) -> Instant {
        tracing::debug!(%error, "cannot read the chain's newest block");
        self.identified = false;
        self.chain.report(FOLLOWER, Some(error.to_string()));
        Instant::now() + self.backoff.wait()
    }

    /// Whether the newest block was news.
    async fn ask(&mut self) -> Result<bool, Error> {
        if !self.identified {
            let id = self.client.chain_id().await?;
            self.chain.identify(id, self.chain_id).map_err(Error::Unreachable)?;
            self.identified = true;
        }
        let latest = self.client.latest().await?;
        let tip = self.chain.tip();
        if let Some(tip) = tip
            && latest.number < tip.number
            && self.chain.blocks().fit(&latest) == Fit::Known
        {
            // Either this answer is late, or the chain was set back.
            if self.client.block_by_hash(tip.hash).await?.is_none() {
                self.chain.update(|ring| ring.roll_back(latest.number));
                self.counters.forks.add(1);
            }
            return Ok(false);
        }
        self.observe(latest).await
    }

    /// Takes note of a block, fetching what lies between it and the known ones. Whether it was news.
    async fn observe(&self, header: Header) -> Result<bool, Error> {
        let fit = self.chain.blocks().fit(&header);
        let change = match fit {
            Fit::Known => return Ok(false),
            Fit::Follows => self.chain.update(|ring| Some(ring.add([header]))),
            Fit::Detached => self.attach(header).await?,
        };
        self.counters.blocks.add(1);
        if matches!(change, Some(Change::Forked(_))) {
            self.counters.forks.add(1);
        }
        Ok(true)
    }

    /// Connects a block with the known ones by way of its parents. One that is far from them starts afresh: those who wait
    /// for blocks then notice by themselves what they have missed.
    async fn attach(&self, header: Header) -> Result<Option<Change>, Error> {
        let Some(tip) = self.chain.tip() else { return Ok(self.restart(vec![header])) };
        if header.number.abs_diff(tip.number) > self.capacity / 2 {
            return Ok(self.restart(vec![header]));
        }
        let mut between: HashMap<B256, Header> = HashMap::new();
        if header.number > tip.number + 1 {
            let blocks = self.client.blocks(tip.number + 1..header.number).await?;
            between.extend(blocks.into_iter().flatten().map(|block| (block.hash, block)));
        }
        let mut downwards = vec![header];
        let mut lowest = header;
        while self.chain.blocks().fit(&lowest) == Fit::Detached {
            if lowest.number == 0 || downwards.len() as u64 > self.capacity / 2 {
                return Ok(self.restart(downwards));
            }
            let parent = match between.remove(&lowest.parent_hash) {
                Some(parent) => parent,
                None => self.client.block_by_hash(lowest.parent_hash).await?.ok_or_else(Error::null)?,
            };
            if parent.hash != lowest.parent_hash || parent.number + 1 != lowest.number {
                return Err(Error::Unreachable("the chain's blocks contradict each other".to_owned()));
            }
            downwards.push(parent);
            lowest = parent;
        }
        Ok(self.chain.update(|ring| Some(ring.add(downwards.into_iter().rev()))))
    }

    fn restart(&self, mut downwards: Vec<Header>) -> Option<Change> {
        let lowest = downwards.pop()?;
        self.chain.update(|ring| {
            let known = ring.tip().is_some();
            ring.restart(lowest);
            ring.add(downwards.into_iter().rev());
            Some(if known { Change::Forked(0) } else { Change::Grown })
        })
    }
}
