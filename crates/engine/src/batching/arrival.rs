//! Messages that are stored together with their batch: one commit in place of two.
//!
//! A request may leave its message to the processor, which stores it with the batch that takes it. Until a batch takes it, it is
//! still the request's: one that is not taken in time is stored by itself, as if it had never been left here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use photinus_store::Error;
use tokio::{sync::oneshot, time::timeout};

/// A message that is not stored yet, as the processor has it.
#[derive(Debug)]
pub(super) struct Arrival {
    taken: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// A message that is left to the processor, as its request has it.
#[derive(Debug)]
pub(crate) struct Arriving {
    taken: Arc<AtomicBool>,
    answer: oneshot::Receiver<Result<(), Error>>,
}

/// Both sides of one message.
pub(super) fn arrival() -> (Arrival, Arriving) {
    let taken = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = oneshot::channel();
    (Arrival { taken: Arc::clone(&taken), answer: sender }, Arriving { taken, answer: receiver })
}

impl Arrival {
    /// Takes the message for a batch. `false` when its request took it back.
    pub(super) fn take(&self) -> bool {
        !self.taken.swap(true, Ordering::AcqRel)
    }

    /// Says what became of the message. Its request may be gone.
    pub(super) fn answer(self, outcome: Result<(), Error>) {
        let _gone = self.answer.send(outcome);
    }
}

impl Arriving {
    /// What became of the message; `None` when it was taken back, because no batch took it within `patience`.
    pub(crate) async fn outcome(mut self, patience: Duration) -> Option<Result<(), Error>> {
        let outcome = match timeout(patience, &mut self.answer).await {
            Ok(outcome) => outcome,
            Err(_) if self.take_back() => return None,
            Err(_) => (&mut self.answer).await,
        };
        match outcome {
            Ok(outcome) => Some(outcome),
            // The processor let go of it, before or after it was taken.
            Err(_) if self.take_back() => None,
            Err(_) => Some(Err(Error::Unknown("the sealing of its batch was cut off".to_owned()))),
        }
    }

    fn take_back(&self) -> bool {
        !self.taken.swap(true, Ordering::AcqRel)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        // Nobody was told that it is stored, and nobody will be.
        self.take_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_no_batch_takes_is_the_requests_again() {
        let (arrival, arriving) = arrival();
        assert!(arriving.outcome(PATIENCE).await.is_none());
        assert!(!arrival.take());
        let (arrival, arriving) = super::arrival();
        drop(arrival);
        assert!(arriving.outcome(PATIENCE).await.is_none());
        let (arrival, arriving) = super::arrival();
        drop(arriving);
        assert!(!arrival.take());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_batch_took_is_waited_for() {
        let (arrival, arriving) = arrival();
        assert!(arrival.take());
        let late = async {
            tokio::time::sleep(PATIENCE * 10).await;
            arrival.answer(Ok(()));
        };
        let (outcome, ()) = tokio::join!(arriving.outcome(PATIENCE), late);
        assert!(matches!(outcome, Some(Ok(()))));
        let (arrival, arriving) = super::arrival();
        assert!(arrival.take());
        drop(arrival);
        assert!(matches!(arriving.outcome(PATIENCE).await, Some(Err(Error::Unknown(_)))));
    }
}
