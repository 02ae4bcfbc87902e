//! The time after the last fault: until every member has decided everything, and the reasons when that does not come.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::{
    book::Accepted,
    view::{Reader, View},
};
use crate::error::Error;

/// Pause between two looks.
const PACE: Duration = Duration::from_millis(500);
/// Messages whose reasons are told.
const TOLD: usize = 6;

/// Reads on until everything accepted is decided everywhere and nothing is open. `Err` with the reasons when it takes too long.
pub(super) async fn settle(
    readers: &[Reader],
    views: &mut [View],
    accepted: &[Accepted],
    patience: Duration,
) -> Result<Duration, Vec<String>> {
    let began = Instant::now();
    let mut quiet = None;
    loop {
        let state = look(readers, views).await;
        let missing = missing(views, accepted);
        if let Ok(state) = &state
            && missing.is_empty()
            && state.open == 0
        {
            // What one member has decided may be on its way to another.
            if quiet == Some(state.events) {
                return Ok(began.elapsed());
            }
            quiet = Some(state.events);
        } else {
            quiet = None;
        }
        if began.elapsed() > patience {
            return Err(reasons(readers, &missing, state).await);
        }
        tokio::time::sleep(PACE).await;
    }
}

struct State {
    /// Messages that are not decided, at all members together.
    open: u64,
    /// Events of each member.
    events: usize,
}

async fn look(readers: &[Reader], views: &mut [View]) -> Result<State, Error> {
    let (mut open, mut events) = (0, 0);
    for (reader, view) in readers.iter().zip(views) {
        reader.events(view).await?;
        open += reader.open().await?;
        events += view.decided.len();
    }
    Ok(State { open, events })
}

/// What is accepted and not decided at a member that it is for.
fn missing<'a>(views: &[View], accepted: &'a [Accepted]) -> Vec<(usize, &'a str)> {
    let decided: Vec<HashSet<&str>> =
        views.iter().map(|view| view.decided.iter().map(|decided| decided.message.as_str()).collect()).collect();
    let mut missing = Vec::new();
    for Accepted { id, members, .. } in accepted {
        missing.extend(
            members
                .iter()
                .filter(|member| !decided[**member].contains(id.as_str()))
                .map(|member| (*member, id.as_str())),
        );
    }
    missing
}

/// What the members say of what is not decided.
async fn reasons(readers: &[Reader], missing: &[(usize, &str)], state: Result<State, Error>) -> Vec<String> {
    let mut reasons = vec![format!("{} decisions are missing", missing.len())];
    match state {
        Ok(state) => reasons.push(format!("{} messages are open", state.open)),
        Err(error) => reasons.push(format!("a member does not answer: {error}")),
    }
    for (member, message) in missing.iter().take(TOLD) {
        let told = match readers[*member].get(&format!("messages/{message}/why")).await {
            Ok(why) => why.to_string(),
            Err(error) => error.to_string(),
        };
        reasons.push(format!("message {message} at member {member}: {told}"));
    }
    for (member, reader) in readers.iter().enumerate() {
        for state in ["ready", "sent", "pending"] {
            let Ok(open) = reader.get(&format!("messages?state={state}&limit=2")).await else { continue };
            for message in open.as_array().into_iter().flatten() {
                let id = message["header"]["id"].as_str().unwrap_or_default();
                let why = reader.get(&format!("messages/{id}/why")).await;
                let why = why.map_or_else(|error| error.to_string(), |why| why.to_string());
                reasons.push(format!("message {id} is {state} at member {member}: {why}"));
            }
        }
        for path in ["status", "status/batchmanager", "status/topics"] {
            let told = reader.get(path).await.map_or_else(|error| error.to_string(), |told| told.to_string());
            reasons.push(format!("member {member}, {path}: {told}"));
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::view::Decided;

    #[test]
    fn what_is_for_a_member_is_missed_there_alone() {
        let accepted = [Accepted { id: "1".into(), kind: "message", members: vec![0, 2], file: None }];
        let mut views = vec![View::default(), View::default(), View::default()];
        assert_eq!(missing(&views, &accepted), [(0, "1"), (2, "1")]);
        views[2].decided.push(Decided { topic: "t".into(), message: "1".into(), confirmed: false });
        assert_eq!(missing(&views, &accepted), [(0, "1")]);
    }
}
