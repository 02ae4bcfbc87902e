//! How cost grows with what is stored, with topics, with members and with batches.

use super::{
    load::Loop,
    local::{Ground, Local},
    report::{Report, Row},
    work::{Load, Work},
};
use crate::error::Error;

const STORED: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const TOPICS: [usize; 4] = [1, 10, 100, 1_000];
const MEMBERS: [u16; 4] = [2, 3, 5, 7];
const BATCHES: [usize; 4] = [1, 10, 100, 500];
/// Messages in flight.
const CLIENTS: usize = 500;

/// Measures broadcasts of every size, the stores filled up to so many messages.
pub(crate) async fn measure(ground: &Ground<'_>, seconds: f64, stored: u64, report: &mut Report) -> Result<(), Error> {
    let mut two = Local::up(ground, "stored", 2).await?;
    let measured = by_stored(ground, &mut two, seconds, stored, report).await;
    two.end().await?;
    measured?;
    let two = Local::up(ground, "topics", 2).await?;
    let measured = by_topics(ground, &two, seconds, report).await;
    two.end().await?;
    measured?;
    for members in MEMBERS {
        let network = Local::up(ground, &format!("members-{members}"), members).await?;
        let row = broadcast(ground, &network, seconds, 16, format!("{members} members")).await;
        network.end().await?;
        report.add(row?);
    }
    for batch in BATCHES {
        let mut network = Local::up(ground, &format!("batches-{batch}"), 2).await?;
        let name = format!("up to {batch} messages per batch");
        let row = match network.limit_batches(batch).await {
            Ok(()) => broadcast(ground, &network, seconds, 16, name).await,
            Err(error) => Err(error),
        };
        network.end().await?;
        report.add(row?);
    }
    Ok(())
}

async fn by_stored(
    ground: &Ground<'_>,
    two: &mut Local<'_>,
    seconds: f64,
    most: u64,
    report: &mut Report,
) -> Result<(), Error> {
    for stored in STORED.into_iter().filter(|stored| *stored <= most) {
        two.fill(stored).await?;
        report.add(broadcast(ground, two, seconds, 16, format!("{stored} messages stored")).await?);
        let target = two.target().await?;
        let figures = Load::new(&target, Work::List).run(Loop::Closed(10), seconds).await;
        let row = Row::new(format!("GET /messages?limit=25, {stored} messages stored"), figures.per_second, "/s");
        report.add(row.figures(&figures).note(figures.times()));
    }
    Ok(())
}

async fn by_topics(ground: &Ground<'_>, two: &Local<'_>, seconds: f64, report: &mut Report) -> Result<(), Error> {
    for topics in TOPICS {
        report.add(broadcast(ground, two, seconds, topics, format!("{topics} topics")).await?);
    }
    Ok(())
}

/// What a broadcast costs.
async fn broadcast(
    ground: &Ground<'_>,
    network: &Local<'_>,
    seconds: f64,
    topics: usize,
    name: String,
) -> Result<Row, Error> {
    ground.output.say(format_args!("{name}"));
    let target = network.target().await?;
    let load = Load { topics, ..Load::new(&target, Work::Broadcast) };
    // The first messages meet cold caches.
    load.clone().run(Loop::Closed(CLIENTS), seconds / 4.0).await;
    let figures = load.run(Loop::Closed(CLIENTS), seconds).await;
    let note = format!("{:.0} /s, {}", figures.per_second, figures.times());
    let row = Row::new(format!("CPU per broadcast message, {name}"), figures.cpu_ms.unwrap_or_default(), "ms");
    Ok(row.figures(&figures).note(note))
}
