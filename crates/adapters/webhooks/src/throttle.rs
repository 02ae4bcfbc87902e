//! A bound of calls per second, with room for bursts. All applications of a namespace share it, as in FireFly.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::options::Rate;

/// Lets calls through at a rate.
pub(crate) struct Throttle {
    /// Time between two calls.
    interval: Duration,
    /// How far ahead of their times calls may be.
    ahead: Duration,
    /// When the next call would be due if all kept their times.
    next: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(crate) fn new(rate: Rate) -> Self {
        let interval = Duration::from_secs(1) / rate.per_second.get();
        let burst = rate.burst.unwrap_or(rate.per_second).get();
        Self { interval, ahead: interval * (burst - 1), next: Mutex::default() }
    }

    /// Returns when one more call may be made.
    pub(crate) async fn pass(&self) {
        let due = self.take(Instant::now());
        tokio::time::sleep_until(due).await;
    }

    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock();
        let time = next.map_or(now, |next| next.max(now));
        *next = Some(time + self.interval);
        time.checked_sub(self.ahead).map_or(now, |due| due.max(now))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn due(per_second: u32, burst: Option<u32>, calls: usize) -> Vec<u128> {
        let rate = Rate { per_second: NonZeroU32::new(per_second).unwrap(), burst: burst.and_then(NonZeroU32::new) };
        let (throttle, now) = (Throttle::new(rate), Instant::now() + Duration::from_secs(60));
        (0..calls).map(|_| (throttle.take(now) - now).as_millis()).collect()
    }

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        assert_eq!(due(10, Some(3), 5), [0, 0, 0, 100, 200]);
        assert_eq!(due(10, Some(1), 3), [0, 100, 200]);
        assert_eq!(due(2, None, 4), [0, 0, 500, 1000], "without a number the burst is one second's calls");
    }

    #[test]
    fn what_was_not_used_for_long_is_one_burst_again() {
        let rate = Rate { per_second: NonZeroU32::new(10).unwrap(), burst: NonZeroU32::new(2) };
        let throttle = Throttle::new(rate);
        let now = Instant::now() + Duration::from_secs(60);
        for _ in 0..4 {
            throttle.take(now);
        }
        let later = now + Duration::from_secs(10);
        let due: Vec<_> = (0..3).map(|_| (throttle.take(later) - later).as_millis()).collect();
        assert_eq!(due, [0, 0, 100]);
    }
}
