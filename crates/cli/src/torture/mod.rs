//! `photinus torture`: a network of real processes under load, broken in every way that can be thought of, and what must hold
//! in the end.
//!
//! Three members, a chain and the exchanges between them are processes of their own. Applications send all kinds of messages
//! and repeat what got no answer. Meanwhile faults come from a seeded schedule. In the end everything is mended, the members
//! get time to decide what is open, and then every message that was accepted must have the same fate everywhere, and all
//! members the same order.

mod book;
mod disk;
mod flood;
mod load;
mod postgres;
mod proxy;
mod report;
mod schedule;
mod settle;
mod verify;
mod view;
mod watch;
mod world;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use photinus_node::signal::Stop;

use self::{
    book::{Accepted, Book},
    load::{Sender, Shared},
    report::Report,
    schedule::Schedule,
    view::{Reader, View},
    watch::Watch,
    world::{MEMBERS, World},
};
use crate::{args::Torture, error::Error, network::prepare::EXTRA_ACCOUNTS, output::Output};

/// Senders at each member.
const SENDERS: usize = 4;
/// How long senders may take to end when everything is mended.
const LAST: Duration = Duration::from_secs(60);

/// Tortures a network and tells what came of it.
pub(crate) async fn run(args: Torture, output: Output) -> Result<(), Error> {
    let seed = args.seed.unwrap_or_else(rand::random::<u64>);
    output.say(format_args!("seed {seed}"));
    let mut stop = Stop::listen()?;
    let world = World::start(&args, output).await?;
    let told = tokio::select! {
        told = torture(&args, seed, &world, output) => told,
        _ = stop.requested() => Err(Error::Interrupted),
    };
    let keep = match &told {
        Ok(report) => !report.problems.is_empty(),
        Err(error) => !matches!(error, Error::Interrupted),
    };
    let ended = world.end(keep, output).await;
    let report = told?;
    ended?;
    output.data(&report);
    match report.problems.len() {
        0 => Ok(()),
        count => Err(Error::Disagreement(format!("{count} problems; the seed was {seed}"))),
    }
}

async fn torture(args: &Torture, seed: u64, world: &World, output: Output) -> Result<Report, Error> {
    let shared = Arc::new(shared(args, world)?);
    let readers: Vec<Reader> =
        shared.members.iter().map(|(api, _)| Reader { http: shared.http.clone(), api: api.clone() }).collect();
    let count = SENDERS * usize::from(MEMBERS);
    let senders: Vec<_> =
        (0..count).map(|number| tokio::spawn(Sender::new(Arc::clone(&shared), number, seed).run())).collect();
    let (watch, mut report) = (Watch::default(), Report::new(seed, world));
    let began = Instant::now();
    let suffering = suffer(args, seed, world, &shared.book, &watch, &mut report, output);
    tokio::select! {
        suffered = suffering => suffered?,
        () = watch.run(world, &readers) => {}
    }
    world.all_run()?;
    report.saw(watch.take());
    report.load_seconds = began.elapsed().as_secs_f64();
    output.say("everything is mended; the last requests are answered");
    shared.book.stop();
    if args.flood > 0.0 {
        output.say(format_args!("{} connections send as fast as they can for {:.0} s", flood::CONNECTIONS, args.flood));
        let watch = Watch::default();
        tokio::select! {
            answers = flood::flood(&shared, Duration::from_secs_f64(args.flood)) => report.flooded(answers, watch.take()),
            () = watch.run(world, &readers) => {}
        }
    }
    if tokio::time::timeout(LAST, join_all(senders)).await.is_err() {
        report
            .problems
            .push(format!("senders still wait for answers {} s after everything was mended", LAST.as_secs()));
    }
    let accepted = shared.book.all();
    report.answers = shared.book.answers();
    report.problems.extend(shared.book.surprises());
    output.say(format_args!("{} messages were accepted; the members decide what is open", accepted.len()));
    let mut views: Vec<View> = readers.iter().map(|_| View::default()).collect();
    match settle::settle(&readers, &mut views, &accepted, Duration::from_secs(args.settle)).await {
        Ok(took) => report.settled_seconds = took.as_secs_f64(),
        Err(reasons) => {
            reasons.iter().for_each(|reason| output.say(reason));
            report.problems.push(format!("not everything was decided within {} s", args.settle));
        }
    }
    for (member, (reader, view)) in readers.iter().zip(&mut views).enumerate() {
        let own = accepted.iter().map(|accepted| accepted.id.clone());
        let decided: Vec<String> = view.decided.iter().map(|decided| decided.message.clone()).collect();
        output.say(format_args!("member {member} has decided {} messages", decided.len()));
        reader.messages(view, own.chain(decided)).await?;
    }
    report.judged(&accepted, verify::verify(&views, &accepted));
    let (files, wrong) = files(&readers, &accepted).await;
    report.files = files;
    report.problems.extend(wrong);
    Ok(report)
}

