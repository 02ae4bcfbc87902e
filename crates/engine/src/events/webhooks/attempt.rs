//! When a failed call is repeated, and when it is given up. Pure.

use std::time::Duration;

use photinus_model::Time;
use photinus_ports::webhooks::{Answer, Error};

use super::options::Webhook;
use crate::options;

/// How often and how long one delivery is tried.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    tries: Option<u32>,
    period: Option<Duration>,
    /// Waits between calls.
    pub(super) waits: options::Retry,
    /// Statuses that are worth another call; `None` for all failures.
    statuses: Option<regex::Regex>,
}

impl Policy {
    /// What a subscription asks for.
    pub(super) fn new(hook: &Webhook, configured: &options::Webhooks) -> Self {
        if let Some(guarantee) = &hook.guarantee {
            return Self {
                tries: guarantee.tries,
                period: guarantee.period,
                waits: waits(guarantee.initial, guarantee.maximum, 2.0),
                statuses: None,
            };
        }
        Self::once_or_retried(hook, configured)
    }

    /// FireFly's: one call, and as many more as were asked for.
    pub(super) fn once_or_retried(hook: &Webhook, configured: &options::Webhooks) -> Self {
        let global = &configured.retry;
        let retries = match &hook.retry {
            Some(retry) => retry.count.unwrap_or(global.count),
            None if global.enabled => global.count,
            None => 0,
        };
        let own = hook.retry.clone().unwrap_or_default();
        let (initial, maximum) = (own.initial.unwrap_or(global.initial), own.maximum.unwrap_or(global.maximum));
        Self {
            tries: Some(retries.saturating_add(1)),
            period: None,
            waits: waits(initial, maximum, global.factor),
            statuses: global.statuses.clone(),
        }
    }

    /// Whether to call again after this many calls.
    pub(super) fn again(&self, tries: u32, first: Time, now: Time, answer: &Result<Answer, Error>) -> bool {
        let worth = match answer {
            Ok(answer) => self
                .statuses
                .as_ref()
                .is_none_or(|statuses| statuses.is_match(format!("{} {}", answer.status, answer.reason).trim_end())),
            Err(error) => error.is_retryable(),
        };
        worth
            && self.tries.is_none_or(|most| tries < most)
            && self.period.is_none_or(|period| since(first, now) < period)
    }
}

fn waits(initial: Duration, maximum: Duration, factor: f64) -> options::Retry {
    let initial = initial.max(Duration::from_millis(1));
    options::Retry { initial, maximum: maximum.max(initial), factor }
}

fn since(first: Time, now: Time) -> Duration {
    let nanos = now.as_unix_nanos().saturating_sub(first.as_unix_nanos());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// Why an answer is none that takes the event; `None` if it is.
pub(super) fn failure(answer: &Result<Answer, Error>) -> Option<String> {
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => None,
        Ok(answer) => Some(format!("the endpoint answered {} {}", answer.status, answer.reason).trim_end().to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn policy(options: &str, configured: &options::Webhooks) -> Policy {
        Policy::new(&Webhook::read(&serde_json::from_str(options).unwrap()).unwrap(), configured)
    }

    fn answer(status: u16) -> Result<Answer, Error> {
        Ok(Answer { status, reason: "Reason".into(), headers: Vec::new(), body: Bytes::new() })
    }

    const ZERO: Time = Time::ZERO;

    #[test]
    fn the_reference_calls_once_and_as_often_as_asked() {
        let configured = options::Webhooks::default();
        let plain = policy(r#"{"url":"u"}"#, &configured);
        assert!(!plain.again(1, ZERO, ZERO, &answer(500)));
        let retried = policy(r#"{"url":"u","retry":{"enabled":true,"count":2}}"#, &configured);
        assert!(retried.again(2, ZERO, ZERO, &answer(404)) && !retried.again(3, ZERO, ZERO, &answer(404)));
        assert!(retried.again(1, ZERO, ZERO, &Err(Error::TimedOut)));
        assert!(!retried.again(1, ZERO, ZERO, &Err(Error::Guarded("h".into()))));
        let unsaid = policy(r#"{"url":"u","retry":{"enabled":true}}"#, &configured);
        assert!(unsaid.again(5, ZERO, ZERO, &answer(500)) && !unsaid.again(6, ZERO, ZERO, &answer(500)));
    }

    #[test]
    fn statuses_are_chosen_by_their_line() {
        let mut configured = options::Webhooks::default();
        configured.retry.statuses = Some(regex::Regex::new("^503 Reason$").unwrap());
        let retried = policy(r#"{"url":"u","retry":{"enabled":true}}"#, &configured);
        assert!(retried.again(1, ZERO, ZERO, &answer(503)) && !retried.again(1, ZERO, ZERO, &answer(500)));
    }

    #[test]
    fn a_guarantee_ends_by_tries_or_by_time() {
        let configured = options::Webhooks::default();
        let tries = policy(r#"{"url":"u","delivery":{"guaranteed":true,"tries":100}}"#, &configured);
        assert!(tries.again(99, ZERO, ZERO, &answer(500)) && !tries.again(100, ZERO, ZERO, &answer(500)));
        let time = policy(r#"{"url":"u","delivery":{"guaranteed":true,"period":"1s"}}"#, &configured);
        let at = |millis: i64| Time::from_unix_nanos(millis * 1_000_000);
        assert!(time.again(9, ZERO, at(999), &answer(500)) && !time.again(9, ZERO, at(1000), &answer(500)));
    }
}
