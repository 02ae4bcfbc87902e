//! The order of honest messages, and what they wait for.

use photinus_model::Hash;
use photinus_sequencing::Reason;
use photinus_sequencing::decision::{Code, EventKind, Topic};
use photinus_sequencing::explain::State;
use photinus_sequencing::facts::{Fact, TokenRecord};

use crate::member::Member;
use crate::network::{Network, context, key, org_did, stored};

/// 1
#[test]
fn a_late_payload_keeps_its_place() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let (author, signer) = (org_did("a"), key("a"));
    member.feed(&net.register("a", 1));
    let messages: Vec<_> = (0..3).map(|_| net.broadcast(&["t"])).collect();
    let facts: Vec<_> = messages.iter().map(|message| net.send(&author, &signer, message)).collect();
    member.feed([&facts[0][0], &facts[0][1], &facts[1][1], &facts[2][0], &facts[2][1]]);
    member.assert_confirmed(&messages[0]);
    let late = facts[1][0].clone();
    let Fact::Content(content, _) = &late else { unreachable!() };
    let (head, reason) = member.closed(&context("t")).unwrap();
    assert_eq!(reason, Reason::Content(content.batch));
    member.assert_waits(&messages[2], &Reason::Earlier(context("t"), head));
    assert_eq!(member.missing(10).len(), 1);
    member.take(&late);
    assert_eq!(member.order(&messages.iter().collect::<Vec<_>>()), [0, 1, 2]);
    assert!(member.missing(10).is_empty());
    assert_eq!(member.closed(&context("t")), None);
}

/// 1, the other way: the key of the second message is registered late.
#[test]
fn a_late_registration_keeps_the_place() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let messages: Vec<_> = (0..3).map(|_| net.broadcast(&["t"])).collect();
    for (message, who) in messages.iter().zip(["a", "b", "a"]) {
        member.feed(&net.send(&org_did(who), &key(who), message));
    }
    member.assert_waits(&messages[1], &Reason::Registration(key("b")));
    assert_eq!(member.order(&messages.iter().collect::<Vec<_>>()), [0]);
    member.feed(&net.register("b", 2));
    assert_eq!(member.order(&messages.iter().collect::<Vec<_>>()), [0, 1, 2]);
    member.assert_confirmed(&messages[1]);
}

/// 2
#[test]
fn a_message_on_two_topics_closes_both() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let (author, signer) = (org_did("a"), key("a"));
    member.feed(&net.register("a", 1));
    let (first, both, after) = (net.broadcast(&["t2"]), net.broadcast(&["t1", "t2"]), net.broadcast(&["t1"]));
    let [content, event] = net.send(&author, &signer, &first);
    member.take(&event);
    member.feed(&net.send(&author, &signer, &both));
    member.feed(&net.send(&author, &signer, &after));
    assert_eq!(member.order(&[&first, &both, &after]), [0; 0]);
    member.take(&content);
    assert_eq!(member.order(&[&first, &both, &after]), [0, 1, 2]);
    let topics: Vec<_> = member
        .decided()
        .find(|decided| decided.message == both.key)
        .unwrap()
        .events
        .iter()
        .map(|event| event.topic.clone())
        .collect();
    assert_eq!(topics, [Topic::Message("t1".to_owned()), Topic::Message("t2".to_owned())]);
}

#[test]
fn a_batch_is_decided_in_its_order_and_once() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let messages: Vec<_> = (0..50).map(|_| net.broadcast(&["t"])).collect();
    let content = net.batch(&org_did("a"), &key("a"), messages.clone());
    let event = Fact::Pinned(net.pin(&content, &key("a")));
    member.feed([&stored(&content), &event, &event, &stored(&content)]);
    assert_eq!(member.order(&messages.iter().collect::<Vec<_>>()), (0..50).collect::<Vec<_>>());
    assert!(member.alarms().is_empty());
    let pins: Vec<_> = member.decided().flat_map(|decided| &decided.pins).skip(1).map(|pins| pins.first).collect();
    assert_eq!(pins, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_message_waits_for_its_blob() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let blob = Hash::of("blob");
    let (message, after) = (net.with_blob(&["t"], blob), net.broadcast(&["t"]));
    member.feed(&net.send(&org_did("a"), &key("a"), &message));
    member.feed(&net.send(&org_did("a"), &key("a"), &after));
    member.assert_waits(&message, &Reason::Blob(blob));
    member.take(&Fact::BlobHeld(blob));
    assert_eq!(member.order(&[&message, &after]), [0, 1]);
}