fn shared(args: &Torture, world: &World) -> Result<Shared, Error> {
    let client = reqwest::Client::builder().pool_max_idle_per_host(SENDERS).build();
    let http = client.map_err(|error| Error::Load(error.to_string()))?;
    let members = world.stack.members.iter();
    let accounts = crate::network::chain::development(usize::from(MEMBERS), EXTRA_ACCOUNTS)?;
    Ok(Shared {
        http,
        book: Book::default(),
        members: members.map(|member| (format!("{}/api/v1", member.url()), member.org_name.clone())).collect(),
        accounts: parking_lot::Mutex::new(accounts.into_iter().map(|account| account.address).collect()),
        pace: Duration::from_secs_f64((SENDERS * usize::from(MEMBERS)) as f64 / args.rate.max(0.1)),
    })
}

/// One fault after the other until the time is over and each kind was there. Every fault is mended before this returns.
async fn suffer(
    args: &Torture,
    seed: u64,
    world: &World,
    book: &Book,
    watch: &Watch,
    report: &mut Report,
    output: Output,
) -> Result<(), Error> {
    let kinds = world.kinds();
    let (mut suffered, all) = (0, kinds.len());
    let mut schedule = Schedule::new(seed, usize::from(MEMBERS), kinds);
    let end = Instant::now() + Duration::from_secs_f64(args.minutes.max(0.0) * 60.0);
    while let Some((quiet, fault)) = schedule.next() {
        // The first deck has each kind once.
        if Instant::now() + quiet >= end && (suffered >= all || args.minutes <= 0.0) {
            break;
        }
        tokio::time::sleep(quiet).await;
        output.say(format_args!("{fault} ({} accepted)", book.len()));
        watch.away(fault.away());
        world.suffer(&fault).await?;
        watch.away(Vec::new());
        report.suffered(&fault);
        suffered += 1;
    }
    tokio::time::sleep(end.saturating_duration_since(Instant::now())).await;
    Ok(())
}

/// Every file must be at everybody whom it is for, as it was sent. How many were compared, and what is wrong.
async fn files(readers: &[Reader], accepted: &[Accepted]) -> (usize, Vec<String>) {
    let (mut compared, mut wrong) = (0, Vec::new());
    for Accepted { id, members, file, .. } in accepted {
        let Some((data, hash)) = file else { continue };
        for member in members {
            match readers[*member].file_hash(data).await {
                Ok(found) if found == *hash => compared += 1,
                Ok(found) => wrong.push(format!("the file of {id} has hash {found} at member {member}, not {hash}")),
                Err(error) => wrong.push(format!("the file of {id} is not at member {member}: {error}")),
            }
        }
    }
    let more = wrong.len().saturating_sub(5);
    wrong.truncate(5);
    if more > 0 {
        wrong.push(format!("{more} more files are wrong"));
    }
    (compared, wrong)
}
