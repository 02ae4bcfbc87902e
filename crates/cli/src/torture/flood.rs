//! Far more than the members can do: as many requests as go through some hundred connections, without a pause.
//!
//! What is accepted must be decided like everything else; what is too much must be refused with 429 and a time to come back,
//! and meanwhile the members must say how they do.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::{Value, json};

use super::{book::Accepted, load::Shared};

/// Connections to all members together.
pub(super) const CONNECTIONS: usize = 600;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the members answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// How often each status was given.
    pub(super) counts: BTreeMap<String, u64>,
    /// What no client should get.
    pub(super) problems: Vec<String>,
}

/// Floods the members for a while.
pub(super) async fn flood(shared: &Arc<Shared>, length: Duration) -> Answers {
    let end = Instant::now() + length;
    let clients = (0..CONNECTIONS).map(|number| tokio::spawn(one(Arc::clone(shared), number, end)));
    let mut all = Answers::default();
    for answers in join_all(clients).await.into_iter().flatten() {
        for (answer, count) in answers.counts {
            *all.counts.entry(answer).or_default() += count;
        }
        all.problems.extend(answers.problems);
    }
    all.problems.truncate(5);
    all
}

async fn one(shared: Arc<Shared>, number: usize, end: Instant) -> Answers {
    let (mut answers, mut sent) = (Answers::default(), 0_u64);
    let member = number % shared.members.len();
    let url = format!("{}/messages/broadcast", shared.members[member].0);
    while Instant::now() < end {
        sent += 1;
        let value = format!("flood {number}-{sent} {}", "x".repeat(500));
        let body = json!({"header": {"topics": [format!("flood-{}", number % 8)]}, "data": [{"value": value}]});
        let Ok(response) = shared.http.post(&url).timeout(PATIENCE).json(&body).send().await else {
            *answers.counts.entry("no answer".to_owned()).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let status = response.status().as_u16();
        let later = response.headers().contains_key(reqwest::header::RETRY_AFTER);
        let body = response.text().await.unwrap_or_default();
        *answers.counts.entry(status.to_string()).or_default() += 1;
        match status {
            202 => {
                let message: Value = serde_json::from_str(&body).unwrap_or_default();
                let Some(id) = message["header"]["id"].as_str() else { continue };
                let others = (0..shared.members.len()).filter(|other| *other != member);
                let members = [member].into_iter().chain(others).collect();
                shared.book.accept(Accepted { id: id.to_owned(), kind: "flood", members, file: None });
            }
            429 if later => {}
            _ => answers.problems.push(format!("a flooded member answered {status}: {}", body.trim())),
        }
    }
    answers
}
