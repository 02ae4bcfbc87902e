//! What is run by hand on the whole project: `cargo xtask simulate`, `cargo xtask mutations`.

#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use clap::{Args, Parser, Subcommand};
use photinus_simulation::{Mutation, Report, Settings, break_rules, run};

/// Work on the whole project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs whole networks, each decided by one number, and checks what they come to.
    Simulate(Simulate),
    /// Breaks the rules of order on purpose, one at a time, and shows that the simulation notices.
    Mutations {
        /// Seeds that each way of being wrong is given to be noticed.
        #[arg(long, default_value_t = 120)]
        seeds: u64,
    },
}

#[derive(Args, Clone)]
struct Simulate {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    start: u64,
    /// How many members: a number, or a range such as 2..7.
    #[arg(long, default_value = "2..7", value_parser = members)]
    members: (usize, usize),
    /// Print everything that happens.
    #[arg(long)]
    steps: bool,
    /// What the members log, by a filter such as `info` or `photinus_engine=debug`.
    #[arg(long)]
    log: Option<String>,
    /// Threads; each runs one seed at a time.
    #[arg(long)]
    threads: Option<usize>,
}

fn members(text: &str) -> Result<(usize, usize), String> {
    let number = |text: &str| text.trim().parse::<usize>().map_err(|error| format!("'{text}': {error}"));
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (number(from)?, number(to.trim_start_matches('='))?),
        None => (number(text)?, number(text)?),
    };
    if (2..=7).contains(&from) && (from..=7).contains(&to) {
        Ok((from, to))
    } else {
        Err("a network has 2 to 7 members".to_owned())
    }
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Simulate(simulate) => simulate_all(&simulate),
        Command::Mutations { seeds } => mutations(seeds),
    }
}

/// Runs the seeds on all cores. Nothing is shared between two of them.
fn simulate_all(wanted: &Simulate) -> ExitCode {
    if let Some(filter) = &wanted.log {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        tracing_subscriber::fmt().with_env_filter(filter).without_time().init();
    }
    let threads = wanted.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let settings = Settings { fewest: wanted.members.0, most: wanted.members.1, keep: wanted.steps };
    let (next, begun) = (AtomicU64::new(0), Instant::now());
    let mut reports: Vec<Report> = std::thread::scope(|scope| {
        let work = || {
            let mut reports = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= wanted.seeds {
                    return reports;
                }
                let report = run(wanted.start.wrapping_add(index), &settings);
                tell(&report, wanted);
                reports.push(report);
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    reports.sort_by_key(|report| report.seed);
    let failed: Vec<&Report> = reports.iter().filter(|report| !report.violations.is_empty()).collect();
    let hours = reports.iter().map(|report| report.simulated.as_secs_f64()).sum::<f64>() / 3600.0;
    let messages: usize = reports.iter().map(|report| report.accepted).sum();
    let crashes: usize = reports.iter().map(|report| report.crashes).sum();
    let forks: usize = reports.iter().map(|report| report.forks).sum();
    let hostile = reports.iter().filter(|report| report.hostile).count();
    println!(
        "{} seeds in {:.0} s: {messages} messages, {crashes} crashes, {forks} forks, {hostile} networks with liars, {hours:.1} simulated hours; {} failed",
        reports.len(),
        begun.elapsed().as_secs_f64(),
        failed.len()
    );
    if failed.is_empty() && reports.len() as u64 == wanted.seeds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says what went wrong, and how to see it again.
fn tell(report: &Report, wanted: &Simulate) {
    for line in &report.lines {
        println!("{line}");
    }
    if wanted.steps {
        let (digest, count) = &report.digest;
        println!("seed {}: {} members, {count} steps, digest {digest}", report.seed, report.members);
    }
    if report.violations.is_empty() {
        return;
    }
    println!("seed {} failed:", report.seed);
    for violation in &report.violations {
        println!("  {violation}");
    }
    let (fewest, most) = wanted.members;
    println!("  again: cargo xtask simulate --seeds 1 --start {} --members {fewest}..{most} --steps", report.seed);
}

/// Looks for a seed that notices each way of being wrong.
fn mutations(seeds: u64) -> ExitCode {
    let mut missed = 0;
    for mutation in Mutation::ALL {
        let found = (1..=seeds).find_map(|seed| {
            let report = break_rules(mutation, seed, &Settings::default());
            report.violations.first().map(|violation| (seed, violation.clone()))
        });
        match found {
            Some((seed, violation)) => println!("{mutation:?}: noticed by seed {seed}: {violation}"),
            None => {
                missed += 1;
                println!("{mutation:?}: NOT NOTICED by {seeds} seeds");
            }
        }
    }
    println!("of {} ways of being wrong, {missed} were not noticed", Mutation::ALL.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
