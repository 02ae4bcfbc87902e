//! Applications that are called, without a network between.

use std::collections::HashSet;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use photinus_ports::webhooks::{Answer, Call, Error, Profile, Webhooks};
use tokio::sync::watch;

/// What an application answers to a call.
pub type Behaviour = Box<dyn Fn(&Call) -> Result<Answer, Error> + Send + Sync>;

/// The applications of one member. Until told otherwise they take everything.
pub struct Endpoints {
    behaviour: Mutex<Behaviour>,
    calls: watch::Sender<Vec<Call>>,
    stalled: Mutex<HashSet<String>>,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            behaviour: Mutex::new(Box::new(|_| Ok(answer(200, "{}")))),
            calls: watch::Sender::default(),
            stalled: Mutex::default(),
        }
    }
}

/// An answer in JSON.
#[must_use]
pub fn answer(status: u16, body: &'static str) -> Answer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Answer { status, reason: String::new(), headers, body: Bytes::from_static(body.as_bytes()) }
}

impl Endpoints {
    /// Changes what the applications answer from now on.
    pub fn behave(&self, behaviour: impl Fn(&Call) -> Result<Answer, Error> + Send + Sync + 'static) {
        *self.behaviour.lock() = Box::new(behaviour);
    }

    /// An application that takes calls and never answers.
    pub fn stall(&self, url: &str) {
        self.stalled.lock().insert(url.to_owned());
    }

    /// Calls until now.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    /// Waits until the calls fulfil a condition. Gives them.
    ///
    /// # Panics
    /// When they do not within [`crate::network::DEADLINE`].
    pub async fn until(&self, what: &str, condition: impl Fn(&[Call]) -> bool) -> Vec<Call> {
        let mut calls = self.calls.subscribe();
        let waiting = async { calls.wait_for(|calls| condition(calls)).await.map(|calls| calls.clone()) };
        let done = tokio::time::timeout(crate::network::DEADLINE, waiting).await;
        let Ok(Ok(calls)) = done else { panic!("{what} did not happen in time: {:?}", self.calls()) };
        calls
    }
}

#[async_trait]
impl Webhooks for Endpoints {
    fn has_tls(&self, name: &str) -> bool {
        name == "known"
    }

    fn check(&self, url: &str, _profile: &Profile) -> Result<(), Error> {
        if url.starts_with("http") { Ok(()) } else { Err(Error::Invalid(format!("'{url}' is not a URL"))) }
    }

    async fn call(&self, call: Call, _profile: &Profile) -> Result<Answer, Error> {
        let answer = (self.behaviour.lock())(&call);
        let stalled = self.stalled.lock().contains(&call.url);
        self.calls.send_modify(|calls| calls.push(call));
        if stalled {
            std::future::pending::<()>().await;
        }
        answer
    }
}
