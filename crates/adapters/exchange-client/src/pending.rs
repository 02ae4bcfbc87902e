//! Deliveries of this node that the data exchange was given and has not told the end of.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The other data exchange has it.
    Delivered,
    /// The other node has it.
    Acknowledged(String),
    /// It did not arrive, for this reason.
    Failed(String),
    /// Nobody knows: the data exchange was gone, or takes too long.
    Unknown(String),
}

#[derive(Default)]
pub(crate) struct Pending(Mutex<HashMap<String, Vec<oneshot::Sender<Outcome>>>>);

/// Somebody who waits for an outcome.
pub(crate) struct Wait(oneshot::Receiver<Outcome>);

impl Pending {
    /// To be called before the delivery is given away. The same delivery may be waited for twice: its first outcome serves both.
    pub(crate) fn expect(&self, request: &str) -> Wait {
        let (tell, wait) = oneshot::channel();
        let mut all = self.0.lock();
        let waiting = all.entry(request.to_owned()).or_default();
        waiting.retain(|tell| !tell.is_closed());
        waiting.push(tell);
        Wait(wait)
    }

    pub(crate) fn settle(&self, request: &str, outcome: &Outcome) {
        let waiting = self.0.lock().remove(request);
        for tell in waiting.into_iter().flatten() {
            // Who waits no longer has been told that the time was over.
            let _ = tell.send(outcome.clone());
        }
    }

    /// Settles all that is left.
    pub(crate) fn give_up(&self, reason: &str) {
        let all = std::mem::take(&mut *self.0.lock());
        for tell in all.into_values().flatten() {
            let _ = tell.send(Outcome::Unknown(reason.to_owned()));
        }
    }

    pub(crate) async fn outcome(&self, request: &str, wait: Wait, most: Duration) -> Outcome {
        match tokio::time::timeout(most, wait.0).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Outcome::Unknown("the data exchange's client has stopped".to_owned()),
            Err(_) => {
                self.0.lock().retain(|key, waiting| {
                    waiting.retain(|tell| key != request || !tell.is_closed());
                    !waiting.is_empty()
                });
                let seconds = most.as_secs();
                Outcome::Unknown(format!(
                    "the data exchange has not said in {seconds} s what became of it; does another client read its events?"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outcomes_reach_all_who_wait_and_nobody_waits_for_ever() {
        let pending = Pending::default();
        let (one, two) = (pending.expect("a"), pending.expect("a"));
        let other = pending.expect("b");
        pending.settle("a", &Outcome::Delivered);
        pending.settle("unknown", &Outcome::Delivered);
        let second = Duration::from_secs(1);
        assert_eq!(pending.outcome("a", one, second).await, Outcome::Delivered);
        assert_eq!(pending.outcome("a", two, second).await, Outcome::Delivered);
        let late = pending.outcome("b", other, Duration::from_millis(1)).await;
        assert!(matches!(late, Outcome::Unknown(reason) if reason.contains("another client")));
        assert!(pending.0.lock().is_empty());
        let gone = pending.expect("c");
        pending.give_up("gone");
        assert_eq!(pending.outcome("c", gone, second).await, Outcome::Unknown("gone".to_owned()));
    }
}
