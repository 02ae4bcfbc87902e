//! Wall-clock time as a parameter, so that a simulated network can own it.

use photinus_model::Time;

/// Tells the time that is written into records. Delays use the runtime's timers instead.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}
