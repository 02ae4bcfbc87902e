//! What must hold after every attack.

use std::collections::BTreeMap;

use photinus_engine::aggregation::waits::Wait;
use photinus_model::{
    Hash, Uuid, event,
    message::{Input, State},
};
use photinus_store::Store;
use photinus_testkit::network::{Member, NAMESPACE, Network};
use serde_json::json;

use crate::forge::Letter;

/// How a message must end on every member.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    id: Uuid,
    hash: Hash,
    topics: usize,
    /// What the reason of its rejection begins with; confirmed without one.
    code: Option<&'static str>,
}

impl Fate {
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    pub(crate) fn hash(&self) -> Hash {
        self.hash
    }
}

pub(crate) fn confirmed(letter: &Letter) -> Fate {
    Fate { id: letter.id(), hash: letter.hash(), topics: letter.message.header.topics.len(), code: None }
}

pub(crate) fn rejected(letter: &Letter, code: &'static str) -> Fate {
    Fate { code: Some(code), ..confirmed(letter) }
}

/// A broadcast of a member, through its front door.
pub(crate) async fn honest(network: &Network, sender: usize, topic: &str) -> Fate {
    let body = json!({ "header": { "topics": [topic] }, "data": [{ "value": "honest" }] });
    let input: Input = serde_json::from_str(&body.to_string()).unwrap();
    let message = network.members[sender].namespace().broadcast(input, None).await.unwrap();
    Fate { id: message.header.id, hash: message.hash.unwrap(), topics: 1, code: None }
}

/// Waits until every member has decided these messages, and looks at the verdicts.
pub(crate) async fn settle(network: &Network, fates: &[Fate]) {
    for member in &network.members {
        for fate in fates {
            let (id, hash) = (fate.id, fate.hash);
            member
                .until(&format!("the decision on {fate:?}"), |store| async move {
                    let found = store.read(NAMESPACE).message_with_hash(id, hash).await.unwrap();
                    found.is_some_and(|message| message.state.is_some_and(State::is_final))
                })
                .await;
            check(&member.store, member.index, fate).await;
        }
    }
}

async fn check(store: &Store, member: usize, fate: &Fate) {
    let message = store.read(NAMESPACE).message_with_hash(fate.id, fate.hash).await.unwrap().unwrap();
    let expected = if fate.code.is_some() { State::Rejected } else { State::Confirmed };
    assert_eq!(message.state, Some(expected), "member {member}: {fate:?}: {}", message.reject_reason);
    let reason = message.reject_reason;
    match fate.code {
        Some(code) => assert!(!code.is_empty() && reason.starts_with(code), "member {member}: {fate:?}: {reason}"),
        None => assert_eq!(reason, "", "member {member}: {fate:?}"),
    }
    assert!(message.confirmed.is_some(), "member {member}: {fate:?}");
}

/// Waits until the topic is held up on every member, for a reason of this kind.
pub(crate) async fn held_up(network: &Network, topic: &str, kind: &str) -> Wait {
    let mut told = Vec::new();
    for member in &network.members {
        member
            .until(&format!("topic {topic} to wait for {kind}"), |_| async {
                member.namespace().why_topic(topic).await.unwrap().is_some_and(|wait| wait.kind == kind)
            })
            .await;
        told.push(member.namespace().why_topic(topic).await.unwrap().unwrap());
    }
    assert!(told.iter().all(|wait| *wait == told[0]), "{told:?}");
    told.swap_remove(0)
}

/// Waits until a message waits on every member, for a reason of this kind.
pub(crate) async fn waits(network: &Network, fate: &Fate, kind: &str) {
    for member in &network.members {
        member
            .until(&format!("{fate:?} to wait for {kind}"), |_| async {
                let wait = member.namespace().why_message(fate.id, fate.hash).await.unwrap();
                wait.is_some_and(|wait| wait.kind == kind)
            })
            .await;
        let stored = member.store.read(NAMESPACE).message_with_hash(fate.id, fate.hash).await.unwrap().unwrap();
        assert!(!stored.state.unwrap().is_final(), "member {}: {fate:?}", member.index);
    }
}

type Told = (event::Type, Option<Uuid>, Option<Uuid>);

/// What a member tells of shared decisions, topic by topic. Ids of records that only it has are left out.
async fn told(store: &Store) -> BTreeMap<String, Vec<Told>> {
    let mut topics: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    let mut after = -1;
    loop {
        let page = store.read(NAMESPACE).events_after(after, 500).await.unwrap();
        let Some(last) = page.last() else { return topics };
        after = last.sequence;
        for event in page {
            if !matches!(event.kind, event::Type::TransactionSubmitted | event::Type::BlockchainEventReceived) {
                topics.entry(event.topic).or_default().push((event.kind, event.reference, event.tx));
            }
        }
    }
}

/// Every member tells the same, and of each message once per topic.
async fn agree(network: &Network, fates: &[Fate]) {
    let first = &network.members[0];
    for member in &network.members[1..] {
        // What both have decided is equal at once; identities of the network may still be on their way.
        member
            .until("telling what the first member tells", |store| async move {
                told(&store).await == told(&first.store).await
            })
            .await;
    }
    let told = told(&first.store).await;
    for fate in fates {
        let of_id = fates.iter().filter(|other| other.id == fate.id);
        let (mut confirmed, mut rejected) = (0, 0);
        for one in of_id {
            *(if one.code.is_none() { &mut confirmed } else { &mut rejected }) += one.topics;
        }
        let count = |kind: event::Type| {
            told.values().flatten().filter(|(of, id, _)| *of == kind && *id == Some(fate.id)).count()
        };
        let found = (count(event::Type::MessageConfirmed), count(event::Type::MessageRejected));
        assert_eq!(found, (confirmed, rejected), "{fate:?}");
    }
}

async fn healthy(member: &Member) {
    member.until("an empty inbox", |_| async { member.namespace().vitals().aggregation.queued == 0 }).await;
    let vitals = member.namespace().vitals();
    assert_eq!(vitals.aggregation.error, None, "member {}", member.index);
    assert!(vitals.faults.is_empty(), "member {}: {:?}", member.index, vitals.faults);
}

/// What a member holds that a start must not change.
async fn standing(member: &Member, fates: &[Fate]) -> (BTreeMap<String, Vec<Told>>, Vec<String>) {
    let mut rows = Vec::new();
    for fate in fates {
        let read = member.store.read(NAMESPACE);
        rows.push(format!("{:?}", read.message_with_hash(fate.id, fate.hash).await.unwrap()));
    }
    (told(&member.store).await, rows)
}

/// Looks at the fates, sends honest messages that nothing may hold up, compares the members, starts each of them again, and
/// looks again.
pub(crate) async fn survived(network: &mut Network, fates: &[Fate]) {
    let mut fates = fates.to_vec();
    settle(network, &fates).await;
    for index in 0..network.members.len() {
        fates.push(honest(network, index, "elsewhere").await);
    }
    settle(network, &fates).await;
    agree(network, &fates).await;
    for index in 0..network.members.len() {
        let member = &mut network.members[index];
        healthy(member).await;
        let before = standing(member, &fates).await;
        // One of them falls over, the others stop in order.
        if index == 1 {
            member.crash().await;
        } else {
            member.stop().await;
        }
        member.start().await;
        assert_eq!(standing(member, &fates).await, before, "member {index}");
    }
    for index in 0..network.members.len() {
        fates.push(honest(network, index, "elsewhere").await);
    }
    settle(network, &fates).await;
    agree(network, &fates).await;
    for member in &network.members {
        healthy(member).await;
    }
}
