//! Waits between attempts: growing, bounded, and spread by chance so that members do not knock in step.

use std::{sync::Arc, time::Duration};

use photinus_ports::ids::Ids;

use crate::options::Retry;

/// The waits of one piece of work that failed.
pub(crate) struct Backoff {
    retry: Retry,
    next: Duration,
    ids: Arc<dyn Ids>,
}

impl Backoff {
    /// Starts at the first wait.
    pub(crate) fn new(retry: Retry, ids: Arc<dyn Ids>) -> Self {
        Self { retry, next: retry.initial, ids }
    }

    /// How long to wait now, between half of the nominal wait and all of it.
    pub(crate) fn advance(&mut self) -> Duration {
        let nominal = self.next;
        self.next = nominal.mul_f64(self.retry.factor.max(1.0)).min(self.retry.maximum);
        let chance = f64::from(self.ids.next().as_bytes()[15]) / 255.0;
        nominal.mul_f64(0.5 + chance / 2.0)
    }

    /// Success: the next failure starts again at the first wait.
    pub(crate) fn reset(&mut self) {
        self.next = self.retry.initial;
    }
}

#[cfg(test)]
mod tests {
    use photinus_ports::ids;

    use super::*;

    #[test]
    fn grows_to_the_maximum_and_starts_again() {
        let retry = Retry { initial: Duration::from_millis(100), maximum: Duration::from_millis(350), factor: 2.0 };
        let mut backoff = Backoff::new(retry, Arc::new(ids::Random));
        for nominal in [100, 200, 350, 350] {
            let wait = backoff.advance();
            assert!(
                wait >= Duration::from_millis(nominal / 2) && wait <= Duration::from_millis(nominal),
                "{wait:?} for {nominal}"
            );
        }
        backoff.reset();
        assert!(backoff.advance() <= Duration::from_millis(100));
    }
}
