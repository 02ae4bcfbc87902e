//! What load can consist of. Every request is one of FireFly 1.4's.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{
    load::{self, Figures, Loop, Request},
    target::{Target, answered, json as parsed, refused},
};
use crate::error::Error;

/// Bytes of the value that a message carries.
const VALUE: usize = 100;
/// Bytes of a file.
const FILE: usize = 100 << 10;
/// Topics over which requests spread, unless something else is wanted.
pub(crate) const TOPICS: usize = 16;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// Broadcast messages, until they are confirmed.
    Broadcast,
    /// Private messages, until they are confirmed.
    Private,
    /// Private messages without a pin, until they are confirmed.
    Unpinned,
    /// Files of 100 KiB: uploaded, sent as a message, until it is confirmed.
    Blobs,
    /// The newest 25 messages.
    List,
    /// Listings by author, topic, type and time, counts and single messages.
    Queries,
    /// Events over one WebSocket that acknowledges each.
    Events,
    /// Messages of each kind, files and queries.
    Mixed,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Private => "private",
            Self::Unpinned => "private unpinned",
            Self::Blobs => "blobs",
            Self::List => "GET /messages?limit=25",
            Self::Queries => "queries",
            Self::Events => "events",
            Self::Mixed => "mixed",
        }
    }

    /// Whether it takes somebody to send to.
    pub(crate) fn needs_peer(self) -> bool {
        matches!(self, Self::Private | Self::Unpinned)
    }
}

/// Load of one kind on one node.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) target: Target,
    pub(crate) work: Work,
    /// Topics over which messages spread.
    pub(crate) topics: usize,
    /// Tag of the messages, if they are to be told from others.
    pub(crate) tag: String,
}

impl Load {
    pub(crate) fn new(target: &Target, work: Work) -> Self {
        Self { target: target.clone(), work, topics: TOPICS, tag: String::new() }
    }

    /// Runs for a while and says what it took.
    pub(crate) async fn run(self, how: Loop, seconds: f64) -> Figures {
        let target = self.target.clone();
        let before = target.processor_time();
        let load = Arc::new(self);
        let request: Request = Arc::new(move |number| load.request(number));
        let figures = load::run(how, seconds, request).await;
        figures.used(target.processor_time().saturating_sub(before))
    }

    fn request(&self, number: usize) -> BoxFuture<'static, Result<(), Error>> {
        let (load, work) = (self.clone(), self.turn(number));
        async move {
            match work {
                Work::Broadcast | Work::Private | Work::Unpinned => load.message(work, number).await,
                Work::Blobs => load.file(number).await,
                _ => load.read(work, number).await,
            }
        }
        .boxed()
    }

    /// The work of a request of mixed work, which is only what there is somebody for.
    fn turn(&self, number: usize) -> Work {
        match (self.work, number % 8) {
            (Work::Mixed, 7) => Work::Blobs,
            (Work::Mixed, 3 | 6) => Work::Queries,
            (Work::Mixed, 1 | 4) if self.target.peer.is_some() => Work::Private,
            (Work::Mixed, 5) if self.target.peer.is_some() => Work::Unpinned,
            (Work::Mixed, _) => Work::Broadcast,
            (work, _) => work,
        }
    }

    async fn message(&self, work: Work, number: usize) -> Result<(), Error> {
        self.send(work, number, json!({"value": "x".repeat(VALUE)})).await
    }

    async fn send(&self, work: Work, number: usize, data: Value) -> Result<(), Error> {
        let mut body = json!({
            "header": {"topics": [format!("bench-{}", number % self.topics.max(1))]},
            "data": [data],
        });
        if !self.tag.is_empty() {
            body["header"]["tag"] = json!(self.tag);
        }
        let mut path = "broadcast";
        if work.needs_peer() {
            let peer = self.target.peer.as_ref().ok_or_else(|| refused(&"nobody to send to: name a --peer"))?;
            let members = std::iter::once(&peer.identity).chain(&self.target.others);
            let members: Vec<_> = members.map(|identity| json!({"identity": identity})).collect();
            body["group"] = json!({"members": members});
            path = "private";
        }
        if work == Work::Unpinned {
            body["header"]["txtype"] = json!("unpinned");
        }
        let url = self.target.first.route(&format!("messages/{path}?confirm=true"));
        answered(self.target.http.post(url).json(&body).send().await).await.map(drop)
    }

    async fn file(&self, number: usize) -> Result<(), Error> {
        let part = Part::bytes(content(number)).file_name("bench.bin");
        let url = self.target.first.route("data");
        let data =
            parsed(answered(self.target.http.post(url).multipart(Form::new().part("file", part)).send().await).await?)?;
        // Files that are broadcast must be published first, which a node does by itself.
        let work = if self.target.peer.is_some() { Work::Private } else { Work::Broadcast };
        self.send(work, number, json!({"id": data["id"]})).await
    }

    async fn read(&self, work: Work, number: usize) -> Result<(), Error> {
        let of = &self.target.first;
        let topic = format!("messages?limit=25&topics=bench-{}", number % self.topics.max(1));
        let author = format!("messages?limit=25&author={}", of.identity);
        let path = match number % 6 {
            _ if work == Work::List => "messages?limit=25",
            0 => "messages?limit=25&skip=100",
            1 => topic.as_str(),
            2 => author.as_str(),
            3 => "messages?limit=25&type=private",
            4 => "messages?limit=25&sort=-created",
            _ => "events?limit=25",
        };
        let get = |url: String| async move { answered(self.target.http.get(url).send().await).await };
        let page: Bytes = get(of.route(path)).await?;
        if work == Work::List || !number.is_multiple_of(6) {
            return Ok(());
        }
        let page = parsed(page)?;
        match page[0]["header"]["id"].as_str() {
            Some(id) => get(of.route(&format!("messages/{id}?fetchdata=true"))).await.map(drop),
            None => Ok(()),
        }
    }
}

/// Bytes that do not compress to nothing and differ from file to file.
fn content(number: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ rand::random::<u64>() ^ number as u64;
    let mut bytes = Vec::with_capacity(FILE);
    while bytes.len() < FILE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
