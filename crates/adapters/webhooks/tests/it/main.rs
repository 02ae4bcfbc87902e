//! Calls to servers of this process.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod calls;
mod tls;

use std::{future::Future, time::Duration};

use photinus_ports::webhooks::{Call, Profile, Webhooks as _};
use photinus_webhooks::{Options, Webhooks, guard::Guard};

/// Fails instead of waiting for ever.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("done in time")
}

/// Options that call this machine.
fn here() -> Options {
    Options { guard: Guard { allow: vec!["127.0.0.0/8".parse().unwrap()] }, ..Options::default() }
}

fn get(url: String) -> Call {
    Call { method: "GET".into(), url, path: Vec::new(), query: Vec::new(), headers: Vec::new(), body: None }
}

async fn call(
    options: Options,
    call: Call,
) -> Result<photinus_ports::webhooks::Answer, photinus_ports::webhooks::Error> {
    soon(Webhooks::new(options).unwrap().call(call, &Profile::default())).await
}
