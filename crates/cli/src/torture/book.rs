//! What the members have said about the requests: which of them they took, and which answers nobody expected.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

/// A message that a member has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Its id.
    pub(super) id: String,
    /// What was sent.
    pub(super) kind: &'static str,
    /// The members that must have it, the sender first.
    pub(super) members: Vec<usize>,
    /// Id of the data and SHA-256 of the file that it carries.
    pub(super) file: Option<(String, String)>,
}

/// What was said so far. Shared by the senders.
#[derive(Default)]
pub(super) struct Book {
    accepted: Mutex<Vec<Accepted>>,
    answers: Mutex<BTreeMap<String, u64>>,
    unexpected: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// Unexpected answers that are kept.
const MOST: usize = 20;

impl Book {
    /// Notes a message that was accepted.
    pub(super) fn accept(&self, accepted: Accepted) {
        self.accepted.lock().push(accepted);
    }

    /// Counts an answer.
    pub(super) fn answered(&self, answer: impl Into<String>) {
        *self.answers.lock().entry(answer.into()).or_default() += 1;
    }

    /// Notes an answer that no client should ever get.
    pub(super) fn unexpected(&self, what: String) {
        let mut unexpected = self.unexpected.lock();
        if unexpected.len() < MOST {
            unexpected.push(what);
        }
    }

    /// Asks the senders to end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether they are asked to.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Everything that was accepted.
    pub(super) fn all(&self) -> Vec<Accepted> {
        self.accepted.lock().clone()
    }

    /// How much was accepted.
    pub(super) fn len(&self) -> usize {
        self.accepted.lock().len()
    }

    /// How often each answer was given.
    pub(super) fn answers(&self) -> BTreeMap<String, u64> {
        self.answers.lock().clone()
    }

    /// Answers that nobody expected.
    pub(super) fn surprises(&self) -> Vec<String> {
        self.unexpected.lock().clone()
    }
}
