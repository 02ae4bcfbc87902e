//! Measures: a local network that is made for it beside the goals, or any node of FireFly's API.
//!
//! Load comes from this process. With a local network it takes part of the same machine; the figures of different machines, or of
//! different hours of one, say little. Of a node that somebody else runs only its API is used, as FireFly 1.4 has it.

mod blobs;
mod events;
mod growth;
mod load;
mod local;
mod report;
mod table;
mod target;
pub(crate) mod usage;
mod work;

use std::path::Path;

use load::Loop;
use local::{Database, Ground, Local};
use report::{Report, Row};
use target::Target;
use work::Load;
pub use work::Work;

use crate::{args::Bench, error::Error, output::Output};

/// Loads of a node when none is named.
const USUAL: [Work; 7] =
    [Work::Broadcast, Work::Private, Work::Unpinned, Work::Blobs, Work::List, Work::Events, Work::Mixed];

/// Measures, prints, and writes the file.
pub(crate) async fn run(args: Bench, output: Output) -> Result<(), Error> {
    let report = match &args.url {
        Some(url) => remote(&args, url, output).await?,
        None => local(&args, output).await?,
    };
    if let Some(path) = &args.json {
        report.write(path)?;
    }
    output.data(&report);
    Ok(())
}

/// A node that somebody else runs.
async fn remote(args: &Bench, url: &str, output: Output) -> Result<Report, Error> {
    let target = Target::of(url, args.peer.as_deref(), &args.pid, &[]).await?;
    let mut report = Report::new(url, args.seconds);
    loads(args, &target, output, &mut report).await?;
    Ok(report)
}

/// Networks made for it.
async fn local(args: &Bench, output: Output) -> Result<Report, Error> {
    let folder = tempfile::tempdir().map_err(Error::file("create", Path::new("a temporary folder")))?;
    let database = Database::of(args.database.as_deref())?;
    let ground = Ground { folder: folder.path(), database: &database, output };
    let mut report = Report::new(format!("a local network on {}", database.name()), args.seconds);
    if args.growth {
        growth::measure(&ground, args.seconds, args.stored, &mut report).await?;
    } else if args.work.is_empty() {
        table::measure(&ground, args.seconds, args.stored, &mut report).await?;
    } else {
        let network = Local::up(&ground, "two", 2).await?;
        let measured = match network.target().await {
            Ok(target) => loads(args, &target, output, &mut report).await,
            Err(error) => Err(error),
        };
        network.end().await?;
        measured?;
    }
    Ok(report)
}

/// The loads that the command line names, one after the other.
async fn loads(args: &Bench, target: &Target, output: Output, report: &mut Report) -> Result<(), Error> {
    let how = args.rate.map_or(Loop::Closed(usize::from(args.clients)), Loop::Open);
    let works = if args.work.is_empty() { USUAL.as_slice() } else { args.work.as_slice() };
    for work in works {
        if work.needs_peer() && target.peer.is_none() {
            output.say(format_args!("{} is left out: it needs --peer", work.name()));
            continue;
        }
        output.say(work.name());
        if *work == Work::Events {
            let (rate, count) = events::measure(&target.first).await?;
            report.add(Row::new("events to one WebSocket", rate, "/s").note(format!("{count} events")));
            continue;
        }
        let figures = Load::new(target, *work).run(how, args.seconds).await;
        let name = match how {
            Loop::Closed(clients) => format!("{}, {clients} in flight", work.name()),
            Loop::Open(rate) => format!("{}, {rate} due per second", work.name()),
        };
        let mut note = figures.times();
        if let (Some(cpu), false) = (figures.cpu_ms, target.nodes.is_empty()) {
            note = format!("{note}, CPU {cpu:.3} ms");
        }
        if let Some(failure) = &figures.failure {
            note = format!("{note}, {failure}");
        }
        report.add(Row::new(name, figures.per_second, "/s").figures(&figures).note(note));
    }
    if let Some(memory) = target.memory() {
        report.add(Row::new("memory of the node after the load", memory, "MiB"));
    }
    Ok(())
}
