//! The whole table of goals, measured on networks made for it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    blobs, events,
    load::{Figures, Loop},
    local::{Database, Ground, Local},
    report::{Bars, Report, Row},
    target::{Member, Target, refused},
    work::{Load, Work},
};
use crate::error::Error;

/// What a row says of a run.
#[derive(Clone, Copy)]
enum Says {
    Latency,
    Rate,
}
use Says::{Latency, Rate};

/// Rows about messages: work, clients, what is told, and the bars.
const MESSAGES: [(Work, usize, Says, Bars); 7] = [
    (Work::Broadcast, 1, Latency, Bars::most(25.0, 10.0)),
    (Work::Broadcast, 100, Rate, Bars::least(2_000.0, 4_000.0)),
    (Work::Broadcast, 1_000, Rate, Bars::least(4_000.0, 8_000.0)),
    (Work::Private, 1, Latency, Bars::most(25.0, 10.0)),
    (Work::Private, 100, Rate, Bars::least(2_000.0, 4_000.0)),
    (Work::Private, 1_000, Rate, Bars::least(4_000.0, 8_000.0)),
    (Work::Unpinned, 100, Rate, Bars::least(4_000.0, 8_000.0)),
];

/// Processor time of a message, everything on the machine.
const CPU: Bars = Bars::most(0.5, 0.2);
/// Growth of the cost of a message, in percent.
const GROWTH: Bars = Bars::most(30.0, 10.0);
/// How much slower the others may be when a member is dead, in percent. Less than the goal cannot be told from noise.
const DEAD: Bars = Bars::most(5.0, 2.0);
/// PostgreSQL beside SQLite.
const RATIO: Bars = Bars::least(0.7, 1.0);

/// Members of the network that loses one.
const SEVEN: u16 = 7;
/// How long the others may take to have everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures everything, the large store with so many messages.
pub(crate) async fn measure(ground: &Ground<'_>, seconds: f64, stored: u64, report: &mut Report) -> Result<(), Error> {
    let three = Local::up(ground, "three", 3).await?;
    let took = three.took.as_secs_f64();
    report.add(Row::new("3 members up and registered, warm binary", took, "s").bars(Bars::most(3.0, 1.0)));
    three.end().await?;
    let two = Local::up(ground, "two", 2).await?;
    let measured = on_two(ground, &two, seconds, report).await;
    two.end().await?;
    let rates = measured?;
    let mut large = Local::up(ground, "large", 2).await?;
    let measured = on_large(ground, &mut large, seconds, stored, report).await;
    large.end().await?;
    measured?;
    let mut seven = Local::up(ground, "seven", SEVEN).await?;
    let measured = on_seven(ground, &mut seven, seconds, report).await;
    seven.end().await?;
    measured?;
    if matches!(ground.database, Database::Sqlite) {
        postgres(ground, seconds, &rates, report).await?;
    }
    Ok(())
}

/// Rates with the most clients: broadcast and private.
struct Rates {
    broadcast: f64,
    private: f64,
}

async fn on_two(ground: &Ground<'_>, two: &Local<'_>, seconds: f64, report: &mut Report) -> Result<Rates, Error> {
    let target = two.target().await?;
    memory(&target, "memory of a member, idle", Bars::most(60.0, 30.0), report);
    let mut rates = Rates { broadcast: 0.0, private: 0.0 };
    for (work, clients, says, bars) in MESSAGES {
        ground.output.say(format_args!("{}, {clients} in flight", work.name()));
        let figures = Load::new(&target, work).run(Loop::Closed(clients), seconds).await;
        let (value, unit) = match says {
            Latency => (figures.p50_ms, "ms"),
            Rate => (figures.per_second, "/s"),
        };
        let name = format!("{}, {clients} in flight, confirmed", work.name());
        report.add(Row::new(name, value, unit).bars(bars).figures(&figures).note(figures.times()));
        if clients == 1_000 {
            let name = format!("CPU per {} message, everything on the machine", work.name());
            report.add(Row::new(name, figures.cpu_ms.unwrap_or_default(), "ms").bars(CPU));
            match work {
                Work::Broadcast => rates.broadcast = figures.per_second,
                _ => rates.private = figures.per_second,
            }
        }
    }
    memory(&target, "memory of a member, after the load", Bars::most(200.0, 120.0), report);
    ground.output.say("events to one WebSocket");
    let (rate, count) = events::measure(&target.first).await?;
    let row = Row::new("events to one acknowledging WebSocket, read-ahead 50", rate, "/s");
    report.add(row.bars(Bars::least(10_000.0, 30_000.0)).note(format!("{count} events")));
    blobs::measure(&target, ground.output, report).await?;
    Ok(rates)
}

