//! Measures a local network of two members, side by side with the goals.
//!
//! The network is made for the run and thrown away after it. Load comes from this process, on the same machine; the
//! figures of different machines, or of different hours of one, say little.

mod blobs;
mod load;
mod messages;
mod queries;
pub(crate) mod usage;

use std::{fmt, path::Path, time::Instant};

use bytes::Bytes;
use serde::Serialize;

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
        writeln!(f, "{:<72} {:>26}  {:>9}  {:>9}", "work", "measured", "first bar", "goal")?;
        for row in &self.rows {
            writeln!(f, "{:<72} {:>26}  {:>9}  {:>9}", row.work, row.measured, row.first_bar, row.goal)?;
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

/// Whom the load goes to, and what is watched meanwhile.
struct Target<'a> {
    http: reqwest::Client,
    first: &'a Member,
    second: &'a Member,
    /// Processes of the members, the first one first.
    members: Vec<u32>,
    /// Every process whose work counts, this one included.
    pids: Vec<u32>,
}

impl Target<'_> {
    fn memory(&self) -> String {
        let memory = self.members.first().and_then(|member| usage::memory(*member));
        memory.map_or("unknown".to_owned(), |mebibytes| format!("{mebibytes:.0} MiB"))
    }
}

async fn measure(
    args: &Bench,
    layout: &Layout,
    stack: &Stack,
    output: Output,
    report: &mut Report,
) -> Result<(), Error> {
    let [first, second, ..] = stack.members.as_slice() else {
        return Err(Error::NoNetwork(layout.dir().to_owned()));
    };
    let mut pids = network::pids(layout, stack);
    pids.push(std::process::id());
    let http = reqwest::Client::builder().pool_max_idle_per_host(2_000).build().map_err(|error| refused(&error))?;
    let members = [first, second].into_iter().filter_map(|member| network::pid_of(layout, member)).collect();
    let target = Target { http, first, second, members, pids };
    report.add("memory of a member, idle", target.memory(), "60 MiB", "30 MiB");
    messages::measure(&target, args.seconds, output, report).await;
    report.add("memory of a member, after the load", target.memory(), "200 MiB", "120 MiB");
    queries::measure(&target, args.seconds, output, report).await?;
    blobs::measure(&target, output, report).await
}

impl Report {
    fn add(&mut self, work: impl Into<String>, measured: String, first_bar: &'static str, goal: &'static str) {
        self.rows.push(Row { work: work.into(), measured, first_bar, goal });
    }
}

/// The body of an answer of success, or what is wrong.
async fn answered(response: Result<reqwest::Response, reqwest::Error>) -> Result<Bytes, Error> {
    let response = response.and_then(reqwest::Response::error_for_status).map_err(|error| refused(&error))?;
    response.bytes().await.map_err(|error| refused(&error))
}

fn refused(error: &dyn fmt::Display) -> Error {
    Error::Load(error.to_string())
}

/// What the figures were measured on.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} cores, {}", cores, model.map_or("unknown processor", |(_, model)| model.trim()))
}
