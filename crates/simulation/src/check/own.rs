//! What must hold at each member by itself.

use std::collections::{BTreeMap, BTreeSet};

use photinus_model::{
    Uuid,
    event::{self, Event},
    message::{Message, State},
    operation::Status,
};

use super::view::{View, is_final};

/// Everything that is wrong at a member, in words.
pub(crate) fn check(view: &View, ours: &BTreeSet<Uuid>, hostile: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    events(view, &mut wrong);
    messages(view, ours, hostile, &mut wrong);
    rest(view, hostile, &mut wrong);
    let member = view.member;
    wrong.into_iter().map(|what| format!("member {member}: {what}")).collect()
}

fn events(view: &View, wrong: &mut Vec<String>) {
    if !view.events.is_sorted_by(|one, other| one.sequence < other.sequence) {
        wrong.push("sequences of events do not ascend".to_owned());
    }
    let ids: BTreeSet<Uuid> = view.events.iter().map(|event| event.id).collect();
    if ids.len() != view.events.len() {
        wrong.push("two events have one id".to_owned());
    }
    let mut decisions: BTreeMap<Uuid, Vec<&Event>> = BTreeMap::new();
    for event in &view.events {
        if matches!(event.kind, event::Type::MessageConfirmed | event::Type::MessageRejected)
            && let Some(id) = event.reference
        {
            decisions.entry(id).or_default().push(event);
        }
    }
    for (id, told) in &decisions {
        let Some(message) = view.message(*id) else {
            wrong.push(format!("an event tells of message {id}, which is not there"));
            continue;
        };
        // Events name messages by their ids alone.
        if !view.is_ambiguous(*id) {
            told_once(message, told, wrong);
        }
    }
    for message in &view.messages {
        let id = message.header.id;
        let decided = matches!(message.state, Some(State::Confirmed | State::Rejected));
        if decided && !decisions.contains_key(&id) {
            wrong.push(format!("message {id} is decided, and no event tells of it"));
        }
    }
}

/// One set of events per message: one for each topic, in their order, of the kind that its state says.
fn told_once(message: &Message, told: &[&Event], wrong: &mut Vec<String>) {
    let id = message.header.id;
    let kind = match message.state {
        Some(State::Confirmed) => event::Type::MessageConfirmed,
        Some(State::Rejected) => event::Type::MessageRejected,
        state => {
            wrong.push(format!("message {id} has events and the state {state:?}"));
            return;
        }
    };
    let topics: Vec<&str> = told.iter().map(|event| event.topic.as_str()).collect();
    if topics != message.header.topics {
        wrong.push(format!("message {id} on {:?} has events on {topics:?}", message.header.topics));
    }
    if told.iter().any(|event| event.kind != kind) {
        wrong.push(format!("message {id} is {:?} and has events of another kind", message.state));
    }
}

fn messages(view: &View, ours: &BTreeSet<Uuid>, hostile: bool, wrong: &mut Vec<String>) {
    for message in &view.messages {
        let id = message.header.id;
        if message.verify().is_err() {
            wrong.push(format!("message {id} does not have the hash of its content"));
        }
        if message.state == Some(State::Rejected) && message.reject_reason.is_empty() {
            wrong.push(format!("message {id} is rejected without a reason"));
        }
        // What liars publish and pin nowhere as they should waits for nothing: it orders nothing.
        let counts = !hostile || (ours.contains(&id) && !view.is_ambiguous(id));
        if counts && !is_final(message) && view.waits.get(&id).is_none_or(Vec::is_empty) {
            wrong.push(format!("message {id} is {:?}, and nothing says what it waits for", message.state));
        }
    }
}

fn rest(view: &View, hostile: bool, wrong: &mut Vec<String>) {
    for fault in view.faults.iter().filter(|fault| fault.contains("panicked")) {
        wrong.push(format!("a task panicked: {fault}"));
    }
    wrong.extend(view.files.iter().cloned());
    if view.owed > 0 {
        wrong.push(format!("{} deliveries are owed to peers that can be reached", view.owed));
    }
    if let Some(held) = &view.held {
        wrong.push(format!("the ledger is not read: {held}"));
    }
    if hostile {
        return;
    }
    for pin in view.open.iter().filter(|pin| !pin.masked) {
        wrong.push(format!("value {} of batch {} is not decided", pin.index, pin.batch));
    }
    for operation in view.operations.iter().filter(|operation| operation.status != Status::Succeeded) {
        wrong.push(format!("operation {} ({:?}) has not ended: {}", operation.id, operation.kind, operation.error));
    }
}
