//! Messages that arrive, in their order, at those that they are for.

use photinus_model::{message::State, operation};
use photinus_testkit::network::{DEADLINE, NAMESPACE, peer};
use serde_json::json;

use crate::inputs::{
    all_confirmed, confirmed, decisions_on, input, message, operations, registered, sent, unpinned, until_final,
    until_nothing_is_owed, values_on,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_private_message_is_confirmed_at_its_members_alone() {
    let network = registered(3).await;
    let [sender, receiver, stranger] = &network.members[..] else { panic!("three members") };
    let sent = confirmed(sender, message(&[0, 1], "deal", json!({ "price": "secret-4711" }))).await;
    assert_eq!(sent.state, Some(State::Confirmed));
    assert_eq!(sent.pins.len(), 1);
    assert!(sent.pins[0].ends_with(":0000000000000000"), "{:?}", sent.pins);
    until_final(receiver, &[sent.header.id]).await;
    let read = receiver.store.read(NAMESPACE);
    let received = read.message(sent.header.id).await.unwrap().unwrap();
    assert_eq!((received.state, received.hash, &received.pins), (Some(State::Confirmed), sent.hash, &sent.pins));
    let group = sent.header.group.unwrap();
    let known = read.group(group).await.unwrap().unwrap();
    let created = sender.store.read(NAMESPACE).group(group).await.unwrap().unwrap();
    assert_eq!(known, created);
    assert_eq!(known.members.len(), 2);
    // The stranger sees values on the ledger that tell nothing, and not a byte more.
    let height = decisions_on(sender, "deal").await.len();
    assert_eq!(height, 1);
    assert!(network.fabric.messages_to(&peer(2)).is_empty());
    stranger
        .until("the pin is seen", |store| async move {
            let pins = store.read(NAMESPACE).undispatched_pins(0, 100).await.unwrap();
            pins.iter().filter(|pin| pin.masked).count() == 2
        })
        .await;
    assert!(stranger.store.read(NAMESPACE).message(sent.header.id).await.unwrap().is_none());
    assert!(stranger.store.read(NAMESPACE).group(group).await.unwrap().is_none());
    until_nothing_is_owed(sender).await;
    let deliveries = operations(sender, operation::Type::DataExchangeSendBatch).await;
    assert!(!deliveries.is_empty());
    for delivery in deliveries {
        assert_eq!(delivery.status, operation::Status::Succeeded, "{delivery:?}");
        let node = receiver.store.read(NAMESPACE).identity_by_did("did:firefly:node/node_1").await.unwrap().unwrap();
        let input: serde_json::Value = delivery.input.unwrap().read().unwrap();
        assert_eq!((&input["node"], &input["group"]), (&json!(node.id), &json!(group)));
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_group_write_in_their_own_order() {
    let network = registered(2).await;
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(sent(&network.members[number % 2], message(&[0, 1], "talk", number)).await);
    }
    for member in &network.members {
        until_final(member, &ids).await;
        let values = values_on(member, "talk").await;
        for (index, author) in ["did:firefly:org/org_0", "did:firefly:org/org_1"].into_iter().enumerate() {
            let expected: Vec<_> = (index..40).step_by(2).map(|number| number.to_string()).collect();
            assert_eq!(values[author], expected, "member {}", member.index);
        }
    }
    let context = photinus_model::pin::private_context("talk", group_of(&network.members[0], ids[0]).await);
    for member in &network.members {
        let next = member.store.read(NAMESPACE).nextpins(context).await.unwrap();
        let mut nonces: Vec<_> = next.iter().map(|next| (next.identity.as_str(), next.nonce)).collect();
        nonces.sort_unstable();
        assert_eq!(nonces, [("did:firefly:org/org_0", 20), ("did:firefly:org/org_1", 20)]);
    }
    network.stop().await;
}

async fn group_of(member: &photinus_testkit::network::Member, id: photinus_model::Uuid) -> photinus_model::Hash {
    member.store.read(NAMESPACE).message(id).await.unwrap().unwrap().header.group.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_share_batches_and_keep_their_order() {
    let network = registered(2).await;
    let mut ids = Vec::new();
    for number in 0..500 {
        ids.push(sent(&network.members[0], message(&[0, 1], "many", number)).await);
    }
    for member in &network.members {
        until_final(member, &ids).await;
        assert_eq!(decisions_on(member, "many").await, all_confirmed(&ids));
    }
    let deliveries = operations(&network.members[0], operation::Type::DataExchangeSendBatch).await;
    assert!(deliveries.len() < 250, "{} batches for 500 messages", deliveries.len());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_pin_arrives_without_the_ledger() {
    let network = registered(3).await;
    let [sender, receiver, _] = &network.members[..] else { panic!("three members") };
    let sent = confirmed(sender, unpinned(&[0, 1], "quick", "now")).await;
    assert!(sent.pins.is_empty());
    until_final(receiver, &[sent.header.id]).await;
    assert_eq!(decisions_on(receiver, "quick").await, all_confirmed(&[sent.header.id]));
    assert_eq!(decisions_on(sender, "quick").await, all_confirmed(&[sent.header.id]));
    assert!(network.fabric.messages_to(&peer(2)).is_empty());
    // A pinned message to the same group has the first nonce.
    let pinned = confirmed(sender, message(&[0, 1], "quick", "then")).await;
    assert!(pinned.pins[0].ends_with(":0000000000000000"));
    until_final(receiver, &[pinned.header.id]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered() {
    let network = registered(2).await;
    let [asking, answering] = &network.members[..] else { panic!("two members") };
    let mut question = message(&[0, 1], "ask", "how much?");
    question.header.tag = "quote".into();
    let asked = asking.namespace().request_reply(question, DEADLINE);
    let answer = async {
        answering.until("the question arrives", |store| async move { question_in(&store).await.is_some() }).await;
        let question = question_in(&answering.store).await.unwrap();
        let reply = input(&json!({
            "header": { "cid": question.header.id, "group": question.header.group, "topics": ["ask"] },
            "data": [{ "value": "42" }],
        }));
        confirmed(answering, reply).await
    };
    let (reply, answer) = tokio::join!(asked, answer);
    assert_eq!(reply.unwrap().header.id, answer.header.id);
    network.stop().await;
}

async fn question_in(store: &photinus_store::Store) -> Option<photinus_model::message::Message> {
    use photinus_query::{Condition, Query, collection};
    let query = Query::filtered(Condition::text(collection::MESSAGES.field("tag").unwrap(), "quote"));
    let found = store.read(NAMESPACE).find::<photinus_model::message::Message>(&query).await.unwrap().items;
    found.into_iter().find(|message| message.state == Some(State::Confirmed))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_an_answer_ends_in_time() {
    let network = registered(2).await;
    let mut question = message(&[0, 1], "ask", "anybody?");
    question.header.tag = "quote".into();
    let limit = std::time::Duration::from_millis(50);
    let refused = crate::inputs::refusal(network.members[0].namespace().request_reply(question, limit).await);
    assert!(refused.starts_with("FF10260"), "{refused}");
    network.stop().await;
}