fn memory(target: &Target, work: &str, bars: Bars, report: &mut Report) {
    if let Some(memory) = target.memory() {
        report.add(Row::new(work, memory, "MiB").bars(bars));
    }
}

/// What a message costs, and what reading costs, when few are stored and when many are.
async fn on_large(
    ground: &Ground<'_>,
    large: &mut Local<'_>,
    seconds: f64,
    stored: u64,
    report: &mut Report,
) -> Result<(), Error> {
    large.fill(1_000).await?;
    let few = cost(ground, &large.target().await?, seconds).await;
    large.fill(stored).await?;
    let target = large.target().await?;
    let many = cost(ground, &target, seconds).await;
    let (before, after) = (few.cpu_ms.unwrap_or_default(), many.cpu_ms.unwrap_or_default());
    let growth = (after / before.max(f64::EPSILON) - 1.0) * 100.0;
    let row = Row::new(format!("CPU per broadcast message with {stored} stored, against 1000"), growth, "%");
    report.add(row.bars(GROWTH).figures(&many).note(format!("{before:.3} and {after:.3} ms")));
    ground.output.say("listings");
    let figures = Load::new(&target, Work::List).run(Loop::Closed(10), seconds).await;
    let row = Row::new(format!("GET /messages?limit=25, 10 connections, {stored} stored"), figures.per_second, "/s");
    report.add(row.bars(Bars::least(8_000.0, 20_000.0)).figures(&figures).note(figures.times()));
    let figures = Load::new(&target, Work::Queries).run(Loop::Closed(10), seconds).await;
    let row = Row::new(format!("other queries, 10 connections, {stored} stored"), figures.per_second, "/s");
    report.add(row.figures(&figures).note(figures.times()));
    let began = Instant::now();
    let count = target.count(&target.first, "").await?;
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    report.add(Row::new("GET /messages?count, once", took, "ms").note(format!("{count} messages")));
    Ok(())
}

async fn cost(ground: &Ground<'_>, target: &Target, seconds: f64) -> Figures {
    ground.output.say("what a message costs");
    // The first messages meet cold caches.
    Load::new(target, Work::Broadcast).run(Loop::Closed(1_000), seconds / 4.0).await;
    Load::new(target, Work::Broadcast).run(Loop::Closed(1_000), seconds).await
}

/// One of seven dies, and comes back. The others must not be slower meanwhile than before and after, and must have everything; and
/// so must it when it is back.
async fn on_seven(ground: &Ground<'_>, seven: &mut Local<'_>, seconds: f64, report: &mut Report) -> Result<(), Error> {
    let last = usize::from(SEVEN) - 1;
    let mut others = Vec::new();
    for url in &seven.urls()[2..] {
        others.push(Member::ask(&seven.target().await?.http, url).await?.identity);
    }
    let target = Target { others: others.clone(), ..seven.target().await? };
    let (before, sent) = on_members(ground, &target, "seven members", seconds).await;
    seven.lose(last).await?;
    let target = Target { others: others.clone(), ..seven.target().await? };
    let (dead, more) = on_members(ground, &target, "one of seven dead", seconds).await;
    let sent = [sent[0] + more[0], sent[1] + more[1]];
    let mut lost = 0;
    for url in &seven.urls()[..last] {
        lost += missing(&target, &Member::ask(&target.http, url).await?, sent).await?;
    }
    let began = Instant::now();
    seven.again().await?;
    let target = Target { others, ..seven.target().await? };
    let returned = Member::ask(&target.http, &seven.urls()[last]).await?;
    let lacks = missing(&target, &returned, sent).await?;
    let took = began.elapsed().as_secs_f64();
    let (after, _) = on_members(ground, &target, "seven members again", seconds).await;
    for (index, work) in ON_MEMBERS.iter().enumerate() {
        let alive = (before[index] + after[index]) / 2.0;
        let slower = (1.0 - dead[index] / alive.max(f64::EPSILON)) * 100.0;
        let row = Row::new(format!("one dead peer out of seven: {} slower by", work.name()), slower, "%");
        let note = format!("{:.0} /s, {:.0} before and {:.0} after", dead[index], before[index], after[index]);
        report.add(row.bars(DEAD).note(note));
    }
    let row = Row::new("one dead peer out of seven: messages that others lack", lost as f64, "");
    report.add(row.bars(Bars::most(0.0, 0.0)));
    let row = Row::new("one dead peer out of seven: messages that it lacks when it is back", lacks as f64, "");
    report.add(row.bars(Bars::most(0.0, 0.0)).note(format!("{took:.1} s with its start")));
    Ok(())
}

