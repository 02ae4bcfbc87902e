//! Requests and readings that many tests need.

use std::collections::BTreeMap;

use photinus_model::{
    Uuid, event,
    message::{Input, Message, State},
    operation::{self, Operation},
};
use photinus_query::{Condition, Query, collection};
use photinus_testkit::network::{DEADLINE, Member, NAMESPACE, Network};
use serde_json::{Value, json};

/// A private message as a client writes it.
pub(crate) fn input(body: &Value) -> Input {
    serde_json::from_str(&body.to_string()).unwrap()
}

/// A message to the organisations of these members, on a topic, with one value.
pub(crate) fn message(members: &[usize], topic: &str, value: impl Into<Value>) -> Input {
    let members: Vec<_> = members.iter().map(|index| json!({ "identity": format!("org_{index}") })).collect();
    input(&json!({
        "header": { "topics": [topic] },
        "group": { "members": members },
        "data": [{ "value": value.into() }],
    }))
}

/// As [`message`], without a pin.
pub(crate) fn unpinned(members: &[usize], topic: &str, value: impl Into<Value>) -> Input {
    let mut input = message(members, topic, value);
    input.header.tx_type = photinus_model::message::TxType::Unpinned;
    input
}

/// Sends and waits for the confirmation.
pub(crate) async fn confirmed(member: &Member, input: Input) -> Message {
    member.namespace().send_private(input, Some(DEADLINE)).await.unwrap()
}

/// Sends without waiting.
pub(crate) async fn sent(member: &Member, input: Input) -> Uuid {
    member.namespace().send_private(input, None).await.unwrap().header.id
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

/// Confirmed and rejected messages of a topic in the order of their events.
pub(crate) async fn decisions_on(member: &Member, topic: &str) -> Vec<(event::Type, Uuid)> {
    let decided = |kind| matches!(kind, event::Type::MessageConfirmed | event::Type::MessageRejected);
    let events = member.events_after(-1).await.into_iter();
    let events = events.filter(|event| decided(event.kind) && event.topic == topic);
    events.map(|event| (event.kind, event.reference.unwrap())).collect()
}

/// As [`decisions_on`] when everything is confirmed.
pub(crate) fn all_confirmed(ids: &[Uuid]) -> Vec<(event::Type, Uuid)> {
    ids.iter().map(|id| (event::Type::MessageConfirmed, *id)).collect()
}

/// Values of a topic's confirmed messages by author, in the order of their events.
pub(crate) async fn values_on(member: &Member, topic: &str) -> BTreeMap<String, Vec<String>> {
    let read = member.store.read(NAMESPACE);
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, id) in decisions_on(member, topic).await {
        let message = read.message(id).await.unwrap().unwrap();
        let data = read.data(message.data[0].id).await.unwrap().unwrap();
        values.entry(message.header.author).or_default().push(data.value.unwrap().as_str().to_owned());
    }
    values
}

/// The operations of a type.
pub(crate) async fn operations(member: &Member, kind: operation::Type) -> Vec<Operation> {
    let field = collection::OPERATIONS.field("type").unwrap();
    let query = Query::filtered(Condition::text(field, kind.as_str()));
    member.store.read(NAMESPACE).find::<Operation>(&query).await.unwrap().items
}

/// Waits until a member owes nothing to anybody.
pub(crate) async fn until_nothing_is_owed(member: &Member) {
    let namespace = member.namespace().clone();
    member
        .until("nothing is owed", |_| {
            let namespace = namespace.clone();
            async move { namespace.status().await.unwrap().exchange.peers.iter().all(|peer| peer.behind == 0) }
        })
        .await;
}

/// So many members that know each other.
pub(crate) async fn registered(count: usize) -> Network {
    Network::registered(count).await
}

/// Code and text of a refusal.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, photinus_engine::Error>) -> String {
    result.map_err(|error| error.describe()).expect_err("it is refused")
}
