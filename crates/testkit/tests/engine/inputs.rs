//! Requests and readings that many tests need.

use photinus_engine::Error;
use photinus_model::{
    Uuid, event,
    message::{Input, State},
};
use photinus_testkit::network::{DEADLINE, Member, NAMESPACE};
use serde_json::{Value, json};

/// A broadcast on a topic with one value.
pub(crate) fn message(topic: &str, value: impl Into<Value>) -> Input {
    input(json!({ "header": { "topics": [topic] }, "data": [{ "value": value.into() }] }))
}

/// A broadcast as a client writes it.
pub(crate) fn input(body: Value) -> Input {
    serde_json::from_str(&body.to_string()).unwrap()
}

/// Sends and waits for the confirmation.
pub(crate) async fn confirmed(member: &Member, input: Input) -> photinus_model::message::Message {
    member.namespace().broadcast(input, Some(DEADLINE)).await.unwrap()
}

/// Sends without waiting.
pub(crate) async fn sent(member: &Member, input: Input) -> Uuid {
    member.namespace().broadcast(input, None).await.unwrap().header.id
}

/// Code and text of a refusal.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, impl Into<Error>>) -> String {
    result.map_err(|error| error.into().describe()).expect_err("it is refused")
}

/// Waits until a member has decided these messages.
pub(crate) async fn until_final(member: &Member, ids: &[Uuid]) {
    member
        .until("messages are decided", |store| {
            let ids = ids.to_vec();
            async move {
                let found = store.read(NAMESPACE).messages_by_ids(&ids).await.unwrap();
                found.len() == ids.len() && found.iter().all(|message| message.state.is_some_and(State::is_final))
            }
        })
        .await;
}

/// Ids of confirmed and rejected messages in the order of their events, each with its topic and its verdict.
pub(crate) async fn decisions(member: &Member) -> Vec<(event::Type, String, Uuid)> {
    let events = member.events_after(-1).await;
    let decided = events
        .into_iter()
        .filter(|event| matches!(event.kind, event::Type::MessageConfirmed | event::Type::MessageRejected));
    decided.map(|event| (event.kind, event.topic, event.reference.unwrap())).collect()
}

/// As [`decisions`], of one topic.
pub(crate) async fn decisions_on(member: &Member, topic: &str) -> Vec<(event::Type, Uuid)> {
    let all = decisions(member).await;
    all.into_iter().filter(|(_, of, _)| of == topic).map(|(kind, _, id)| (kind, id)).collect()
}
