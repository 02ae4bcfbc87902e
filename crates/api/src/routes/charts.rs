//! `/charts`: how much happened when.

use photinus_model::Time;
use photinus_store::Chart;
use serde::Serialize;

use crate::{
    failure::Failure,
    reply::{Answer, ok},
    request::Request,
    route::{Parameter, Route},
};

const SPAN: &[Parameter] = &[
    Parameter { name: "startTime", about: "Where the first bucket begins: RFC 3339, or Unix time" },
    Parameter { name: "endTime", about: "Where the last bucket ends: RFC 3339, or Unix time" },
    Parameter { name: "buckets", about: "Number of buckets, 1 to 100" },
];

/// Most buckets of a chart.
const MAX_BUCKETS: i64 = 100;

pub(super) static ROUTES: &[Route] =
    &[Route::get("charts/histogram/{collection}", "getChartHistogram", |r| Box::pin(histogram(r)))
        .with(SPAN)
        .gives("ChartHistogram[]")];

/// What fell into one span of time. Counts are text, as clients know them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    count: String,
    timestamp: Time,
    types: Vec<OfType>,
    /// Whether there may be more than was counted.
    is_capped: bool,
}

#[derive(Serialize)]
struct OfType {
    count: String,
    r#type: String,
}

async fn histogram(request: Request) -> Answer {
    let name = request.variable("collection");
    let chart = match name {
        "messages" => Some(Chart::Messages),
        "transactions" => Some(Chart::Transactions),
        "operations" => Some(Chart::Operations),
        "events" => Some(Chart::Events),
        "blockchainevents" => Some(Chart::BlockchainEvents),
        _ => None,
    };
    let chart = chart.ok_or_else(|| {
        let known = "messages, transactions, operations, events or blockchainevents";
        Failure::bad("FF10301", format_args!("there is no chart of '{name}': ask for {known}"))
    })?;
    let (start, end) = (time(&request, "startTime")?, time(&request, "endTime")?);
    let buckets = request.parameter("buckets").and_then(|text| text.parse().ok());
    let buckets = buckets.filter(|number| (1..=MAX_BUCKETS).contains(number)).ok_or_else(|| {
        Failure::bad("FF10298", format_args!("parameter 'buckets' must be a number from 1 to {MAX_BUCKETS}"))
    })?;
    if start > end {
        return Err(Failure::bad("FF10300", "'startTime' must be before 'endTime'"));
    }
    let (read, most) = (request.read()?, request.shared.options.limits.chart_rows);
    let mut counted = Vec::new();
    for (from, to) in spans(start.as_unix_nanos(), end.as_unix_nanos(), buckets) {
        let bucket = read.count_between(chart, Time::from_unix_nanos(from), Time::from_unix_nanos(to), most).await?;
        let types = bucket.types.into_iter().map(|(r#type, count)| OfType { count: count.to_string(), r#type });
        counted.push(Bucket {
            count: bucket.count.to_string(),
            timestamp: Time::from_unix_nanos(from),
            types: types.collect(),
            is_capped: bucket.count >= most as u64,
        });
    }
    ok(&counted)
}

fn time(request: &Request, name: &str) -> Result<Time, Failure> {
    request.parameter(name).and_then(|text| text.parse().ok()).ok_or_else(|| {
        Failure::bad("FF10299", format_args!("parameter '{name}' must be a time: RFC 3339, or Unix time"))
    })
}

/// A span of time in so many parts, of which the last takes what is left over. Nothing when the span is empty.
fn spans(start: i64, end: i64, parts: i64) -> Vec<(i64, i64)> {
    let (start, end, parts) = (i128::from(start), i128::from(end), i128::from(parts.max(1)));
    let width = ((end - start) / parts).max(1);
    let narrow = |number: i128| i64::try_from(number).unwrap_or(i64::MAX);
    let part = |part: i128| {
        let from = start + part * width;
        let to = if part + 1 == parts { end } else { (from + width).min(end) };
        (narrow(from), narrow(to))
    };
    (0..parts).map(part).filter(|(from, to)| from < to).collect()
}

#[cfg(test)]
mod tests {
    use super::spans;

    #[test]
    fn a_span_is_cut_without_gaps() {
        assert_eq!(spans(0, 10, 2), [(0, 5), (5, 10)]);
        assert_eq!(spans(0, 10, 3), [(0, 3), (3, 6), (6, 10)]);
        assert_eq!(spans(0, 2, 5), [(0, 1), (1, 2)]);
        assert_eq!(spans(5, 5, 3), []);
        assert_eq!(spans(i64::MIN, i64::MAX, 1), [(i64::MIN, i64::MAX)]);
    }
}
