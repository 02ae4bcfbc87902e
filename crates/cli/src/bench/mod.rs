//! Measures a local network of two members, side by side with the goals.
//!
//! The network is made for the run and thrown away after it. Load comes from this process, on the same machine; the
//! figures of different machines, or of different hours of one, say little.

mod load;
mod usage;

use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use load::Figures;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    args::Bench,
    error::Error,
    network::{
        self, Layout,
        prepare::{self, Plan},
        stack::{Member, Stack},
        up,
    },
    output::Output,
};

/// Bytes of the value that a message carries.
const VALUE: usize = 100;
/// Events that are sent before one WebSocket reads them.
const EVENTS: usize = 20_000;

/// One figure and what it should be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    work: String,
    measured: String,
    first_bar: &'static str,
    goal: &'static str,
}

/// What a run measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    machine: String,
    rows: Vec<Row>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(f, "{:<58} {:>34}  {:>14}  {:>14}", "work", "measured", "first bar", "goal")?;
        for row in &self.rows {
            writeln!(f, "{:<58} {:>34}  {:>14}  {:>14}", row.work, row.measured, row.first_bar, row.goal)?;
        }
        Ok(())
    }
}

/// Measures everything that exists.
pub(crate) async fn run(args: Bench, output: Output) -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(Error::file("create", Path::new("a temporary folder")))?;
    let plan = |name: &str, members| Plan {
        dir: folder.path().join(name),
        members: Some(prepare::numbered(members)),
        chain: None,
        database: args.database.clone(),
    };
    let mut report = Report { machine: machine(), rows: Vec::new() };
    let began = Instant::now();
    let (layout, stack) = up::up(&plan("three", 3), output).await?;
    let lasted = began.elapsed().as_secs_f64();
    report.add("3 members up and registered, warm binary", format!("{lasted:.2} s"), "3 s", "1 s");
    end(&args, &layout, &stack).await?;
    let (layout, stack) = up::up(&plan("two", 2), output).await?;
    let measured = measure(&args, &layout, &stack, output, &mut report).await;
    end(&args, &layout, &stack).await?;
    measured?;
    output.data(&report);
    Ok(())
}

/// Stops a network, and removes its databases from the server.
async fn end(args: &Bench, layout: &Layout, stack: &Stack) -> Result<(), Error> {
    network::down(layout, stack).await?;
    if args.database.is_some() {
        network::wipe(layout, stack).await?;
    }
    Ok(())
}

async fn measure(
    args: &Bench,
    layout: &Layout,
    stack: &Stack,
    output: Output,
    report: &mut Report,
) -> Result<(), Error> {
    let Some(first) = stack.members.first() else { return Err(Error::NoNetwork(layout.dir().to_owned())) };
    let pids = network::pids(layout, stack);
    let own = std::process::id();
    let member = network::pid_of(layout, first);
    let memory =
        || member.and_then(usage::memory).map_or("unknown".to_owned(), |mebibytes| format!("{mebibytes:.0} MiB"));
    report.add("memory of a member, idle", memory(), "60 MiB", "30 MiB");
    let http = reqwest::Client::builder().pool_max_idle_per_host(2_000).build().map_err(|error| refused(&error))?;

    for (clients, first_bar, goal) in
        [(1, "25 ms", "10 ms"), (100, "2000 /s", "4000 /s"), (1_000, "4000 /s", "8000 /s")]
    {
        output.say(format_args!("broadcast, {clients} in flight"));
        let used = usage::processor_time(&[pids.as_slice(), &[own]].concat());
        let figures = broadcast(&http, first, clients, args.seconds).await;
        let used = usage::processor_time(&[pids.as_slice(), &[own]].concat()).saturating_sub(used);
        let each = used.as_secs_f64() * 1_000.0 / (figures.requests.max(1) as f64);
        let text = if clients == 1 {
            format!("p50 {:.1} ms, p99 {:.1} ms", figures.p50_ms, figures.p99_ms)
        } else {
            format!("{:.0} /s, p50 {:.0} ms", figures.per_second, figures.p50_ms)
        };
        report.add(format!("broadcast, {clients} in flight, confirmed{}", failed(&figures)), text, first_bar, goal);
        if clients == 1_000 {
            report.add("CPU per message, everything on the machine", format!("{each:.2} ms"), "0.5 ms", "0.2 ms");
        }
    }
    report.add("memory of a member, after the load", memory(), "200 MiB", "120 MiB");
    output.say("GET /messages, 10 connections");
    let (url, client) = (format!("{}/api/v1/messages?limit=25", first.url()), http.clone());
    let figures = load::closed(10, args.seconds, move |_| {
        let request = client.get(&url).send();
        async move { answered(request.await).await }
    })
    .await;
    let text = format!("{:.0} /s, p50 {:.1} ms", figures.per_second, figures.p50_ms);
    report.add(format!("GET /messages?limit=25, 10 connections{}", failed(&figures)), text, "8000 /s", "20000 /s");
    output.say("events to one WebSocket");
    let rate = events(first).await?;
    report.add("events to one acknowledging WebSocket, read-ahead 50", format!("{rate:.0} /s"), "10000 /s", "30000 /s");
    Ok(())
}

