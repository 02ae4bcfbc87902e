//! Contents that are being waited for: one search per content, however many wait.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;

use photinus_ports::content::Reference;

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The content is on disk.
    Arrived,
    /// Nobody had it in time, with what was seen.
    Unavailable(String),
    /// The disk failed.
    Failed(String),
}

/// A search under way.
#[derive(Debug)]
pub(crate) struct Flight {
    outcome: watch::Sender<Option<Outcome>>,
    /// The most bytes that the search accepts.
    pub(crate) limit: u64,
}

impl Flight {
    /// Waits for the end of the search.
    pub(crate) async fn outcome(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        match outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => outcome,
            _ => Outcome::Failed("the search was given up".to_owned()),
        }
    }
}

/// All searches under way.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Reference, Arc<Flight>>>);

impl Flights {
    /// Joins the search for a content. `true` when it is new and the caller has to conduct it.
    pub(crate) fn join(&self, reference: &Reference, limit: u64) -> (Arc<Flight>, bool) {
        let mut flights = self.0.lock();
        if let Some(flight) = flights.get(reference) {
            return (Arc::clone(flight), false);
        }
        let flight = Arc::new(Flight { outcome: watch::Sender::new(None), limit });
        flights.insert(reference.clone(), Arc::clone(&flight));
        (flight, true)
    }

    /// Whether somebody waits for a content.
    pub(crate) fn wanted(&self, reference: &Reference) -> bool {
        self.0.lock().contains_key(reference)
    }

    /// Ends a search, if one is under way. The first outcome stands.
    pub(crate) fn end(&self, reference: &Reference, outcome: Outcome) {
        if let Some(flight) = self.0.lock().remove(reference) {
            flight.outcome.send_replace(Some(outcome));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_wait_for_one_search() {
        let flights = Flights::default();
        let reference = Reference::parse("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o").unwrap();
        let (first, leads) = flights.join(&reference, 10);
        let (second, follows) = flights.join(&reference, 20);
        assert!(leads && !follows && flights.wanted(&reference));
        flights.end(&reference, Outcome::Arrived);
        flights.end(&reference, Outcome::Failed("too late".to_owned()));
        assert_eq!((first.outcome().await, second.outcome().await), (Outcome::Arrived, Outcome::Arrived));
        assert!(!flights.wanted(&reference));
    }
}