#[test]
fn a_message_waits_for_its_token_record() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    for record in [TokenRecord::Transfer, TokenRecord::Approval] {
        let message = net.with_token(&["t"], record);
        member.feed(&net.send(&org_did("a"), &key("a"), &message));
        let reason = match record {
            TokenRecord::Transfer => Reason::Transfer(message.key),
            TokenRecord::Approval => Reason::Approval(message.key),
        };
        member.assert_waits(&message, &reason);
        let mut other = message.key;
        other.hash = Hash::of("another hash");
        member.take(&Fact::TokenSeen(record, other));
        member.assert_waits(&message, &reason);
        member.take(&Fact::TokenSeen(record, message.key));
        member.assert_confirmed(&message);
    }
}

#[test]
fn a_reply_is_correlated() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let (question, mut answer) = (net.broadcast(&["t"]), net.broadcast(&["t"]));
    answer.cid = Some(question.key.id);
    member.feed(&net.send(&org_did("a"), &key("a"), &answer));
    let decided = member.decided().find(|decided| decided.message == answer.key).unwrap();
    assert_eq!(decided.events[0].correlator, Some(question.key.id));
    assert_eq!(decided.events[0].kind, EventKind::MessageConfirmed);
    assert!(decided.events[0].tx.is_some());
}

/// 3
#[test]
fn a_pin_without_payload_closes_its_topic_until_abandoned() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let junk = net.lost(&key("stranger"), &["default"]);
    let (on, off) = (net.broadcast(&["default"]), net.broadcast(&["other"]));
    member.take(&Fact::Pinned(junk.clone()));
    member.feed(&net.send(&org_did("a"), &key("a"), &on));
    member.feed(&net.send(&org_did("a"), &key("a"), &off));
    member.assert_waits(&on, &Reason::Earlier(context("default"), junk.place(0)));
    assert_eq!(member.closed(&context("default")), Some((junk.place(0), Reason::Content(junk.batch))));
    member.assert_confirmed(&off);
    member.take(&Fact::Operator(photinus_sequencing::facts::Order::Abandon(junk.pos)));
    member.assert_confirmed(&on);
    assert_eq!(member.closed(&context("default")), None);
}

/// 27
#[test]
fn work_left_by_a_crash_is_taken_up() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.rules.decisions_per_step = 1;
    member.feed(&net.register("a", 1));
    let messages: Vec<_> = (0..5).map(|_| net.broadcast(&["t"])).collect();
    let content = net.batch(&org_did("a"), &key("a"), messages.clone());
    member.take(&stored(&content));
    assert!(member.step(&Fact::Pinned(net.pin(&content, &key("a")))));
    assert_eq!(member.order(&messages.iter().collect::<Vec<_>>()), [0]);
    assert!(matches!(member.state(&messages[1].key), Some(State::Ready { .. })));
    member.restart();
    assert_eq!(member.order(&messages.iter().collect::<Vec<_>>()), [0, 1, 2, 3, 4]);
}

#[test]
fn a_data_type_without_value_is_rejected() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let mut message = net.typed(&["t"], "widget", "1");
    message.data[0].has_value = false;
    member.feed(&net.send(&org_did("a"), &key("a"), &message));
    member.assert_rejected(&message, Code::ValueMissing);
}

/// 35
#[test]
fn a_log_with_many_values_is_taken() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let topics: Vec<_> = (0..3_000).map(|n| format!("t{n}")).collect();
    let junk = net.lost(&key("stranger"), &topics.iter().map(String::as_str).collect::<Vec<_>>());
    member.take(&Fact::Pinned(junk.clone()));
    let message = net.broadcast(&["t2999"]);
    member.feed(&net.send(&org_did("a"), &key("a"), &message));
    member.assert_waits(&message, &Reason::Earlier(context("t2999"), junk.place(2_999)));
    member.take(&Fact::Operator(photinus_sequencing::facts::Order::Abandon(junk.pos)));
    member.assert_confirmed(&message);
}
