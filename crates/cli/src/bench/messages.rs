//! Messages: how long one takes to its confirmation, and how many a second there can be.

use serde_json::{Value, json};

use super::{Report, Target, answered, load, load::Figures, usage};
use crate::output::Output;

/// Bytes of the value that a message carries.
const VALUE: usize = 100;
/// Topics over which the clients spread.
const TOPICS: usize = 16;

/// A way to send a message.
#[derive(Clone, Copy)]
enum Way {
    Broadcast,
    Private,
    Unpinned,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Private => "private",
            Self::Unpinned => "private unpinned",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Private | Self::Unpinned => "private",
        }
    }

    fn body(self, recipient: &str, client: usize) -> Value {
        let mut body = json!({
            "header": {"topics": [format!("bench-{}", client % TOPICS)]},
            "data": [{"value": "x".repeat(VALUE)}],
        });
        if !matches!(self, Self::Broadcast) {
            body["group"] = json!({"members": [{"identity": recipient}]});
        }
        if matches!(self, Self::Unpinned) {
            body["header"]["txtype"] = json!("unpinned");
        }
        body
    }
}

/// What a row says of a run.
#[derive(Clone, Copy)]
enum Says {
    Latency,
    Rate,
}

/// Every row about messages: way, clients, what is told, first bar, goal.
const ROWS: [(Way, usize, Says, &str, &str); 7] = [
    (Way::Broadcast, 1, Says::Latency, "25 ms", "10 ms"),
    (Way::Broadcast, 100, Says::Rate, "2000 /s", "4000 /s"),
    (Way::Broadcast, 1_000, Says::Rate, "4000 /s", "8000 /s"),
    (Way::Private, 1, Says::Latency, "25 ms", "10 ms"),
    (Way::Private, 100, Says::Rate, "2000 /s", "4000 /s"),
    (Way::Private, 1_000, Says::Rate, "4000 /s", "8000 /s"),
    (Way::Unpinned, 100, Says::Rate, "4000 /s", "8000 /s"),
];

/// Runs every load and adds its rows.
pub(super) async fn measure(target: &Target<'_>, seconds: f64, output: Output, report: &mut Report) {
    for (way, clients, says, first_bar, goal) in ROWS {
        output.say(format_args!("{}, {clients} in flight", way.name()));
        let before = usage::processor_time(&target.pids);
        let figures = run(target, way, clients, seconds).await;
        let used = usage::processor_time(&target.pids).saturating_sub(before);
        let measured = match says {
            Says::Latency => format!("p50 {:.1} ms, p99 {:.1} ms", figures.p50_ms, figures.p99_ms),
            Says::Rate => format!("{:.0} /s, p50 {:.0} ms", figures.per_second, figures.p50_ms),
        };
        let work = format!("{}, {clients} in flight, confirmed{}", way.name(), figures.failed());
        report.add(work, measured, first_bar, goal);
        if clients == 1_000 {
            let each = used.as_secs_f64() * 1_000.0 / (figures.requests.max(1) as f64);
            let work = format!("CPU per {} message, everything on the machine", way.name());
            report.add(work, format!("{each:.2} ms"), "0.5 ms", "0.2 ms");
        }
    }
}

async fn run(target: &Target<'_>, way: Way, clients: usize, seconds: f64) -> Figures {
    let url = format!("{}/api/v1/messages/{}?confirm=true", target.first.url(), way.path());
    let (http, recipient) = (target.http.clone(), target.second.org_name.clone());
    load::closed(clients, seconds, move |client| {
        let request = http.post(&url).json(&way.body(&recipient, client)).send();
        async move { answered(request.await).await.map(drop) }
    })
    .await
}
