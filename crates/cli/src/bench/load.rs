//! Closed-loop load: a number of clients, each of which sends its next request when the last one was answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde::Serialize;

use crate::error::Error;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// Answered requests.
    pub(crate) requests: usize,
    /// Requests that failed.
    pub(crate) failures: usize,
    /// Answered requests per second.
    pub(crate) per_second: f64,
    /// Half of the requests took at most this long, in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of 100 took at most this long, in milliseconds.
    pub(crate) p99_ms: f64,
}

impl Figures {
    /// A remark behind the name of the work when not all went well.
    pub(crate) fn failed(&self) -> String {
        if self.failures == 0 { String::new() } else { format!(" ({} FAILED)", self.failures) }
    }
}

/// Runs `clients` closed loops for a while. `request` makes one request of the client with this number.
pub(crate) async fn closed<F, Fut>(clients: usize, seconds: f64, request: F) -> Figures
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Error>> + Send,
{
    let (request, stop) = (Arc::new(request), Arc::new(AtomicBool::new(false)));
    let began = Instant::now();
    let loops: Vec<_> = (0..clients)
        .map(|client| {
            let (request, stop) = (Arc::clone(&request), Arc::clone(&stop));
            tokio::spawn(async move {
                let (mut times, mut failures) = (Vec::new(), 0_usize);
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    match request(client).await {
                        Ok(()) => times.push(sent.elapsed()),
                        Err(_) => {
                            failures += 1;
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                    }
                }
                (times, failures)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut times, mut failures) = (Vec::new(), 0);
    for (its_times, its_failures) in join_all(loops).await.into_iter().flatten() {
        times.extend(its_times);
        failures += its_failures;
    }
    figures(times, failures, began.elapsed())
}

fn figures(mut times: Vec<Duration>, failures: usize, lasted: Duration) -> Figures {
    times.sort_unstable();
    Figures {
        requests: times.len(),
        failures,
        per_second: times.len() as f64 / lasted.as_secs_f64(),
        p50_ms: percentile(&times, 50),
        p99_ms: percentile(&times, 99),
    }
}

/// The time that so many percent of the sorted times do not exceed, in milliseconds; 0 of none.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!((percentile(&times, 50), percentile(&times, 99)), (50.0, 99.0));
        assert_eq!(percentile(&times[..1], 99), 1.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
