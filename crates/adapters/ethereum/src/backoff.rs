//! Waiting longer after every failure, and never in step with others.

use std::time::Duration;

use rand::Rng;

/// The waits between attempts: doubling from a least to a most, each shortened at random by up to a half.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(least: Duration, most: Duration) -> Self {
        Self { least, most: most.max(least), next: least }
    }

    /// The wait after one more failure.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.most);
        wait.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// It worked: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.next = self.least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for most in [100, 200, 350, 350] {
            let wait = backoff.wait();
            assert!(wait >= Duration::from_millis(most / 2) && wait <= Duration::from_millis(most), "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(100));
    }
}