const ON_MEMBERS: [Work; 2] = [Work::Broadcast, Work::Private];

/// Rates of each of these works, and how many messages of each were counted.
async fn on_members(ground: &Ground<'_>, target: &Target, what: &str, seconds: f64) -> ([f64; 2], [u64; 2]) {
    let (mut rates, mut sent) = ([0.0; 2], [0; 2]);
    for (index, work) in ON_MEMBERS.into_iter().enumerate() {
        ground.output.say(format_args!("{what}, {}", work.name()));
        Load::new(target, work).run(Loop::Closed(100), seconds / 4.0).await;
        let load = Load { tag: "bench-seven".to_owned(), ..Load::new(target, work) };
        let figures = load.run(Loop::Closed(100), seconds).await;
        rates[index] = figures.per_second;
        sent[index] = figures.requests as u64;
    }
    (rates, sent)
}

/// How many of the confirmed messages a member lacks when it has had time.
async fn missing(target: &Target, member: &Member, sent: [u64; 2]) -> Result<u64, Error> {
    let began = Instant::now();
    loop {
        let mut lacks = 0;
        for (work, sent) in ON_MEMBERS.into_iter().zip(sent) {
            let filter = format!("&tag=bench-seven&type={}&state=confirmed", work.name());
            lacks += sent.saturating_sub(target.count(member, &filter).await?);
        }
        if lacks == 0 || began.elapsed() > PATIENCE {
            return Ok(lacks);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The same load on PostgreSQL, where the machine has it.
async fn postgres(ground: &Ground<'_>, seconds: f64, rates: &Rates, report: &mut Report) -> Result<(), Error> {
    let database = match Database::own() {
        Ok(database) => database,
        Err(error) => {
            ground.output.say(format_args!("PostgreSQL is not measured: {error}"));
            return Ok(());
        }
    };
    let ground = Ground { database: &database, ..*ground };
    let network = Local::up(&ground, "postgres", 2).await?;
    let measured = async {
        let target = network.target().await?;
        for (work, sqlite) in [(Work::Broadcast, rates.broadcast), (Work::Private, rates.private)] {
            ground.output.say(format_args!("PostgreSQL, {}, 1000 in flight", work.name()));
            // The others were measured after smaller loads of the kind.
            Load::new(&target, work).run(Loop::Closed(100), seconds / 2.0).await;
            let figures = Load::new(&target, work).run(Loop::Closed(1_000), seconds).await;
            if sqlite <= 0.0 {
                return Err(refused(&"nothing to compare with"));
            }
            let row = Row::new(
                format!("PostgreSQL in place of SQLite: {}, 1000 in flight", work.name()),
                figures.per_second / sqlite,
                "x",
            );
            let cpu = figures.cpu_ms.unwrap_or_default();
            let note = format!("{:.0} and {sqlite:.0} /s, {cpu:.2} ms CPU", figures.per_second);
            report.add(row.bars(RATIO).figures(&figures).note(note));
        }
        Ok(())
    };
    let measured = measured.await;
    network.end().await?;
    measured
}