impl Report {
    fn add(&mut self, work: impl Into<String>, measured: String, first_bar: &'static str, goal: &'static str) {
        self.rows.push(Row { work: work.into(), measured, first_bar, goal });
    }
}

fn failed(figures: &Figures) -> String {
    if figures.failures == 0 { String::new() } else { format!(" ({} FAILED)", figures.failures) }
}

async fn broadcast(http: &reqwest::Client, member: &Member, clients: usize, seconds: f64) -> Figures {
    let url = format!("{}/api/v1/messages/broadcast?confirm=true", member.url());
    let http = http.clone();
    load::closed(clients, seconds, move |client| {
        let body = json!({
            "header": {"topics": [format!("bench-{}", client % 16)]},
            "data": [{"value": "x".repeat(VALUE)}],
        });
        let request = http.post(&url).json(&body).send();
        async move { answered(request.await).await }
    })
    .await
}

async fn answered(response: Result<reqwest::Response, reqwest::Error>) -> Result<(), Error> {
    let response = response.and_then(reqwest::Response::error_for_status).map_err(|error| refused(&error))?;
    response.bytes().await.map_err(|error| refused(&error))?;
    Ok(())
}

fn refused(error: &dyn fmt::Display) -> Error {
    Error::Load(error.to_string())
}

/// Events per second that one WebSocket takes which acknowledges each, from the oldest on.
async fn events(member: &Member) -> Result<f64, Error> {
    let url = format!("{}/ws", member.url().replacen("http", "ws", 1));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.map_err(|error| refused(&error))?;
    let start = json!({"type": "start", "namespace": "default", "ephemeral": true,
        "options": {"firstEvent": "oldest", "readAhead": 50}});
    socket.send(Message::text(start.to_string())).await.map_err(|error| refused(&error))?;
    let (mut taken, mut began) = (0_usize, Instant::now());
    while taken < EVENTS {
        let next = tokio::time::timeout(Duration::from_secs(2), socket.next()).await;
        let Ok(Some(frame)) = next else { break };
        let Message::Text(text) = frame.map_err(|error| refused(&error))? else { continue };
        let event: Value = serde_json::from_str(&text).map_err(|error| refused(&error))?;
        if taken == 0 {
            began = Instant::now();
        }
        taken += 1;
        let ack = json!({"type": "ack", "id": event["id"]});
        socket.send(Message::text(ack.to_string())).await.map_err(|error| refused(&error))?;
    }
    Ok(taken as f64 / began.elapsed().as_secs_f64().max(f64::EPSILON))
}

/// What the figures were measured on.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} cores, {}", cores, model.map_or("unknown processor", |(_, model)| model.trim()))
}
