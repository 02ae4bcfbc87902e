//! What one member says has happened: its events in their order, and its messages.

use std::{collections::HashMap, time::Duration};

use serde_json::Value;

use crate::error::Error;

/// Entries of one page.
const PAGE: usize = 1_000;
/// Messages that are asked for by their ids at once.
const AT_ONCE: usize = 100;
/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event that decides a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) topic: String,
    pub(super) message: String,
    pub(super) confirmed: bool,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) hash: String,
    pub(super) state: String,
    pub(super) topics: Vec<String>,
    /// Hash of its group; empty is everybody.
    pub(super) group: String,
    pub(super) author: String,
    pub(super) pinned: bool,
    pub(super) reason: String,
}

/// A member as it is seen from outside, read on from where the last look ended.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) decided: Vec<Decided>,
    pub(super) messages: HashMap<String, Message>,
    last: i64,
}

/// Where a member's API is.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) http: reqwest::Client,
    pub(super) api: String,
}

impl Reader {
    pub(super) async fn get(&self, path: &str) -> Result<Value, Error> {
        let url = format!("{}/{path}", self.api);
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            url: self.api.clone(),
            reason: error.without_url().to_string(),
        };
        let response = self.http.get(&url).timeout(PATIENCE).send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.text().await.map_err(unreachable)?;
        let refused = |body: &str| Error::Refused {
            member: self.api.clone(),
            request: format!("GET {path}"),
            status: status.as_u16(),
            body: body.chars().take(300).collect(),
        };
        if !status.is_success() {
            return Err(refused(&body));
        }
        serde_json::from_str(&body).map_err(|_| refused(&body))
    }

    /// SHA-256 of a file that the member has.
    pub(super) async fn file_hash(&self, data: &str) -> Result<String, Error> {
        let url = format!("{}/data/{data}/blob", self.api);
        let unreachable = |error: reqwest::Error| Error::Unreachable { url: url.clone(), reason: error.to_string() };
        let response = self.http.get(&url).timeout(PATIENCE).send().await;
        let response = response.and_then(reqwest::Response::error_for_status).map_err(unreachable)?;
        let content = response.bytes().await.map_err(unreachable)?;
        Ok(hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&content)))
    }

    /// Reads the events that are new.
    pub(super) async fn events(&self, view: &mut View) -> Result<(), Error> {
        loop {
            let path = format!("events?type=^message_&sequence=>{}&sort=sequence&limit={PAGE}", view.last);
            let page = self.get(&path).await?;
            let page = page.as_array().map(Vec::as_slice).unwrap_or_default();
            for event in page {
                view.last = event["sequence"].as_i64().unwrap_or(view.last);
                let confirmed = event["type"] == "message_confirmed";
                view.decided.push(Decided {
                    topic: string(event, "topic"),
                    message: string(event, "reference"),
                    confirmed,
                });
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// Reads messages that the view does not have. Those that the member does not have stay out.
    pub(super) async fn messages(&self, view: &mut View, wanted: impl Iterator<Item = String>) -> Result<(), Error> {
        let mut missing: Vec<String> = wanted.filter(|id| !view.messages.contains_key(id)).collect();
        missing.sort_unstable();
        missing.dedup();
        for ids in missing.chunks(AT_ONCE) {
            let ids: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
            let page = self.get(&format!("messages?{}&limit={PAGE}", ids.join("&"))).await?;
            for message in page.as_array().into_iter().flatten() {
                view.messages.insert(string(&message["header"], "id"), read(message));
            }
        }
        Ok(())
    }

    /// How many messages are not decided.
    pub(super) async fn open(&self) -> Result<u64, Error> {
        let states = ["staged", "ready", "sent", "pending"].map(|state| format!("state={state}"));
        let page = self.get(&format!("messages?{}&limit=1&count", states.join("&"))).await?;
        Ok(page["total"].as_u64().unwrap_or_default())
    }
}

fn read(message: &Value) -> Message {
    let topics = message["header"]["topics"].as_array().into_iter().flatten();
    Message {
        hash: string(message, "hash"),
        state: string(message, "state"),
        topics: topics.filter_map(|topic| topic.as_str().map(str::to_owned)).collect(),
        group: string(&message["header"], "group"),
        author: string(&message["header"], "author"),
        pinned: message["header"]["txtype"] != "unpinned",
        reason: string(message, "rejectReason"),
    }
}

fn string(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
