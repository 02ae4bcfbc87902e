//! How slowly a body may come: whoever drips bytes to keep a place, for ever, is cut off.

use std::time::Duration;

/// What must come within one patience, in bytes, unless it is the end.
const LEAST: usize = 4 * 1024;

/// Watches a body that is waited for piece by piece. Only waiting counts, so that a slow reader is no reason to cut a body off.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    patience: Duration,
    waited: Duration,
    came: usize,
}

impl Pace {
    /// A body of which at least 4 KiB come in each such time, or its end.
    #[must_use]
    pub const fn new(patience: Duration) -> Self {
        Self { patience, waited: Duration::ZERO, came: 0 }
    }

    /// How long the next piece may be waited for.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.patience.saturating_sub(self.waited)
    }

    /// So many bytes have come after a wait.
    pub fn came(&mut self, bytes: usize, after: Duration) {
        self.came = self.came.saturating_add(bytes);
        if self.came >= LEAST {
            (self.waited, self.came) = (Duration::ZERO, 0);
        } else {
            self.waited = self.waited.saturating_add(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drip_uses_up_the_patience_and_a_flow_does_not() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(10 * second);
        for _ in 0..100 {
            pace.came(LEAST, 9 * second);
            assert_eq!(pace.patience(), 10 * second);
        }
        for left in (0..10).rev() {
            pace.came(1, second);
            assert_eq!(pace.patience(), left * second);
        }
        pace.came(LEAST - 10, second);
        assert_eq!(pace.patience(), 10 * second, "what came counts together");
    }
}
