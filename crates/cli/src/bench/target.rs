//! A node that is measured, by what every node of FireFly's API can be asked.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::usage;
use crate::error::Error;

/// Where one node's API is, and who it is.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Without a slash at the end.
    pub(crate) url: String,
    /// Its organisation, as messages name it; empty when it has none.
    pub(crate) identity: String,
}

/// Whom load goes to, and what is watched meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) http: reqwest::Client,
    pub(crate) first: Member,
    /// Who gets private messages. Without it there are none.
    pub(crate) peer: Option<Member>,
    /// Organisations that get private messages beside the peer.
    pub(crate) others: Vec<String>,
    /// Processes of the nodes, that of `first` before others.
    pub(crate) nodes: Vec<u32>,
    /// Every process whose work counts, this one included; with those that they started.
    pub(crate) watched: Vec<u32>,
}

impl Member {
    /// Asks a node who it is.
    pub(crate) async fn ask(http: &reqwest::Client, url: &str) -> Result<Self, Error> {
        let url = url.trim_end_matches('/').to_owned();
        let status = json(answered(http.get(format!("{url}/api/v1/status")).send().await).await?)?;
        let org = &status["org"];
        let identity = org["did"].as_str().or(org["name"].as_str()).unwrap_or_default().to_owned();
        Ok(Self { url, identity })
    }

    /// A route of the default namespace.
    pub(crate) fn route(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.url)
    }
}

impl Target {
    /// Two nodes, the second one optional. `processes` are those of the nodes, as far as they are known.
    pub(crate) async fn of(url: &str, peer: Option<&str>, processes: &[u32], others: &[u32]) -> Result<Self, Error> {
        let http = reqwest::Client::builder().pool_max_idle_per_host(4_096).timeout(Duration::from_secs(120));
        let http = http.build().map_err(|error| refused(&error))?;
        let first = Member::ask(&http, url).await?;
        let peer = match peer {
            Some(url) => Some(Member::ask(&http, url).await?),
            None => None,
        };
        let watched = processes.iter().chain(others).copied().chain([std::process::id()]).collect();
        Ok(Self { http, first, peer, others: Vec::new(), nodes: processes.to_vec(), watched })
    }

    /// Time on a processor so far.
    pub(crate) fn processor_time(&self) -> Duration {
        usage::processor_time(&self.watched)
    }

    /// Memory that the first node holds, in MiB.
    pub(crate) fn memory(&self) -> Option<f64> {
        self.nodes.first().and_then(|node| usage::memory(*node))
    }

    /// How many messages pass a filter.
    pub(crate) async fn count(&self, member: &Member, filter: &str) -> Result<u64, Error> {
        let url = member.route(&format!("messages?limit=1&count=true{filter}"));
        let page = json(answered(self.http.get(url).send().await).await?)?;
        page["total"].as_u64().ok_or_else(|| refused(&"a page without a total"))
    }
}

/// The body of an answer of success, or what is wrong.
pub(crate) async fn answered(response: Result<reqwest::Response, reqwest::Error>) -> Result<Bytes, Error> {
    let response = response.and_then(reqwest::Response::error_for_status).map_err(|error| refused(&error))?;
    response.bytes().await.map_err(|error| refused(&error))
}

pub(crate) fn json(body: Bytes) -> Result<Value, Error> {
    serde_json::from_slice(&body).map_err(|error| refused(&error))
}

pub(crate) fn refused(error: &dyn std::fmt::Display) -> Error {
    Error::Load(error.to_string())
}
