//! What of a network runs, and where.

use std::{fmt, time::Duration};

use futures::future::join_all;
use serde::Serialize;

use super::{CHAIN, Layout, chain::Node, client::Client, process, stack::Stack};

/// A network at one moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    name: String,
    dir: String,
    chain: Process,
    members: Vec<Process>,
}

/// One process at one moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    name: String,
    /// Absent: somebody else runs it, or it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// `ready`, `starting` or `stopped`.
    state: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    spi_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

impl Report {
    /// Looks at every process.
    pub(crate) async fn of(layout: &Layout, stack: &Stack) -> Self {
        let http = reqwest::Client::new();
        let members = join_all(stack.members.iter().map(|member| {
            let client = Client::new(http.clone(), member);
            async move {
                let pid = process::find(layout, &member.process()).map(|process| process.pid);
                Process {
                    name: member.org_name.clone(),
                    pid,
                    state: state(pid.is_some(), client.is_ready().await),
                    url: member.url(),
                    spi_url: Some(format!("http://{}:{}", member.firefly_hostname, member.exposed_firefly_admin_port)),
                    account: Some(member.account.address.clone()),
                }
            }
        }))
        .await;
        Self {
            name: stack.name.clone(),
            dir: layout.dir().display().to_string(),
            chain: chain(layout, stack, http).await,
            members,
        }
    }

    /// How many processes do not answer.
    pub(crate) fn missing(&self) -> usize {
        self.members.iter().chain([&self.chain]).filter(|process| process.state != "ready").count()
    }
}

async fn chain(layout: &Layout, stack: &Stack, http: reqwest::Client) -> Process {
    let url = super::prepare::chain_url(stack);
    let deadline = tokio::time::Instant::now() + Duration::from_millis(200);
    let ready = Node::new(http, &url).answers(deadline).await.is_ok();
    let pid = process::find(layout, CHAIN).map(|process| process.pid);
    let ours = stack.photinus.chain_url.is_none();
    // A foreign address may carry a password.
    let url = if ours { url } else { "(given with --chain)".into() };
    Process { name: CHAIN.into(), pid, state: state(pid.is_some() || !ours, ready), url, spi_url: None, account: None }
}

fn state(runs: bool, ready: bool) -> &'static str {
    match (runs, ready) {
        (true, true) => "ready",
        (true, false) => "starting",
        (false, _) => "stopped",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || [&self.chain].into_iter().chain(&self.members);
        let width = all().map(|process| process.name.len()).max().unwrap_or_default();
        for process in all() {
            let pid = process.pid.map_or_else(|| "-".into(), |pid| pid.to_string());
            writeln!(f, "{:width$}  {:8}  {pid:>7}  {}", process.name, process.state, process.url)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_counts_what_is_missing() {
        let process = |name: &str, pid, state, url: &str| Process {
            name: name.into(),
            pid,
            state,
            url: url.into(),
            spi_url: None,
            account: None,
        };
        let report = Report {
            name: "net".into(),
            dir: "/net".into(),
            chain: process("chain", Some(12), "ready", "http://127.0.0.1:5100"),
            members: vec![
                process("carrier", Some(4_567), "starting", "http://127.0.0.1:5000"),
                process("buyer", None, "stopped", "http://127.0.0.1:5001"),
            ],
        };
        assert_eq!(report.missing(), 2);
        assert_eq!(
            report.to_string(),
            "chain    ready          12  http://127.0.0.1:5100\n\
             carrier  starting     4567  http://127.0.0.1:5000\n\
             buyer    stopped         -  http://127.0.0.1:5001\n"
        );
    }
}
