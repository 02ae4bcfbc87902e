//! Load: closed, where each of a number of clients sends its next request when the last one was answered, or open, where requests
//! come at a rate whatever becomes of those before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::error::Error;

/// Requests of an open loop that are under way at once; more wait, and their time counts.
const MOST: usize = 4_096;
/// How long what was sent may take after the last request of an open loop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes one request of the client, or of the request, with this number.
pub(crate) type Request = Arc<dyn Fn(usize) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loop {
    /// So many clients.
    Closed(usize),
    /// So many requests a second.
    Open(f64),
}

/// What a run came to. Times are in milliseconds; those of an open loop begin when the request should have been sent.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// Answered requests.
    pub(crate) requests: usize,
    /// Requests that failed, or were not answered.
    pub(crate) failures: usize,
    /// Why the first one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// Answered requests per second.
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Time on a processor for each answered request, of everything that is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_ms: Option<f64>,
}

impl Figures {
    /// The times for people.
    pub(crate) fn times(&self) -> String {
        format!("p50 {:.1} p95 {:.1} p99 {:.1} max {:.0} ms", self.p50_ms, self.p95_ms, self.p99_ms, self.max_ms)
    }

    /// Says what was used for the answered requests.
    pub(crate) fn used(mut self, time: Duration) -> Self {
        self.cpu_ms = Some(time.as_secs_f64() * 1_000.0 / (self.requests.max(1) as f64));
        self
    }
}

/// How one request ended.
type Ended = Result<Duration, String>;

/// Makes requests for a while.
pub(crate) async fn run(how: Loop, seconds: f64, request: Request) -> Figures {
    match how {
        Loop::Closed(clients) => closed(clients, seconds, request).await,
        Loop::Open(rate) => open(rate, seconds, request).await,
    }
}

async fn closed(clients: usize, seconds: f64, request: Request) -> Figures {
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let client = |client| {
        let (request, stop) = (Arc::clone(&request), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut ended = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let sent = Instant::now();
                let result = request(client).await;
                if result.is_err() {
                    sleep(Duration::from_millis(10)).await;
                }
                ended.push(result.map(|()| sent.elapsed()).map_err(|error| error.to_string()));
            }
            ended
        })
    };
    let clients: Vec<_> = (0..clients).map(client).collect();
    sleep(Duration::from_secs_f64(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let ended = join_all(clients).await.into_iter().flatten().flatten().collect();
    figures(ended, began.elapsed())
}

async fn open(rate: f64, seconds: f64, request: Request) -> Figures {
    let (results, mut ended) = mpsc::unbounded_channel::<Ended>();
    let under_way = Arc::new(Semaphore::new(MOST));
    let began = Instant::now();
    let total = (rate * seconds).ceil().max(1.0) as usize;
    for number in 0..total {
        let due = began + Duration::from_secs_f64(number as f64 / rate);
        sleep_until(due).await;
        let (request, results, under_way) = (Arc::clone(&request), results.clone(), Arc::clone(&under_way));
        tokio::spawn(async move {
            let _permit = under_way.acquire().await;
            let result = request(number).await;
            // The other end is gone when nobody waits any longer.
            let _told = results.send(result.map(|()| due.elapsed()).map_err(|error| error.to_string()));
        });
    }
    drop(results);
    let (lasted, last) = (began.elapsed(), Instant::now() + PATIENCE);
    let mut all = Vec::with_capacity(total);
    while let Ok(Some(result)) = timeout_at(last, ended.recv()).await {
        all.push(result);
    }
    let answered_late = began.elapsed();
    all.resize_with(total, || Err("no answer in time".to_owned()));
    // While answers come as fast as requests, the rate is that of the requests.
    let lasted = if answered_late > lasted + Duration::from_secs(1) { answered_late } else { lasted };
    figures(all, lasted)
}

fn figures(ended: Vec<Ended>, lasted: Duration) -> Figures {
    let failures = ended.iter().filter(|result| result.is_err()).count();
    let failure = ended.iter().find_map(|result| result.as_ref().err().cloned());
    let mut times: Vec<Duration> = ended.into_iter().flatten().collect();
    times.sort_unstable();
    let lasted = lasted.as_secs_f64().max(f64::EPSILON);
    Figures {
        requests: times.len(),
        failures,
        failure,
        per_second: times.len() as f64 / lasted,
        p50_ms: percentile(&times, 50),
        p95_ms: percentile(&times, 95),
        p99_ms: percentile(&times, 99),
        max_ms: percentile(&times, 100),
        cpu_ms: None,
    }
}

/// The time that so many percent of the sorted times do not exceed, in milliseconds; 0 of none.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!([50, 95, 99, 100].map(|percent| percentile(&times, percent)), [50.0, 95.0, 99.0, 100.0]);
        assert_eq!(percentile(&times[..1], 99), 1.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[tokio::test]
    async fn an_open_loop_counts_the_time_that_requests_had_to_wait() {
        // All are due within a tenth of a second, and take half a second one after the other.
        let server = Arc::new(tokio::sync::Mutex::new(()));
        let request: Request = Arc::new(move |_| {
            let server = Arc::clone(&server);
            async move {
                let _turn = server.lock().await;
                sleep(Duration::from_millis(5)).await;
                Ok(())
            }
            .boxed()
        });
        let figures = run(Loop::Open(1_000.0), 0.1, request).await;
        assert_eq!((figures.requests, figures.failures), (100, 0));
        assert!(figures.max_ms >= 400.0 && figures.p50_ms >= 150.0, "{figures:?}");
    }

    #[tokio::test]
    async fn failures_are_counted_and_told() {
        let request: Request = Arc::new(|_| async { Err(Error::Load("no".to_owned())) }.boxed());
        let figures = run(Loop::Open(20.0), 0.1, request).await;
        assert_eq!((figures.requests, figures.failures), (0, 2));
        assert!(figures.failure.unwrap().contains("no"));
    }
}
